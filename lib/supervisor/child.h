/* What a child of a pre-forking program calls: what it was told, what it shows, how it waits. What
 * the program says of itself is in program.h.
 *
 * All signals are blocked in a child but SIGABRT (a hung child's backtrace, then its end) and
 * SIGURG (a slow job's backtrace, after which it goes on: poll and its like may return EINTR).
 * SIGPIPE is ignored. */
#ifndef FAREWELL_CHILD_H
#define FAREWELL_CHILD_H

#include <stdbool.h>
#include <stdint.h>

struct child;

/* Exit codes of a child (sysexits.h has the numbers). */
enum child_exit {
	CHILD_RECYCLE = 0,        /* ended as it should: replace it                          */
	CHILD_SHORT = 71,         /* EX_OSERR: no memory or descriptors: likewise, after a pause     */
	CHILD_TRY_LATER = 75,     /* EX_TEMPFAIL: a server is away, or refuses us: likewise          */
	CHILD_MISCONFIGURED = 78, /* EX_CONFIG: nothing but another configuration would mend it. What
	                             a server may have or grant later, such as a log-in, is no such
	                             thing. Becomes CHILD_SHORT where that is the reason. */
};

/* Waits until FD has one of EVENTS (POLLIN, POLLOUT; FD -1: none), a signal, the master's death or
 * a time-out changed what child_stopping, child_hurry or child_paused say, or TIMEOUT_MS (negative:
 * none) passed. Returns revents of FD, or 0. This and child_look are the only places where a
 * child's signals are taken. Of several children that wait for one listener, one wakes for a
 * connection: so a child that got POLLIN tries to accept, even if it is stopping. */
int child_wait(struct child *, int fd, short events, int timeout_ms);

/* Takes the signals that have come, without waiting; for progress callbacks. Cheap: one poll. */
void child_look(struct child *);

/* True when no more work should be taken: TERM, recycling, reload, no memory, or the master is
 * gone. Finish what is in hand. */
bool child_stopping(const struct child *);
/* True when the job in hand is the last for sure: child_stopping, or max_jobs_per_child is reached
 * with it. */
bool child_last_job(const struct child *);
/* True when what is in hand should be handed over at the next safe point: child_stopping by TERM or
 * the master's death or for want of memory, or the soft time-out has passed. */
bool child_hurry(const struct child *);
/* True while USR2 has paused consuming. */
bool child_paused(const struct child *);

/* What the scoreboard shows. STEP is a literal such as "waiting", "guard", "files", "mail".
 *
 * The soft and hard time-out run from child_busy to child_done, child_idle or child_away; so call
 * child_busy before anything that can hang. A child that does not serve yet must take a step within
 * hard_timeout too; one that was told to leave, or has returned from run, within stop_timeout. */

/* It really accepts or consumes. The first child's first call makes the program ready. */
void child_serving(struct child *);
/* Waits for work: counts as spare. After child_busy with an empty JOB: there was no work. */
void child_idle(struct child *, const char *step);
/* Waits for a server, or connects to it: idle, but of no use until the next child_idle, child_busy
 * or child_serving. -H counts no such child, and the status says how many there are. */
void child_away(struct child *, const char *step);
/* Has taken work. JOB is a deletion or request id, copied; "" if it is not known yet: another
 * child_busy can say it, which does not start the time-outs again. */
void child_busy(struct child *, const char *job, const char *step);
/* Another step of the same state. */
void child_step(struct child *, const char *step);
/* The job is over; counts it. */
void child_done(struct child *, bool succeeded);
/* Adds to a running count of the program shown in the scoreboard, such as outcomes; COUNTER is an
 * index of program.counters. */
void child_count(struct child *, int counter, int64_t add);

/* Says which servers this child has found to be away, as bits of the program's own, and until when
 * others are to believe it, whatever becomes of this child. */
void child_flag(struct child *, uint32_t away, int64_t until_ms);
/* The bits that other children with the same configuration say now. A child that has ended says
 * nothing. */
uint32_t child_others_away(const struct child *);

/* A job's outcome has shown that a server which was away is back: tells every child of the program.
 */
void child_recovered(struct child *);
/* How often any child has said so since the program started: who compares it with what it saw
 * before knows that what waits for a server may be brought forward. */
uint32_t child_recoveries(const struct child *);

/* Notes when the message in hand was published: clock_now_ms, rather too early than too late. */
void child_note_published(struct child *, int64_t published_ms);
/* The newest that any child has noted since the program started; 0: none. */
int64_t child_newest_published(const struct child *);
/* Whether a child of another kind serves, waits for no server and was not told to leave. */
bool child_others_serve(const struct child *);

/* True for the child that should do what one child does for all (declare the topology, check the
 * SQL): the first after the start or a reload, and the one that is tried first after a failure of
 * all. The others are started when it is serving. */
bool child_is_first(const struct child *);
/* True while children with the configuration before a reload serve: one that can't serve as well as
 * they do should end with CHILD_TRY_LATER, and they go on. */
bool child_replaces(const struct child *);
/* program.shared: what was opened before the fork. */
void *child_shared(const struct child *);

#endif
