/* When a server counts as away, when it is tried again, and what closes the breaker. */
#include "lib/deletion/breaker.h"

#include <string.h>

#include "tests/unit/unit.h"

static const struct conf conf = {
	.common = {.retry_delays = {.item = {{10000, NULL}, {60000, NULL}, {600000, NULL}},
                                .count = 3}},
};

/* The trial after NOW_MS is put off by the pause and at most half of it. */
static void expect_pause(const struct breaker *breaker, int64_t now_ms, int64_t pause_ms)
{
	CU_ASSERT_TRUE(breaker->open);
	CU_ASSERT_TRUE(breaker_waits(breaker, now_ms + pause_ms - 1));
	CU_ASSERT_FALSE(breaker_waits(breaker, now_ms + pause_ms + pause_ms / 2));
}

static void opens_at_the_first_fault(void)
{
	struct breaker breaker = {0};

	CU_ASSERT_FALSE(breaker_waits(&breaker, 1000));
	breaker_fault(&breaker, "a bad signature", 1000);
	expect_pause(&breaker, 1000, BREAKER_PAUSE_FIRST_MS);
	CU_ASSERT_EQUAL(breaker.uncharged, 1);
	CU_ASSERT_STRING_EQUAL(breaker.why, "a bad signature");
}

static void opens_at_the_third_different_deletion(void)
{
	struct breaker breaker = {0};

	CU_ASSERT_FALSE(breaker_failure(&breaker, "503", "a", 1000));
	CU_ASSERT_FALSE(breaker_failure(&breaker, "503", "b", 1000));
	for (int i = 0; i < 5; i++) /* the same ones again are no others */
		CU_ASSERT_FALSE(breaker_failure(&breaker, "503", i % 2 ? "a" : "b", 1000));
	CU_ASSERT_FALSE(breaker.open);
	CU_ASSERT_FALSE(breaker_failure(&breaker, "503", "c", 1000)); /* which is charged, too */
	expect_pause(&breaker, 1000, BREAKER_PAUSE_FIRST_MS);
	CU_ASSERT_EQUAL(breaker.uncharged, 0);
}

static void a_success_between_them_counts(void)
{
	struct breaker breaker = {0};

	for (int i = 0; i < 10; i++) {
		breaker_failure(&breaker, "AccessDenied", "a", 1000);
		breaker_failure(&breaker, "AccessDenied", "b", 1000);
		breaker_success(&breaker, 1000);
	}
	CU_ASSERT_FALSE(breaker.open);
	CU_ASSERT_EQUAL(breaker.away_ms, 0);
}

static void waits_longer_after_each_trial(void)
{
	struct breaker breaker = {0};
	int64_t now_ms = 1000, pause_ms = BREAKER_PAUSE_FIRST_MS;

	breaker_fault(&breaker, "no connection", now_ms);
	for (int i = 0; i < 10; i++) {
		expect_pause(&breaker, now_ms, pause_ms);
		now_ms = breaker.trial_ms;
		CU_ASSERT_FALSE(breaker_waits(&breaker, now_ms));
		CU_ASSERT_TRUE(breaker_failure(&breaker, "503", "a", now_ms)); /* nobody is charged */
		breaker_fault(&breaker, "no connection", now_ms);              /* of the same trial */
		pause_ms =
			pause_ms * 2 < BREAKER_PAUSE_LONGEST_MS ? pause_ms * 2 : BREAKER_PAUSE_LONGEST_MS;
	}
	CU_ASSERT_EQUAL(breaker.opened_ms, 1000);
	CU_ASSERT_EQUAL(breaker.uncharged, 21);
}

static void a_success_closes_it(void)
{
	struct breaker breaker = {0};

	breaker_fault(&breaker, "no connection", 1000);
	breaker_fault(&breaker, "no connection", breaker.trial_ms);
	breaker_success(&breaker, 61000);
	CU_ASSERT_FALSE(breaker.open);
	CU_ASSERT_EQUAL(breaker.away_ms, 60000);
	breaker_fault(&breaker, "no connection", 70000); /* it begins anew */
	expect_pause(&breaker, 70000, BREAKER_PAUSE_FIRST_MS);
}

static void a_trial_can_be_hastened(void)
{
	struct breaker breaker = {0};

	breaker_hasten(&breaker, 1000);
	CU_ASSERT_FALSE(breaker.open);
	breaker_fault(&breaker, "no connection", 1000);
	breaker_hasten(&breaker, 1001);
	CU_ASSERT_TRUE(breaker.open);
	CU_ASSERT_FALSE(breaker_waits(&breaker, 1001));
}

static void what_waits_comes_again_a_few_times(void)
{
	struct breaker breaker = {0};

	CU_ASSERT_EQUAL(breaker_delay(&breaker, &conf, 1000), 0);
	breaker_fault(&breaker, "no connection", 1000);
	CU_ASSERT_EQUAL(breaker_delay(&breaker, &conf, 1000), 0);
	CU_ASSERT_EQUAL(breaker_delay(&breaker, &conf, 11000), 0);
	CU_ASSERT_EQUAL(breaker_delay(&breaker, &conf, 11001), 1);
	CU_ASSERT_EQUAL(breaker_delay(&breaker, &conf, 61001), 2);
	CU_ASSERT_EQUAL(breaker_delay(&breaker, &conf, 90000000), 2);
}

static void is_said_once_a_minute(void)
{
	struct breaker breaker = {0};

	CU_ASSERT_TRUE(breaker_say(&breaker, 1000));
	CU_ASSERT_FALSE(breaker_say(&breaker, 60999));
	CU_ASSERT_TRUE(breaker_say(&breaker, 61000));
	CU_ASSERT_FALSE(breaker_say(&breaker, 61001));
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"opens at the first fault", opens_at_the_first_fault},
		{"opens at the third different deletion", opens_at_the_third_different_deletion},
		{"a success between them counts", a_success_between_them_counts},
		{"waits longer after each trial", waits_longer_after_each_trial},
		{"a success closes it", a_success_closes_it},
		{"a trial can be hastened", a_trial_can_be_hastened},
		{"what waits comes again a few times", what_waits_comes_again_a_few_times},
		{"is said once a minute", is_said_once_a_minute},
		{NULL, NULL},
	};

	return unit_main("breaker", tests);
}
