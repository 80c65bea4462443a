/* A server that is away, as one process sees it: whether to ask it, and when to try again (doc/
 * DESIGN.md, "Whose fault is it"). Pure: the caller says what time it is. Only a job's outcome is
 * told to a breaker, never a probe, but for a session that could not be opened. */
#ifndef FAREWELL_BREAKER_H
#define FAREWELL_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/ids.h"
#include "lib/config/conf.h"
#include "lib/deletion/retry.h"

#define BREAKER_DIFFERENT 3            /* deletions that fail in a row before it opens */
#define BREAKER_PAUSE_FIRST_MS 500     /* without the jitter, which adds up to a half */
#define BREAKER_PAUSE_LONGEST_MS 30000 /* likewise */

struct breaker {
	bool open;
	int64_t opened_ms, trial_ms, pause_ms; /* while it is open: since when, the next trial */
	int64_t said_ms;                       /* when breaker_say was true last */
	int64_t away_ms;    /* of what was closed last: how long; taken by the caller */
	unsigned uncharged; /* failures so far for which nobody is to be charged */
	int failures;       /* while it is closed: deletions in a row */
	char failed[BREAKER_DIFFERENT][ID_UUID_SIZE];
	char why[FAILURE_WHY_SIZE]; /* of the last failure */
};

/* The server has nobody's job: opens, or puts the next trial off. Counted in uncharged. */
void breaker_fault(struct breaker *, const char *why, int64_t now_ms);

/* The server failed this deletion, and it is not known whose fault that was. Opens when it is the
 * third deletion without a success between them. True: it was open before, so this was a trial, for
 * which nobody is charged; the next one is put off. */
bool breaker_failure(struct breaker *, const char *why, const char *deletion_id, int64_t now_ms);

/* The server did for a deletion what it was asked for: closes. */
void breaker_success(struct breaker *, int64_t now_ms);

/* Whether the server is not to be asked: it is open, and no trial is due. */
bool breaker_waits(const struct breaker *, int64_t now_ms);

/* Makes a trial due: somebody has seen a server that is back. */
void breaker_hasten(struct breaker *, int64_t now_ms);

/* The index of the delay in common.retry_delays for what waits for the server while the rest of the
 * queue goes on: as long as the server has been away so far, so that a message comes again a few
 * times for however long an outage, and many of them leave room for others. */
int breaker_delay(const struct breaker *, const struct conf *, int64_t now_ms);

/* Whether it is to be said (again) that the server is away: once a minute. */
bool breaker_say(struct breaker *, int64_t now_ms);

#endif
