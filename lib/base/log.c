/* The log of a process: levels, lines, the fields at their end, and reopening its file. */
#include "lib/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/text.h"

#define LINE_SIZE 4096 /* PIPE_BUF: a line of this size goes into a pipe whole */
#define CONTEXT_SIZE 256

/* A process has one log, as it has one standard error. */
static struct {
	const char *program;
	char *file; /* NULL: standard error */
	int fd;
	enum log_level level;
	char context[CONTEXT_SIZE];
} sink = {"farewell", NULL, STDERR_FILENO, LOG_INFO, ""};

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

static int log_file_open(const char *file)
{
	return open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
}

bool log_open(const char *program, const char *file, enum log_level level)
{
	char *copy = NULL;
	int fd = STDERR_FILENO;

	if (file != NULL && file[0] != '\0') {
		if ((copy = strdup(file)) == NULL)
			return false;
		if ((fd = log_file_open(file)) < 0) {
			free(copy);
			return false;
		}
	}
	if (sink.file != NULL) {
		close(sink.fd);
		free(sink.file);
	}
	sink.program = program;
	sink.file = copy;
	sink.fd = fd;
	sink.level = level;
	return true;
}

bool log_reopen(void)
{
	bool done;
	int fd;

	if (sink.file == NULL)
		return true;
	if ((fd = log_file_open(sink.file)) < 0)
		return false;
	/* dup3 and not close: the number stays, and signal handlers may hold it. */
	done = dup3(fd, sink.fd, O_CLOEXEC) >= 0;
	close(fd);
	return done;
}

void log_set_level(enum log_level level)
{
	sink.level = level;
}

int log_descriptor(void)
{
	return sink.fd;
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
	whole[text_utf8_fit(whole, sizeof(sink.context) - 1)] = '\0';
	memcpy(sink.context, whole, strlen(whole) + 1);
	line_mask_controls(sink.context, strlen(sink.context));
}

void log_context_clear(void)
{
	sink.context[0] = '\0';
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
	                   names[level], sink.program, (long)getpid());
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

__attribute__((format(printf, 2, 0))) static void line_put(enum log_level level, const char *format,
                                                           va_list args)
{
	char line[LINE_SIZE];
	int kept = errno;
	size_t context = strlen(sink.context),
		   limit = sizeof(line) - 1 - (context > 0 ? context + 1 : 0);
	size_t head = line_put_head(line, limit, level), length = head;
	int body = vsnprintf(line + head, limit + 1 - head, format, args);

	if (body > 0)
		length = (size_t)body > limit - head ? line_cut(line, limit) : head + (size_t)body;
	line_mask_controls(line + head, length - head);
	if (context > 0) {
		line[length++] = ' ';
		memcpy(line + length, sink.context, context);
		length += context;
	}
	line[length++] = '\n';
	while (write(sink.fd, line, length) < 0 && errno == EINTR)
		;
	errno = kept;
}

#define LOG_FUNCTION(name, its_level)                                                              \
	void name(const char *format, ...)                                                             \
	{                                                                                              \
		va_list args;                                                                              \
                                                                                                   \
		if (its_level > sink.level)                                                                \
			return;                                                                                \
		va_start(args, format);                                                                    \
		line_put(its_level, format, args);                                                         \
		va_end(args);                                                                              \
	}

LOG_FUNCTION(log_error, LOG_ERROR)
LOG_FUNCTION(log_warning, LOG_WARNING)
LOG_FUNCTION(log_info, LOG_INFO)
LOG_FUNCTION(log_debug, LOG_DEBUG)
