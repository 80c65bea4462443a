/* What the tests of lib/config share: loads a text as configuration and looks at what was reported.
 */
#ifndef FAREWELL_CONF_UNIT_H
#define FAREWELL_CONF_UNIT_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/config/conf.h"
#include "tests/unit/unit.h"

/* What each program needs, each on one line, so that what a test adds begins on line 2. */
#define GATEWAY "gateway { user_db = x broker = 'amqp://h' auth = none }\n"
#define WORKER                                                                                     \
	"worker { user_db = x broker = 'amqp://h' worker_db = x s3_endpoint = 'http://h' "             \
	"s3_access_key = a "                                                                           \
	"smtp_url = 'smtp://h' mail_from = 'a@b' s3_secret_key_file = '%s' }\n"

#define SAID_SIZE (256 * 1024)

/* A directory of the test's own, and the files it may make there. */
extern char directory[], conf_file[128], log_file[128], secret_file[128];
/* What the last load has logged, of warnings and errors. */
extern char said[SAID_SIZE];

void put_file(const char *name, const void *bytes, size_t length, mode_t mode);
void put_secret(const char *text, mode_t mode);
/* The text of the file, for the caller to free. */
char *read_file(const char *name);

/* Loads a text as configuration; NULL when it is refused. */
struct conf *load_bytes(enum conf_program program, const char *text, size_t length);
struct conf *load(enum conf_program program, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Whether SAID has the error `FILE:LINE: SENTENCE`, SENTENCE being its beginning. LINE 0: FILE
 * alone. */
bool complained(int line, const char *sentence);
int count_errors(void);

/* The gateway's configuration with MORE in line 2 is refused, with just this error in that line. */
void refused(const char *more, const char *sentence);
void accepted(const char *more);

/* As unit_main, with the directory made before and removed afterwards. */
int conf_unit_main(const char *suite, const struct unit_test *tests);

#endif
