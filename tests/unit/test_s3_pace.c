/* How fast a bucket is asked: what trouble and success do to batches, requests at once and waits.
 */
#include <string.h>

#include "lib/s3/s3_pace.h"
#include "tests/unit/unit.h"

#define LONGEST UINT32_MAX /* as random number: the longest wait */
#define TIMEOUT_MS 5000

static struct s3_paces paces;
static int64_t now_ms;

static struct s3_pace *fresh(void)
{
	memset(&paces, 0, sizeof(paces));
	now_ms = 1000000;
	return s3_pace_find(&paces, "bucket", 1000, now_ms);
}

static void trouble(struct s3_pace *pace, enum s3_trouble kind, size_t keys)
{
	s3_pace_trouble(pace, kind, keys, now_ms, LONGEST);
}

static void test_fresh(void)
{
	struct s3_pace *pace = fresh();

	CU_ASSERT_EQUAL(pace->keys, 1000);
	CU_ASSERT_EQUAL(pace->at_once, 1);
	CU_ASSERT_EQUAL(s3_pace_wait_ms(pace, now_ms, 0), 0);
	CU_ASSERT_FALSE(s3_pace_gives_up(pace));
}

/* A store that manages 50 keys a second, and 5 s for a request: no more than two requests are lost
 * for good, and none when it goes on. */
static void test_slow_store(void)
{
	struct s3_pace *pace = fresh();
	size_t left = 40000, lost = 0, asked = 0;

	while (left > 0 && !s3_pace_gives_up(pace) && asked < 1000) {
		size_t keys = left < pace->keys ? left : pace->keys;
		int64_t took_ms = (int64_t)keys * 1000 / 50;

		asked++;
		if (took_ms < TIMEOUT_MS) {
			s3_pace_batch_done(pace, keys, took_ms, TIMEOUT_MS);
			left -= keys;
		} else {
			trouble(pace, S3_TROUBLE_TIMEOUT, keys);
			lost++;
		}
	}
	CU_ASSERT_EQUAL(left, 0);
	CU_ASSERT_EQUAL(lost, 2);
	CU_ASSERT_EQUAL(pace->keys, 125);
}

/* Each time-out costs a whole one, so that the third in a row is the last. */
static void test_timeouts(void)
{
	struct s3_pace *pace = fresh();

	trouble(pace, S3_TROUBLE_TIMEOUT, 1000);
	CU_ASSERT_EQUAL(pace->keys, 500);
	CU_ASSERT_FALSE(s3_pace_gives_up(pace));
	trouble(pace, S3_TROUBLE_TIMEOUT, 500);
	CU_ASSERT_EQUAL(pace->keys, 125);
	trouble(pace, S3_TROUBLE_TIMEOUT, 125);
	CU_ASSERT_EQUAL(pace->keys, 15);
	CU_ASSERT_TRUE(s3_pace_gives_up(pace));
	/* The next s3_delete goes on from there. */
	pace = s3_pace_find(&paces, "bucket", 1000, now_ms);
	CU_ASSERT_FALSE(s3_pace_gives_up(pace));
	CU_ASSERT_EQUAL(pace->keys, 15);
	for (int i = 0; i < 20; i++)
		trouble(pace, S3_TROUBLE_TIMEOUT, pace->keys);
	CU_ASSERT_EQUAL(pace->keys, 1);
	/* It is what was asked for that was too much. */
	pace = fresh();
	trouble(pace, S3_TROUBLE_TIMEOUT, 200);
	CU_ASSERT_EQUAL(pace->keys, 100);
}

static void test_slow_down(void)
{
	struct s3_pace *pace = fresh();

	trouble(pace, S3_TROUBLE_SLOW, 1000);
	CU_ASSERT_EQUAL(pace->keys, 500);
	trouble(pace, S3_TROUBLE_SLOW, 10);
	CU_ASSERT_EQUAL(pace->keys, 500);
	for (int i = 0; i < 10; i++)
		trouble(pace, S3_TROUBLE_SLOW, pace->keys);
	CU_ASSERT_EQUAL(pace->keys, 62);
	pace = s3_pace_find(&paces, "small", 10, now_ms);
	trouble(pace, S3_TROUBLE_SLOW, 10);
	CU_ASSERT_EQUAL(pace->keys, 10);
}

static void test_grows_again(void)
{
	struct s3_pace *pace = fresh();
	static const size_t wanted[] = {250, 500, 1000, 1000};

	pace->keys = 125;
	s3_pace_batch_done(pace, 124, 1, TIMEOUT_MS); /* says nothing of 125 */
	CU_ASSERT_EQUAL(pace->keys, 125);
	s3_pace_batch_done(pace, 125, TIMEOUT_MS / 3 + 1, TIMEOUT_MS);
	CU_ASSERT_EQUAL(pace->keys, 125);
	for (size_t i = 0; i < 4; i++) {
		s3_pace_batch_done(pace, pace->keys, TIMEOUT_MS / 3, TIMEOUT_MS);
		CU_ASSERT_EQUAL(pace->keys, wanted[i]);
	}
	pace->keys = 15;
	now_ms += S3_PACE_FORGET_MS;
	pace->troubled_ms = now_ms - S3_PACE_FORGET_MS + 1;
	CU_ASSERT_EQUAL(s3_pace_find(&paces, "bucket", 1000, now_ms)->keys, 15);
	CU_ASSERT_EQUAL(s3_pace_find(&paces, "bucket", 1000, now_ms + 1)->keys, 1000);
}

static void test_at_once(void)
{
	struct s3_pace *pace = fresh();

	for (size_t i = 1; i < S3_AT_ONCE_MAX; i++) {
		CU_ASSERT_EQUAL(pace->at_once, i);
		s3_pace_single_done(pace);
	}
	s3_pace_single_done(pace);
	CU_ASSERT_EQUAL(pace->at_once, S3_AT_ONCE_MAX);
	trouble(pace, S3_TROUBLE_SLOW, 1);
	CU_ASSERT_EQUAL(pace->at_once, S3_AT_ONCE_MAX / 2);
	for (int i = 0; i < 10; i++)
		trouble(pace, S3_TROUBLE_SLOW, 1);
	CU_ASSERT_EQUAL(pace->at_once, 1);
}

/* Full jitter: anything between nothing and a limit that doubles. */
static void test_waits(void)
{
	struct s3_pace *pace = fresh();
	int64_t most_ms = S3_PACE_FIRST_WAIT_MS;

	for (int i = 1; i < S3_FAILURES_MAX; i++) {
		s3_pace_trouble(pace, S3_TROUBLE_SLOW, 1, now_ms, 0);
		CU_ASSERT_EQUAL(s3_pace_wait_ms(pace, now_ms, 0), 0);
		pace->failures--;
		s3_pace_trouble(pace, S3_TROUBLE_SLOW, 1, now_ms, 1U << 31);
		CU_ASSERT_EQUAL(s3_pace_wait_ms(pace, now_ms, 0), most_ms / 2);
		pace->failures--;
		s3_pace_trouble(pace, S3_TROUBLE_SLOW, 1, now_ms, LONGEST);
		CU_ASSERT_EQUAL(s3_pace_wait_ms(pace, now_ms, 0), most_ms - 1);
		now_ms = pace->not_before_ms;
		most_ms = 2 * most_ms < S3_PACE_LONGEST_WAIT_MS ? 2 * most_ms : S3_PACE_LONGEST_WAIT_MS;
	}
	CU_ASSERT_FALSE(s3_pace_gives_up(pace));
	/* Who gives up leaves nobody waiting. */
	s3_pace_trouble(pace, S3_TROUBLE_SLOW, 1, now_ms, LONGEST);
	CU_ASSERT_TRUE(s3_pace_gives_up(pace));
	CU_ASSERT_EQUAL(s3_pace_wait_ms(pace, now_ms, 0), 0);
	s3_pace_batch_done(pace, 1, 1, TIMEOUT_MS);
	CU_ASSERT_FALSE(s3_pace_gives_up(pace));
	trouble(pace, S3_TROUBLE_SLOW, 1);
	CU_ASSERT_EQUAL(s3_pace_wait_ms(pace, now_ms, 0), S3_PACE_FIRST_WAIT_MS - 1);
}

static void test_some_keys(void)
{
	struct s3_pace *pace = fresh();

	for (int i = 0; i < 20; i++)
		s3_pace_some_trouble(pace, now_ms, LONGEST);
	CU_ASSERT_FALSE(s3_pace_gives_up(pace));
	CU_ASSERT_EQUAL(pace->keys, 1000);
	CU_ASSERT_EQUAL(s3_pace_wait_ms(pace, now_ms, 0), S3_PACE_FIRST_WAIT_MS - 1);
}

static void test_retry_after(void)
{
	struct s3_pace *pace = fresh();

	s3_pace_hold(pace, 3000, now_ms);
	CU_ASSERT_EQUAL(s3_pace_wait_ms(pace, now_ms, 0), 3000);
	trouble(pace, S3_TROUBLE_SLOW, 1);
	CU_ASSERT_EQUAL(s3_pace_wait_ms(pace, now_ms, 0), 3000);
	CU_ASSERT_EQUAL(s3_pace_wait_ms(pace, now_ms + 3000, 0), 0);
	/* Not past the deadline, and not for longer than is waited in all: it is another time's. */
	CU_ASSERT_EQUAL(s3_pace_wait_ms(pace, now_ms, now_ms + 3000), -1);
	CU_ASSERT_EQUAL(s3_pace_wait_ms(pace, now_ms, now_ms + 3001), 3000);
	s3_pace_waited(pace, S3_WAITING_MAX_MS - 3000);
	CU_ASSERT_EQUAL(s3_pace_wait_ms(pace, now_ms, 0), 3000);
	s3_pace_waited(pace, 1);
	CU_ASSERT_EQUAL(s3_pace_wait_ms(pace, now_ms, 0), -1);
	CU_ASSERT_EQUAL(s3_pace_wait_ms(s3_pace_find(&paces, "bucket", 1000, now_ms), now_ms, 0), 3000);
	s3_pace_hold(pace, INT64_MAX / 2, now_ms);
	CU_ASSERT_EQUAL(s3_pace_wait_ms(pace, now_ms, 0), -1);
	CU_ASSERT_EQUAL(s3_pace_wait_ms(pace, now_ms + S3_HOLD_MAX_MS, 0), 0);
	CU_ASSERT_EQUAL(s3_pace_wait_ms(s3_pace_find(&paces, "other", 1000, now_ms), now_ms, 0), 0);
}

static void test_buckets(void)
{
	struct s3_pace *pace = fresh();
	char name[16];

	trouble(pace, S3_TROUBLE_SLOW, 1000);
	for (int i = 1; i < S3_PACES; i++) {
		snprintf(name, sizeof(name), "bucket-%d", i);
		CU_ASSERT_EQUAL(s3_pace_find(&paces, name, 1000, ++now_ms)->keys, 1000);
	}
	CU_ASSERT_EQUAL(s3_pace_find(&paces, "bucket", 1000, ++now_ms)->keys, 500);
	CU_ASSERT_STRING_EQUAL(s3_pace_find(&paces, "one-more", 1000, ++now_ms)->bucket, "one-more");
	CU_ASSERT_EQUAL(s3_pace_find(&paces, "bucket", 1000, ++now_ms)->keys, 500);
	for (int i = 0; i < S3_PACES; i++) {
		snprintf(name, sizeof(name), "more-%d", i);
		s3_pace_find(&paces, name, 1000, ++now_ms);
	}
	CU_ASSERT_EQUAL(s3_pace_find(&paces, "bucket", 1000, ++now_ms)->keys, 1000);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"at first", test_fresh},
		{"a slow store and a short time-out", test_slow_store},
		{"time-outs", test_timeouts},
		{"SlowDown", test_slow_down},
		{"batches grow again", test_grows_again},
		{"single requests at once", test_at_once},
		{"waits", test_waits},
		{"trouble of some keys", test_some_keys},
		{"Retry-After, deadline and budget", test_retry_after},
		{"many buckets", test_buckets},
		{NULL, NULL},
	};

	return unit_main("s3_pace", tests);
}
