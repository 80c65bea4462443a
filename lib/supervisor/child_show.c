/* Offers a child what others see of it: its state, its step and its counts in the scoreboard. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/supervisor/child_own.h"

void child_show(struct child *me)
{
	if (child_stopping(me))
		me->slot.flags |= SLOT_STOPPING;
	scoreboard_write_slot(me->place.board, me->place.number, &me->slot);
}

/* The last byte of TO stays NUL at every moment: a signal handler may read it. */
static void child_copy_text(char *to, size_t size, const char *text)
{
	size_t length = strnlen(text, size - 1);

	memmove(to, text, length);
	memset(to + length, 0, size - length);
}

void child_set_step(struct child *me, const char *step)
{
	child_copy_text(me->slot.step, sizeof(me->slot.step), step);
	me->slot.step_ms = clock_now_ms();
}

static void child_set_state(struct child *me, uint32_t state)
{
	if (me->slot.state == state)
		return;
	me->slot.state = state;
	me->slot.since_ms = clock_now_ms();
}

static void child_wake_master(struct child *me)
{
	uint64_t one = 1;

	if (write(me->place.news, &one, sizeof(one)) < 0)
		return; /* the counter is full: the master wakes up anyhow */
}

static void child_set_away(struct child *me, bool away)
{
	if (away)
		me->slot.flags |= SLOT_AWAY;
	else
		me->slot.flags &= ~(uint32_t)SLOT_AWAY;
}

void child_serving(struct child *me)
{
	bool first_time = !(me->slot.flags & SLOT_SERVING);

	me->slot.flags |= SLOT_SERVING;
	child_set_away(me, false);
	if (first_time) {
		child_set_state(me, SLOT_IDLE);
		child_set_step(me, "serving");
	}
	child_show(me);
	if (first_time)
		child_wake_master(me);
}

static void child_set_idle(struct child *me, const char *step)
{
	if (me->slot.flags & SLOT_SERVING)
		child_set_state(me, SLOT_IDLE);
	me->slot.job[0] = '\0';
	child_set_step(me, step);
	child_show(me);
}

/* A job that never got a name was none: there was no work after all. */
static void child_give_up_job(struct child *me)
{
	if (me->slot.state == SLOT_BUSY && me->slot.job[0] == '\0')
		me->slot.taken--;
}

void child_idle(struct child *me, const char *step)
{
	child_give_up_job(me);
	child_set_away(me, false);
	child_set_idle(me, step);
}

void child_away(struct child *me, const char *step)
{
	child_give_up_job(me);
	child_check_memory(me, 0);
	child_set_away(me, true);
	child_set_idle(me, step);
}

void child_busy(struct child *me, const char *job, const char *step)
{
	if (me->slot.state != SLOT_BUSY) {
		me->slot.taken++;
		me->hurry_reported = false;
	}
	child_set_away(me, false);
	child_set_state(me, SLOT_BUSY);
	child_copy_text(me->slot.job, sizeof(me->slot.job), job);
	child_set_step(me, step);
	child_show(me);
}

void child_step(struct child *me, const char *step)
{
	child_set_step(me, step);
	child_show(me);
}

static int64_t child_resident_bytes(const struct child *me)
{
	char text[128];
	unsigned long long pages;
	ssize_t length = pread(me->statm, text, sizeof(text) - 1, 0);

	if (length <= 0)
		return 0;
	text[length] = '\0';
	return sscanf(text, "%*u %llu", &pages) == 1 ? (int64_t)pages * sysconf(_SC_PAGESIZE) : 0;
}

static void child_check_size(struct child *me)
{
	me->slot.rss = child_resident_bytes(me);
	if (me->place.limits->max_child_rss > 0 && me->slot.rss > me->place.limits->max_child_rss)
		me->recycle = "max_child_rss";
}

void child_done(struct child *me, bool succeeded)
{
	me->slot.jobs++;
	if (!succeeded)
		me->slot.failures++;
	if (me->max_jobs > 0 && me->slot.jobs >= me->max_jobs)
		me->recycle = "max_jobs_per_child";
	child_check_size(me);
	if (!succeeded)
		child_check_memory(me, 0);
	child_set_idle(me, "done");
}

void child_count(struct child *me, int counter, int64_t add)
{
	if (counter < 0 || counter >= SCOREBOARD_COUNTERS)
		return;
	me->slot.counters[counter] += (uint64_t)add;
	child_show(me);
}

void child_flag(struct child *me, uint32_t away, int64_t until_ms)
{
	if (away == 0 && me->slot.away == 0)
		return;
	me->slot.away = away;
	me->slot.away_until_ms = until_ms;
	child_show(me);
}

static bool child_says_away(const struct child *me, const struct scoreboard_slot *slot)
{
	return slot->away != 0 && slot->away_until_ms > clock_now_ms() && slot->state != SLOT_FREE &&
	       slot->state != SLOT_LEAVING && slot->generation == me->slot.generation;
}

uint32_t child_others_away(const struct child *me)
{
	struct scoreboard_slot slot;
	uint32_t away = 0;

	for (int number = 0; number < scoreboard_slots(me->place.board); number++)
		if (number != me->place.number && scoreboard_read_slot(me->place.board, number, &slot) &&
		    child_says_away(me, &slot))
			away |= slot.away;
	return away;
}

void child_recovered(struct child *me)
{
	scoreboard_note_recovered(me->place.board);
}

uint32_t child_recoveries(const struct child *me)
{
	return scoreboard_recovered(me->place.board);
}

void child_note_published(struct child *me, int64_t published_ms)
{
	scoreboard_note_published(me->place.board, published_ms);
}

int64_t child_newest_published(const struct child *me)
{
	return scoreboard_published(me->place.board);
}

bool child_others_serve(const struct child *me)
{
	struct scoreboard_slot slot;

	for (int number = 0; number < scoreboard_slots(me->place.board); number++) {
		if (number == me->place.number || !scoreboard_read_slot(me->place.board, number, &slot))
			continue;
		bool other = strcmp(slot.kind, me->slot.kind) != 0;
		if (other && (slot.flags & SLOT_SERVING) && !(slot.flags & (SLOT_AWAY | SLOT_STOPPING)))
			return true;
	}
	return false;
}
