/* Which kind of error an SQLSTATE is. */
#include "lib/session/sqlstate.h"
#include "tests/unit/unit.h"

static void codes_stand_before_their_class(void)
{
	CU_ASSERT_EQUAL(sqlstate_kind("22P02"), SQLSTATE_NO_SUCH_ID);
	CU_ASSERT_EQUAL(sqlstate_kind("22012"), SQLSTATE_DATA);
	CU_ASSERT_EQUAL(sqlstate_kind("25006"), SQLSTATE_STALE);
	CU_ASSERT_EQUAL(sqlstate_kind("25P03"), SQLSTATE_ENDED);
	CU_ASSERT_EQUAL(sqlstate_kind("25P02"), SQLSTATE_PASSING);
	CU_ASSERT_EQUAL(sqlstate_kind("55P03"), SQLSTATE_BUSY);
	CU_ASSERT_EQUAL(sqlstate_kind("55006"), SQLSTATE_PASSING);
	CU_ASSERT_EQUAL(sqlstate_kind("57014"), SQLSTATE_BUSY);
	CU_ASSERT_EQUAL(sqlstate_kind("57P01"), SQLSTATE_ENDED);
	CU_ASSERT_EQUAL(sqlstate_kind("57000"), SQLSTATE_PASSING);
}

/* It stood in one program's list and not in the other's. */
static void serialization_failures_are_busy(void)
{
	CU_ASSERT_EQUAL(sqlstate_kind("40001"), SQLSTATE_BUSY);
	CU_ASSERT_EQUAL(sqlstate_kind("40P01"), SQLSTATE_BUSY);
}

static void unknown_ones_want_a_person(void)
{
	CU_ASSERT_EQUAL(sqlstate_kind("42501"), SQLSTATE_SETTING);
	CU_ASSERT_EQUAL(sqlstate_kind("XX000"), SQLSTATE_SETTING);
	CU_ASSERT_EQUAL(sqlstate_kind(""), SQLSTATE_SETTING);
	CU_ASSERT_EQUAL(sqlstate_kind("28P01"), SQLSTATE_LOGIN);
	CU_ASSERT_EQUAL(sqlstate_kind("3D000"), SQLSTATE_LOGIN);
	CU_ASSERT_EQUAL(sqlstate_kind("P0001"), SQLSTATE_DATA);
}

static void what_may_come(void)
{
	static const char *const later[] = {"28P01", "28000", "3D000", "3F000", "42P01",
	                                    "42703", "42501", "53300", "XX000"};
	static const char *const never[] = {"42601", "42P18", "42P02", "22P02", ""};

	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
		CU_ASSERT_TRUE(sqlstate_may_come(later[i]));
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		CU_ASSERT_FALSE(sqlstate_may_come(never[i]));
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"codes stand before their class", codes_stand_before_their_class},
		{"serialization failures are busy", serialization_failures_are_busy},
		{"unknown ones want a person", unknown_ones_want_a_person},
		{"what may come, and what may not", what_may_come},
		{NULL, NULL},
	};

	return unit_main("sqlstate", tests);
}
