/* One message, from the guard to its outcome. */
#ifndef FAREWELL_JOB_H
#define FAREWELL_JOB_H

#include <stdbool.h>

#include "lib/deletion/ledger.h"
#include "lib/session/mq.h"

struct worker;

enum job_end {
	JOB_DONE,      /* its outcome is recorded, or it needs none: acknowledge                   */
	JOB_AGAIN,     /* a statement was refused: the same once more, at once, on new sessions    */
	JOB_ABANDONED, /* for a server's sake: hand the message back as it came                    */
	JOB_TOO_LARGE, /* not even its body was kept: reject it to the parked queue                */
};

/* How a message ended, or this turn of it; counted in the scoreboard under job_outcome_names. */
enum job_outcome {
	JOB_NONE = -1, /* it did not */
	JOB_COMPLETED,
	JOB_ABORTED,
	JOB_CANCELLED,
	JOB_SUPERSEDED, /* by a later turn, or it was finished before */
	JOB_PARKED,
	JOB_RETRIED,
	JOB_HANDED_OVER,
	JOB_DEFERRED,    /* busy, or not yet marked: later, not counted as a failure */
	JOB_HANDED_BACK, /* the same message again, because a server is away */
	JOB_VANISHED,    /* no job's: the reconciler found that its request is gone */
};
extern const char *const job_outcome_names[];

/* What became of a mail marked `sending`, as long as it is not written down. */
enum job_mail_fact { JOB_MAIL_NOTHING, JOB_MAIL_SENT, JOB_MAIL_NOT_SENT };

/* What a child remembers of a job until it can be written down, before it takes another. */
struct job_memory {
	bool started; /* a start was counted, or may have been */
	enum job_mail_fact fact;
	bool unreported; /* the request has not heard of STATE */
	struct deletion_state state;
	struct ledger_entry entry;
	int delay; /* of the retry queue for a message that is handed back */
};

/* Works on DELIVERY. FRESH: the database sessions were opened for this run of it. */
enum job_end job_run(struct worker *, const struct mq_delivery *, bool fresh, struct job_memory *,
                     enum job_outcome *);

/* Writes down what is in MEMORY and clears it. False: the database is away (still), or it refuses a
 * fact, which is no one's to drop; a start or a report that is refused is left as it is. */
bool job_remember(struct worker *, struct job_memory *);

#endif
