/* The clock: it goes on, deadlines are bounded, and dates are written as RFC 3339 says. */
#include <limits.h>
#include <time.h>

#include "lib/base/clock.h"
#include "tests/unit/unit.h"

static void goes_on(void)
{
	const struct timespec nap = {0, 20 * 1000 * 1000};
	int64_t before_ms = clock_now_ms();

	nanosleep(&nap, NULL);
	int64_t took_ms = clock_now_ms() - before_ms;
	CU_ASSERT(took_ms >= 19);
	CU_ASSERT(took_ms < 10000);
}

static void is_monotonic(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	int64_t theirs_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000,
			difference_ms = clock_now_ms() - theirs_ms;
	CU_ASSERT(difference_ms >= 0 && difference_ms < 10000);
}

static void counts_down(void)
{
	int left_ms = clock_left_ms(clock_now_ms() + 60000);

	CU_ASSERT(left_ms > 50000 && left_ms <= 60000);
	CU_ASSERT_EQUAL(clock_left_ms(clock_now_ms()), 0);
	CU_ASSERT_EQUAL(clock_left_ms(clock_now_ms() - 1), 0);
	CU_ASSERT_EQUAL(clock_left_ms(INT64_MIN), 0);
	CU_ASSERT_EQUAL(clock_left_ms(INT64_MAX), INT_MAX);
}

static void writes_rfc3339(void)
{
	char text[CLOCK_RFC3339_SIZE];

	clock_rfc3339(0, text);
	CU_ASSERT_STRING_EQUAL(text, "1970-01-01T00:00:00Z");
	clock_rfc3339(1795361947, text);
	CU_ASSERT_STRING_EQUAL(text, "2026-11-22T15:39:07Z");
	clock_rfc3339(951782399, text);
	CU_ASSERT_STRING_EQUAL(text, "2000-02-28T23:59:59Z");
	clock_rfc3339(951782400, text);
	CU_ASSERT_STRING_EQUAL(text, "2000-02-29T00:00:00Z");
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"goes on", goes_on},
		{"is the monotonic clock", is_monotonic},
		{"counts down to a deadline", counts_down},
		{"writes RFC 3339 in UTC", writes_rfc3339},
		{NULL, NULL},
	};

	return unit_main("clock", tests);
}
