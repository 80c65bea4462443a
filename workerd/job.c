/* The way of a deletion through a worker child, from the message to its outcome. */
#include "workerd/job.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/crash.h"
#include "lib/base/log.h"
#include "lib/deletion/dispatch.h"
#include "lib/deletion/guard.h"
#include "lib/deletion/request.h"
#include "lib/deletion/retry.h"
#include "lib/deletion/status.h"
#include "workerd/files.h"

const char *const job_outcome_names[] = {
	"completed", "aborted",     "cancelled", "superseded", "parked",
	"retried",   "handed over", "deferred",  NULL,
};

struct job {
	struct worker *worker;
	const struct mq_delivery *delivery;
	struct job_memory *memory;
	struct message message;
	struct guard_contact contact;
	struct ledger_entry *entry; /* in memory */
	int64_t started_ms;
	enum job_outcome outcome;
};

/* ---- ends ---- */

/* Carries the ledger's state to the request. */
static enum job_end job_report(struct job *job, const struct deletion_state *state)
{
	return request_report(job->worker->sessions.users, state) == DB_OK ? JOB_DONE : JOB_ABANDONED;
}

static enum job_end job_end_of(struct job *job, enum ledger_answer answer)
{
	switch (answer) {
	case LEDGER_LOST: return JOB_ABANDONED;
	case LEDGER_SUPERSEDED:
		log_info("superseded: a later turn of this deletion has taken over");
		job->outcome = JOB_SUPERSEDED;
		return JOB_DONE;
	default: return JOB_DONE;
	}
}

/* Once the start is counted the ledger's count is the right one: it starts afresh when a parked
 * message is moved back, the header doesn't. */
static struct dispatch_note note_for(const struct job *job)
{
	return (struct dispatch_note){
		.request_id = job->delivery->correlation_id,
		.attempts = job->entry->starts > 0 ? job->entry->attempts : job->delivery->attempts,
	};
}

/* The same message again after the delay of that index, not counted. */
static enum job_end job_defer(struct job *job, int delay, const char *why)
{
	struct dispatch_note note = note_for(job);
	int last = job->worker->conf->common.retry_delays.count - 1;

	log_info("later: %s", why);
	job->outcome = JOB_DEFERRED;
	return dispatch_retry(&job->worker->sessions.dispatch, &job->message,
	                      delay < last ? delay : last, &note) ?
	           JOB_DONE :
	           JOB_ABANDONED;
}

/* Parked in the broker first and then in the ledger: a crash in between parks it twice, and never
 * not at all. */
static enum job_end job_park(struct job *job, int failures, const char *why)
{
	struct deletion_state state;
	struct dispatch_note note = note_for(job);

	note.reason = why;
	note.attempts += failures;
	log_error("parked: %s", why);
	job->outcome = JOB_PARKED;
	if (!dispatch_parked(&job->worker->sessions.dispatch, job->message.deletion_id,
	                     job->delivery->body, job->delivery->length, &note))
		return JOB_ABANDONED;
	CRASH_POINT("worker-after-park");
	enum ledger_answer answer =
		ledger_park(&job->worker->sessions.ledger, job->entry, failures, why, &state);
	if (answer != LEDGER_OK)
		return job_end_of(job, answer);
	job->memory->started = false;
	/* Done even when the request could not be told: begun once more, this very message would look
	 * like one that a person has moved back. The reconciler brings the request up to date. */
	job_report(job, &state);
	return JOB_DONE;
}

/* Records the turn's end, publishes the next turn's message and reports. DELAY -1: at once. */
static enum job_end job_pass_on(struct job *job, int failures, int delay, const char *why)
{
	struct deletion_state state;
	int64_t delay_ms = delay < 0 ? -1 : job->worker->conf->common.retry_delays.item[delay].ms;

	CRASH_POINT("worker-before-retry");
	enum ledger_answer answer =
		ledger_pass_on(&job->worker->sessions.ledger, job->entry, failures, why, delay_ms, &state);
	if (answer != LEDGER_OK)
		return job_end_of(job, answer);
	job->memory->started = false;
	job->outcome = delay < 0 ? JOB_HANDED_OVER : JOB_RETRIED;
	struct message next = job->message;
	struct dispatch_note note = note_for(job);
	next.turn = job->entry->turn;
	bool sent = delay < 0 ? dispatch_continuation(&job->worker->sessions.dispatch, &next, &note) :
	                        dispatch_retry(&job->worker->sessions.dispatch, &next, delay, &note);
	if (!sent)
		log_warning("the message of turn %d is not out; the reconciler will see to it", next.turn);
	else
		CRASH_POINT("worker-after-republish");
	return job_report(job, &state);
}

/* A failure: again later, or parked. */
static enum job_end job_fail(struct job *job, enum retry_cause cause, const char *why)
{
	int delay =
		retry_decide(job->worker->conf, cause, job->entry->attempts + 1, job->entry->failing_ms);

	if (delay == RETRY_PARK)
		return job_park(job, 1, why);
	log_warning("failed, attempt %d, again in %s: %s", job->entry->attempts + 1,
	            job->worker->conf->common.retry_delays.item[delay].text, why);
	return job_pass_on(job, 1, delay, why);
}

/* What is left is for the next turn. Without progress it counts as an attempt, and waits, unless we
 * were told to leave. */
static enum job_end job_hand_over(struct job *job, bool progress)
{
	if (progress || child_stopping(job->worker->child)) {
		log_info("handed over after %lld files", (long long)job->entry->files_deleted);
		return job_pass_on(job, progress ? 0 : 1, -1, NULL);
	}
	return job_fail(job, RETRY_TIME_HEALS,
	                "no file was deleted before worker.handover_after or soft_timeout");
}

static enum job_end job_complete(struct job *job, const char *mail, const char *why)
{
	struct deletion_state state;

	enum ledger_answer answer =
		ledger_complete(&job->worker->sessions.ledger, job->entry, mail, why, &state);
	if (answer != LEDGER_OK)
		return job_end_of(job, answer);
	job->memory->started = false;
	job->outcome = JOB_COMPLETED;
	log_info("completed files=%lld mail=%s attempts=%d ms=%lld",
	         (long long)job->entry->files_deleted, mail, job->entry->attempts,
	         (long long)(clock_now_ms() - job->started_ms));
	return job_report(job, &state);
}

/* ---- mail ---- */

static enum job_end mail_outcome(struct job *job, enum mail_result result, const char *why)
{
	switch (result) {
	case MAIL_ACCEPTED:
		job->memory->mail = MAIL_SENT;
		CRASH_POINT("worker-after-smtp");
		return job_complete(job, MAIL_SENT, NULL);
	case MAIL_REJECTED:
		log_warning("the mail was refused for good: %s", why);
		return job_complete(job, MAIL_REFUSED, why);
	case MAIL_NO_ANSWER:
		log_warning("whether the mail was sent is unknown: %s", why);
		if (job->worker->conf->worker.when_unknown == WHEN_UNKNOWN_HOLD)
			return job_complete(job, MAIL_UNKNOWN, why);
		return job_fail(job, RETRY_TIME_HEALS, why); /* the mark stays `sending` */
	case MAIL_STOPPED:
		job->memory->mail = MAIL_PENDING;
		snprintf(job->entry->mail, sizeof(job->entry->mail), "%s", MAIL_PENDING);
		return job->worker->broker_lost ? JOB_ABANDONED : job_hand_over(job, true);
	default:
		job->memory->mail = MAIL_PENDING;
		snprintf(job->entry->mail, sizeof(job->entry->mail), "%s", MAIL_PENDING);
		return job_fail(job, RETRY_TIME_HEALS, why);
	}
}

static enum job_end send_mail(struct job *job)
{
	char why[WHY_SIZE];
	struct mail_letter letter = {
		.to = job->contact.address,
		.name = job->contact.name,
		.locale = job->contact.locale,
		.user_id = job->message.user_id,
		.deletion_id = job->message.deletion_id,
		.requested_at = job->message.requested_at,
		.files_deleted = job->entry->files_deleted,
	};

	child_step(job->worker->child, "mail");
	CRASH_POINT("worker-before-sending");
	enum ledger_answer answer = ledger_sending(&job->worker->sessions.ledger, job->entry);
	if (answer != LEDGER_OK)
		return job_end_of(job, answer);
	CRASH_POINT("worker-after-sending");
	enum mail_result result = mail_send(job->worker->mailer, &letter, why, sizeof(why));
	return mail_outcome(job, result, why);
}

/* Every object is gone: mail, unless that was decided before. */
static enum job_end job_finish(struct job *job)
{
	const char *mail = job->entry->mail;

	if (strcmp(mail, MAIL_SENT) == 0 || strcmp(mail, MAIL_REFUSED) == 0 ||
	    strcmp(mail, MAIL_UNKNOWN) == 0)
		return job_complete(job, mail, NULL);
	if (strcmp(mail, MAIL_SENDING) == 0) {
		if (job->worker->conf->worker.when_unknown == WHEN_UNKNOWN_HOLD)
			return job_complete(
				job, MAIL_UNKNOWN,
				"a worker died while it was sending the mail; look whether it arrived");
		log_warning("an earlier attempt ended while it was sending the mail: sending it again, as "
		            "worker.when_unknown says");
	}
	if (job->contact.address[0] == '\0')
		return job_complete(job, MAIL_NONE, NULL);
	return send_mail(job);
}

/* ---- the job ---- */

static enum job_end delete_files(struct job *job)
{
	struct worker *worker = job->worker;
	const struct files_means means = {
		.ledger = &worker->sessions.ledger,
		.users = worker->sessions.users,
		.s3 = worker->s3,
		.pump = &worker->work_pump,
		.page = worker->conf->worker.files_page,
		.handover_at_ms = job->started_ms + worker->conf->worker.handover_after_ms,
	};
	bool progress = false;
	struct files_failure failure;

	child_step(worker->child, "files");
	switch (files_delete(&means, job->entry, &progress, &failure)) {
	case FILES_GONE: return job_finish(job);
	case FILES_FAILED: return job_fail(job, failure.cause, failure.why);
	case FILES_UNFINISHED:
		return worker->broker_lost ? JOB_ABANDONED : job_hand_over(job, progress);
	case FILES_SUPERSEDED: return job_end_of(job, LEDGER_SUPERSEDED);
	default: return JOB_ABANDONED;
	}
}

/* The lease is ours: count the start, and work. */
static enum job_end job_start(struct job *job)
{
	struct deletion_state state;
	char why[WHY_SIZE];

	enum ledger_answer answer =
		ledger_begin(&job->worker->sessions.ledger, &job->message, job->delivery->attempts,
	                 job->delivery->redelivered, job->entry, &state);
	job->memory->started = answer == LEDGER_OK || answer == LEDGER_LOST;
	if (answer == LEDGER_FINISHED) {
		log_info("finished before");
		job->outcome = JOB_SUPERSEDED;
		return job_report(job, &state);
	}
	if (answer == LEDGER_PARKED) {
		job->outcome = JOB_PARKED;
		struct dispatch_note note = note_for(job);
		note.reason = state.last_error[0] != '\0' ? state.last_error : "parked before";
		bool parked = dispatch_parked(&job->worker->sessions.dispatch, job->message.deletion_id,
		                              job->delivery->body, job->delivery->length, &note);
		enum job_end end = job_report(job, &state);
		return parked ? end : JOB_ABANDONED;
	}
	if (answer != LEDGER_OK)
		return job_end_of(job, answer);
	CRASH_POINT("worker-after-start");
	if (job->entry->starts > job->worker->conf->worker.max_starts) {
		snprintf(why, sizeof(why),
		         "%d workers in a row ended without an outcome while they worked on it; look into "
		         "their log for what kills them",
		         job->entry->starts - 1);
		return job_park(job, 0, why);
	}
	return delete_files(job);
}

static enum job_end job_with_lease(struct job *job)
{
	const char *id = job->message.deletion_id;

	child_step(job->worker->child, "lease");
	enum ledger_answer answer = ledger_lease(&job->worker->sessions.ledger, id);
	if (answer == LEDGER_BUSY)
		return job_defer(job, 1, "another worker has this deletion in hand");
	if (answer != LEDGER_OK)
		return job_end_of(job, answer);
	enum job_end end = job_start(job);
	/* Before anybody else can take it; if the database is what is away, then later. */
	if (end == JOB_ABANDONED && db_is_open(job->worker->sessions.ledger.db))
		job_remember(job->worker, job->memory);
	ledger_release(&job->worker->sessions.ledger, id); /* unless an outcome gave it back */
	return end;
}

static enum job_end job_cancel(struct job *job)
{
	struct deletion_state state;

	log_info("cancelled: the user was restored");
	job->outcome = JOB_CANCELLED;
	enum ledger_answer answer = ledger_cancel(
		&job->worker->sessions.ledger, job->message.deletion_id, job->message.user_id, &state);
	return answer == LEDGER_OK ? job_report(job, &state) : job_end_of(job, answer);
}

/* Another producer may publish before it commits: its user has foreign_grace to be marked. */
static enum job_end wait_for_mark(struct job *job)
{
	/* The header may be anybody's: what was first seen in the future counts from now. */
	uint64_t now = (uint64_t)time(NULL), seen = job->delivery->first_seen,
			 first = seen > 0 && seen <= now ? seen : now;
	struct dispatch_note note = {.request_id = job->delivery->correlation_id, .first_seen = first};
	int last = job->worker->conf->common.retry_delays.count - 1;

	if ((int64_t)(now - first) * 1000 >= job->worker->conf->worker.foreign_grace_ms) {
		log_info("aborted: the user is active, and no request says otherwise");
		job->outcome = JOB_ABORTED;
		return JOB_DONE;
	}
	job->outcome = JOB_DEFERRED;
	return dispatch_retry(&job->worker->sessions.dispatch, &job->message, last < 1 ? last : 1,
	                      &note) ?
	           JOB_DONE :
	           JOB_ABANDONED;
}

static enum job_end park_unreadable(struct job *job, const char *why)
{
	struct dispatch_note note = {.request_id = job->delivery->correlation_id, .reason = why};

	log_error("parked: a message that can't be read: %s", why);
	job->outcome = JOB_PARKED;
	if (job->delivery->body == NULL)
		return JOB_TOO_LARGE;
	return dispatch_parked(&job->worker->sessions.dispatch, NULL, job->delivery->body,
	                       job->delivery->length, &note) ?
	           JOB_DONE :
	           JOB_ABANDONED;
}

/* Which job it is, for the log and the scoreboard; again when another producer's message has got
 * its deletion id. */
static void job_introduce(const struct job *job)
{
	const struct message *message = &job->message;
	const char *request_id = job->delivery->correlation_id;

	log_context("deletion=%s user=%s turn=%d request=%s", message->deletion_id, message->user_id,
	            message->turn, request_id != NULL ? request_id : "");
	child_busy(job->worker->child, message->deletion_id, "guard");
}

static enum job_end job_judge(struct job *job)
{
	switch (guard_judge(job->worker->sessions.users, &job->message, job->delivery->correlation_id,
	                    &job->contact)) {
	case GUARD_GO: job_introduce(job); return job_with_lease(job);
	case GUARD_FINISHED:
		log_info("finished before");
		job->outcome = JOB_SUPERSEDED;
		return JOB_DONE;
	case GUARD_ABORTED:
		log_info("aborted: no such request was committed");
		job->outcome = JOB_ABORTED;
		return JOB_DONE;
	case GUARD_CANCELLED: return job_cancel(job);
	case GUARD_ACTIVE: return wait_for_mark(job);
	case GUARD_LATER: return job_defer(job, 0, "the user's row is locked by somebody");
	case GUARD_REFUSED: return job_defer(job, 2, "a statement refused this user's data");
	default: return JOB_ABANDONED;
	}
}

enum job_end job_run(struct worker *worker, const struct mq_delivery *delivery,
                     struct job_memory *memory, enum job_outcome *outcome)
{
	char why[WHY_SIZE];
	struct job job = {
		.worker = worker,
		.delivery = delivery,
		.memory = memory,
		.entry = &memory->entry,
		.started_ms = clock_now_ms(),
		.outcome = JOB_NONE,
	};

	memset(memory, 0, sizeof(*memory));
	child_busy(worker->child, "", "start");
	enum job_end end;
	if (!message_read(delivery->body, delivery->length, worker->conf->common.id_format,
	                  (size_t)worker->conf->common.id_max_length, &job.message, why, sizeof(why))) {
		end = park_unreadable(&job, why);
	} else {
		job_introduce(&job);
		CRASH_POINT("worker-after-delivery");
		end = job_judge(&job);
	}
	*outcome = end == JOB_ABANDONED ? JOB_NONE : job.outcome;
	return end;
}

bool job_remember(struct worker *worker, struct job_memory *memory)
{
	if (memory->started &&
	    ledger_uncount(&worker->sessions.ledger, &memory->entry, memory->mail) != LEDGER_OK)
		return false;
	memory->started = false;
	memory->mail = NULL;
	return true;
}
