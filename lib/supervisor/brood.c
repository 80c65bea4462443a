#include "lib/supervisor/brood.h"

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

bool brood_open(struct brood *brood, struct scoreboard *board)
{
	memset(brood, 0, sizeof(*brood));
	brood->board = board;
	brood->slots = scoreboard_slots(board);
	brood->lifeline.read_end = brood->lifeline.write_end = -1;
	brood->children = calloc((size_t)brood->slots, sizeof(*brood->children));
	brood->news = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return brood->children != NULL && brood->news >= 0 && spawn_lifeline_open(&brood->lifeline);
}

void brood_close(struct brood *brood, bool remove)
{
	scoreboard_close(brood->board, remove);
	free(brood->children);
	if (brood->news >= 0)
		close(brood->news);
	if (brood->lifeline.read_end >= 0)
		spawn_lifeline_close(&brood->lifeline);
}

/* ---- starting ---- */

struct birth {
	const struct brood_birth *told;
	struct brood *brood;
	int number;
};

/* In the child. */
static int grow_up(void *arg)
{
	const struct birth *birth = arg;
	struct brood *brood = birth->brood;
	struct child_place place = {
		.board = brood->board,
		.number = birth->number,
		.lifeline = brood->lifeline.read_end,
		.news = brood->news,
		.limits = birth->told->limits,
	};

	spawn_lifeline_take(&brood->lifeline);
	birth->told->let_go(birth->told->arg);
	return child_live(&place, &birth->told->kinds[birth->told->kind], birth->told->conf);
}

static int free_slot(const struct brood *brood)
{
	for (int i = 0; i < brood->slots; i++)
		if (brood->children[i].pid == 0)
			return i;
	return -1;
}

static struct scoreboard_slot first_entry(const struct brood_birth *told, int64_t now_ms)
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

bool brood_start(struct brood *brood, const struct brood_birth *told)
{
	struct birth birth = {told, brood, free_slot(brood)};
	int64_t now_ms = clock_now_ms();

	if (birth.number < 0) {
		errno = EAGAIN;
		return false;
	}
	struct scoreboard_slot slot = first_entry(told, now_ms);
	scoreboard_write_slot(brood->board, birth.number,
	                      &slot); /* from the fork on it is the child's to write */
	pid_t pid = spawn_child(grow_up, &birth);
	if (pid < 0) {
		scoreboard_write_slot(brood->board, birth.number, &(struct scoreboard_slot){0});
		return false;
	}
	brood->children[birth.number] = (struct brood_child){
		.pid = pid,
		.kind = told->kind,
		.generation = told->generation,
		.first = told->first,
		.started_ms = now_ms,
		.seen = slot,
	};
	brood->totals.spawned++;
	return true;
}

/* ---- looking ---- */

void brood_look(struct brood *brood)
{
	struct scoreboard_slot slot;

	BROOD_EACH (child, brood)
		if (scoreboard_read_slot(brood->board, (int)(child - brood->children), &slot))
			child->seen = slot;
}

static bool is_leaving(const struct brood_child *child)
{
	return child->told != TOLD_NOTHING || child->aborted_ms != 0 || child->killed ||
	       child->seen.state == SLOT_LEAVING || (child->seen.flags & SLOT_STOPPING);
}

static void count_one(struct policy_counts *counts, const struct brood_child *child,
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

struct policy_counts brood_count(const struct brood *brood, int kind, uint32_t generation)
{
	struct policy_counts counts = {.free_slots = brood->slots - brood_size(brood)};

	BROOD_EACH (child, brood)
		if (child->kind == kind)
			count_one(&counts, child, generation);
	return counts;
}

int brood_size(const struct brood *brood)
{
	int size = 0;

	BROOD_EACH (child, brood)
		size++;
	return size;
}

static int rank(const struct brood_child *child)
{
	if (!(child->seen.flags & SLOT_SERVING))
		return 0;
	return child->seen.state == SLOT_BUSY ? 2 : 1;
}

struct brood_child *brood_choose(struct brood *brood, int kind, uint32_t generation,
                                 bool any_starting)
{
	struct brood_child *best = NULL;

	BROOD_EACH (child, brood) {
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

struct policy_progress brood_progress(const struct brood_child *child, int64_t now_ms)
{
	bool busy = child->seen.state == SLOT_BUSY;
	int64_t since_ms = busy ? child->seen.since_ms : child->seen.step_ms;
	int64_t forgiven_ms = child->forgiven_for_ms == since_ms ? child->forgiven_ms : 0;

	return (struct policy_progress){
		.state = (enum scoreboard_state)child->seen.state,
		.stuck_ms = now_ms - since_ms - forgiven_ms,
		.told_ms = child->told == TOLD_NOTHING ? -1 : now_ms - child->told_ms,
		.aborted_ms = child->aborted_ms == 0 ? -1 : now_ms - child->aborted_ms,
		.slow_reported = busy && child->slow_since_ms == child->seen.since_ms,
	};
}

void brood_forgive(struct brood *brood, int64_t gap_ms, int64_t now_ms)
{
	brood_look(brood); /* it may have begun something since the last look, just before the gap */
	BROOD_EACH (child, brood) {
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

void brood_tell(struct brood_child *child, enum brood_told told, int64_t now_ms)
{
	if (child->told >= told)
		return;
	if (child->told == TOLD_NOTHING)
		child->told_ms = now_ms;
	child->told = told;
	kill(child->pid, told == TOLD_STOP ? CHILD_STOP : CHILD_LEAVE);
}

void brood_signal(const struct brood *brood, int signal_number)
{
	BROOD_EACH (child, brood)
		kill(child->pid, signal_number);
}

/* ---- burying ---- */

struct brood_child *brood_find(struct brood *brood, pid_t pid)
{
	BROOD_EACH (child, brood)
		if (child->pid == pid)
			return child;
	return NULL;
}

static bool ended_well(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == CHILD_RECYCLE;
}

static void log_obituary(const struct brood *brood, const struct brood_child *child,
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
		(int)(child - brood->children), (unsigned)child->generation,
		scoreboard_state_name(seen->state), seen->step, (unsigned long long)seen->jobs,
		(unsigned long long)seen->failures, job);
}

static void add_up(struct scoreboard_totals *totals, const struct brood_child *child, int status)
{
	bool sick = WIFEXITED(status) && WEXITSTATUS(status) == CHILD_SICK;
	bool ours = child->killed || child->aborted_ms != 0;

	if (ours)
		totals->kills++;
	else if (!ended_well(status) && !sick)
		totals->crashes++;
	if (child->told == TOLD_NOTHING)
		totals->restarts++;
	totals->taken += child->seen.taken;
	totals->jobs += child->seen.jobs;
	totals->failures += child->seen.failures;
	for (int i = 0; i < SCOREBOARD_COUNTERS; i++)
		totals->counters[i] += child->seen.counters[i];
}

void brood_bury(struct brood *brood, struct brood_child *child, const char *kind, int status,
                int64_t now_ms)
{
	log_obituary(brood, child, kind, status, now_ms);
	add_up(&brood->totals, child, status);
	scoreboard_write_slot(brood->board, (int)(child - brood->children),
	                      &(struct scoreboard_slot){0});
	*child = (struct brood_child){0};
}
