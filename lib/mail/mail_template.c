/* Loads and checks the texts of the mail, finds those of a locale, and fills them in. */
#include "lib/mail/mail_template.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/text.h"

#define FILE_MAX (256 * 1024)
#define LOCALE_MAX 35 /* RFC 5646, section 4.4.1 */
#define LOCALE_BYTES "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

struct mail_templates {
	struct mail_texts *texts;
	size_t count;
	const struct mail_texts *fallback;
};

static const char *const value_names[MAIL_VALUES] = {
	[MAIL_VALUE_NAME] = "name",
	[MAIL_VALUE_USER_ID] = "user_id",
	[MAIL_VALUE_DELETION_ID] = "deletion_id",
	[MAIL_VALUE_REQUESTED_AT] = "requested_at",
	[MAIL_VALUE_FILES_DELETED] = "files_deleted",
	[MAIL_VALUE_VERSIONS_LEFT] = "versions_left",
};

/* A template is a row of pieces: literal text, or a placeholder with what stands for an empty
 * value. */
struct piece {
	const char *text; /* the literal, or the placeholder's name */
	size_t length;
	const char *otherwise; /* placeholder: after the bar, or the question mark */
	size_t otherwise_length;
	bool only_if; /* it was a question mark: instead of a value that is not empty */
	int value;    /* enum mail_value; -1: literal; -2: unknown name; -3: no }} */
};

enum { LITERAL = -1, UNKNOWN = -2, OPEN = -3 };

static __attribute__((format(printf, 3, 4))) bool template_refuse(char *why, size_t why_size,
                                                                  const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, why_size, format, arguments);
	va_end(arguments);
	return false;
}

static int value_named(const char *name, size_t length)
{
	for (int i = 0; i < MAIL_VALUES; i++)
		if (strlen(value_names[i]) == length && memcmp(value_names[i], name, length) == 0)
			return i;
	return UNKNOWN;
}

/* Takes the next piece off *AT; false at the end. */
static bool piece_next(const char **at, struct piece *piece)
{
	const char *start = *at, *end, *bar;
	size_t name_length;

	if (*start == '\0')
		return false;
	*piece = (struct piece){.text = start, .value = LITERAL};
	if (strncmp(start, "{{", 2) != 0) {
		end = strstr(start, "{{");
		piece->length = end != NULL ? (size_t)(end - start) : strlen(start);
		*at = start + piece->length;
		return true;
	}
	piece->text = start + 2;
	end = start + 2 + strcspn(start + 2, "}\n");
	if (strncmp(end, "}}", 2) != 0) {
		piece->value = OPEN;
		*at = end;
		return true;
	}
	name_length = strcspn(piece->text, "|?}");
	bar = piece->text + name_length < end ? piece->text + name_length : NULL;
	piece->length = (size_t)((bar != NULL ? bar : end) - piece->text);
	if (bar != NULL) {
		piece->only_if = *bar == '?';
		piece->otherwise = bar + 1;
		piece->otherwise_length = (size_t)(end - bar - 1);
	}
	piece->value = value_named(piece->text, piece->length);
	*at = end + 2;
	return true;
}

static int line_of(const char *source, const char *at)
{
	int line = 1;

	for (; source < at; source++)
		line += *source == '\n';
	return line;
}

bool mail_template_check(const char *source, const char *file, char *why, size_t why_size)
{
	struct piece piece;

	for (const char *at = source; piece_next(&at, &piece);) {
		if (piece.value == OPEN)
			return template_refuse(why, why_size, "%s:%d: {{ without }} on the same line", file,
			                       line_of(source, piece.text));
		if (piece.value == UNKNOWN)
			return template_refuse(why, why_size,
			                       "%s:%d: unknown placeholder {{%.*s}}; there are name, user_id, "
			                       "deletion_id, requested_at, files_deleted, versions_left",
			                       file, line_of(source, piece.text),
			                       piece.length < 40 ? (int)piece.length : 40, piece.text);
	}
	return true;
}

static void put_escaped(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '&': fputs("&amp;", out); break;
		case '<': fputs("&lt;", out); break;
		case '>': fputs("&gt;", out); break;
		case '"': fputs("&quot;", out); break;
		case '\'': fputs("&#39;", out); break;
		default: putc(*text, out);
		}
	}
}

void mail_template_write(FILE *out, const char *source, const char *const values[MAIL_VALUES],
                         bool as_html)
{
	struct piece piece;

	for (const char *at = source; piece_next(&at, &piece);) {
		if (piece.value < 0)
			fwrite(piece.text, 1, piece.length, out);
		else if (piece.only_if ? values[piece.value][0] != '\0' :
		                         values[piece.value][0] == '\0' && piece.otherwise_length > 0)
			fwrite(piece.otherwise, 1, piece.otherwise_length, out);
		else if (piece.only_if)
			continue;
		else if (as_html)
			put_escaped(out, values[piece.value]);
		else
			fputs(values[piece.value], out);
	}
}

/* The whole of FILE as text; NULL with WHY "" if there is no such file. */
static char *file_read(const char *file, char *why, size_t why_size)
{
	FILE *in = fopen(file, "re");
	char *text = NULL;
	size_t length;

	why[0] = '\0';
	if (in == NULL) {
		if (errno != ENOENT)
			template_refuse(why, why_size, "%s: %s", file, strerror(errno));
		return NULL;
	}
	text = malloc(FILE_MAX + 1);
	length = text != NULL ? fread(text, 1, FILE_MAX + 1, in) : 0;
	if (text == NULL || ferror(in))
		template_refuse(why, why_size, "%s: %s", file,
		                text == NULL ? "no memory" : strerror(errno));
	else if (length > FILE_MAX)
		template_refuse(why, why_size, "%s: larger than %d kB", file, FILE_MAX / 1024);
	else if (memchr(text, '\0', length) != NULL || !text_utf8_valid(text, length))
		template_refuse(why, why_size, "%s: not UTF-8 text", file);
	else if (length == 0)
		template_refuse(why, why_size, "%s: is empty", file);
	fclose(in);
	if (text == NULL || why[0] != '\0') {
		free(text);
		return NULL;
	}
	text[length] = '\0';
	return text;
}

/* Reads and checks DIRECTORY/LOCALE/NAME into *TEXT. */
static bool template_read(const char *directory, const char *locale, const char *name, bool must,
                          char **text, char *why, size_t why_size)
{
	char *file;
	bool good;

	if (asprintf(&file, "%s/%s/%s", directory, locale, name) < 0)
		return template_refuse(why, why_size, "no memory");
	*text = file_read(file, why, why_size);
	if (*text != NULL)
		good = mail_template_check(*text, file, why, why_size);
	else
		good = why[0] == '\0' && !must;
	if (*text == NULL && !good && why[0] == '\0')
		template_refuse(why, why_size, "%s: no such file", file);
	free(file);
	return good;
}

/* A subject is one line; the line's end goes. */
static bool subject_trim(char *subject, const char *directory, const char *locale, char *why,
                         size_t why_size)
{
	size_t length = strcspn(subject, "\r\n");

	if (length == 0 || subject[length + strspn(subject + length, "\r\n")] != '\0')
		return template_refuse(why, why_size, "%s/%s/subject.txt:%d: must be one line", directory,
		                       locale, length == 0 ? 1 : 2);
	subject[length] = '\0';
	if (text_has_control(subject, length))
		return template_refuse(why, why_size, "%s/%s/subject.txt:1: has a control character in it",
		                       directory, locale);
	return true;
}

static bool texts_read(const char *directory, const char *locale, struct mail_texts *texts,
                       char *why, size_t why_size)
{
	texts->locale = strdup(locale);
	if (texts->locale == NULL)
		return template_refuse(why, why_size, "no memory");
	return template_read(directory, locale, "subject.txt", true, &texts->subject, why, why_size) &&
	       subject_trim(texts->subject, directory, locale, why, why_size) &&
	       template_read(directory, locale, "deleted.txt", true, &texts->text, why, why_size) &&
	       template_read(directory, locale, "deleted.html", false, &texts->html, why, why_size);
}

static bool is_locale(const char *name)
{
	size_t length = strspn(name, LOCALE_BYTES);

	return length > 0 && length <= LOCALE_MAX && name[length] == '\0';
}

/* Every directory whose name can be a locale is one; anything else beside them is left alone. */
static bool locales_read(struct mail_templates *all, DIR *dir, const char *directory, char *why,
                         size_t why_size)
{
	struct dirent *entry;

	while ((entry = readdir(dir)) != NULL) {
		struct mail_texts *more;
		char *path;
		DIR *inner;

		if (!is_locale(entry->d_name))
			continue;
		if (asprintf(&path, "%s/%s", directory, entry->d_name) < 0)
			return template_refuse(why, why_size, "no memory");
		inner = opendir(path);
		int error = errno;
		free(path);
		if (inner == NULL && error == ENOTDIR)
			continue;
		if (inner == NULL)
			return template_refuse(why, why_size, "%s/%s: %s", directory, entry->d_name,
			                       strerror(error));
		closedir(inner);
		more = realloc(all->texts, (all->count + 1) * sizeof(*more));
		if (more == NULL)
			return template_refuse(why, why_size, "no memory");
		all->texts = more;
		more[all->count] = (struct mail_texts){.locale = NULL};
		if (!texts_read(directory, entry->d_name, &more[all->count++], why, why_size))
			return false;
	}
	return true;
}

/* The texts whose directory is named by the LENGTH bytes at LOCALE, in either case, `_` for `-`. */
static const struct mail_texts *texts_find(const struct mail_templates *all, const char *locale,
                                           size_t length)
{
	for (size_t i = 0; i < all->count; i++) {
		const char *name = all->texts[i].locale;
		size_t same = 0;

		if (strlen(name) != length)
			continue;
		while (same < length &&
		       (strncasecmp(name + same, locale + same, 1) == 0 ||
		        (strchr("-_", name[same]) != NULL && strchr("-_", locale[same]) != NULL)))
			same++;
		if (same == length)
			return &all->texts[i];
	}
	return NULL;
}

const struct mail_texts *mail_templates_find(const struct mail_templates *all, const char *locale)
{
	size_t length = locale != NULL ? strspn(locale, LOCALE_BYTES) : 0;

	while (length > 0) {
		const struct mail_texts *found = texts_find(all, locale, length);

		if (found != NULL)
			return found;
		while (--length > 0 && strchr("-_", locale[length]) == NULL)
			;
	}
	return all->fallback;
}

struct mail_templates *mail_templates_load(const char *directory, const char *fallback, char *why,
                                           size_t why_size)
{
	struct mail_templates *all = calloc(1, sizeof(*all));
	DIR *dir = opendir(directory);
	bool good = false;

	if (all == NULL)
		template_refuse(why, why_size, "no memory");
	else if (dir == NULL)
		template_refuse(why, why_size, "%s: %s", directory, strerror(errno));
	else if (!is_locale(fallback))
		template_refuse(why, why_size, "'%s' is not a valid locale; write one such as en or ko",
		                fallback);
	else
		good = locales_read(all, dir, directory, why, why_size);
	if (good) {
		all->fallback = texts_find(all, fallback, strlen(fallback));
		if (all->fallback == NULL)
			good = template_refuse(why, why_size, "%s/%s: no templates for the default locale",
			                       directory, fallback);
	}
	if (dir != NULL)
		closedir(dir);
	if (!good) {
		mail_templates_free(all);
		all = NULL;
	}
	return all;
}

void mail_templates_free(struct mail_templates *all)
{
	if (all == NULL)
		return;
	for (size_t i = 0; i < all->count; i++) {
		free(all->texts[i].locale);
		free(all->texts[i].subject);
		free(all->texts[i].text);
		free(all->texts[i].html);
	}
	free(all->texts);
	free(all);
}
