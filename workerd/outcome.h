/* The ends of a job: each leaves an outcome, a delay or a reason in the ledger, in the request and
 * in the log, and says what becomes of the message. For job.c and job_mail.c. */
#ifndef FAREWELL_OUTCOME_H
#define FAREWELL_OUTCOME_H

#include <stdbool.h>

#include "lib/deletion/guard.h"
#include "lib/deletion/ledger.h"
#include "lib/deletion/retry.h"
#include "workerd/job.h"

/* One message on its way. */
struct job {
	struct worker *worker;
	const struct mq_delivery *delivery;
	struct job_memory *memory;
	struct message message;
	struct guard_answer guard;
	struct ledger_entry *entry; /* in memory */
	int64_t started_ms;
	bool fresh;   /* the sessions were opened for this run of it: its refusals are true */
	bool changed; /* something of it was committed in this run: not to be run once more */
	bool guarded; /* the user database was asked */
	bool leased;  /* the ledger was asked */
	enum job_outcome outcome;
	const char *misfit; /* why no user can have the message's user id; NULL: one can */
};

/* What an answer of the ledger that is not LEDGER_OK makes of the job. */
enum job_end outcome_of_ledger(struct job *, enum ledger_answer);
/* DB refused a statement of the job in a living session (db_kind, db_why, db_refused_title): the
 * same once more on new sessions, and then a failure. */
enum job_end outcome_refused(struct job *, struct db *);

/* For how long this message has been waiting or failing without its deletion's turn getting on, as
 * its header says; 0: it begins now. The header may be anybody's: what was first seen in the future
 * counts from now. */
int64_t outcome_waiting_ms(const struct job *);
/* The same message again after the delay of that index, not counted. */
enum job_end outcome_defer(struct job *, int delay, const char *why);
/* The same message again, for the sake of a server that is away: not counted, the start taken back,
 * and the reason WHY in ledger and request. */
enum job_end outcome_hand_back(struct job *, int delay, const char *why);
/* Parks it; FAILURES to count. */
enum job_end outcome_park(struct job *, int failures, const char *why);
/* The ledger has parked this very delivery as ROW says, and nobody knows whether the copy got into
 * the parked queue: publishes it (again). */
enum job_end outcome_park_again(struct job *, const struct ledger_row *);
/* A failure: again later, or parked. */
enum job_end outcome_fail(struct job *, const struct failure *);
/* A lock keeps what is left until a date: the deletion waits for it, of the next turn, and nothing
 * is charged. The reconciler publishes its message when it is due. */
enum job_end outcome_wait_for_lock(struct job *, const struct failure *);
/* What is left is for the next turn. Without PROGRESS it counts as a failure, unless we were told
 * to leave. */
enum job_end outcome_hand_over(struct job *, bool progress);
enum job_end outcome_complete(struct job *, const char *mail, const char *why);
/* The user was restored. */
enum job_end outcome_cancel(struct job *);
/* No outcome, and nothing to say to the ledger: aborted, superseded. */
enum job_end outcome_drop(struct job *, enum job_outcome, const char *why);
/* A message that can't be read, or has no deletion yet: parked without the ledger. */
enum job_end outcome_park_message(struct job *, const char *why);
/* Its failure, counted in its header only. */
enum job_end outcome_fail_message(struct job *, const struct failure *);

/* Carries STATE to the request, and notes that it did. If the user database is away the child
 * remembers it; what is lost all the same, the reconciler repairs. */
void outcome_report(struct job *, const struct deletion_state *);

#endif
