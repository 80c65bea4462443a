/* What the files behind conf_load share; nobody else includes it.
 *
 * conf.c             the order of things: file, environment, defaults, secrets, checks
 * conf_table.c       the settings, with their rows in settings_*.h
 * conf_lexer.c       the file's text as tokens
 * conf_file.c        sections and settings made of tokens
 * conf_environment.c the variables that override the file
 * conf_names.c       what to say about a name that is not known
 * conf_value.c       one value from its text, by type
 * conf_url.c         the values that are URLs
 * conf_allow.c       the value that names buckets and prefixes
 * conf_store.c       what is special about stores: their buckets, and the default one
 * conf_secret.c      the content of *_file settings
 * conf_check.c       what must hold between settings
 * conf_print.c       a program of its own: the sample file and the manual from the table */
#ifndef FAREWELL_CONF_LOAD_H
#define FAREWELL_CONF_LOAD_H

#include "lib/config/conf.h"
#include "lib/config/conf_secret.h"

#define CONF_WHY_SIZE 512
#define CONF_NAME_SIZE 64   /* longer than any key, section and variable of ours */
#define AMQP_NAME_BYTES 255 /* a short string (AMQP 0-9-1, 4.2.5.3) */

/* ---- the table ---- */

enum conf_type {
	CONF_STRING,   /* char *; .min and .max are bytes, 0: no limit */
	CONF_SECRET,   /* struct conf_secret; the value is a file's name */
	CONF_SQL,      /* char *; one statement, not empty */
	CONF_ENDPOINT, /* char *; one of the schemes in .choices, host, perhaps a port */
	CONF_URL,      /* char *; the same with perhaps a user before it and a path after it */
	CONF_ALLOW, /* char *; s3://bucket/prefix with {id}, several; empty only where nobody set it */
	CONF_BUCKETS,   /* char *; names of buckets, or patterns with one `*`, several */
	CONF_BOOL,      /* bool; yes, no, on, off, true, false */
	CONF_INT,       /* int64_t */
	CONF_DURATION,  /* int64_t milliseconds; written 500ms, 10s, 5m, 1h, 7d */
	CONF_DURATIONS, /* struct conf_durations; written "10s 1m 1h"; the range is each one's */
	CONF_SIZE,      /* int64_t bytes; written 4096, 64k, 8M, 1G (powers of 1024) */
	CONF_MODE,      /* int64_t; octal file mode */
	CONF_ENUM,      /* int; index in .choices */
};

/* One row. */
struct conf_setting {
	const char *section, *key;
	enum conf_type type;
	size_t place;               /* offset in struct conf, or in struct conf_store */
	const char *fallback;       /* the default, as written in a file; NULL: must be set */
	int64_t min, max;           /* in the type's unit */
	const char *const *choices; /* NULL-terminated */
	const char *text;           /* what it means: sentences, without the range and the default */
	const char *example;        /* what the sample file shows instead of the default, or NULL */
	const char *topic;          /* the heading that begins with this row, or NULL */
	const char *topic_text;     /* what is to be said below the heading, or NULL */
	bool shared;                /* the gateway and the worker have it, each in its own section */
};

extern const struct conf_setting conf_table[];
extern const size_t conf_table_length;
/* Those of a store; their section is conf_store_section. */
extern const struct conf_setting conf_store_table[];
extern const size_t conf_store_table_length;
extern const char conf_store_section[];

/* Index in the table, or -1. */
int conf_find(const char *section, const char *key);
int conf_store_find(const char *key);
/* Whether SECTION is common or PROGRAM's own. */
bool conf_owns(enum conf_program program, const char *section);

/* ---- loading ---- */

/* What was said about one setting. */
struct conf_given {
	char *text; /* as written in the file, the environment or the table; NULL: nowhere */
	int line;   /* in the file; 0: not there */
	bool from_environment;
	bool wrong; /* an error was reported: checks leave it alone */
};

/* Settings of one table, each of which may be given once: those of the sections, or of one store.
 */
struct conf_scope {
	const struct conf_setting *table;
	size_t length;
	void *base;               /* in which the places are offsets */
	struct conf_given *given; /* in the table's order; so are the origins */
	char **origins;
	const char *store; /* its name; NULL: the sections */
	int line;          /* in which the store begins */
};

struct conf_loader {
	const char *file;
	enum conf_program program;
	struct conf *conf;
	struct conf_given *given; /* that of the sections */
	struct conf_scope sections;
	struct conf_scope stores[CONF_STORES_MAX]; /* as many as CONF has */
	int errors;
};

/* Begins to load FILE, which must live as long as the loader: nothing is given yet. False: out of
 * memory, and it was reported. Free in either case. */
bool conf_loader_init(struct conf_loader *, const char *file, enum conf_program);
/* Frees what was given, not the conf. */
void conf_loader_free(struct conf_loader *);

/* Takes TEXT as the value of setting INDEX and reports what is wrong with it. ORIGIN, for
 * conf_origin, is allocated and taken over; NULL: there was no memory for it. */
void conf_take(struct conf_loader *, struct conf_scope *, int index, const char *text,
               char *origin);
/* `worker.s3_timeout`, or `store "eu" endpoint`, for an error. */
void conf_setting_name(const struct conf_scope *, int index, char name[CONF_NAME_SIZE]);

/* One error about setting INDEX, at the place it was set: `FILE:LINE: section.key: …`. */
void conf_complain(struct conf_loader *, int index, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same of a store's setting, where that is the scope. */
void conf_complain_in(struct conf_loader *, const struct conf_scope *, int index,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));
/* One error in LINE of the file; 0: in no line of it. */
void conf_complain_line(struct conf_loader *, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Takes the settings of the file. False: the rest of it could not be made sense of. */
bool conf_file_read(struct conf_loader *);
/* Takes the settings of the environment, and reports variables that look like one but are none.
 * PARSED: the whole file was, so that all stores are known. */
void conf_environment_read(struct conf_loader *, bool parsed);

/* ---- tokens ---- */

enum conf_token {
	TOKEN_END,
	TOKEN_TEXT, /* a word, or a string in quotes */
	TOKEN_EQUALS,
	TOKEN_OPEN,  /* { */
	TOKEN_CLOSE, /* } */
	TOKEN_WRONG, /* no token; WHY says what is wrong */
};

struct conf_lexer {
	const char *at;
	int at_line;
	enum conf_token token; /* the current one */
	int line;              /* in which it begins */
	char *text;            /* of a TOKEN_TEXT, else NULL */
	char why[CONF_WHY_SIZE];
};

/* Makes the next token the current one. */
void conf_lexer_next(struct conf_lexer *);
void conf_lexer_free(struct conf_lexer *);

/* ---- names ---- */

/* The section of that name as it stands in the table, or NULL. */
const char *conf_section(const char *name);
/* Report a name that is not known, with the one that was probably meant. */
void conf_unknown_key(struct conf_loader *, int line, const char *section, const char *key);
void conf_unknown_section(struct conf_loader *, int line, const char *name);
void conf_unknown_variable(struct conf_loader *, const char *name);
/* NAME becomes the environment variable that overrides SETTING. False: too long. */
bool conf_variable_name(const char *section, const char *key, char name[CONF_NAME_SIZE]);

/* ---- values ---- */

/* Parses TEXT into the setting's place in BASE, a struct conf or struct conf_store, where what was
 * there is freed. False: WHY says what is wrong. */
bool conf_value_set(const struct conf_setting *, const char *text, void *base, char *why,
                    size_t why_size);
/* Frees what the setting owns in BASE, and wipes secrets. */
void conf_value_free(const struct conf_setting *, void *base);
/* What values may be, in words: `100ms to 5m`, `0 or more`, `resend or hold`; empty where anything
 * may be. */
void conf_value_range(const struct conf_setting *, char *text, size_t size);
/* NULL, or what is wrong with URL for a CONF_URL or CONF_ENDPOINT; never quotes it. */
const char *conf_url_fault(const struct conf_setting *, const char *url);
/* NULL, or what is wrong with the value of a CONF_ALLOW; an empty one is left to conf_check. */
const char *conf_allow_fault(const char *text);
/* NULL, or what is wrong with the value of a CONF_BUCKETS. */
const char *conf_buckets_fault(const char *text);

/* ---- stores ---- */

/* Begins the store NAME, whose block begins in LINE. NULL: refused, and reported. */
struct conf_scope *conf_store_begin(struct conf_loader *, const char *name, int line);
void conf_store_free(struct conf_store *);
/* Whether the plain setting INDEX need not be set, because stores take the default one's place. */
bool conf_store_replaces(const struct conf_loader *, int index);
/* Reports what does not hold between stores. */
void conf_store_check(struct conf_loader *);

/* ---- checks ---- */

/* Two numbers of one section of which LESSER must be less than GREATER. */
struct conf_order {
	const char *section; /* NULL: gateway and worker, while children is 0 */
	const char *lesser, *greater;
	bool may_equal;
	const char *because;
};

extern const struct conf_order conf_orders[];
extern const size_t conf_orders_length;

/* Reports what does not hold between settings. */
void conf_check(struct conf_loader *);

#endif
