/* Decides how many children to start and to stop, and when one hangs. */
#include "lib/supervisor/policy.h"

#include <string.h>

#define SECOND_MS 1000

static int at_least(int floor, int number)
{
	return number < floor ? floor : number;
}
static int at_most(int ceiling, int number)
{
	return number > ceiling ? ceiling : number;
}

void policy_init(struct policy *policy)
{
	memset(policy, 0, sizeof(*policy));
	policy->probing = true;
	policy->rate = 1;
	policy->rate_at_ms = policy->stopped_at_ms = INT64_MIN / 2;
}

void policy_renew(struct policy *policy, int active)
{
	bool filled = policy->filled;

	policy_init(policy);
	policy->filled = filled;
	policy->replace_target = active;
}

struct policy_settings policy_adjusted(struct policy_settings settings, int adjust)
{
	if (settings.children > 0) {
		settings.children = at_least(1, settings.children + adjust);
		return settings;
	}
	settings.start = at_least(1, settings.start + adjust);
	settings.max_children = at_least(1, settings.max_children + adjust);
	settings.min_spare = at_most(settings.max_children, at_least(1, settings.min_spare + adjust));
	settings.max_spare = at_least(settings.min_spare, settings.max_spare + adjust);
	return settings;
}

static int policy_active(const struct policy_counts *counts)
{
	return counts->starting + counts->idle + counts->busy;
}

/* How many more may exist at all. */
static int policy_room(const struct policy_settings *settings, const struct policy_counts *counts)
{
	int most =
		settings->children > 0 ? settings->children + settings->surplus : settings->max_children;

	return at_least(0, at_most(counts->free_slots, most - policy_active(counts) - counts->leaving));
}

static void policy_ask_again(struct policy_advice *advice, int64_t at_ms)
{
	if (at_ms < advice->again_ms)
		advice->again_ms = at_ms;
}

/* The oldest spare child goes, one a second. */
static void policy_shrink(struct policy *policy, struct policy_advice *advice, int64_t now_ms)
{
	if (now_ms - policy->stopped_at_ms >= SECOND_MS) {
		policy->stopped_at_ms = now_ms;
		advice->stop_spare = 1;
	}
	policy_ask_again(advice, policy->stopped_at_ms + SECOND_MS);
}

static void policy_keep_fixed(struct policy *policy, const struct policy_settings *settings,
                              const struct policy_counts *counts, struct policy_advice *advice,
                              int64_t now_ms)
{
	int missing = settings->children - policy_active(counts);

	if (missing > 0)
		advice->start = at_least(0, at_most(POLICY_MAX_STARTING - counts->starting, missing));
	else if (missing < 0 && counts->old == 0)
		policy_shrink(policy, advice, now_ms);
}

/* Spares are missing: 1, 2, 4 … 32 a second, as long as that goes on. */
static void policy_grow(struct policy *policy, const struct policy_settings *settings,
                        const struct policy_counts *counts, struct policy_advice *advice,
                        int64_t now_ms)
{
	int spare = counts->idle + counts->starting;

	if (policy_active(counts) + counts->leaving >= settings->max_children) {
		advice->max_reached = !policy->at_max;
		policy->at_max = true;
		return;
	}
	policy->at_max = false;
	if (now_ms - policy->rate_at_ms >= SECOND_MS) {
		advice->start = at_most(settings->max_spare - spare, policy->rate);
		policy->rate = at_most(POLICY_MAX_RATE, policy->rate * 2);
		policy->rate_at_ms = now_ms;
	}
	policy_ask_again(advice, policy->rate_at_ms + SECOND_MS);
}

static void policy_keep_spares(struct policy *policy, const struct policy_settings *settings,
                               const struct policy_counts *counts, struct policy_advice *advice,
                               int64_t now_ms)
{
	if (!policy->filled) {
		int missing = at_most(settings->max_children, settings->start) - policy_active(counts);

		advice->start = at_least(0, at_most(POLICY_MAX_STARTING - counts->starting, missing));
		policy->filled = missing <= 0;
		if (!policy->filled)
			return;
	}
	if (counts->idle + counts->starting < settings->min_spare) {
		policy_grow(policy, settings, counts, advice, now_ms);
		return;
	}
	policy->rate = 1;
	policy->at_max = false;
	if (counts->old == 0 &&
	    (counts->idle > settings->max_spare || policy_active(counts) > settings->max_children))
		policy_shrink(policy, advice, now_ms);
}

/* Replaces the old generation a few at a time: a new one first, and when it serves an old one goes;
 * where there may be no more children than there are, the old ones go first. */
static void policy_replace_old(const struct policy *policy, const struct policy_settings *settings,
                               const struct policy_counts *counts, struct policy_advice *advice,
                               bool backing_off)
{
	int target = settings->children > 0 ?
	                 settings->children :
	                 at_least(1, at_most(settings->max_children, policy->replace_target));
	int step = policy->probing ? 1 : at_least(1, target / 4);
	int wanted = at_most(step, target - counts->fresh_starting - counts->fresh_serving) -
	             counts->fresh_starting;

	if (wanted > 0 && !backing_off && policy_room(settings, counts) == 0 && counts->leaving == 0 &&
	    counts->fresh_starting == 0)
		advice->stop_old = at_most(counts->old, wanted);
	if (wanted > advice->start)
		advice->start = wanted;
	if (policy->probing)
		return;
	int surplus = counts->old_starting + at_least(0, counts->idle + counts->busy - target);
	if (surplus > advice->stop_old)
		advice->stop_old = at_most(counts->old, surplus);
}

struct policy_advice policy_decide(struct policy *policy, const struct policy_settings *settings,
                                   const struct policy_counts *counts, int64_t now_ms)
{
	struct policy_advice advice = {.again_ms = INT64_MAX};
	bool backing_off = now_ms < policy->not_before_ms;

	if (counts->fresh_serving > 0)
		policy->probing = false;
	if (policy->probing)
		advice.start = counts->fresh_starting > 0 || counts->old > 0 ? 0 : 1;
	else if (settings->children > 0)
		policy_keep_fixed(policy, settings, counts, &advice, now_ms);
	else
		policy_keep_spares(policy, settings, counts, &advice, now_ms);
	if (counts->old > 0)
		policy_replace_old(policy, settings, counts, &advice, backing_off);

	advice.start = at_most(policy_room(settings, counts), advice.start);
	if (advice.start > 0 && backing_off) {
		advice.start = 0;
		policy_ask_again(&advice, policy->not_before_ms);
	}
	return advice;
}

void policy_failed(struct policy *policy, int64_t now_ms)
{
	policy->probing = true;
	if (now_ms < policy->not_before_ms)
		return;
	policy->delay_ms = policy->delay_ms == 0 ? POLICY_FIRST_DELAY_MS : policy->delay_ms * 2;
	if (policy->delay_ms > POLICY_MAX_DELAY_MS)
		policy->delay_ms = POLICY_MAX_DELAY_MS;
	policy->not_before_ms = now_ms + policy->delay_ms;
}

void policy_proved(struct policy *policy, int64_t started_ms)
{
	if (policy->delay_ms == 0 || started_ms < policy->not_before_ms)
		return;
	policy->delay_ms = policy->not_before_ms = 0;
}

/* Whether SPENT_MS has reached LIMIT_MS; if not, lowers IN_MS to what is left. */
static bool policy_time_is_over(int64_t spent_ms, int64_t limit_ms, int64_t *in_ms)
{
	if (spent_ms >= limit_ms)
		return true;
	if (limit_ms - spent_ms < *in_ms)
		*in_ms = limit_ms - spent_ms;
	return false;
}

static bool policy_child_hangs(const struct policy_timeouts *timeouts,
                               const struct policy_progress *progress, int64_t *in_ms)
{
	if (progress->state == SLOT_BUSY || progress->state == SLOT_STARTING)
		return policy_time_is_over(progress->stuck_ms, timeouts->hard_ms, in_ms);
	if (progress->state == SLOT_LEAVING)
		return policy_time_is_over(progress->stuck_ms, timeouts->stop_ms, in_ms);
	if (progress->ordered_ms < 0)
		return false;
	/* Told long ago but busy until just now: its time counts from then on. */
	int64_t waited_ms =
		progress->ordered_ms < progress->stuck_ms ? progress->ordered_ms : progress->stuck_ms;
	return policy_time_is_over(waited_ms, timeouts->stop_ms, in_ms);
}

enum policy_action policy_watch(const struct policy_timeouts *timeouts,
                                const struct policy_progress *progress, int64_t *in_ms)
{
	if (progress->aborted_ms >= 0)
		return policy_time_is_over(progress->aborted_ms, POLICY_KILL_AFTER_MS, in_ms) ?
		           POLICY_KILL :
		           POLICY_WAIT;
	if (policy_child_hangs(timeouts, progress, in_ms))
		return POLICY_ABORT;
	if (progress->state == SLOT_BUSY && timeouts->slow_ms > 0 && !progress->slow_reported &&
	    policy_time_is_over(progress->stuck_ms, timeouts->slow_ms, in_ms))
		return POLICY_REPORT_SLOW;
	return POLICY_WAIT;
}
