/* What the tests of the log share: a log file of the test's own, what it holds, and another
 * standard error. */
#ifndef FAREWELL_LOG_UNIT_H
#define FAREWELL_LOG_UNIT_H

#include <stdbool.h>

#include "lib/base/log.h"
#include "tests/unit/unit.h"

#define LOG_SAID_SIZE 65536

/* The log log_path, and where a rotation puts it. */
extern char log_path[128], log_moved_path[128];
extern char log_said[LOG_SAID_SIZE];

/* What the file NAME holds, in log_said. */
const char *log_read_back(const char *name);
/* Opens the log file afresh. */
void log_begin(enum log_level level);
bool matches(const char *text, const char *pattern);

/* Standard error is TO until standard_error_back, or, for one who still needs the log as it is,
 * until standard_error_return. */
void standard_error_is(int to);
void standard_error_return(void);
void standard_error_back(void);

/* As unit_main, with the directory made before and removed afterwards. */
int log_unit_main(const char *suite, const struct unit_test *tests);

#endif
