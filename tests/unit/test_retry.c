/* When a failed job is tried again, and when it is parked. */
#include "lib/deletion/retry.h"
#include "tests/unit/unit.h"

static const struct conf conf = {
	.common.retry_delays = {.item = {{.ms = 10000}, {.ms = 60000}, {.ms = 600000}, {.ms = 3600000}},
                            .count = 4},
	.worker = {.park_after_ms = 7 * 24 * 3600000LL},
};

static void waits_longer_each_time(void)
{
	CU_ASSERT_EQUAL(retry_decide(&conf, RETRY_TIME_HEALS, 1, 0), 0);
	CU_ASSERT_EQUAL(retry_decide(&conf, RETRY_TIME_HEALS, 2, 10000), 1);
	CU_ASSERT_EQUAL(retry_decide(&conf, RETRY_TIME_HEALS, 3, 70000), 2);
	CU_ASSERT_EQUAL(retry_decide(&conf, RETRY_TIME_HEALS, 4, 670000), 3);
	CU_ASSERT_EQUAL(retry_decide(&conf, RETRY_TIME_HEALS, 5, 4000000), 3);
	CU_ASSERT_EQUAL(retry_decide(&conf, RETRY_TIME_HEALS, 100, 4000000), 3);
}

static void parks_after_days_not_tries(void)
{
	CU_ASSERT_EQUAL(retry_decide(&conf, RETRY_TIME_HEALS, 1000, conf.worker.park_after_ms - 1), 3);
	CU_ASSERT_EQUAL(retry_decide(&conf, RETRY_TIME_HEALS, 2, conf.worker.park_after_ms),
	                RETRY_PARK);
}

static void parks_what_needs_a_person_sooner(void)
{
	CU_ASSERT_EQUAL(retry_decide(&conf, RETRY_OPERATOR, 1, 0), 0);
	CU_ASSERT_EQUAL(retry_decide(&conf, RETRY_OPERATOR, 2, 10000), 1);
	CU_ASSERT_EQUAL(retry_decide(&conf, RETRY_OPERATOR, 3, 70000), RETRY_PARK);
	CU_ASSERT_EQUAL(retry_decide(&conf, RETRY_HOPELESS, 1, 0), RETRY_PARK);
}

static void does_with_one_delay(void)
{
	struct conf one = conf;

	one.common.retry_delays.count = 1;
	CU_ASSERT_EQUAL(retry_decide(&one, RETRY_TIME_HEALS, 1, 0), 0);
	CU_ASSERT_EQUAL(retry_decide(&one, RETRY_TIME_HEALS, 9, 0), 0);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"waits longer each time", waits_longer_each_time},
		{"parks after days, not tries", parks_after_days_not_tries},
		{"parks what needs a person sooner", parks_what_needs_a_person_sooner},
		{"does with one delay", does_with_one_delay},
		{NULL, NULL},
	};

	return unit_main("retry", tests);
}
