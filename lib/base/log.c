/* The log of a process: levels, lines, the fields at their end, and what is said of lost ones. */
#include "lib/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/log_sink.h"
#include "lib/base/text.h"

#define CONTEXT_SIZE 256

/* A process has one log, as it has one standard error. */
static struct {
	const char *program;
	char *file; /* NULL: standard error */
	struct log_sink sink;
	enum log_level level;
	char context[CONTEXT_SIZE];
} own = {"farewell", NULL, {.fd = STDERR_FILENO, .way = LOG_SINK_SHARED}, LOG_INFO, ""};

/* Keeps a line one line, and a terminal from being talked to: C0 and DEL, and the C1 controls as
 * UTF-8 writes them. */
static void line_mask_controls(char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		bool c1 = (unsigned char)text[i] == 0xC2 && i + 1 < length &&
		          (unsigned char)text[i + 1] >= 0x80 && (unsigned char)text[i + 1] < 0xA0;

		if (text_is_control(text[i]))
			text[i] = '?';
		else if (c1)
			text[i] = text[i + 1] = '?';
	}
}

bool log_open(const char *program, const char *file, enum log_level level)
{
	char *copy = NULL;

	if (file == NULL || file[0] == '\0') {
		log_sink_use_standard_error(&own.sink);
	} else if ((copy = strdup(file)) == NULL || !log_sink_use_file(&own.sink, file)) {
		free(copy);
		return false;
	}
	free(own.file);
	own.program = program;
	own.file = copy;
	own.level = level;
	return true;
}

bool log_reopen(void)
{
	return own.file == NULL || log_sink_reopen(&own.sink, own.file);
}

void log_set_level(enum log_level level)
{
	own.level = level;
}

int log_descriptor(void)
{
	return own.sink.fd;
}

bool log_has_room(void)
{
	return log_sink_has_room(&own.sink);
}

void log_context(const char *format, ...)
{
	char whole[CONTEXT_SIZE + 4]; /* and one character more, to cut before it */
	va_list args;
	int length;

	log_context_clear();
	if (format == NULL)
		return;
	va_start(args, format);
	length = vsnprintf(whole, sizeof(whole), format, args);
	va_end(args);
	if (length < 0)
		return;
	whole[text_utf8_fit(whole, sizeof(own.context) - 1)] = '\0';
	memcpy(own.context, whole, strlen(whole) + 1);
	line_mask_controls(own.context, strlen(own.context));
}

void log_context_clear(void)
{
	own.context[0] = '\0';
}

/* `2026-11-22T15:39:07.123Z info farewell-fcgi[1234]: `; returns its length. */
static size_t line_put_head(char *line, size_t size, enum log_level level)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	struct timespec now;
	struct tm utc;
	char seconds[32] = "";
	int written;

	clock_gettime(CLOCK_REALTIME, &now);
	if (gmtime_r(&now.tv_sec, &utc) != NULL)
		strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &utc);
	written = snprintf(line, size, "%s.%03dZ %s %s[%ld]: ", seconds, (int)(now.tv_nsec / 1000000),
	                   names[level], own.program, (long)getpid());
	return written < 0 ? 0 : (size_t)written < size ? (size_t)written : size - 1;
}

/* Cuts back to LIMIT bytes, not in the middle of a character, and marks the place. */
static size_t line_cut(char *line, size_t limit)
{
	static const char mark[] = "...";
	size_t length = text_utf8_fit(line, limit - (sizeof(mark) - 1));

	memcpy(line + length, mark, sizeof(mark) - 1);
	return length + sizeof(mark) - 1;
}

/* Tells of the lines that were lost, if there are any and it can be written now. */
static bool log_put_notice(void)
{
	char line[LOG_LINE_SIZE];
	int why = 0;
	uint64_t lost = log_sink_lost(&own.sink, &why);

	if (lost == 0)
		return true;
	size_t length = line_put_head(line, sizeof(line), LOG_WARNING);
	bool unread = why == EAGAIN || why == EPIPE;
	int written = snprintf(line + length, sizeof(line) - length, "%llu %s lost because %s%s\n",
	                       (unsigned long long)lost, lost == 1 ? "line was" : "lines were",
	                       unread ? "nobody read the log" : "the log could not be written: ",
	                       unread ? "" : strerror(why));
	return written > 0 && (size_t)written < sizeof(line) - length &&
	       log_sink_put_notice(&own.sink, line, length + (size_t)written);
}

bool log_catch_up(void)
{
	int kept = errno;
	bool told = log_put_notice();

	errno = kept;
	return told;
}

__attribute__((format(printf, 2, 0))) static void line_put(enum log_level level, const char *format,
                                                           va_list args)
{
	char line[LOG_LINE_SIZE];
	int kept = errno;
	size_t context = strlen(own.context),
		   limit = sizeof(line) - 1 - (context > 0 ? context + 1 : 0);
	size_t head = line_put_head(line, limit, level), length = head;
	int body = vsnprintf(line + head, limit + 1 - head, format, args);

	if (body > 0)
		length = (size_t)body > limit - head ? line_cut(line, limit) : head + (size_t)body;
	line_mask_controls(line + head, length - head);
	if (context > 0) {
		line[length++] = ' ';
		memcpy(line + length, own.context, context);
		length += context;
	}
	line[length++] = '\n';
	log_put_notice();
	log_sink_put(&own.sink, line, length);
	errno = kept;
}

#define LOG_FUNCTION(name, its_level)                                                              \
	void name(const char *format, ...)                                                             \
	{                                                                                              \
		va_list args;                                                                              \
                                                                                                   \
		if (its_level > own.level)                                                                 \
			return;                                                                                \
		va_start(args, format);                                                                    \
		line_put(its_level, format, args);                                                         \
		va_end(args);                                                                              \
	}

LOG_FUNCTION(log_error, LOG_ERROR)
LOG_FUNCTION(log_warning, LOG_WARNING)
LOG_FUNCTION(log_info, LOG_INFO)
LOG_FUNCTION(log_debug, LOG_DEBUG)
