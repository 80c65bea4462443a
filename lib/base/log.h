/* The log: one event, one line, `time level program[pid]: sentence field=value …`, to standard
 * error or a file.
 *
 * Nothing here waits for who reads the log. A line that can't be written at once is lost, and
 * counted; "N lines were lost because …" is said as soon as something can be written again.
 *
 * Lines never hold a token, a mail address or a file's name above debug level. */
#ifndef FAREWELL_LOG_H
#define FAREWELL_LOG_H

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* PROGRAM is the name at the start of a line. FILE NULL or empty: standard error. False: FILE can't
 * be opened (errno), and nothing has changed. */
bool log_open(const char *program, const char *file, enum log_level level);
/* Opens the file anew (after USR1); the old one is kept when that fails. */
bool log_reopen(void);
void log_set_level(enum log_level level);

/* Fields that stand at the end of every line from now on, such as `request=…` or `deletion=…
 * user=…`; NULL: none. Copied, cut at 255 bytes between characters; control characters are
 * replaced. */
void log_context(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_context_clear(void);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says how many lines were lost, if any were and it can be said now. Cheap if none were; for a loop
 * that may have nothing else to say for a long time. False: there are lines still to be told of. */
bool log_catch_up(void);

/* For a backtrace in a signal handler: the descriptor lines go to, and whether some lines can be
 * written to it without waiting. */
int log_descriptor(void);
bool log_has_room(void);

#endif
