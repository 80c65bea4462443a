/* Remembers the buckets that refuse. */
#include "workerd/refusals.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"

struct breaker *refusals_find(struct refusals *refusals, const char *bucket)
{
	for (int i = 0; i < REFUSALS_MAX; i++) {
		if (strcmp(refusals->item[i].bucket, bucket) != 0)
			continue;
		refusals->item[i].used = ++refusals->used;
		return &refusals->item[i].breaker;
	}
	return NULL;
}

struct breaker *refusals_of(struct refusals *refusals, const char *bucket)
{
	struct breaker *breaker = refusals_find(refusals, bucket);
	int oldest = 0;

	if (breaker != NULL)
		return breaker;
	for (int i = 1; i < REFUSALS_MAX; i++)
		if (refusals->item[i].used < refusals->item[oldest].used)
			oldest = i;
	memset(&refusals->item[oldest], 0, sizeof(refusals->item[oldest]));
	snprintf(refusals->item[oldest].bucket, sizeof(refusals->item[oldest].bucket), "%s", bucket);
	refusals->item[oldest].used = ++refusals->used;
	return &refusals->item[oldest].breaker;
}

/* Says what became known of BUCKET since the last call. Returns how long it has refused, if it
 * serves again, else 0. */
static int64_t refusals_say_one(const char *bucket, struct breaker *breaker)
{
	int64_t away_ms = breaker->away_ms;

	if (breaker->open && breaker_say(breaker, clock_now_ms()))
		log_error("bucket %s refuses, and no deletion is charged for it; its files wait, those in "
		          "other buckets are deleted: %s",
		          bucket, breaker->why);
	if (away_ms == 0)
		return 0;
	breaker->away_ms = 0;
	breaker->said_ms = 0;
	log_info("bucket %s serves again after %lld.%lld s", bucket, (long long)(away_ms / 1000),
	         (long long)(away_ms % 1000 / 100));
	return away_ms;
}

void refusals_say(struct refusals *refusals, struct child *child, int64_t long_ms)
{
	for (int i = 0; i < REFUSALS_MAX; i++)
		if (refusals->item[i].bucket[0] != '\0' &&
		    refusals_say_one(refusals->item[i].bucket, &refusals->item[i].breaker) >= long_ms)
			child_recovered(child);
}

void refusals_hasten(struct refusals *refusals, int64_t now_ms)
{
	for (int i = 0; i < REFUSALS_MAX; i++)
		breaker_hasten(&refusals->item[i].breaker, now_ms);
}
