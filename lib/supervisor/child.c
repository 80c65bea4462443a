/* Offers a child what it was told, how it waits, and its life from the fork to the exit. */
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
#include "lib/supervisor/child_own.h"
#include "lib/supervisor/resources.h"

_Static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLERR == POLLERR &&
                   EPOLLHUP == POLLHUP,
               "child_wait passes poll's events to epoll");

#define MEMORY_EVERY_MS 1000

/* ---- memory ---- */

/* Without memory everything fails for ever, and nobody knows what is left half done: another
 * process begins anew. Looks only if the last look was EVERY_MS ago. */
void child_check_memory(struct child *me, int64_t every_ms)
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
