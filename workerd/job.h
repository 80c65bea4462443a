/* One message, from the guard to its outcome. */
#ifndef FAREWELL_JOB_H
#define FAREWELL_JOB_H

#include <stdbool.h>

#include "lib/deletion/ledger.h"
#include "lib/session/mq.h"
#include "workerd/worker.h"

enum job_end {
	JOB_DONE,      /* its outcome is recorded, or it needs none: acknowledge            */
	JOB_ABANDONED, /* a database or the broker is away: nothing recorded, the same again */
	JOB_TOO_LARGE, /* not even its body was kept: reject it to the parked queue          */
};

/* How a message ended, or this turn of it; counted in the scoreboard under job_outcome_names. */
enum job_outcome {
	JOB_NONE = -1, /* it did not: abandoned */
	JOB_COMPLETED,
	JOB_ABORTED,
	JOB_CANCELLED,
	JOB_SUPERSEDED, /* by a later turn, or it was finished before */
	JOB_PARKED,
	JOB_RETRIED,
	JOB_HANDED_OVER,
	JOB_DEFERRED, /* busy, locked, or not yet marked: later, not counted as an attempt */
};
extern const char *const job_outcome_names[];

/* What a child remembers of a job that it had to abandon, until it can be written down. */
struct job_memory {
	bool started;     /* a start was counted, or may have been */
	const char *mail; /* what became of a mail marked `sending`: sent, or pending if it certainly
	                     wasn't; or NULL */
	struct ledger_entry entry;
};

/* Works on DELIVERY. */
enum job_end job_run(struct worker *, const struct mq_delivery *, struct job_memory *,
                     enum job_outcome *);

/* Writes down what is in MEMORY and clears it. False: the database is away (still). */
bool job_remember(struct worker *, struct job_memory *);

#endif
