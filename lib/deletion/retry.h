/* Failures of a job and the retry policy: after one, when again? Pure. */
#ifndef FAREWELL_RETRY_H
#define FAREWELL_RETRY_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "lib/config/conf.h"
#include "lib/session/sqlstate.h"

#define FAILURE_WHAT_SIZE 96
#define FAILURE_WHY_SIZE 384

/* What kind of failure it was (doc/DESIGN.md, "Whose fault is it"). */
enum retry_cause {
	RETRY_TIME_HEALS, /* a lock, a slow statement, one object's 503       */
	RETRY_OPERATOR,   /* AccessDenied and its kind: only a person can     */
	RETRY_HOPELESS,   /* the next attempt would find the same             */
	RETRY_LOCKED,     /* nobody's: a lock ends at a date                  */
};

/* One failure. */
struct failure {
	enum retry_cause cause;
	char what[FAILURE_WHAT_SIZE]; /* failed: a setting, "bucket media", "mail"; kinds are counted
	                                 apart by it */
	char why[FAILURE_WHY_SIZE];   /* the sentence for a person; empty: no failure */
	time_t until;                 /* of RETRY_LOCKED: when it is worth to try again */
};

/* Fills FAILURE, without a date; WHAT and WHY are cut, never inside a character. */
void failure_set(struct failure *, enum retry_cause, const char *what, const char *why);

/* The cause of a statement's refusal. */
enum retry_cause retry_cause_of(enum sqlstate_kind);

/* Everything that the decision depends on. */
struct retry_case {
	enum retry_cause cause;
	int attempts;       /* failures since the last progress, this one included */
	int own_attempts;   /* of this one's kind in a row, this one included */
	int64_t failing_ms; /* since the first of them */
	bool serves_others; /* what failed has served another deletion since this one's first failure */
};

#define RETRY_PARK (-1)

/* Returns the index of a delay in common.retry_delays, or RETRY_PARK. */
int retry_decide(const struct conf *, const struct retry_case *);

#endif
