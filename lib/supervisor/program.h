/* A pre-forking program: it describes itself by one struct, and gets its main() for that: options,
 * -t, -H, the start, and the exit code.
 *
 * The master talks to no database and no broker. What needs them, the first child checks; one that
 * ends with CHILD_MISCONFIGURED before anything was served makes the master give up. */
#ifndef FAREWELL_PROGRAM_H
#define FAREWELL_PROGRAM_H

#include <stdbool.h>

#include "lib/config/conf.h"

struct child;

/* One kind of child. The first kind of a program is sized by the configuration, the others have
 * exactly one child each. */
struct child_kind {
	const char *name; /* "gateway", "worker", "reconciler" */
	/* The child's whole life; returns an exit code, see enum child_exit. */
	int (*run)(struct child *me, const struct conf *);
	bool (*wanted)(const struct conf *); /* whether there is any; asked at the start. NULL: yes */
};

/* One thing that -t checks. */
struct program_check {
	const char *name; /* what the last line of -t calls it: "settings", "broker" */
	/* False: it is not good, and what is wrong has been logged. Leaves nothing behind. */
	bool (*run)(const struct conf *);
	bool at_start; /* connects to nothing, and so is asked at the start and on HUP as well */
};

struct program {
	const char *name;    /* "farewell-workerd": names the pid file and the scoreboard in run_dir */
	const char *purpose; /* a sentence for -h */
	enum conf_program section;      /* whose secrets are opened, whose children there are */
	const struct child_kind *kinds; /* ends with a NULL name */
	/* Names for child_count, at most SCOREBOARD_COUNTERS, ends with NULL; or NULL. */
	const char *const *counters;
	const struct program_check *checks; /* ends with a NULL name; or NULL */
	/* -H: logs what is wrong, or prints how it is. NULL: by the scoreboard, see health_good. */
	bool (*health)(const struct conf *);
	/* On HUP: whether what has changed can change while the program runs; logs what can't. NULL:
	 * all can. */
	bool (*may_reload)(const struct conf *old, const struct conf *fresh);

	/* What is opened before the first fork and inherited by the children, who get SHARED by
	 * child_shared. Each of the hooks may be NULL. */
	void *shared;
	bool (*open)(void *shared, const struct conf *); /* false: logged; the exit code is 69 */
	void (*stopping)(void *shared); /* the master begins to stop, its children don't know yet */
	void (*close)(void *shared);
};

struct program_options {
	const char *conf_file;
	bool foreground; /* -f; else into the background once it serves */
	bool health;     /* -H */
	bool test;       /* -t */
	bool verbose;    /* -v: debug lines, whatever the configuration says */
};

/* What main() of the program is: returns its exit code (sysexits.h). */
int program_main(const struct program *, int argc, char **argv);

/* Asks every check that is asked at the start. False: it has been logged what is wrong. */
bool program_check_settings(const struct program *, const struct conf *);

#endif
