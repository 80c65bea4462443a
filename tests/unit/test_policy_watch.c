/* Tests when the policy takes a child for hanging. */
#include <stdint.h>

#include "lib/supervisor/policy.h"
#include "tests/unit/unit.h"

static const struct policy_timeouts timeouts = {.slow_ms = 100, .hard_ms = 1000, .stop_ms = 300};

static enum policy_action watch(struct policy_progress progress, int64_t *in_ms)
{
	*in_ms = 5000;
	return policy_watch(&timeouts, &progress, in_ms);
}

static void a_busy_child(void)
{
	struct policy_progress busy = {
		.state = SLOT_BUSY, .stuck_ms = 99, .ordered_ms = -1, .aborted_ms = -1};
	int64_t in_ms;

	CU_ASSERT_EQUAL(watch(busy, &in_ms), POLICY_WAIT);
	CU_ASSERT_EQUAL(in_ms, 1);
	busy.stuck_ms = 100;
	CU_ASSERT_EQUAL(watch(busy, &in_ms), POLICY_REPORT_SLOW);
	busy.slow_reported = true;
	CU_ASSERT_EQUAL(watch(busy, &in_ms), POLICY_WAIT);
	CU_ASSERT_EQUAL(in_ms, 900);
	busy.stuck_ms = 999;
	CU_ASSERT_EQUAL(watch(busy, &in_ms), POLICY_WAIT);
	busy.stuck_ms = 1000;
	CU_ASSERT_EQUAL(watch(busy, &in_ms), POLICY_ABORT);
	/* Told to leave, it may finish all the same. */
	busy.stuck_ms = 500;
	busy.ordered_ms = 100000;
	CU_ASSERT_EQUAL(watch(busy, &in_ms), POLICY_WAIT);
}

static void kill_comes_two_seconds_after_abort(void)
{
	struct policy_progress busy = {
		.state = SLOT_BUSY, .stuck_ms = 5000, .ordered_ms = -1, .aborted_ms = 1999};
	int64_t in_ms;

	CU_ASSERT_EQUAL(watch(busy, &in_ms), POLICY_WAIT);
	CU_ASSERT_EQUAL(in_ms, 1);
	busy.aborted_ms = 2000;
	CU_ASSERT_EQUAL(watch(busy, &in_ms), POLICY_KILL);
}

static void an_idle_child(void)
{
	struct policy_progress idle = {
		.state = SLOT_IDLE, .stuck_ms = 1000000, .ordered_ms = -1, .aborted_ms = -1};
	int64_t in_ms;

	CU_ASSERT_EQUAL(watch(idle, &in_ms), POLICY_WAIT);
	CU_ASSERT_EQUAL(in_ms, 5000);
	idle.ordered_ms = 299;
	CU_ASSERT_EQUAL(watch(idle, &in_ms), POLICY_WAIT);
	idle.ordered_ms = 300;
	CU_ASSERT_EQUAL(watch(idle, &in_ms), POLICY_ABORT);
	/* Busy until just now. */
	idle.stuck_ms = 10;
	CU_ASSERT_EQUAL(watch(idle, &in_ms), POLICY_WAIT);
}

static void starting_and_leaving(void)
{
	struct policy_progress child = {
		.state = SLOT_STARTING, .stuck_ms = 999, .ordered_ms = -1, .aborted_ms = -1};
	int64_t in_ms;

	CU_ASSERT_EQUAL(watch(child, &in_ms), POLICY_WAIT);
	child.stuck_ms = 1000;
	CU_ASSERT_EQUAL(watch(child, &in_ms), POLICY_ABORT);
	child = (struct policy_progress){
		.state = SLOT_LEAVING, .stuck_ms = 299, .ordered_ms = -1, .aborted_ms = -1};
	CU_ASSERT_EQUAL(watch(child, &in_ms), POLICY_WAIT);
	child.stuck_ms = 300;
	CU_ASSERT_EQUAL(watch(child, &in_ms), POLICY_ABORT);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"a busy child", a_busy_child},
		{"kill comes two seconds after abort", kill_comes_two_seconds_after_abort},
		{"an idle child", an_idle_child},
		{"a child that starts or leaves", starting_and_leaving},
		{NULL, NULL},
	};

	return unit_main("policy_watch", tests);
}
