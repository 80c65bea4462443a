/* The master: keeps the right number of children, whatever happens to them. Beside master_run, what
 * its files share.
 *
 * master.c         start, signals, the loop, the end
 * master_round.c   a round of the loop: remove, read, end what hangs, start, stop
 * master_reload.c  HUP, and what follows from it
 * children.c       the table of children */
#ifndef FAREWELL_MASTER_H
#define FAREWELL_MASTER_H

#include "lib/supervisor/children.h"
#include "lib/supervisor/daemon.h"
#include "lib/supervisor/notify.h"
#include "lib/supervisor/policy.h"
#include "lib/supervisor/program.h"

#define MASTER_KINDS 8

struct pidfile;

struct master {
	const struct program *program;
	const struct program_options *options;
	struct conf *conf;
	const struct conf_pool *limits;               /* in conf */
	const struct child_kind *kinds[MASTER_KINDS]; /* those that are wanted */
	int kind_count;
	struct policy policies[MASTER_KINDS];
	struct children children;
	struct notify notify;
	struct daemon daemon;
	struct pidfile *pidfile;
	int signals; /* signalfd */

	uint32_t generation; /* of the children started now */
	uint32_t newest;     /* highest number given to a generation */
	/* The configuration before the last reload, until the first child with the new one serves. */
	struct conf *previous;
	uint32_t previous_generation;
	bool reloading; /* RELOADING was said and READY not yet */

	int adjust;  /* children more or fewer than configured, by TTIN and TTOU */
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

/* Runs the master until it was told to stop. Takes over CONF (HUP replaces it). Opens the log that
 * CONF names, then the pid file and the scoreboard. Returns the exit code of the program. */
int master_run(const struct program *, const struct program_options *, struct conf *conf);

/* ---- for the files of the master ---- */

/* The settings of the program's children. */
const struct conf_pool *master_limits(const struct master *, const struct conf *);
/* Opens the log that CONF names. False: errno. */
bool master_open_log(const struct master *, const struct conf *);
/* Begins to stop: tells every child to stop. The program will end with EXIT_CODE. */
void master_stop(struct master *, int exit_code, int64_t now_ms);

/* One round. Returns after how many milliseconds the next one is due at the latest. */
int64_t master_round(struct master *, int64_t now_ms);

/* HUP: reads the configuration and begins to replace the children. */
void master_reload(struct master *);
/* The first child with the new configuration serves: the one before is not needed any more. */
void master_reload_succeeded(struct master *);
/* The first child with the new configuration has ended instead. REFUSED: with CHILD_MISCONFIGURED;
 * then the configuration before is in force again. */
void master_reload_failed(struct master *, bool refused);

#endif
