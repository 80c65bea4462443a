/* The retry policy: after a failure, when again? Pure. */
#ifndef FAREWELL_RETRY_H
#define FAREWELL_RETRY_H

#include <stdint.h>

#include "lib/config/conf.h"

/* What kind of failure it was. */
enum retry_cause {
	RETRY_TIME_HEALS, /* a server is away or slow                     */
	RETRY_OPERATOR,   /* AccessDenied and its kind: only a person can */
	RETRY_HOPELESS,   /* the next attempt would find the same         */
};

#define RETRY_PARK (-1)

/* ATTEMPTS failures so far, this one included; the first of them FAILING_MS ago. Returns the index
 * of a delay in common.retry_delays, or RETRY_PARK. */
int retry_decide(const struct conf *, enum retry_cause cause, int attempts, int64_t failing_ms);

#endif
