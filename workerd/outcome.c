/* Recording how a job ended, first in the ledger, then with the broker, then in the request. */
#include "workerd/outcome.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/crash.h"
#include "lib/base/log.h"
#include "lib/deletion/dispatch.h"
#include "lib/deletion/ledger_report.h"
#include "lib/deletion/request.h"
#include "lib/deletion/status.h"
#include "workerd/away.h"

/* A wait for a lock: at least, and what is added by chance, at most. */
#define LOCK_WAIT_MIN_MS 1000
#define LOCK_JITTER_MS (5 * 60 * 1000)

static struct dispatch_note note_of(const struct job *job)
{
	return (struct dispatch_note){
		.request_id = job->delivery->correlation_id,
		.attempts = job->entry->attempts,
		.first_seen = job->delivery->first_seen,
		.lineage = job->delivery->lineage,
	};
}

void outcome_report(struct job *job, const struct deletion_state *state)
{
	struct sessions *sessions = &job->worker->sessions;

	if (!ledger_report(&sessions->ledger, sessions->users, state) && !db_is_open(sessions->users)) {
		job->memory->unreported = true;
		job->memory->state = *state;
	}
}

/* ---- what could not be recorded ---- */

enum job_end outcome_of_ledger(struct job *job, enum ledger_answer answer)
{
	switch (answer) {
	case LEDGER_SUPERSEDED:
		log_info("superseded: a later turn of this deletion has taken over");
		job->outcome = JOB_SUPERSEDED;
		return JOB_DONE;
	case LEDGER_REFUSED: return outcome_refused(job, job->worker->sessions.ledger.db);
	case LEDGER_LOST: return JOB_ABANDONED;
	default: return JOB_DONE;
	}
}

enum job_end outcome_refused(struct job *job, struct db *db)
{
	enum sqlstate_kind kind = db_kind(db);
	struct failure failure;

	/* A session that is older than an ALTER TABLE refuses what a new one takes. */
	if (kind != SQLSTATE_BUSY && !job->fresh && !job->changed)
		return JOB_AGAIN;
	failure_set(&failure, retry_cause_of(kind), db_refused_title(db), db_why(db));
	return outcome_fail(job, &failure);
}

/* The ledger would not take the outcome itself: nothing was recorded. If it refuses several, that
 * is the database's fault; one alone may have its row locked: then the message counts, in its
 * header, and makes room for others. */
static enum job_end unrecorded(enum ledger_answer answer, struct job *job)
{
	struct worker *worker = job->worker;
	struct breaker *breaker = &worker->breakers[SERVER_WORKER_DB];
	struct db *db = worker->sessions.ledger.db;
	struct failure failure;

	if (answer == LEDGER_SUPERSEDED)
		return outcome_of_ledger(job, answer);
	if (answer == LEDGER_REFUSED) {
		failure_set(&failure, retry_cause_of(db_kind(db)), db_refused_title(db), db_why(db));
		breaker_failure(breaker, failure.why, job->entry->deletion_id, clock_now_ms());
		if (!breaker->open && job->memory->fact == JOB_MAIL_NOTHING)
			return outcome_fail_message(job, &failure);
	}
	away_say(worker, SERVER_WORKER_DB);
	return JOB_ABANDONED;
}

/* ---- later ---- */

int64_t outcome_waiting_ms(const struct job *job)
{
	uint64_t now = (uint64_t)time(NULL), seen = job->delivery->first_seen;

	return seen > 0 && seen <= now ? (int64_t)(now - seen) * 1000 : 0;
}

static int delay_at_most(const struct job *job, int delay)
{
	int last = job->worker->conf->common.retry_delays.count - 1;

	return delay < last ? delay : last;
}

enum job_end outcome_defer(struct job *job, int delay, const char *why)
{
	struct dispatch_note note = note_of(job);

	log_info("later: %s", why);
	job->outcome = JOB_DEFERRED;
	note.attempts = job->delivery->attempts;
	note.first_seen = (uint64_t)(time(NULL) - outcome_waiting_ms(job) / 1000);
	/* To be deferred is no death. */
	if (job->memory->started) {
		if (ledger_uncount(&job->worker->sessions.ledger, job->entry) != LEDGER_OK)
			return JOB_ABANDONED;
		job->memory->started = false;
	}
	return dispatch_later(&job->worker->sessions.dispatch, &job->message, delay_at_most(job, delay),
	                      &note) ?
	           JOB_DONE :
	           JOB_ABANDONED;
}

enum job_end outcome_hand_back(struct job *job, int delay, const char *why)
{
	struct deletion_state state;

	log_debug("handed back: %s", why);
	job->memory->delay = delay;
	enum ledger_answer answer =
		ledger_hand_back(&job->worker->sessions.ledger, job->entry, why,
	                     job->worker->conf->common.retry_delays.item[delay].ms, &state);
	if (answer == LEDGER_SUPERSEDED)
		return outcome_of_ledger(job, answer);
	if (answer == LEDGER_OK) {
		job->memory->started = false;
		job->outcome = JOB_HANDED_BACK;
		outcome_report(job, &state);
	}
	return JOB_ABANDONED;
}

/* Records the turn's end, publishes the next turn's message and reports. DELAY -1: at once. */
static enum job_end pass_on(struct job *job, const struct failure *failure, int delay)
{
	struct sessions *sessions = &job->worker->sessions;
	const struct conf *conf = job->worker->conf;
	int64_t delay_ms = delay < 0 ? -1 : conf->common.retry_delays.item[delay].ms;
	struct deletion_state state;

	CRASH_POINT("worker-before-retry");
	enum ledger_answer answer = ledger_pass_on(
		&sessions->ledger, job->entry, failure != NULL, failure != NULL ? failure->what : NULL,
		failure != NULL && failure->cause == RETRY_TIME_HEALS,
		failure != NULL ? failure->why : NULL, delay_ms, &state);
	if (answer != LEDGER_OK)
		return unrecorded(answer, job);
	job->memory->started = false;
	job->outcome = delay < 0 ? JOB_HANDED_OVER : JOB_RETRIED;
	struct message next = job->message;
	struct dispatch_note note = note_of(job);
	next.turn = job->entry->turn;
	note.first_seen = 0; /* this turn waited, the next one has not yet */
	bool sent = delay < 0 ? dispatch_continuation(&sessions->dispatch, &next, &note) :
	                        dispatch_retry(&sessions->dispatch, &next, delay, &note);
	if (!sent)
		log_warning("the message of turn %d is not out; the reconciler publishes it", next.turn);
	else
		CRASH_POINT("worker-after-republish");
	outcome_report(job, &state);
	return JOB_DONE;
}

/* No message waits in the queues, which know no such long times. */
enum job_end outcome_wait_for_lock(struct job *job, const struct failure *failure)
{
	int64_t wait_ms = (int64_t)(failure->until - time(NULL)) * 1000, tenth_ms;
	struct deletion_state state;

	if (wait_ms < LOCK_WAIT_MIN_MS)
		wait_ms = LOCK_WAIT_MIN_MS;
	tenth_ms = wait_ms / 10 < LOCK_JITTER_MS ? wait_ms / 10 : LOCK_JITTER_MS;
	wait_ms += 1000 + arc4random_uniform((uint32_t)tenth_ms + 1);
	log_info("waiting for %lld s, not counted: %s", (long long)wait_ms / 1000, failure->why);
	enum ledger_answer answer = ledger_pass_on(&job->worker->sessions.ledger, job->entry, 0, NULL,
	                                           false, failure->why, wait_ms, &state);
	if (answer != LEDGER_OK)
		return unrecorded(answer, job);
	job->memory->started = false;
	job->outcome = JOB_RETRIED;
	outcome_report(job, &state);
	return JOB_DONE;
}

/* ---- parked ---- */

/* The message as it is from now on, with the ledger's turn: moved back it is a replay, while the
 * delivery in hand, should it come again, is superseded. */
static bool publish_parked(struct job *job, const char *why)
{
	struct dispatch_note note = note_of(job);
	struct message next = job->message;

	next.turn = job->entry->turn;
	note.reason = why;
	return dispatch_parked_message(&job->worker->sessions.dispatch, &next, &note);
}

enum job_end outcome_park(struct job *job, int failures, const char *why)
{
	struct deletion_state state;

	log_error("parked: %s", why);
	enum ledger_answer answer =
		ledger_park(&job->worker->sessions.ledger, job->entry, failures, why, &state);
	if (answer != LEDGER_OK)
		return unrecorded(answer, job);
	CRASH_POINT("worker-after-park");
	job->memory->started = false;
	job->outcome = JOB_PARKED;
	if (!publish_parked(job, why))
		log_warning("the parked copy of turn %d is not out: it is parked in the ledger only",
		            job->entry->turn);
	outcome_report(job, &state);
	return JOB_DONE;
}

enum job_end outcome_park_again(struct job *job, const struct ledger_row *row)
{
	job->entry->turn = row->turn;
	job->entry->attempts = row->state.attempts;
	job->outcome = JOB_PARKED;
	log_info("parked before: publishing the copy again, in case it was lost");
	outcome_report(job, &row->state);
	return publish_parked(job, row->state.last_error) ? JOB_DONE : JOB_ABANDONED;
}

enum job_end outcome_park_message(struct job *job, const char *why)
{
	struct dispatch_note note = note_of(job);
	const struct mq_delivery *delivery = job->delivery;

	note.reason = why;
	note.first_seen = 0; /* a replay begins anew */
	note.attempts = delivery->attempts;
	log_error("parked: %s", why);
	job->outcome = JOB_PARKED;
	if (delivery->body == NULL)
		return JOB_TOO_LARGE;
	return dispatch_parked(&job->worker->sessions.dispatch, NULL, delivery->body, delivery->length,
	                       &note) ?
	           JOB_DONE :
	           JOB_ABANDONED;
}

/* ---- failures ---- */

/* What became of a mail is written down before a message of the next turn is out: whoever has that
 * must know. */
static bool write_fact_first(struct job *job)
{
	struct ledger *ledger = &job->worker->sessions.ledger;
	enum ledger_answer answer = LEDGER_OK;

	if (job->memory->fact == JOB_MAIL_SENT)
		answer = ledger_sent(ledger, job->entry);
	else if (job->memory->fact == JOB_MAIL_NOT_SENT)
		answer = ledger_not_sent(ledger, job->entry);
	if (answer == LEDGER_OK)
		job->memory->fact = JOB_MAIL_NOTHING;
	return answer == LEDGER_OK;
}

enum job_end outcome_fail(struct job *job, const struct failure *failure)
{
	const struct ledger_entry *entry = job->entry;

	if (failure->cause == RETRY_LOCKED)
		return outcome_wait_for_lock(job, failure);
	bool again = strcmp(entry->cause, failure->what) == 0;
	struct retry_case failed = {
		.cause = failure->cause,
		.attempts = entry->attempts + 1,
		.own_attempts = again ? entry->cause_attempts + 1 : 1,
		.failing_ms = entry->failing_ms,
		.serves_others = again && served_another(&job->worker->served, failure->what,
	                                             entry->deletion_id, entry->cause_ms),
	};
	int delay = retry_decide(job->worker->conf, &failed);

	if (!write_fact_first(job))
		return JOB_ABANDONED;
	if (delay == RETRY_PARK)
		return outcome_park(job, 1, failure->why);
	log_warning("failed, attempt %d, again in %s: %s", failed.attempts,
	            job->worker->conf->common.retry_delays.item[delay].text, failure->why);
	if (failed.cause == RETRY_OPERATOR && !failed.serves_others &&
	    failed.own_attempts >= job->worker->conf->worker.operator_attempts)
		log_error("%s has served no other deletion meanwhile, so this is not about one account: %s",
		          failure->what, failure->why);
	return pass_on(job, failure, delay);
}

enum job_end outcome_fail_message(struct job *job, const struct failure *failure)
{
	int64_t waiting_ms = outcome_waiting_ms(job);
	struct dispatch_note note = note_of(job);
	struct retry_case failed = {
		.cause = failure->cause,
		.attempts = job->delivery->attempts < INT16_MAX ? job->delivery->attempts + 1 : INT16_MAX,
		.failing_ms = waiting_ms,
		.serves_others = true,
	};

	failed.own_attempts = failed.attempts;
	int delay = retry_decide(job->worker->conf, &failed);
	if (delay == RETRY_PARK)
		return outcome_park_message(job, failure->why);
	log_warning("failed, attempt %d, again in %s: %s", failed.attempts,
	            job->worker->conf->common.retry_delays.item[delay].text, failure->why);
	note.attempts = failed.attempts;
	note.first_seen = (uint64_t)(time(NULL) - waiting_ms / 1000);
	job->outcome = JOB_RETRIED;
	return dispatch_later(&job->worker->sessions.dispatch, &job->message, delay, &note) ?
	           JOB_DONE :
	           JOB_ABANDONED;
}

enum job_end outcome_hand_over(struct job *job, bool progress)
{
	struct failure failure;

	if (progress || child_stopping(job->worker->child)) {
		log_info("handed over after %lld files", (long long)job->entry->files_deleted);
		return pass_on(job, NULL, -1);
	}
	failure_set(&failure, RETRY_TIME_HEALS, "files",
	            "no file was deleted before worker.handover_after or soft_timeout");
	return outcome_fail(job, &failure);
}

/* ---- ends ---- */

enum job_end outcome_complete(struct job *job, const char *mail, const char *why)
{
	struct worker *worker = job->worker;
	struct deletion_state state;

	enum ledger_answer answer =
		ledger_complete(&worker->sessions.ledger, job->entry, mail, why,
	                    worker->conf->worker.sweep_after.item[0].ms, &state);
	if (answer != LEDGER_OK)
		return outcome_of_ledger(job, answer);
	job->memory->started = false;
	job->memory->fact = JOB_MAIL_NOTHING;
	job->outcome = JOB_COMPLETED;
	log_info("completed files=%lld mail=%s attempts=%d ms=%lld",
	         (long long)job->entry->files_deleted, mail, job->entry->attempts,
	         (long long)(clock_now_ms() - job->started_ms));
	outcome_report(job, &state);
	return JOB_DONE;
}

enum job_end outcome_cancel(struct job *job)
{
	struct deletion_state state;

	log_warning("cancelled: %s", job->guard.why);
	job->outcome = JOB_CANCELLED;
	enum ledger_answer answer = ledger_cancel(
		&job->worker->sessions.ledger, job->message.deletion_id, job->message.user_id, &state);
	if (answer == LEDGER_OK)
		outcome_report(job, &state);
	return answer == LEDGER_OK || answer == LEDGER_FINISHED ? JOB_DONE : unrecorded(answer, job);
}

enum job_end outcome_drop(struct job *job, enum job_outcome outcome, const char *why)
{
	log_info("%s", why);
	job->outcome = outcome;
	return JOB_DONE;
}
