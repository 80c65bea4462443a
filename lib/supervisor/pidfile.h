/* The pid file `<program>.pid` in the run directory, locked by the master for as long as it lives.
 *
 * The lock is POSIX's (fcntl), which children do not inherit: a master that was killed leaves none
 * behind. */
#ifndef FAREWELL_PIDFILE_H
#define FAREWELL_PIDFILE_H

#include <stdbool.h>

#define PIDFILE_WHY 256

struct pidfile;

/* Takes the lock and writes this process's pid. NULL: WHY says why, naming the pid of a master that
 * runs already. */
struct pidfile *pidfile_take(const char *run_dir, const char *program, char why[PIDFILE_WHY]);
/* Removes the file and lets the lock go; NULL is fine. */
void pidfile_drop(struct pidfile *);
/* In a child: closes its copy of the descriptor. */
void pidfile_close(struct pidfile *);

#endif
