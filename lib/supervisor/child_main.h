/* A child's side of the pool (the public part is in pool.h): what the master hands to it at the
 * fork, and its life from there. */
#ifndef FAREWELL_CHILD_MAIN_H
#define FAREWELL_CHILD_MAIN_H

#include <signal.h>

#include "lib/config/conf.h"
#include "lib/supervisor/child.h"
#include "lib/supervisor/scoreboard.h"

/* What the master tells a child by signals. */
#define CHILD_STOP SIGTERM   /* finish or hand over what is in hand, and leave */
#define CHILD_LEAVE SIGQUIT  /* finish what is in hand, and leave */
#define CHILD_REOPEN SIGUSR1 /* the log */
#define CHILD_PAUSE SIGUSR2  /* look at the scoreboard whether to pause */
#define CHILD_BACKTRACE SIGURG
#define CHILD_ABORT SIGABRT

struct child_place {
	struct scoreboard *board;
	int number;   /* slot; the master has filled it in but for the pid */
	int lifeline; /* read end of a pipe whose only other end is the master's */
	int news;     /* eventfd that wakes the master */
	const struct conf_pool *limits;
};

/* The whole life of a child, after the fork. Signals are still blocked as in the master. Returns
 * its exit code. */
int child_live(const struct child_place *, const struct child_kind *, const struct conf *);

/* Every signal a pool knows, as a set: blocked in the master from the start, and in the children.
 */
void child_all_signals(sigset_t *);

#endif
