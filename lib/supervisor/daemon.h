/* Going into the background: the process that was started stays until the service is up, and tells
 * its caller how that went. */
#ifndef FAREWELL_DAEMON_H
#define FAREWELL_DAEMON_H

#include <stdbool.h>

struct daemon {
	int tell; /* write end of a pipe to the waiting process; -1: told, or in the foreground */
	bool keep_stderr;
};

/* Forks twice into a session of its own and returns in the grandchild. The process that called it
 * waits and ends: with 0 when daemon_up was called, with daemon_down's code, or with 0 and a word
 * about it when neither came within a minute. False: can't fork (errno). KEEP_STDERR: the log goes
 * there. LOG_FILE is where the waiting process sends a person when it went wrong. */
bool daemon_detach(struct daemon *, const char *program, const char *log_file, bool keep_stderr);
void daemon_up(struct daemon *);
void daemon_down(struct daemon *, int code);
/* In a child: lets go of the pipe and the terminal. */
void daemon_child(struct daemon *);

#endif
