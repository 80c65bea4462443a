/* The decision between a delay and the parked queue. */
#include "lib/deletion/retry.h"

/* Long enough to outlast a policy that is just being changed, short enough to be noticed. */
#define OPERATOR_ATTEMPTS 3

int retry_decide(const struct conf *conf, enum retry_cause cause, int attempts, int64_t failing_ms)
{
	int last = conf->common.retry_delays.count - 1;

	if (cause == RETRY_HOPELESS || failing_ms >= conf->worker.park_after_ms)
		return RETRY_PARK;
	if (cause == RETRY_OPERATOR && attempts >= OPERATOR_ATTEMPTS)
		return RETRY_PARK;
	if (attempts < 1)
		return 0;
	return attempts - 1 < last ? attempts - 1 : last;
}
