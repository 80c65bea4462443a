/* The life of a child from the fork on, for the master; what a child itself calls is in child.h. */
#ifndef FAREWELL_CHILD_MAIN_H
#define FAREWELL_CHILD_MAIN_H

#include <signal.h>
#include <stdbool.h>

#include "lib/config/conf.h"
#include "lib/supervisor/child.h"
#include "lib/supervisor/program.h"
#include "lib/supervisor/scoreboard.h"

/* The signals by which the master tells a child something. */
#define CHILD_STOP SIGTERM     /* finish or hand over the job in hand, and leave */
#define CHILD_LEAVE SIGQUIT    /* finish the job in hand, and leave */
#define CHILD_REOPEN SIGUSR1   /* reopen the log */
#define CHILD_PAUSE SIGUSR2    /* the scoreboard says whether to pause */
#define CHILD_BACKTRACE SIGURG /* log a backtrace and go on */
#define CHILD_ABORT SIGABRT    /* log a backtrace and end */

struct child_place {
	struct scoreboard *board;
	int number;      /* its slot; the master has filled it in but for the pid */
	int parent_pipe; /* read end of a pipe whose only other end is the master's */
	int news;        /* eventfd that wakes the master */
	const struct conf_pool *limits;
	bool replaces; /* for child_replaces */
	void *shared;  /* for child_shared */
};

/* The whole life of a child, after the fork. Signals are still blocked as in the master. Returns
 * its exit code. */
int child_main(const struct child_place *, const struct child_kind *, const struct conf *);

/* Sets SET to every signal that means something to the master or to a child: blocked in the master
 * from the start, and so in its children. */
void child_signal_set(sigset_t *set);

#endif
