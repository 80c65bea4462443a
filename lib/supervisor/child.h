/* The pre-forking supervisor: a master that keeps the right number of children, whatever happens to
 * them.
 *
 * The master talks to no database and no broker. What needs them, the first child checks; one that
 * ends with CHILD_MISCONFIGURED before anything was served makes the master give up. */
#ifndef FAREWELL_CHILD_H
#define FAREWELL_CHILD_H

#include <stdbool.h>
#include <stdint.h>

struct conf;
struct child;

/* Exit codes of a child (sysexits.h has the numbers). */
enum child_exit {
	CHILD_RECYCLE = 0,        /* ended as it should: replace me            */
	CHILD_SICK = 75,          /* EX_TEMPFAIL: a server is away: back off   */
	CHILD_MISCONFIGURED = 78, /* EX_CONFIG: no use to start another like me */
};

/* One kind of child. The first kind in a pool is sized by the configuration, the others have
 * exactly one child each. */
struct child_kind {
	const char *name; /* "gateway", "worker", "reconciler" */
	int (*run)(struct child *me,
	           const struct conf *); /* the child's whole life; returns an exit code */
};

struct pool_options {
	const char *program; /* "farewell-workerd": names the pid file and the scoreboard in run_dir */
	const char *conf_file; /* read again on HUP */
	int conf_program;      /* enum conf_program */
	bool foreground;       /* false: goes into the background once it serves */
	bool verbose;          /* debug lines, whatever the configuration says */
	const char *const
		*counters; /* names for child_count, at most SCOREBOARD_COUNTERS, ends with NULL; or NULL */
	const struct child_kind *kinds; /* ends with a NULL name */
	/* Checks a re-read configuration further than conf_load does, or NULL. */
	bool (*accept)(const struct conf *old, const struct conf *new);
	/* In the master, when it begins to stop and before its children hear of it; or NULL. */
	void (*stopping)(void *arg);
	void *arg;
};

/* Runs the master until it was told to stop. Takes over CONF (HUP replaces it). Returns the exit
 * code of the program. Refuses root, opens the log that CONF names, then the pid file and the
 * scoreboard. Descriptors opened before are inherited by the children. */
int master_run(const struct pool_options *, struct conf *conf);

/* ---- for children ----
 *
 * All signals are blocked in a child but SIGABRT (a hung child's backtrace, then its end) and
 * SIGURG (a slow job's backtrace, after which it goes on: poll and its like may return EINTR).
 * SIGPIPE is ignored. */

/* Waits until FD has one of EVENTS (POLLIN, POLLOUT; FD -1: none), a signal, the master's death or
 * a time-out changed what child_stopping, child_hurry or child_paused say, or TIMEOUT_MS (negative:
 * none) passed. Returns revents of FD, or 0. This and child_look are the only places where a
 * child's signals are taken. Of several children that wait for one listener, one wakes for a
 * connection: so a child that got POLLIN tries to accept, even if it is stopping. */
int child_wait(struct child *, int fd, short events, int timeout_ms);

/* Takes note of signals without waiting; for progress callbacks. Cheap: one poll. */
void child_look(struct child *);

/* True when no more work should be taken: TERM, recycling, reload, or the master is gone. Finish
 * what is in hand. */
bool child_stopping(const struct child *);
/* True when the job in hand is the last for sure: child_stopping, or max_jobs_per_child is reached
 * with it. */
bool child_last_job(const struct child *);
/* True when what is in hand should be handed over at the next safe point: child_stopping by TERM or
 * the master's death, or the soft time-out has passed. */
bool child_hurry(const struct child *);
/* True while USR2 has paused consuming. */
bool child_paused(const struct child *);

/* What the scoreboard shows. STEP is a literal such as "waiting", "guard", "files", "mail". The
 * soft and hard time-out run from child_busy to child_done or child_idle; so say child_busy before
 * anything that can hang (JOB may be "" and said later by another child_busy, which does not start
 * the time anew; child_idle instead: there was no work after all). A child that does not serve yet
 * must take a step within hard_timeout too; one that was told to leave, or has returned from run,
 * within stop_timeout. */
void child_serving(struct child *); /* first call: really accepting or consuming: READY */
void child_idle(struct child *, const char *step); /* waits for work: counts as spare */
/* Waits for a server, or connects to it: idle, but of no use until the next child_idle, child_busy
 * or child_serving. -H counts no such child, and the status says how many there are. */
void child_away(struct child *, const char *step);
void child_busy(struct child *, const char *job,
                const char *step); /* took work; JOB is a deletion or request id, copied */
void child_step(struct child *, const char *step);
void child_done(struct child *, bool succeeded); /* counts a job */
/* Adds to a running count of the pool shown in the scoreboard, such as outcomes; COUNTER is an
 * index of pool_options.counters. */
void child_count(struct child *, int counter, int64_t add);

/* True for the child that should do what one child does for all (declare the topology, check the
 * SQL): the first after the start or a reload, and the one that is tried first after a failure of
 * all. The others are started when it is serving. */
bool child_is_first(const struct child *);
int child_number(const struct child *); /* slot, from 0 */

#endif
