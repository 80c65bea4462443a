/* Decides how many keys and requests at a time a bucket gets, and how long it is left alone. */
#include "lib/s3/s3_pace.h"

#include <stdio.h>
#include <string.h>

static struct s3_pace *paces_place(struct s3_paces *paces, const char *bucket)
{
	struct s3_pace *oldest = &paces->at[0];

	for (size_t i = 0; i < S3_PACES; i++) {
		struct s3_pace *pace = &paces->at[i];

		if (strcmp(pace->bucket, bucket) == 0)
			return pace;
		if (pace->used_ms < oldest->used_ms)
			oldest = pace;
	}
	memset(oldest, 0, sizeof(*oldest));
	snprintf(oldest->bucket, sizeof(oldest->bucket), "%s", bucket);
	return oldest;
}

struct s3_pace *s3_pace_find(struct s3_paces *paces, const char *bucket, size_t keys_max,
                             int64_t now_ms)
{
	struct s3_pace *pace = paces_place(paces, bucket);
	bool fresh = pace->used_ms == 0 || pace->keys_max != keys_max;

	if (fresh || (pace->troubled_ms != 0 && now_ms - pace->troubled_ms >= S3_PACE_FORGET_MS)) {
		pace->keys = pace->keys_max = keys_max;
		pace->at_once = fresh ? 1 : pace->at_once;
		pace->troubled_ms = 0;
	}
	pace->failures = pace->timeouts = 0;
	pace->waited_ms = 0;
	pace->used_ms = now_ms;
	return pace;
}

void s3_pace_batch_done(struct s3_pace *pace, size_t keys, int64_t took_ms, int64_t timeout_ms)
{
	pace->failures = pace->timeouts = 0;
	if (keys < pace->keys || took_ms > timeout_ms / 3)
		return;
	pace->keys = pace->keys > pace->keys_max / 2 ? pace->keys_max : 2 * pace->keys;
}

void s3_pace_single_done(struct s3_pace *pace)
{
	pace->failures = pace->timeouts = 0;
	if (pace->at_once < S3_AT_ONCE_MAX)
		pace->at_once++;
}

/* Draws how long to wait after so many failures in a row. */
static void pace_back_off(struct s3_pace *pace, int failures, int64_t now_ms, uint32_t random)
{
	int64_t most_ms = S3_PACE_FIRST_WAIT_MS;

	for (int i = 1; i < failures && most_ms < S3_PACE_LONGEST_WAIT_MS; i++)
		most_ms *= 2;
	s3_pace_hold(pace, (most_ms * (int64_t)random) >> 32, now_ms);
}

void s3_pace_trouble(struct s3_pace *pace, enum s3_trouble trouble, size_t keys, int64_t now_ms,
                     uint32_t random)
{
	pace->troubled_ms = now_ms;
	pace->failures++;
	pace->at_once = pace->at_once > 1 ? pace->at_once / 2 : 1;
	if (trouble == S3_TROUBLE_TIMEOUT) {
		pace->timeouts++;
		/* By half, and each time in a row by as much again: each costs a whole time-out. */
		if (keys < pace->keys)
			pace->keys = keys;
		pace->keys >>= pace->timeouts;
		if (pace->keys == 0)
			pace->keys = 1;
	} else if (keys > pace->keys / 2 && pace->keys >= 2 * S3_PACE_SLOW_KEYS) {
		pace->keys /= 2;
	}
	if (!s3_pace_gives_up(pace))
		pace_back_off(pace, pace->failures, now_ms, random);
}

void s3_pace_some_trouble(struct s3_pace *pace, int64_t now_ms, uint32_t random)
{
	pace->failures = pace->timeouts = 0;
	pace->troubled_ms = now_ms;
	pace_back_off(pace, 1, now_ms, random);
}

void s3_pace_hold(struct s3_pace *pace, int64_t retry_after_ms, int64_t now_ms)
{
	int64_t until_ms = now_ms + (retry_after_ms < S3_HOLD_MAX_MS ? retry_after_ms : S3_HOLD_MAX_MS);

	if (until_ms > pace->not_before_ms)
		pace->not_before_ms = until_ms;
}

bool s3_pace_gives_up(const struct s3_pace *pace)
{
	return pace->failures >= S3_FAILURES_MAX || pace->timeouts >= S3_TIMEOUTS_MAX;
}

int64_t s3_pace_wait_ms(const struct s3_pace *pace, int64_t now_ms, int64_t deadline_ms)
{
	int64_t wait_ms = pace->not_before_ms - now_ms;

	if (wait_ms <= 0)
		return 0;
	if (pace->waited_ms + wait_ms > S3_WAITING_MAX_MS ||
	    (deadline_ms != 0 && now_ms + wait_ms >= deadline_ms))
		return -1;
	return wait_ms;
}

void s3_pace_waited(struct s3_pace *pace, int64_t ms)
{
	pace->waited_ms += ms;
}
