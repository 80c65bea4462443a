#include "lib/supervisor/children.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"

bool children_open(struct children *children, struct scoreboard *board)
{
	memset(children, 0, sizeof(*children));
	children->board = board;
	children->slots = scoreboard_slots(board);
	children->lifeline.read_end = children->lifeline.write_end = -1;
	children->records = calloc((size_t)children->slots, sizeof(*children->records));
	children->news = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return children->records != NULL && children->news >= 0 &&
	       spawn_lifeline_open(&children->lifeline);
}

void children_close(struct children *children, bool remove)
{
	scoreboard_close(children->board, remove);
	free(children->records);
	if (children->news >= 0)
		close(children->news);
	if (children->lifeline.read_end >= 0)
		spawn_lifeline_close(&children->lifeline);
}

/* ---- starting ---- */

struct birth {
	const struct child_start *told;
	struct children *children;
	int number;
};

/* In the child. */
static int grow_up(void *arg)
{
	const struct birth *birth = arg;
	struct children *children = birth->children;
	struct child_place place = {
		.board = children->board,
		.number = birth->number,
		.lifeline = children->lifeline.read_end,
		.news = children->news,
		.limits = birth->told->limits,
	};

	spawn_lifeline_take(&children->lifeline);
	birth->told->let_go(birth->told->arg);
	return child_live(&place, &birth->told->kinds[birth->told->kind], birth->told->conf);
}

static int free_slot(const struct children *children)
{
	for (int i = 0; i < children->slots; i++)
		if (children->records[i].pid == 0)
			return i;
	return -1;
}

static struct scoreboard_slot first_entry(const struct child_start *told, int64_t now_ms)
{
	struct scoreboard_slot slot = {
		.started_at = time(NULL),
		.started_ms = now_ms,
		.since_ms = now_ms,
		.step_ms = now_ms,
		.generation = told->generation,
		.state = SLOT_STARTING,
		.flags = told->first ? SLOT_FIRST : 0,
	};

	snprintf(slot.kind, sizeof(slot.kind), "%s", told->kinds[told->kind].name);
	snprintf(slot.step, sizeof(slot.step), "starting");
	return slot;
}

bool children_start(struct children *children, const struct child_start *told)
{
	struct birth birth = {told, children, free_slot(children)};
	int64_t now_ms = clock_now_ms();

	if (birth.number < 0) {
		errno = EAGAIN;
		return false;
	}
	struct scoreboard_slot slot = first_entry(told, now_ms);
	scoreboard_write_slot(children->board, birth.number,
	                      &slot); /* from the fork on it is the child's to write */
	pid_t pid = spawn_child(grow_up, &birth);
	if (pid < 0) {
		scoreboard_write_slot(children->board, birth.number, &(struct scoreboard_slot){0});
		return false;
	}
	children->records[birth.number] = (struct child_record){
		.pid = pid,
		.kind = told->kind,
		.generation = told->generation,
		.first = told->first,
		.started_ms = now_ms,
		.seen = slot,
	};
	children->totals.spawned++;
	return true;
}

/* ---- looking ---- */

void children_read(struct children *children)
{
	struct scoreboard_slot slot;

	CHILDREN_EACH (child, children)
		if (scoreboard_read_slot(children->board, (int)(child - children->records), &slot))
			child->seen = slot;
}

static bool is_leaving(const struct child_record *child)
{
	return child->told != ORDER_NONE || child->aborted_ms != 0 || child->killed ||
	       child->seen.state == SLOT_LEAVING || (child->seen.flags & SLOT_STOPPING);
}

static void count_one(struct policy_counts *counts, const struct child_record *child,
                      uint32_t generation)
{
	bool serving = child->seen.flags & SLOT_SERVING, fresh = child->generation == generation;

	if (is_leaving(child)) {
		counts->leaving++;
		return;
	}
	if (!serving)
		counts->starting++;
	else if (child->seen.state == SLOT_BUSY)
		counts->busy++;
	else
		counts->idle++;
	if (!fresh) {
		counts->old++;
		counts->old_starting += !serving;
	} else if (serving) {
		counts->fresh_serving++;
	} else {
		counts->fresh_starting++;
	}
}

struct policy_counts children_count(const struct children *children, int kind, uint32_t generation)
{
	struct policy_counts counts = {.free_slots = children->slots - children_size(children)};

	CHILDREN_EACH (child, children)
		if (child->kind == kind)
			count_one(&counts, child, generation);
	return counts;
}

int children_size(const struct children *children)
{
	int size = 0;

	CHILDREN_EACH (child, children)
		size++;
	return size;
}

static int rank(const struct child_record *child)
{
	if (!(child->seen.flags & SLOT_SERVING))
		return 0;
	return child->seen.state == SLOT_BUSY ? 2 : 1;
}

struct child_record *children_choose(struct children *children, int kind, uint32_t generation,
                                     bool any_starting)
{
	struct child_record *best = NULL;

	CHILDREN_EACH (child, children) {
		if (child->kind != kind || is_leaving(child) ||
		    (generation != 0 && child->generation == generation))
			continue;
		if (rank(child) == 0 && !any_starting)
			continue;
		if (best == NULL || rank(child) < rank(best) ||
		    (rank(child) == rank(best) && child->started_ms < best->started_ms))
			best = child;
	}
	return best;
}

struct policy_progress child_record_progress(const struct child_record *child, int64_t now_ms)
{
	bool busy = child->seen.state == SLOT_BUSY;
	int64_t since_ms = busy ? child->seen.since_ms : child->seen.step_ms;
	int64_t forgiven_ms = child->forgiven_for_ms == since_ms ? child->forgiven_ms : 0;

	return (struct policy_progress){
		.state = (enum scoreboard_state)child->seen.state,
		.stuck_ms = now_ms - since_ms - forgiven_ms,
		.told_ms = child->told == ORDER_NONE ? -1 : now_ms - child->told_ms,
		.aborted_ms = child->aborted_ms == 0 ? -1 : now_ms - child->aborted_ms,
		.slow_reported = busy && child->slow_since_ms == child->seen.since_ms,
	};
}

void children_discount(struct children *children, int64_t gap_ms, int64_t now_ms)
{
	children_read(
		children); /* it may have begun something since the last look, just before the gap */
	CHILDREN_EACH (child, children) {
		int64_t since_ms =
			child->seen.state == SLOT_BUSY ? child->seen.since_ms : child->seen.step_ms;
		int64_t age_ms = now_ms - since_ms;
		if (child->forgiven_for_ms != since_ms)
			child->forgiven_ms = 0;
		child->forgiven_for_ms = since_ms;
		child->forgiven_ms += gap_ms;
		if (child->forgiven_ms > age_ms)
			child->forgiven_ms = age_ms;
		child->told_ms += gap_ms;
		if (child->aborted_ms != 0)
			child->aborted_ms += gap_ms;
	}
}

/* ---- telling ---- */

void children_tell(struct child_record *child, enum child_order told, int64_t now_ms)
{
	if (child->told >= told)
		return;
	if (child->told == ORDER_NONE)
		child->told_ms = now_ms;
	child->told = told;
	kill(child->pid, told == ORDER_STOP ? CHILD_STOP : CHILD_LEAVE);
}

void children_signal(const struct children *children, int signal_number)
{
	CHILDREN_EACH (child, children)
		kill(child->pid, signal_number);
}

/* ---- burying ---- */

struct child_record *children_find(struct children *children, pid_t pid)
{
	CHILDREN_EACH (child, children)
		if (child->pid == pid)
			return child;
	return NULL;
}

static bool ended_well(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == CHILD_RECYCLE;
}

static void log_obituary(const struct children *children, const struct child_record *child,
                         const char *kind, int status, int64_t now_ms)
{
	char how[SPAWN_TEXT], lived[SPAWN_TEXT], job[SCOREBOARD_JOB + sizeof(" job=")] = "";
	const struct scoreboard_slot *seen = &child->seen;
	const char *why = child->killed || child->aborted_ms != 0 ? " by its master" : "";

	spawn_obituary(status, how);
	spawn_lifetime(now_ms - child->started_ms, lived);
	if (seen->job[0] != '\0')
		snprintf(job, sizeof(job), " job=%s", seen->job);
	(ended_well(status) ? log_info : log_warning)(
		"%s child %s%s after %s child=%ld slot=%d generation=%u state=%s step=%s jobs=%llu "
		"failures=%llu%s",
		kind, how, WIFSIGNALED(status) ? why : "", lived, (long)child->pid,
		(int)(child - children->records), (unsigned)child->generation,
		scoreboard_state_name(seen->state), seen->step, (unsigned long long)seen->jobs,
		(unsigned long long)seen->failures, job);
}

static void add_up(struct scoreboard_totals *totals, const struct child_record *child, int status)
{
	bool sick = WIFEXITED(status) && WEXITSTATUS(status) == CHILD_SICK;
	bool ours = child->killed || child->aborted_ms != 0;

	if (ours)
		totals->kills++;
	else if (!ended_well(status) && !sick)
		totals->crashes++;
	if (child->told == ORDER_NONE)
		totals->restarts++;
	totals->taken += child->seen.taken;
	totals->jobs += child->seen.jobs;
	totals->failures += child->seen.failures;
	for (int i = 0; i < SCOREBOARD_COUNTERS; i++)
		totals->counters[i] += child->seen.counters[i];
}

void children_remove(struct children *children, struct child_record *child, const char *kind,
                     int status, int64_t now_ms)
{
	log_obituary(children, child, kind, status, now_ms);
	add_up(&children->totals, child, status);
	scoreboard_write_slot(children->board, (int)(child - children->records),
	                      &(struct scoreboard_slot){0});
	*child = (struct child_record){0};
}
