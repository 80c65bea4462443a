/* Offers a child its side of the supervisor: what it shows, what it was told, and its life from the
 * fork to the exit. */
#include "lib/supervisor/child_main.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "lib/base/backtrace.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/supervisor/resources.h"

_Static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLERR == POLLERR &&
                   EPOLLHUP == POLLHUP,
               "child_wait passes poll's events to epoll");

#define MEMORY_EVERY_MS 1000

struct child {
	struct child_place place;
	struct scoreboard_slot slot; /* our copy; written to the scoreboard by child_show */
	int epoll, signals, statm;
	bool told_leave, told_stop, paused;
	bool leave_reported, hurry_reported, paused_reported; /* child_wait has returned for it */
	const char *recycle;                                  /* why we leave by ourselves, or NULL */
	bool no_memory;                                       /* that is why */
	int64_t memory_ms;                                    /* when that was looked at */
	uint64_t max_jobs;                                    /* 0: no limit */
	int64_t leave_at_ms;                                  /* end of lifetime; 0: none */
};

/* ---- the scoreboard ---- */

static void child_show(struct child *me)
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

static void child_set_step(struct child *me, const char *step)
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

/* Without memory everything fails for ever, and nobody knows what is left half done: another
 * process begins anew. Looks only if the last look was EVERY_MS ago. */
static void child_check_memory(struct child *me, int64_t every_ms)
{
	int64_t now_ms = clock_now_ms();

	if (me->no_memory || now_ms - me->memory_ms < every_ms)
		return;
	me->memory_ms = now_ms;
	if (!resources_no_memory())
		return;
	me->no_memory = true;
	me->recycle = "out of memory";
	log_error("the system gives no more memory: this child ends, another one is started");
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

/* ---- what it was told ---- */

bool child_stopping(const struct child *me)
{
	return me->told_leave || me->told_stop || me->recycle != NULL ||
	       (me->leave_at_ms > 0 && clock_now_ms() >= me->leave_at_ms);
}

bool child_last_job(const struct child *me)
{
	return child_stopping(me) || (me->max_jobs > 0 && me->slot.jobs + 1 >= me->max_jobs);
}

bool child_hurry(const struct child *me)
{
	return me->told_stop || me->no_memory ||
	       (me->slot.state == SLOT_BUSY &&
	        clock_now_ms() - me->slot.since_ms >= me->place.limits->soft_timeout_ms);
}

bool child_paused(const struct child *me)
{
	return me->paused;
}

bool child_is_first(const struct child *me)
{
	return (me->slot.flags & SLOT_FIRST) != 0;
}

bool child_replaces(const struct child *me)
{
	return me->place.replaces;
}

void *child_shared(const struct child *me)
{
	return me->place.shared;
}

static void child_take_signals(struct child *me)
{
	struct signalfd_siginfo info;

	while (read(me->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch ((int)info.ssi_signo) {
		case CHILD_STOP: me->told_stop = true; break;
		case CHILD_LEAVE: me->told_leave = true; break;
		case CHILD_REOPEN: log_reopen(); break;
		case CHILD_PAUSE: me->paused = scoreboard_paused(me->place.board); break;
		}
	}
}

/* Waits for at most TIMEOUT_MS; returns what FD has, if it was added. */
static int child_poll_events(struct child *me, int fd, int timeout_ms)
{
	struct epoll_event events[3];
	int revents = 0;
	int count = epoll_wait(me->epoll, events, 3, timeout_ms);
	bool stopped = me->told_stop;

	for (int i = 0; i < count; i++) {
		if (events[i].data.fd == me->signals)
			child_take_signals(me);
		else if (events[i].data.fd == me->place.parent_pipe)
			me->told_stop = true;
		else if (events[i].data.fd == fd)
			revents = (int)events[i].events;
	}
	if (me->told_stop && !stopped)
		epoll_ctl(me->epoll, EPOLL_CTL_DEL, me->place.parent_pipe,
		          NULL); /* after the master's death it would wake us for ever */
	return revents;
}

void child_look(struct child *me)
{
	child_check_memory(me, MEMORY_EVERY_MS);
	child_poll_events(me, -1, 0);
}

/* Whether there is something that child_wait has not returned for yet; from now on it has. */
static bool child_take_news(struct child *me)
{
	bool any = me->paused != me->paused_reported;

	me->paused_reported = me->paused;
	if (child_stopping(me) && !me->leave_reported)
		any = me->leave_reported = true;
	if (child_hurry(me) && !me->hurry_reported)
		any = me->hurry_reported = true;
	return any;
}

/* DEADLINE_MS, or the soft time-out or the end of this child's lifetime if that comes first. */
static int64_t child_next_change_ms(const struct child *me, int64_t deadline_ms)
{
	int64_t soft_ms = me->slot.since_ms + me->place.limits->soft_timeout_ms;

	if (me->slot.state == SLOT_BUSY && !me->hurry_reported && soft_ms < deadline_ms)
		deadline_ms = soft_ms;
	if (me->leave_at_ms > 0 && !me->leave_reported && me->leave_at_ms < deadline_ms)
		deadline_ms = me->leave_at_ms;
	return deadline_ms;
}

/* Exclusively, so that a connection wakes one child only; not every kind of descriptor allows that.
 */
static bool child_watch(struct child *me, int fd, short events)
{
	struct epoll_event event = {.events = (uint32_t)events | EPOLLEXCLUSIVE, .data.fd = fd};

	if (epoll_ctl(me->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
		return true;
	event.events = (uint32_t)events;
	return errno == EINVAL && epoll_ctl(me->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

int child_wait(struct child *me, int fd, short events, int timeout_ms)
{
	int64_t deadline_ms = timeout_ms < 0 ? INT64_MAX : clock_now_ms() + timeout_ms;
	int revents = 0;

	log_catch_up();
	child_check_memory(me, MEMORY_EVERY_MS);
	/* What epoll refuses with EPERM, such as a regular file, is always ready. */
	if (fd >= 0 && !child_watch(me, fd, events))
		return errno == EPERM ? events : POLLNVAL;
	while (!child_take_news(me)) {
		int64_t until_ms = child_next_change_ms(me, deadline_ms);

		revents = child_poll_events(me, fd, until_ms == INT64_MAX ? -1 : clock_left_ms(until_ms));
		if (revents != 0 || clock_now_ms() >= deadline_ms)
			break;
	}
	if (fd >= 0)
		epoll_ctl(me->epoll, EPOLL_CTL_DEL, fd, NULL);
	return revents;
}

/* ---- from the fork to the exit ---- */

void child_signal_set(sigset_t *set)
{
	static const int signals[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGUSR1,
	                              SIGUSR2, SIGTTIN, SIGTTOU, SIGCHLD};

	sigemptyset(set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(set, signals[i]);
}

/* LIMIT less up to a tenth of it, so that children started together don't leave together. */
static int64_t child_jittered(int64_t limit)
{
	uint32_t chance = 0;

	if (limit <= 0)
		return 0;
	if (getrandom(&chance, sizeof(chance), GRND_NONBLOCK) < 0)
		chance = (uint32_t)getpid();
	int64_t less = limit / 10;
	return limit - (less > 0 ? chance % (less + 1) : 0);
}

static bool child_open_events(struct child *me)
{
	sigset_t mine;
	struct epoll_event event = {.events = EPOLLIN};

	sigemptyset(&mine);
	sigaddset(&mine, CHILD_STOP);
	sigaddset(&mine, CHILD_LEAVE);
	sigaddset(&mine, CHILD_REOPEN);
	sigaddset(&mine, CHILD_PAUSE);
	me->signals = signalfd(-1, &mine, SFD_NONBLOCK | SFD_CLOEXEC);
	me->epoll = epoll_create1(EPOLL_CLOEXEC);
	me->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	event.data.fd = me->signals;
	if (me->signals < 0 || me->epoll < 0 ||
	    epoll_ctl(me->epoll, EPOLL_CTL_ADD, me->signals, &event) != 0)
		return false;
	event.events = EPOLLHUP;
	event.data.fd = me->place.parent_pipe;
	return epoll_ctl(me->epoll, EPOLL_CTL_ADD, me->place.parent_pipe, &event) == 0;
}

static void child_close_events(struct child *me)
{
	if (me->signals >= 0)
		close(me->signals);
	if (me->epoll >= 0)
		close(me->epoll);
	if (me->statm >= 0)
		close(me->statm);
}

/* What the child's end comes to: its own CODE, unless it ends for want of memory or descriptors. */
static int child_exit_code(const struct child *me, int code)
{
	char why[RESOURCES_WHY_SIZE];

	if (me->no_memory)
		return CHILD_SHORT;
	if (code != CHILD_MISCONFIGURED || !resources_short(why, sizeof(why)))
		return code;
	log_error("that is no fault of the configuration: %s", why);
	return CHILD_SHORT;
}

int child_main(const struct child_place *place, const struct child_kind *kind,
               const struct conf *conf)
{
	struct child me = {.place = *place};
	int code = CHILD_TRY_LATER;

	if (!scoreboard_read_slot(place->board, place->number, &me.slot))
		memset(&me.slot, 0, sizeof(me.slot));
	me.slot.pid = getpid();
	me.paused = me.paused_reported = scoreboard_paused(place->board);
	me.max_jobs = (uint64_t)child_jittered(place->limits->max_jobs_per_child);
	if (place->limits->max_child_lifetime_ms > 0)
		me.leave_at_ms = clock_now_ms() + child_jittered(place->limits->max_child_lifetime_ms);
	backtrace_describe(me.slot.step, me.slot.job);
	child_show(&me);
	if (child_open_events(&me))
		code = kind->run(&me, conf);
	else
		log_error("a %s child can't wait for signals: %s", kind->name, strerror(errno));
	code = child_exit_code(&me, code);
	if (me.recycle == NULL && me.leave_at_ms > 0 && clock_now_ms() >= me.leave_at_ms)
		me.recycle = "max_child_lifetime";
	me.slot.state = SLOT_LEAVING;
	child_set_step(&me,
	               me.recycle != NULL && !me.told_leave && !me.told_stop ? me.recycle : "leaving");
	child_show(&me);
	child_close_events(&me);
	backtrace_describe("", "");
	return code;
}
