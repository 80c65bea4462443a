/* A frame for unit tests: a table of named functions, run by CUnit.
 *
 * A test program is a few functions full of CU_ASSERTs, a table of them and `return
 * unit_main("suite", tests);`. */
#ifndef FAREWELL_UNIT_H
#define FAREWELL_UNIT_H

#include <CUnit/CUnit.h>

struct unit_test {
	const char *name; /* NULL ends a table */
	void (*function)(void);
};

/* Runs TESTS in order and says each one's outcome on standard output. Returns main's exit code: 0
 * only if at least one assertion was made and all of them held. */
int unit_main(const char *suite, const struct unit_test *tests);

#endif
