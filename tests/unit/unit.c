/* Running a table of tests with CUnit. */
#include "tests/unit/unit.h"

#include <CUnit/Basic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static bool fill(const char *suite_name, const struct unit_test *tests)
{
	CU_pSuite suite = CU_add_suite(suite_name, NULL, NULL);
	if (suite == NULL)
		return false;
	for (; tests->name != NULL; tests++)
		if (CU_add_test(suite, tests->name, tests->function) == NULL)
			return false;
	return true;
}

int unit_main(const char *suite, const struct unit_test *tests)
{
	int code = EXIT_FAILURE;

	setvbuf(stdout, NULL, _IONBF, 0); /* what a crash leaves behind says which test it was */
	if (CU_initialize_registry() != CUE_SUCCESS || !fill(suite, tests)) {
		fprintf(stderr, "%s: CUnit: %s\n", suite, CU_get_error_msg());
		goto out;
	}
	CU_basic_set_mode(CU_BRM_VERBOSE);
	if (CU_basic_run_tests() != CUE_SUCCESS)
		goto out;
	if (CU_get_number_of_asserts() == 0) {
		fprintf(stderr, "%s: nothing was tested\n", suite);
		goto out;
	}
	if (CU_get_number_of_failures() == 0 && CU_get_number_of_tests_failed() == 0)
		code = EXIT_SUCCESS;
out:
	CU_cleanup_registry();
	return code;
}
