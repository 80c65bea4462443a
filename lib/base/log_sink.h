/* Where a process's log lines go: a file, or a standard error that other processes may write to as
 * well. Never waits for who reads it: a line that can't be written now is counted, and the count is
 * said before the next one that can. */
#ifndef FAREWELL_LOG_SINK_H
#define FAREWELL_LOG_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The longest line, its newline included. PIPE_BUF: it goes into a pipe whole. */
#define LOG_LINE_SIZE 4096

/* How to write without waiting. */
enum log_sink_way {
	LOG_SINK_DIRECT, /* a file, or a description of our own that has O_NONBLOCK */
	LOG_SINK_SHARED, /* others use the description too, so its flags are not ours to change */
	LOG_SINK_SOCKET,
};

struct log_sink {
	int fd;
	enum log_sink_way way;
	bool torn;     /* the last line was written in part: it has no end yet */
	uint64_t lost; /* lines since the last one that was written, of this process: */
	pid_t lost_by;
	int lost_errno; /* of the first of them */
};

/* Standard error; always succeeds. */
void log_sink_use_standard_error(struct log_sink *);
/* FILE, which is made if need be. False: errno, and nothing has changed. */
bool log_sink_use_file(struct log_sink *, const char *file);
/* FILE anew, under the descriptor it has now. False: errno, and the old one is kept. */
bool log_sink_reopen(struct log_sink *, const char *file);
/* Closes what is not standard error. */
void log_sink_close(struct log_sink *);

/* Writes a line or, if it can't be written whole at once, counts it. */
void log_sink_put(struct log_sink *, const char *line, size_t length);
/* How many lines this process could not write and has not told of; *WHY: the error of the first. */
uint64_t log_sink_lost(const struct log_sink *, int *why);
/* Writes the line that tells of the lost ones and forgets them, if it can be written. */
bool log_sink_put_notice(struct log_sink *, const char *line, size_t length);
/* Whether there is room for some lines. Async-signal-safe. */
bool log_sink_has_room(const struct log_sink *);

#endif
