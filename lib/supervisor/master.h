/* What the files behind master_run share; nobody else includes it.
 *
 * pool.c         start, signals, the loop, the end
 * pool_tend.c    a round of the loop: bury, look, lose patience, start, stop
 * pool_reload.c  HUP, and what comes of it
 * children.c        the table of children */
#ifndef FAREWELL_MASTER_H
#define FAREWELL_MASTER_H

#include "lib/supervisor/child.h"
#include "lib/supervisor/children.h"
#include "lib/supervisor/daemon.h"
#include "lib/supervisor/notify.h"
#include "lib/supervisor/policy.h"

#define MASTER_KINDS 8

struct pidfile;

struct master {
	const struct pool_options *options;
	struct conf *conf;
	const struct conf_pool *limits; /* in conf */
	int kinds;
	struct policy policies[MASTER_KINDS];
	struct children children;
	struct notify notify;
	struct daemon daemon;
	struct pidfile *pidfile;
	int signals; /* signalfd */

	uint32_t generation; /* of the children started now */
	uint32_t newest;     /* highest number given to a generation */
	struct conf
		*previous; /* until the first child with the new configuration serves: the one before */
	uint32_t previous_generation;
	bool reloading; /* RELOADING was said and READY not yet */

	int adjust;  /* by TTIN and TTOU */
	bool served; /* some child has served */
	bool max_reported;
	bool stopping;
	int64_t stop_by_ms;
	int exit_code;

	struct { /* set by signals, acted on by the loop */
		bool reload, reopen, pause, stop, stop_now;
		int adjust;
	} wanted;
};

/* The pool's part of the program's section. */
const struct conf_pool *master_limits(const struct master *, const struct conf *);
/* Opens the log that CONF names. False: errno. */
bool master_open_log(const struct master *, const struct conf *);
/* Stops the whole pool with this exit code: tells every child to stop. */
void master_stop(struct master *, int exit_code, int64_t now_ms);

/* One round. Returns after how many milliseconds there is something to do at the latest. */
int64_t master_round(struct master *, int64_t now_ms);

void master_reload(struct master *);
/* The first child with the new configuration serves: the one before is not needed any more. */
void master_reload_settled(struct master *);
/* It ended instead. REFUSED: with CHILD_MISCONFIGURED; back to the configuration before. */
void master_reload_failed(struct master *, bool refused);

#endif
