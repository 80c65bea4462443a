/* The pid file `<program>.pid` in the run directory, locked by the master for as long as it lives.
 *
 * The lock is a POSIX one (fcntl), which children do not inherit: after the death of a master
 * nobody holds it. */
#ifndef FAREWELL_PIDFILE_H
#define FAREWELL_PIDFILE_H

#include <stddef.h>

struct pidfile;

/* Locks the file and writes this process's pid. NULL: WHY says why, naming the pid of a master that
 * is running already. */
struct pidfile *pidfile_open(const char *run_dir, const char *program, char *why, size_t why_size);
/* Removes the file and the lock; NULL is fine. */
void pidfile_remove(struct pidfile *);
/* In a child: closes its copy of the descriptor. */
void pidfile_close(struct pidfile *);

#endif
