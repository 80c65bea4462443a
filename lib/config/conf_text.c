/* libconfuse 3.3 can't be given a file as it is: it counts the lines of comments twice and thrice,
 * takes an unterminated string for the file's end (and starts the next file inside it), takes a
 * file that ends in mid-section for whole, drops characters it doesn't know, and replaces ${X} by
 * nothing when X is not set. So comments are blanked out here, and the rest is refused with the
 * line it is in. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/text.h"
#include "lib/config/conf_load.h"

#define MAX_BYTES (1024 * 1024)

struct scan {
	char *at;
	int line;
	int depth, opened; /* braces that are open, and the line of the last */
	char *why;
};

static bool refuse(struct scan *scan, const char *what)
{
	snprintf(scan->why, CONF_WHY_SIZE, "%s", what);
	return false;
}

static void step(struct scan *scan)
{
	if (*scan->at == '\n')
		scan->line++;
	scan->at++;
}

/* Blanks up to END (or the end of the text), keeping line ends. */
static void blank_until(struct scan *scan, const char *end)
{
	for (; *scan->at != '\0' && scan->at < end; step(scan))
		if (*scan->at != '\n')
			*scan->at = ' ';
}

static bool skip_comment(struct scan *scan)
{
	char *end;
	int first = scan->line;

	if (scan->at[0] != '/' || scan->at[1] != '*') {
		blank_until(scan, strchrnul(scan->at, '\n'));
		return true;
	}
	if ((end = strstr(scan->at + 2, "*/")) != NULL) {
		blank_until(scan, end + 2);
		return true;
	}
	scan->line = first;
	return refuse(scan, "this comment has no end");
}

/* A ${NAME} or ${NAME:-default} that libconfuse will replace. */
static bool check_variable(struct scan *scan)
{
	const char *name = scan->at + 2, *end;
	char copy[128];
	size_t length;

	if (scan->at[0] != '$' || scan->at[1] != '{' || (end = strchr(name, '}')) == NULL)
		return true;
	length = (size_t)(end - name);
	if (memmem(name, length, ":-", 2) != NULL)
		return true;
	if (length >= sizeof(copy))
		return refuse(scan, "the name of the environment variable is too long");
	memcpy(copy, name, length);
	copy[length] = '\0';
	if (getenv(copy) != NULL)
		return true;
	snprintf(scan->why, CONF_WHY_SIZE,
	         "there is no environment variable %s; set it, give a default as in ${%s:-default}, or "
	         "use single quotes if you mean these very characters",
	         copy, copy);
	return false;
}

/* From one quote to the other. In single quotes only \' and \\ mean anything. */
static bool skip_string(struct scan *scan)
{
	char quote = *scan->at;
	int first = scan->line;

	for (step(scan); *scan->at != '\0' && *scan->at != quote; step(scan)) {
		if (quote == '"' && !check_variable(scan))
			return false;
		if (*scan->at != '\\' || scan->at[1] == '\0')
			continue;
		step(scan);
		if (quote == '"' && ((*scan->at >= '0' && *scan->at <= '9') || *scan->at == 'x'))
			return refuse(scan, "characters can't be given by number; write the character itself, "
			                    "or \\\\ for a backslash");
	}
	if (*scan->at == quote) {
		step(scan);
		return true;
	}
	scan->line = first;
	return refuse(scan, "this string has no end; the closing quote is missing");
}

/* One character outside quotes and comments. */
static bool skip_plain(struct scan *scan)
{
	char c = *scan->at;

	if (c == '*' || (c == '+' && scan->at[1] != '=')) {
		snprintf(scan->why, CONF_WHY_SIZE, "a value with %c in it needs quotes", c);
		return false;
	}
	if (!check_variable(scan))
		return false;
	if (c == '{') {
		scan->depth++;
		scan->opened = scan->line;
	} else if (c == '}') {
		scan->depth--;
	}
	step(scan);
	return true;
}

static bool scan_text(struct scan *scan)
{
	bool fresh = true; /* nothing of a word came before: "http://x" has no comment in it */

	while (*scan->at != '\0') {
		char c = *scan->at;
		bool slashes = c == '/' && (scan->at[1] == '/' || scan->at[1] == '*');
		if (c == '#' || (slashes && (fresh || scan->at[1] == '*'))) {
			if (!skip_comment(scan))
				return false;
		} else if (c == '"' || c == '\'') {
			if (!skip_string(scan))
				return false;
		} else if (!skip_plain(scan)) {
			return false;
		}
		fresh = strchr(" \t\r\n#\"'={}()+,", c) != NULL || slashes;
	}
	if (scan->depth <= 0)
		return true;
	scan->line = scan->opened;
	return refuse(scan, "this section has no end; the closing brace is missing");
}

/* Bytes that no text has; the line they are in. */
static bool is_text(char *text, size_t length, struct scan *scan)
{
	char *start = text;

	for (; start < text + length; scan->line++) {
		char *end = memchr(start, '\n', (size_t)(text + length - start));
		size_t bytes = end == NULL ? (size_t)(text + length - start) : (size_t)(end - start);
		if (memchr(start, '\0', bytes) != NULL)
			return refuse(scan, "has a NUL byte in it; this is no text file");
		if (!text_utf8_valid(start, bytes))
			return refuse(scan, "is not valid UTF-8");
		start += bytes + 1;
	}
	scan->line = 1;
	return true;
}

static char *read_file(const char *file, size_t *length, char *why)
{
	FILE *in = fopen(file, "re");
	struct stat status;
	char *text = NULL;

	if (in == NULL) {
		snprintf(why, CONF_WHY_SIZE, "can't be opened: %s", strerror(errno));
		return NULL;
	}
	/* A named pipe is welcome, a directory is not; fopen takes it. */
	if (fstat(fileno(in), &status) == 0 && S_ISDIR(status.st_mode)) {
		snprintf(why, CONF_WHY_SIZE, "is a directory");
		goto out;
	}
	if ((text = malloc(MAX_BYTES + 2)) == NULL) {
		snprintf(why, CONF_WHY_SIZE, "out of memory");
		goto out;
	}
	*length = fread(text, 1, MAX_BYTES + 1, in);
	if (ferror(in) || *length > MAX_BYTES) {
		snprintf(why, CONF_WHY_SIZE, "can't be read: %s",
		         ferror(in) ? strerror(errno) : "longer than 1 MiB");
		free(text);
		text = NULL;
		goto out;
	}
	if (*length == 0 || text[*length - 1] != '\n')
		text[(*length)++] = '\n';
	text[*length] = '\0';
out:
	fclose(in);
	return text;
}

char *conf_text_read(const char *file, int *line, char *why)
{
	size_t length = 0;
	char *text = read_file(file, &length, why);
	struct scan scan = {.at = text, .line = 1, .why = why};

	*line = 0;
	if (text == NULL)
		return NULL;
	if (is_text(text, length, &scan) && scan_text(&scan))
		return text;
	*line = scan.line;
	free(text);
	return NULL;
}
