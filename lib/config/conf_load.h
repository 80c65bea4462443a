/* What the files behind conf_load share; nobody else includes it.
 *
 * conf.c        the order of things: file, environment, defaults, secrets, checks
 * conf_text.c   the file as text that libconfuse counts the lines of correctly
 * conf_value.c  one value from its text, by type
 * conf_secret.c the content of *_file settings
 * conf_check.c  what settings say about each other */
#ifndef FAREWELL_CONF_LOAD_H
#define FAREWELL_CONF_LOAD_H

#include "lib/config/conf.h"

#define CONF_WHY_SIZE 512

/* What was said about one setting. */
struct conf_given {
	char *text; /* as written in the file, the environment or the table; NULL: nowhere */
	int line;   /* in the file; 0: not there */
	bool from_environment;
	bool wrong; /* complained about already: checks leave it alone */
};

struct conf_loader {
	const char *file;
	enum conf_program program;
	struct conf *conf;
	struct conf_given *given; /* in the table's order */
	int errors;
};

/* Index in the table, or -1. */
int conf_find(const char *section, const char *key);
/* Whether SECTION is common or PROGRAM's own. */
bool conf_owns(enum conf_program program, const char *section);

/* One error about setting INDEX, at the place it was set: `FILE:LINE: section.key: …`. */
void conf_complain(struct conf_loader *, int index, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Reads FILE as text that ends in a newline, comments blanked out and checked for what libconfuse
 * would take silently. NULL: WHY says what is wrong, at LINE unless that is 0. */
char *conf_text_read(const char *file, int *line, char *why);

/* Parses TEXT into the setting's place in CONF, where what was there is freed. False: WHY says what
 * is wrong. */
bool conf_value_set(const struct conf_setting *, const char *text, struct conf *, char *why);
/* What values may be, in words: `100ms to 5m`, `0 or more`, `resend or hold`; empty for text. */
void conf_value_range(const struct conf_setting *, char *text, size_t size);
/* Reads a duration from the LENGTH bytes of TEXT; false if they are none. */
bool conf_value_duration(const char *text, size_t length, int64_t *ms);

/* Reads the secret's file into its value. False: WHY says what is wrong. */
bool conf_secret_read(struct conf_secret *, char *why);
void conf_secret_wipe(struct conf_secret *);

/* Checks what settings say about each other and complains. */
void conf_check(struct conf_loader *);

#endif
