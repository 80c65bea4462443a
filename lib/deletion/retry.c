/* The decision between a delay and the parked queue. */
#include "lib/deletion/retry.h"

#include <stdio.h>

#include "lib/base/text.h"

void failure_set(struct failure *failure, enum retry_cause cause, const char *what, const char *why)
{
	failure->cause = cause;
	failure->until = 0;
	snprintf(failure->what, sizeof(failure->what), "%.*s",
	         (int)text_utf8_fit(what, sizeof(failure->what) - 1), what);
	snprintf(failure->why, sizeof(failure->why), "%.*s",
	         (int)text_utf8_fit(why, sizeof(failure->why) - 1), why);
}

enum retry_cause retry_cause_of(enum sqlstate_kind kind)
{
	switch (kind) {
	case SQLSTATE_BUSY:
	case SQLSTATE_PASSING:
	case SQLSTATE_STALE:
	case SQLSTATE_ENDED: return RETRY_TIME_HEALS;
	default: return RETRY_OPERATOR;
	}
}

int retry_decide(const struct conf *conf, const struct retry_case *failed)
{
	int last = conf->common.retry_delays.count - 1, wait = failed->attempts - 1;

	if (failed->cause == RETRY_HOPELESS || failed->failing_ms >= conf->worker.park_after_ms)
		return RETRY_PARK;
	/* What fails for everybody is no reason to park one after the other. */
	if (failed->cause == RETRY_OPERATOR && failed->own_attempts >= conf->worker.operator_attempts)
		return failed->serves_others ? RETRY_PARK : last;
	if (wait < 0)
		return 0;
	return wait < last ? wait : last;
}
