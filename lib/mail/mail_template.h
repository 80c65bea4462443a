/* The texts of the mail: files with placeholders, one directory per locale.
 *
 *     en/subject.txt   one line
 *     en/deleted.txt   the text
 *     en/deleted.html  the same as HTML; may be missing
 *
 * `{{name}}` is replaced; `{{name|friend}}` says what to write when there is no name, and
 * `{{name?dear}}` writes `dear` only when there is one. Placeholders: see enum mail_value.
 * Everything is read and checked once, so that a mistake shows at start and not in a letter. */
#ifndef FAREWELL_MAIL_TEMPLATE_H
#define FAREWELL_MAIL_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum mail_value {
	MAIL_VALUE_NAME,          /* {{name}}          */
	MAIL_VALUE_USER_ID,       /* {{user_id}}       */
	MAIL_VALUE_DELETION_ID,   /* {{deletion_id}}   */
	MAIL_VALUE_REQUESTED_AT,  /* {{requested_at}}  */
	MAIL_VALUE_FILES_DELETED, /* {{files_deleted}} */
	MAIL_VALUE_VERSIONS_LEFT, /* {{versions_left}}: of so many files older versions remain; empty:
	                             of none */
	MAIL_VALUES
};

struct mail_texts {
	char *locale; /* the directory's name */
	char *subject, *text;
	char *html; /* or NULL */
};

struct mail_templates;

/* Reads every locale in DIRECTORY. NULL: WHY says `file:line: what is wrong`. FALLBACK is the
 * locale that must be there. */
struct mail_templates *mail_templates_load(const char *directory, const char *fallback, char *why,
                                           size_t why_size);
void mail_templates_free(struct mail_templates *);

/* The texts for LOCALE: `ko-KR`, `ko_KR.UTF-8` and `KO` all find `ko`; what is not found, or no
 * locale at all, gets the fallback. LOCALE is looked up among what was loaded and never becomes
 * part of a path. */
const struct mail_texts *mail_templates_find(const struct mail_templates *, const char *locale);

/* Checks one template; FILE is its name for WHY. */
bool mail_template_check(const char *source, const char *file, char *why, size_t why_size);

/* Writes a template that was checked, with VALUES in place; AS_HTML: values are escaped (the
 * template itself is not). */
void mail_template_write(FILE *out, const char *source, const char *const values[MAIL_VALUES],
                         bool as_html);

#endif
