/* Times: the monotonic clock, what is left until a deadline, and RFC 3339 text. */
#include "lib/base/clock.h"

#include <assert.h>
#include <limits.h>

int64_t clock_now_ms(void)
{
	struct timespec now;
	int failed = clock_gettime(CLOCK_MONOTONIC, &now);

	assert(!failed);
	(void)failed;
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int clock_left_ms(int64_t deadline_ms)
{
	int64_t now = clock_now_ms();

	if (deadline_ms <= now)
		return 0;
	return deadline_ms - now > INT_MAX ? INT_MAX : (int)(deadline_ms - now);
}

void clock_rfc3339(time_t when, char text[CLOCK_RFC3339_SIZE])
{
	struct tm utc;

	text[0] = '\0';
	if (gmtime_r(&when, &utc) == NULL ||
	    strftime(text, CLOCK_RFC3339_SIZE, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
		text[0] = '\0';
}
