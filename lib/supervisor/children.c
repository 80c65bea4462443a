/* Offers the master the table of its children: starting, reading, choosing, telling, removing. */
#include "lib/supervisor/children.h"

#include <errno.h>
#include <limits.h>
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
	children->parent_pipe.read_end = children->parent_pipe.write_end = -1;
	children->records = calloc((size_t)children->slots, sizeof(*children->records));
	children->news = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return children->records != NULL && children->news >= 0 &&
	       spawn_parent_pipe_open(&children->parent_pipe);
}

void children_close(struct children *children, bool remove)
{
	scoreboard_close(children->board, remove);
	free(children->records);
	if (children->news >= 0)
		close(children->news);
	if (children->parent_pipe.read_end >= 0)
		spawn_parent_pipe_close(&children->parent_pipe);
}

static int children_slot_of(const struct children *children, const struct child_record *child)
{
	return (int)(child - children->records);
}

/* ---- starting ---- */

struct child_fork {
	const struct child_start *start;
	struct children *children;
	int slot;
};

/* Runs in the child. */
static int children_run_child(void *arg)
{
	const struct child_fork *fork = arg;
	const struct child_start *start = fork->start;
	struct children *children = fork->children;
	struct child_place place = {
		.board = children->board,
		.number = fork->slot,
		.parent_pipe = children->parent_pipe.read_end,
		.news = children->news,
		.limits = start->limits,
		.replaces = start->replaces,
		.shared = start->shared,
	};

	spawn_parent_pipe_inherit(&children->parent_pipe);
	start->close_parent(start->arg);
	return child_main(&place, start->kind, start->conf);
}

static int children_free_slot(const struct children *children)
{
	for (int i = 0; i < children->slots; i++)
		if (children->records[i].pid == 0)
			return i;
	return -1;
}

static struct scoreboard_slot child_first_slot(const struct child_start *start, int64_t now_ms)
{
	struct scoreboard_slot slot = {
		.started_at = time(NULL),
		.started_ms = now_ms,
		.since_ms = now_ms,
		.step_ms = now_ms,
		.generation = start->generation,
		.state = SLOT_STARTING,
		.flags = start->first ? SLOT_FIRST : 0,
	};

	snprintf(slot.kind, sizeof(slot.kind), "%s", start->kind->name);
	snprintf(slot.step, sizeof(slot.step), "starting");
	return slot;
}

bool children_start(struct children *children, const struct child_start *start)
{
	struct child_fork fork = {start, children, children_free_slot(children)};
	int64_t now_ms = clock_now_ms();

	if (fork.slot < 0) {
		errno = EAGAIN;
		return false;
	}
	struct scoreboard_slot slot = child_first_slot(start, now_ms);
	/* Before the fork: from then on only the child writes it. */
	scoreboard_write_slot(children->board, fork.slot, &slot);
	pid_t pid = spawn_child(children_run_child, &fork);
	if (pid < 0) {
		scoreboard_write_slot(children->board, fork.slot, &(struct scoreboard_slot){0});
		return false;
	}
	children->records[fork.slot] = (struct child_record){
		.pid = pid,
		.kind = start->kind_index,
		.generation = start->generation,
		.first = start->first,
		.started_ms = now_ms,
		.seen = slot,
	};
	children->totals.spawned++;
	return true;
}

/* ---- looking ---- */

void children_read(struct children *children)
{
	CHILDREN_EACH (child, children)
		scoreboard_read_slot(children->board, children_slot_of(children, child), &child->seen);
}

static bool child_is_leaving(const struct child_record *child)
{
	return child->order != ORDER_NONE || child->aborted_ms != 0 || child->killed ||
	       child->seen.state == SLOT_LEAVING || (child->seen.flags & SLOT_STOPPING);
}

static void child_add_to_counts(const struct child_record *child, uint32_t generation,
                                struct policy_counts *counts)
{
	bool serving = child->seen.flags & SLOT_SERVING, fresh = child->generation == generation;

	if (child_is_leaving(child)) {
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
			child_add_to_counts(child, generation, &counts);
	return counts;
}

int children_count_away(const struct children *children, int kind)
{
	int away = 0;

	CHILDREN_EACH (child, children)
		away +=
			child->kind == kind && !child_is_leaving(child) && (child->seen.flags & SLOT_AWAY) != 0;
	return away;
}

int children_size(const struct children *children)
{
	int size = 0;

	CHILDREN_EACH (child, children)
		size++;
	return size;
}

static int child_rank(const struct child_record *child)
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
		if (child->kind != kind || child_is_leaving(child) ||
		    (generation != 0 && child->generation == generation))
			continue;
		int rank = child_rank(child), best_rank = best != NULL ? child_rank(best) : INT_MAX;
		if (rank == 0 && !any_starting)
			continue;
		if (rank < best_rank || (rank == best_rank && child->started_ms < best->started_ms))
			best = child;
	}
	return best;
}

/* When the time began that policy_watch measures. */
static int64_t child_since_ms(const struct child_record *child)
{
	return child->seen.state == SLOT_BUSY ? child->seen.since_ms : child->seen.step_ms;
}

struct policy_progress child_record_progress(const struct child_record *child, int64_t now_ms)
{
	int64_t since_ms = child_since_ms(child);
	int64_t discount_ms = child->discount_for_ms == since_ms ? child->discount_ms : 0;

	return (struct policy_progress){
		.state = (enum scoreboard_state)child->seen.state,
		.stuck_ms = now_ms - since_ms - discount_ms,
		.ordered_ms = child->order == ORDER_NONE ? -1 : now_ms - child->ordered_ms,
		.aborted_ms = child->aborted_ms == 0 ? -1 : now_ms - child->aborted_ms,
		.slow_reported =
			child->seen.state == SLOT_BUSY && child->slow_since_ms == child->seen.since_ms,
	};
}

void children_discount(struct children *children, int64_t gap_ms, int64_t now_ms)
{
	/* A child may have begun something since the last look, just before the gap. */
	children_read(children);
	CHILDREN_EACH (child, children) {
		int64_t since_ms = child_since_ms(child), age_ms = now_ms - since_ms;

		if (child->discount_for_ms != since_ms)
			child->discount_ms = 0;
		child->discount_for_ms = since_ms;
		child->discount_ms += gap_ms;
		if (child->discount_ms > age_ms)
			child->discount_ms = age_ms;
		child->ordered_ms += gap_ms;
		if (child->aborted_ms != 0)
			child->aborted_ms += gap_ms;
	}
}

/* ---- telling ---- */

void child_record_tell(struct child_record *child, enum child_order order, int64_t now_ms)
{
	if (child->order >= order)
		return;
	if (child->order == ORDER_NONE)
		child->ordered_ms = now_ms;
	child->order = order;
	kill(child->pid, order == ORDER_STOP ? CHILD_STOP : CHILD_LEAVE);
}

void children_signal(const struct children *children, int signal_number)
{
	CHILDREN_EACH (child, children)
		kill(child->pid, signal_number);
}

/* ---- the end ---- */

struct child_record *children_find(struct children *children, pid_t pid)
{
	CHILDREN_EACH (child, children)
		if (child->pid == pid)
			return child;
	return NULL;
}

static bool child_ended_well(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == CHILD_RECYCLE;
}

static bool child_was_ended_by_master(const struct child_record *child)
{
	return child->killed || child->aborted_ms != 0;
}

static void child_log_end(const struct child_record *child, int slot, int status, int64_t now_ms)
{
	char how[SPAWN_TEXT], lived[SPAWN_TEXT], job[SCOREBOARD_JOB + sizeof(" job=")] = "";
	const struct scoreboard_slot *seen = &child->seen;
	bool by_master = WIFSIGNALED(status) && child_was_ended_by_master(child);

	spawn_end_text(status, how);
	spawn_time_text(now_ms - child->started_ms, lived);
	if (seen->job[0] != '\0')
		snprintf(job, sizeof(job), " job=%s", seen->job);
	(child_ended_well(status) ? log_info : log_warning)(
		"%s child %s%s after %s child=%ld slot=%d generation=%u state=%s step=%s jobs=%llu "
		"failures=%llu%s",
		seen->kind, how, by_master ? " by its master" : "", lived, (long)child->pid, slot,
		(unsigned)child->generation, scoreboard_state_name(seen->state), seen->step,
		(unsigned long long)seen->jobs, (unsigned long long)seen->failures, job);
}

static void child_add_to_totals(const struct child_record *child, int status,
                                struct scoreboard_totals *totals)
{
	bool try_later = WIFEXITED(status) && WEXITSTATUS(status) == CHILD_TRY_LATER;

	if (child_was_ended_by_master(child))
		totals->kills++;
	else if (!child_ended_well(status) && !try_later)
		totals->crashes++;
	if (child->order == ORDER_NONE)
		totals->restarts++;
	totals->taken += child->seen.taken;
	totals->jobs += child->seen.jobs;
	totals->failures += child->seen.failures;
	for (int i = 0; i < SCOREBOARD_COUNTERS; i++)
		totals->counters[i] += child->seen.counters[i];
}

struct child_record children_remove(struct children *children, struct child_record *child,
                                    int status, int64_t now_ms)
{
	int slot = children_slot_of(children, child);

	scoreboard_read_slot(children->board, slot, &child->seen);
	struct child_record last = *child;
	/* Counted before it is told: who reads of it in the log finds it in the scoreboard. */
	child_add_to_totals(&last, status, &children->totals);
	scoreboard_write_totals(children->board, &children->totals);
	child_log_end(&last, slot, status, now_ms);
	scoreboard_write_slot(children->board, slot, &(struct scoreboard_slot){0});
	*child = (struct child_record){0};
	return last;
}
