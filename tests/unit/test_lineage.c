/* When two lineages may be one database's. */
#include "lib/deletion/lineage.h"

#include <string.h>

#include "tests/unit/unit.h"

static void equal_ones_agree(void)
{
	CU_ASSERT_TRUE(lineage_agrees("a/71/00000001", "a/71/00000001"));
	CU_ASSERT_FALSE(lineage_agrees("a/71/00000001", "b/71/00000001"));
	CU_ASSERT_FALSE(lineage_agrees("a/71/00000001", "a/72/00000001"));
	CU_ASSERT_FALSE(lineage_agrees("a/71/00000001", "a/71/00000002"));
	CU_ASSERT_FALSE(lineage_agrees("a/71/00000001", "a/711/00000001"));
}

static void what_is_not_told_is_not_compared(void)
{
	CU_ASSERT_TRUE(lineage_agrees("a/-/-", "a/71/00000001"));
	CU_ASSERT_TRUE(lineage_agrees("a/71/00000001", "a/-/00000001"));
	CU_ASSERT_FALSE(lineage_agrees("a/-/00000001", "a/71/00000002"));
	CU_ASSERT_FALSE(lineage_agrees("b/-/-", "a/71/00000001"));
}

/* Anybody can write a header. */
static void what_is_none_agrees_with_none(void)
{
	CU_ASSERT_FALSE(lineage_agrees("", "a/71/00000001"));
	CU_ASSERT_FALSE(lineage_agrees("a/71", "a/71/00000001"));
	CU_ASSERT_FALSE(lineage_agrees("a/71/00000001/", "a/71/00000001"));
	CU_ASSERT_FALSE(lineage_agrees("-", "a/71/00000001"));
}

static void the_installation_is_the_first_part(void)
{
	CU_ASSERT_TRUE(lineage_same_installation("a/71/00000001", "a/72/00000002"));
	CU_ASSERT_TRUE(lineage_same_installation("a/compare", "a/71/00000001"));
	CU_ASSERT_FALSE(lineage_same_installation("a/71/00000001", "ab/71/00000001"));
	CU_ASSERT_FALSE(lineage_same_installation("b/-/-", "a/-/-"));
	CU_ASSERT_TRUE(lineage_same_installation("compare", "a/71/00000001"));
	CU_ASSERT_FALSE(lineage_agrees("a/compare", "a/71/00000001"));
}

static void the_gap_is_named(void)
{
	CU_ASSERT_PTR_NULL(lineage_gap("a/71/00000001"));
	CU_ASSERT_PTR_NOT_NULL(strstr(lineage_gap("a/-/00000001"), "system identifier"));
	CU_ASSERT_PTR_NOT_NULL(strstr(lineage_gap("a/71/-"), "timeline"));
	CU_ASSERT_PTR_NOT_NULL(strstr(lineage_gap("a/-/-"), "identifier and its timeline"));
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"equal ones agree", equal_ones_agree},
		{"what is not told is not compared", what_is_not_told_is_not_compared},
		{"what is none agrees with none", what_is_none_agrees_with_none},
		{"the installation is the first part", the_installation_is_the_first_part},
		{"the gap is named", the_gap_is_named},
		{NULL, NULL},
	};

	return unit_main("lineage", tests);
}
