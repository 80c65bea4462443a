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

int main(void)
{
	static const struct unit_test tests[] = {
		{"codes stand before their class", codes_stand_before_their_class},
		{"serialization failures are busy", serialization_failures_are_busy},
		{"unknown ones want a person", unknown_ones_want_a_person},
		{NULL, NULL},
	};

	return unit_main("sqlstate", tests);
}
