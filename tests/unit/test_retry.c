/* When a failed job is tried again, and when it is parked. */
#include "lib/deletion/retry.h"

#include <stdio.h>

#include "lib/deletion/served.h"
#include "tests/unit/unit.h"

static const struct conf conf = {
	.common =
		{.retry_delays = {.item = {{10000, NULL}, {60000, NULL}, {600000, NULL}, {3600000, NULL}},
                          .count = 4}},
	.worker = {.park_after_ms = 7 * 24 * 3600000LL, .operator_attempts = 3},
};

static int heals(int attempts, int64_t failing_ms)
{
	return retry_decide(&conf, &(struct retry_case){.cause = RETRY_TIME_HEALS,
	                                                .attempts = attempts,
	                                                .own_attempts = attempts,
	                                                .failing_ms = failing_ms});
}

static int operator_needed(int attempts, int own_attempts, bool serves_others)
{
	return retry_decide(&conf, &(struct retry_case){.cause = RETRY_OPERATOR,
	                                                .attempts = attempts,
	                                                .own_attempts = own_attempts,
	                                                .serves_others = serves_others});
}

static void waits_longer_each_time(void)
{
	CU_ASSERT_EQUAL(heals(1, 0), 0);
	CU_ASSERT_EQUAL(heals(2, 10000), 1);
	CU_ASSERT_EQUAL(heals(3, 70000), 2);
	CU_ASSERT_EQUAL(heals(4, 670000), 3);
	CU_ASSERT_EQUAL(heals(5, 4000000), 3);
	CU_ASSERT_EQUAL(heals(100, 4000000), 3);
}

static void parks_after_days_not_tries(void)
{
	CU_ASSERT_EQUAL(heals(1000, conf.worker.park_after_ms - 1), 3);
	CU_ASSERT_EQUAL(heals(2, conf.worker.park_after_ms), RETRY_PARK);
}

static void parks_what_needs_a_person_sooner(void)
{
	CU_ASSERT_EQUAL(operator_needed(1, 1, true), 0);
	CU_ASSERT_EQUAL(operator_needed(2, 2, true), 1);
	CU_ASSERT_EQUAL(operator_needed(3, 3, true), RETRY_PARK);
	CU_ASSERT_EQUAL(
		retry_decide(&conf, &(struct retry_case){.cause = RETRY_HOPELESS, .attempts = 1}),
		RETRY_PARK);
}

/* One 403 after two 503s is the first of its kind. */
static void counts_kinds_apart(void)
{
	CU_ASSERT_EQUAL(operator_needed(3, 1, true), 2);
}

static void parks_nobody_for_what_fails_everybody(void)
{
	CU_ASSERT_EQUAL(operator_needed(3, 3, false), 3);
	CU_ASSERT_EQUAL(operator_needed(50, 50, false), 3);
}

static void does_with_one_delay(void)
{
	struct conf one = conf;

	one.common.retry_delays.count = 1;
	CU_ASSERT_EQUAL(
		retry_decide(&one, &(struct retry_case){.cause = RETRY_TIME_HEALS, .attempts = 1}), 0);
	CU_ASSERT_EQUAL(
		retry_decide(&one, &(struct retry_case){.cause = RETRY_TIME_HEALS, .attempts = 9}), 0);
}

static void knows_the_causes_of_refusals(void)
{
	CU_ASSERT_EQUAL(retry_cause_of(sqlstate_kind("55P03")), RETRY_TIME_HEALS);
	CU_ASSERT_EQUAL(retry_cause_of(sqlstate_kind("53400")), RETRY_TIME_HEALS);
	CU_ASSERT_EQUAL(retry_cause_of(sqlstate_kind("21000")), RETRY_OPERATOR);
	CU_ASSERT_EQUAL(retry_cause_of(sqlstate_kind("42501")), RETRY_OPERATOR);
	CU_ASSERT_EQUAL(retry_cause_of(sqlstate_kind("P0001")), RETRY_OPERATOR);
}

static void remembers_who_was_served(void)
{
	static struct served served;
	char what[32];

	CU_ASSERT_FALSE(served_another(&served, "bucket a", "x", 1000));
	served_note(&served, "bucket a", "x");
	CU_ASSERT_FALSE(served_another(&served, "bucket a", "x", 1000));
	CU_ASSERT_TRUE(served_another(&served, "bucket a", "y", 60000));
	CU_ASSERT_FALSE(served_another(&served, "bucket b", "y", 60000));
	/* Its own success does not hide another's. */
	served_note(&served, "bucket a", "y");
	served_note(&served, "bucket a", "y");
	CU_ASSERT_TRUE(served_another(&served, "bucket a", "y", 60000));
	/* The longest unused one makes room. */
	for (int i = 0; i < SERVED_THINGS; i++) {
		snprintf(what, sizeof(what), "bucket %d", i);
		served_note(&served, what, "z");
	}
	CU_ASSERT_TRUE(served_another(&served, "bucket 63", "y", 60000));
	CU_ASSERT_FALSE(served_another(&served, "bucket a", "q", 60000));
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"waits longer each time", waits_longer_each_time},
		{"parks after days, not tries", parks_after_days_not_tries},
		{"parks what needs a person sooner", parks_what_needs_a_person_sooner},
		{"counts kinds apart", counts_kinds_apart},
		{"parks nobody for what fails everybody", parks_nobody_for_what_fails_everybody},
		{"does with one delay", does_with_one_delay},
		{"knows the causes of refusals", knows_the_causes_of_refusals},
		{"remembers who was served", remembers_who_was_served},
		{NULL, NULL},
	};

	return unit_main("retry", tests);
}
