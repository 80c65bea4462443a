/* Going into the background: the process that was started stays until the program serves, and tells
 * its caller how that went. */
#ifndef FAREWELL_DAEMON_H
#define FAREWELL_DAEMON_H

#include <stdbool.h>

struct daemon {
	int report; /* write end of a pipe to the waiting process; -1: done, or in the foreground */
	bool keep_stderr;
};

/* Forks twice into a session of its own and returns in the grandchild. The process that called it
 * waits and ends: with 0 when daemon_up was called, with daemon_down's code, or after a minute with
 * 0 and a message that says so. False: can't fork (errno). KEEP_STDERR: the log goes there.
 * LOG_FILE is where the waiting process says to look when it went wrong. */
bool daemon_detach(struct daemon *, const char *program, const char *log_file, bool keep_stderr);
/* The program serves: leaves the terminal and lets the waiting process end with 0. */
void daemon_up(struct daemon *);
/* The program ends: lets the waiting process end with CODE, if it still waits. */
void daemon_down(struct daemon *, int code);
/* In a child: closes the pipe and leaves the terminal. */
void daemon_child(struct daemon *);

#endif
