/* Tests how many children the policy starts and stops: sizing, back-off, reload. */
#include <stdint.h>

#include "lib/supervisor/policy.h"
#include "tests/unit/unit.h"

static const struct policy_settings fixed_4 = {.children = 4, .surplus = 1};
static const struct policy_settings spares = {
	.start = 5, .min_spare = 3, .max_spare = 6, .max_children = 40};

/* A policy whose first child serves already, and that had its start_children. */
static struct policy policy_that_serves(void)
{
	struct policy policy;

	policy_init(&policy);
	policy.probing = false;
	policy.filled = true;
	return policy;
}

static struct policy_advice decide(struct policy *policy, const struct policy_settings *settings,
                                   struct policy_counts counts, int64_t now_ms)
{
	if (counts.free_slots == 0)
		counts.free_slots = 1000;
	return policy_decide(policy, settings, &counts, now_ms);
}

/* IDLE and BUSY children of the present generation. */
static struct policy_counts serving(int idle, int busy)
{
	return (struct policy_counts){.idle = idle, .busy = busy, .fresh_serving = idle + busy};
}

static void one_child_first(void)
{
	struct policy policy;

	policy_init(&policy);
	CU_ASSERT_EQUAL(decide(&policy, &fixed_4, (struct policy_counts){0}, 0).start, 1);
	CU_ASSERT_EQUAL(
		decide(&policy, &fixed_4, (struct policy_counts){.starting = 1, .fresh_starting = 1}, 10)
			.start,
		0);
	CU_ASSERT_EQUAL(decide(&policy, &fixed_4, serving(1, 0), 20).start, 3);
}

static void fixed_number_is_kept(void)
{
	struct policy policy = policy_that_serves();

	CU_ASSERT_EQUAL(decide(&policy, &fixed_4, serving(4, 0), 0).start, 0);
	CU_ASSERT_EQUAL(decide(&policy, &fixed_4, serving(0, 4), 0).start, 0);
	CU_ASSERT_EQUAL(decide(&policy, &fixed_4, serving(1, 2), 0).start, 1);
	CU_ASSERT_EQUAL(decide(&policy, &fixed_4, serving(4, 0), 0).stop_spare, 0);
	CU_ASSERT_EQUAL(decide(&policy, &fixed_4, serving(4, 0), 0).again_ms, INT64_MAX);
}

static void leaving_children_are_replaced_before_they_are_gone(void)
{
	struct policy policy = policy_that_serves();
	struct policy_counts counts = serving(1, 2);

	counts.leaving = 1;
	CU_ASSERT_EQUAL(decide(&policy, &fixed_4, counts, 0).start, 1);
	/* But not without end: one surplus child, and no more. */
	counts = serving(1, 1);
	counts.leaving = 2;
	CU_ASSERT_EQUAL(decide(&policy, &fixed_4, counts, 0).start, 1);
	counts.leaving = 3;
	CU_ASSERT_EQUAL(decide(&policy, &fixed_4, counts, 0).start, 0);
}

static void few_start_at_the_same_time(void)
{
	const struct policy_settings many = {.children = 200, .surplus = 50};
	struct policy policy = policy_that_serves();
	struct policy_counts counts = serving(1, 0);

	CU_ASSERT_EQUAL(decide(&policy, &many, counts, 0).start, POLICY_MAX_STARTING);
	counts.starting = counts.fresh_starting = 30;
	CU_ASSERT_EQUAL(decide(&policy, &many, counts, 0).start, 2);
	counts.starting = counts.fresh_starting = 32;
	CU_ASSERT_EQUAL(decide(&policy, &many, counts, 0).start, 0);
}

static void slots_are_the_last_word(void)
{
	struct policy policy = policy_that_serves();
	struct policy_counts counts = serving(1, 0);

	counts.free_slots = 2;
	CU_ASSERT_EQUAL(decide(&policy, &fixed_4, counts, 0).start, 2);
}

static void too_many_of_a_fixed_number_go_one_a_second(void)
{
	struct policy policy = policy_that_serves();
	struct policy_advice advice = decide(&policy, &fixed_4, serving(3, 4), 5000);

	CU_ASSERT_EQUAL(advice.stop_spare, 1);
	CU_ASSERT_EQUAL(advice.again_ms, 6000);
	CU_ASSERT_EQUAL(decide(&policy, &fixed_4, serving(2, 4), 5500).stop_spare, 0);
	CU_ASSERT_EQUAL(decide(&policy, &fixed_4, serving(2, 4), 6000).stop_spare, 1);
	CU_ASSERT_EQUAL(decide(&policy, &fixed_4, serving(0, 4), 9000).stop_spare, 0);
}

static void start_children_come_first(void)
{
	struct policy policy;

	policy_init(&policy);
	CU_ASSERT_EQUAL(decide(&policy, &spares, (struct policy_counts){0}, 0).start, 1);
	CU_ASSERT_EQUAL(decide(&policy, &spares, serving(1, 0), 0).start, 4);
	CU_ASSERT_EQUAL(decide(&policy, &spares,
	                       (struct policy_counts){
							   .idle = 1, .starting = 4, .fresh_serving = 1, .fresh_starting = 4},
	                       0)
	                    .start,
	                0);
	/* From then on the spare ones decide, not the start. */
	CU_ASSERT_EQUAL(decide(&policy, &spares, serving(3, 0), 5000).start, 0);
}

static void spawn_rate_doubles_each_second(void)
{
	const struct policy_settings wide = {
		.start = 1, .min_spare = 100, .max_spare = 200, .max_children = 1000};
	struct policy policy = policy_that_serves();
	int expected[] = {1, 2, 4, 8, 16, 32, 32};

	for (int i = 0; i < 7; i++) {
		CU_ASSERT_EQUAL(decide(&policy, &wide, serving(0, 10), i * 1000).start, expected[i]);
		/* Asked again within the second, no more. */
		struct policy_advice advice = decide(&policy, &wide, serving(0, 10), i * 1000 + 500);
		CU_ASSERT_EQUAL(advice.start, 0);
		CU_ASSERT_EQUAL(advice.again_ms, i * 1000 + 1000);
	}
	/* Enough spares for once: from the beginning. */
	CU_ASSERT_EQUAL(decide(&policy, &wide, serving(100, 10), 8000).start, 0);
	CU_ASSERT_EQUAL(decide(&policy, &wide, serving(50, 10), 9000).start, 1);
}

static void no_more_spares_than_max_spare(void)
{
	struct policy policy = policy_that_serves();

	policy.rate = 32;
	CU_ASSERT_EQUAL(decide(&policy, &spares, serving(2, 5), 0).start, 4);
	/* Those on their way count as spare. */
	policy = policy_that_serves();
	struct policy_counts counts = serving(1, 5);
	counts.starting = counts.fresh_starting = 2;
	CU_ASSERT_EQUAL(decide(&policy, &spares, counts, 0).start, 0);
}

static void spares_in_between_change_nothing(void)
{
	struct policy policy = policy_that_serves();

	for (int idle = spares.min_spare; idle <= spares.max_spare; idle++) {
		struct policy_advice advice = decide(&policy, &spares, serving(idle, 7), idle * 10000);

		CU_ASSERT_EQUAL(advice.start, 0);
		CU_ASSERT_EQUAL(advice.stop_spare, 0);
	}
}

static void too_many_spares_go_one_a_second(void)
{
	struct policy policy = policy_that_serves();

	CU_ASSERT_EQUAL(decide(&policy, &spares, serving(9, 0), 1000).stop_spare, 1);
	CU_ASSERT_EQUAL(decide(&policy, &spares, serving(8, 0), 1999).stop_spare, 0);
	CU_ASSERT_EQUAL(decide(&policy, &spares, serving(8, 0), 2000).stop_spare, 1);
	CU_ASSERT_EQUAL(decide(&policy, &spares, serving(6, 0), 3000).stop_spare, 0);
}

static void max_children_is_the_limit_and_said_once(void)
{
	struct policy policy = policy_that_serves();
	struct policy_counts counts = serving(0, 39);

	policy.rate = 32;
	CU_ASSERT_EQUAL(decide(&policy, &spares, counts, 0).start, 1);
	struct policy_advice advice = decide(&policy, &spares, serving(0, 40), 1000);
	CU_ASSERT_EQUAL(advice.start, 0);
	CU_ASSERT_TRUE(advice.max_reached);
	CU_ASSERT_FALSE(decide(&policy, &spares, serving(0, 40), 2000).max_reached);
	/* A busy time over and another one: said again. */
	CU_ASSERT_FALSE(decide(&policy, &spares, serving(5, 35), 3000).max_reached);
	CU_ASSERT_TRUE(decide(&policy, &spares, serving(0, 40), 4000).max_reached);
	/* Those that leave are still there. */
	counts = serving(0, 38);
	counts.leaving = 2;
	CU_ASSERT_EQUAL(decide(&policy, &spares, counts, 9000).start, 0);
}

static void one_more_or_fewer(void)
{
	struct policy_settings more = policy_adjusted(fixed_4, 2), fewer = policy_adjusted(fixed_4, -7);

	CU_ASSERT_EQUAL(more.children, 6);
	CU_ASSERT_EQUAL(fewer.children, 1);
	more = policy_adjusted(spares, 1);
	CU_ASSERT_EQUAL(more.min_spare, 4);
	CU_ASSERT_EQUAL(more.max_spare, 7);
	CU_ASSERT_EQUAL(more.max_children, 41);
	fewer = policy_adjusted(spares, -39);
	CU_ASSERT_EQUAL(fewer.max_children, 1);
	CU_ASSERT_EQUAL(fewer.min_spare, 1);
	CU_ASSERT_EQUAL(fewer.max_spare, 1);
}

static void back_off_doubles_to_a_minute(void)
{
	static const int expected_s[] = {1, 2, 4, 8, 16, 32, 60, 60};
	struct policy policy;
	int64_t now_ms = 100000;

	policy_init(&policy);
	for (int i = 0; i < 8; i++) {
		policy_failed(&policy, now_ms);
		struct policy_advice advice = decide(&policy, &fixed_4, (struct policy_counts){0}, now_ms);
		CU_ASSERT_EQUAL(advice.start, 0);
		CU_ASSERT_EQUAL(advice.again_ms, now_ms + expected_s[i] * 1000);
		now_ms = advice.again_ms;
		/* Then one, to see. */
		CU_ASSERT_EQUAL(decide(&policy, &fixed_4, (struct policy_counts){0}, now_ms).start, 1);
	}
}

static void many_deaths_at_once_are_one_failure(void)
{
	struct policy policy = policy_that_serves();

	policy_failed(&policy, 5000);
	/* Others serve at that moment, so there would be nothing to try alone; but then they die as
	 * well. */
	CU_ASSERT_EQUAL(decide(&policy, &fixed_4, serving(3, 0), 5000).start, 0);
	for (int i = 0; i < 3; i++)
		policy_failed(&policy, 5001 + i);
	CU_ASSERT_EQUAL(policy.delay_ms, 1000);
	CU_ASSERT_EQUAL(decide(&policy, &fixed_4, (struct policy_counts){0}, 6000).start, 1);
	policy_failed(&policy, 6001);
	CU_ASSERT_EQUAL(policy.delay_ms, 2000);
}

static void back_off_ends_when_a_new_child_proves_itself(void)
{
	struct policy policy = policy_that_serves();

	policy_failed(&policy, 1000);
	policy_proved(&policy, 500); /* an old one that still works proves nothing */
	CU_ASSERT_EQUAL(policy.delay_ms, 1000);
	policy_proved(&policy, 2000);
	CU_ASSERT_EQUAL(policy.delay_ms, 0);
	policy_failed(&policy, 9000);
	CU_ASSERT_EQUAL(policy.delay_ms, 1000);
}

static void back_off_does_not_keep_children_from_going(void)
{
	struct policy policy = policy_that_serves();

	policy_failed(&policy, 1000);
	struct policy_advice advice = decide(&policy, &spares, serving(9, 0), 1500);
	CU_ASSERT_EQUAL(advice.start, 0);
	CU_ASSERT_EQUAL(advice.stop_spare, 1);
}

/* A pool of COUNT old idle children, FRESH of them replaced. */
static struct policy_counts rolling(int old, int fresh_serving, int fresh_starting, int leaving)
{
	return (struct policy_counts){
		.idle = old + fresh_serving,
		.starting = fresh_starting,
		.old = old,
		.fresh_serving = fresh_serving,
		.fresh_starting = fresh_starting,
		.leaving = leaving,
	};
}

static void reload_starts_one_and_stops_none_until_it_serves(void)
{
	struct policy policy = policy_that_serves();

	policy_renew(&policy, 4);
	struct policy_advice advice = decide(&policy, &fixed_4, rolling(4, 0, 0, 0), 0);
	CU_ASSERT_EQUAL(advice.start, 1);
	CU_ASSERT_EQUAL(advice.stop_old, 0);
	advice = decide(&policy, &fixed_4, rolling(4, 0, 1, 0), 0);
	CU_ASSERT_EQUAL(advice.start, 0);
	CU_ASSERT_EQUAL(advice.stop_old, 0);
	advice = decide(&policy, &fixed_4, rolling(4, 1, 0, 0), 0);
	CU_ASSERT_EQUAL(advice.stop_old, 1);
}

/* Carries the advice out, each step at once, until all are new; fewer than WANTED may never serve.
 * Returns the steps it took. */
static int roll_out(struct policy *policy, const struct policy_settings *settings, int old,
                    int wanted, int most)
{
	int fresh = 0, starting = 0, steps;

	for (steps = 0; steps < 1000 && (old > 0 || fresh < wanted); steps++) {
		struct policy_counts counts = rolling(old, fresh, starting, 0);
		struct policy_advice advice = decide(policy, settings, counts, steps * 1000);

		fresh += starting;
		starting = advice.start;
		old -= advice.stop_old;
		CU_ASSERT(old >= 0);
		CU_ASSERT(old + fresh >= wanted);
		CU_ASSERT(old + fresh + starting <= most);
	}
	return steps;
}

static void reload_never_serves_with_fewer(void)
{
	const struct policy_settings sixteen = {.children = 16, .surplus = 4};
	struct policy policy = policy_that_serves();

	policy_renew(&policy, 4);
	CU_ASSERT(roll_out(&policy, &fixed_4, 4, 4, 5) < 20);
	policy_renew(&policy, 16);
	CU_ASSERT(roll_out(&policy, &sixteen, 16, 16, 20) < 20);
	policy_renew(&policy, 5);
	CU_ASSERT(roll_out(&policy, &spares, 5, 5, 40) < 20);
}

static void reload_at_max_stops_one_to_make_room(void)
{
	const struct policy_settings tight = {
		.start = 4, .min_spare = 1, .max_spare = 4, .max_children = 4};
	const struct policy_settings single = {.children = 1};
	struct policy policy = policy_that_serves();

	policy_renew(&policy, 4);
	struct policy_advice advice = decide(&policy, &tight, rolling(4, 0, 0, 0), 0);
	CU_ASSERT_EQUAL(advice.start, 0);
	CU_ASSERT_EQUAL(advice.stop_old, 1);
	advice = decide(&policy, &tight, rolling(3, 0, 0, 1), 0);
	CU_ASSERT_EQUAL(advice.start + advice.stop_old, 0);
	CU_ASSERT_EQUAL(decide(&policy, &tight, rolling(3, 0, 0, 0), 0).start, 1);
	/* The only child of its kind: the old one goes first. */
	policy_renew(&policy, 1);
	advice = decide(&policy, &single, rolling(1, 0, 0, 0), 0);
	CU_ASSERT_EQUAL(advice.start, 0);
	CU_ASSERT_EQUAL(advice.stop_old, 1);
}

static void failed_reload_leaves_the_old_ones_alone(void)
{
	const struct policy_settings single = {.children = 1};
	struct policy policy = policy_that_serves();

	policy_renew(&policy, 4);
	policy_failed(&policy, 100);
	struct policy_advice advice = decide(&policy, &fixed_4, rolling(4, 0, 0, 0), 200);
	CU_ASSERT_EQUAL(advice.start + advice.stop_old, 0);
	CU_ASSERT_EQUAL(decide(&policy, &single, rolling(1, 0, 0, 0), 200).stop_old, 0);
	CU_ASSERT_EQUAL(decide(&policy, &fixed_4, rolling(4, 0, 0, 0), 1100).start, 1);
}

static void reload_to_fewer(void)
{
	const struct policy_settings two = {.children = 2, .surplus = 1};
	struct policy policy = policy_that_serves();

	policy_renew(&policy, 8);
	CU_ASSERT_EQUAL(decide(&policy, &two, rolling(8, 0, 0, 0), 0).stop_old, 1);
	CU_ASSERT_EQUAL(decide(&policy, &two, rolling(2, 0, 0, 0), 0).start, 1);
	CU_ASSERT_EQUAL(decide(&policy, &two, rolling(2, 1, 0, 0), 0).stop_old, 1);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"one child first, the rest when it serves", one_child_first},
		{"a fixed number is kept", fixed_number_is_kept},
		{"leaving children are replaced early, within bounds",
	     leaving_children_are_replaced_before_they_are_gone},
		{"few start at the same time", few_start_at_the_same_time},
		{"slots are the last word", slots_are_the_last_word},
		{"too many of a fixed number go one a second", too_many_of_a_fixed_number_go_one_a_second},
		{"start_children come first", start_children_come_first},
		{"the spawn rate doubles each second", spawn_rate_doubles_each_second},
		{"no more spares than max_spare", no_more_spares_than_max_spare},
		{"spares between min and max change nothing", spares_in_between_change_nothing},
		{"too many spares go one a second", too_many_spares_go_one_a_second},
		{"max_children is the limit and said once", max_children_is_the_limit_and_said_once},
		{"TTIN and TTOU", one_more_or_fewer},
		{"back-off doubles to a minute", back_off_doubles_to_a_minute},
		{"many deaths at once are one failure", many_deaths_at_once_are_one_failure},
		{"back-off ends when a new child proves itself",
	     back_off_ends_when_a_new_child_proves_itself},
		{"back-off does not keep children from going", back_off_does_not_keep_children_from_going},
		{"a reload starts one, and stops none until it serves",
	     reload_starts_one_and_stops_none_until_it_serves},
		{"a reload never serves with fewer", reload_never_serves_with_fewer},
		{"a reload at max_children stops one to make room", reload_at_max_stops_one_to_make_room},
		{"a failed reload leaves the old ones alone", failed_reload_leaves_the_old_ones_alone},
		{"a reload to fewer", reload_to_fewer},
		{NULL, NULL},
	};

	return unit_main("policy", tests);
}
