/* The way of a deletion through a worker child, from the message to its outcome. */
#include "workerd/job.h"

#include <stdio.h>
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
#include "workerd/files.h"
#include "workerd/job_mail.h"
#include "workerd/outcome.h"
#include "workerd/worker.h"

/* The broker's own count, which counts lost connections too. Its limit, where it drops a message
 * into the parked queue by itself, is a backstop behind this one. */
#define DELIVERIES_MAX 30
static const char too_often[] =
	"the broker has delivered it 30 times without an outcome; look into "
	"the log for what kills the workers";

/* How far a message may be ahead of the ledger, which a backup brings back to before it was sent.
 */
#define TURNS_AHEAD_MAX 1000
static const char turn_ahead[] =
	"its turn is more than 1000 ahead of the ledger's, and no worker has published that; if it is "
	"not forged, the ledger is a very old one. The deletion goes on without this message";

const char *const job_outcome_names[] = {
	"completed",   "aborted",  "cancelled",   "superseded", "parked", "retried",
	"handed over", "deferred", "handed back", "vanished",   NULL,
};

/* ---- the work ---- */

/* The users row is not what the guard has just read: the guard says what it is now, once more. If
 * it reads differently each time, that is no restore. */
static enum job_end user_changed(struct job *job)
{
	struct failure failure;

	if (!job->fresh)
		return JOB_AGAIN;
	failure_set(&failure, RETRY_OPERATOR, "worker.lock_user_sql",
	            "worker.lock_user_sql reads deleted_at differently each time it is asked; look for "
	            "a function in worker.user_contact_sql, or a trigger, that changes the session's "
	            "settings, as with set_config(…, false)");
	return outcome_fail(job, &failure);
}

/* A store or a bucket kept some of the files. Who had no time for the others has them go on at
 * once; else it is that one that is waited for. */
static enum job_end wait_for_store(struct job *job, enum files_result result,
                                   const struct files_end *end, int64_t handover_at_ms)
{
	const char *why = end->refusing != NULL ? end->refusing->why : NULL;
	int delay = end->away != 0 ? away_delay(job->worker, end->away, &why) :
	                             breaker_delay(end->refusing, job->worker->conf, clock_now_ms());

	if (result == FILES_UNFINISHED && end->progress && clock_now_ms() >= handover_at_ms)
		return outcome_hand_over(job, true);
	return outcome_hand_back(job, delay, why);
}

static enum job_end delete_files(struct job *job)
{
	struct worker *worker = job->worker;
	const struct files_means means = {
		.conf = worker->conf,
		.ledger = &worker->sessions.ledger,
		.users = worker->sessions.users,
		.stores = worker->stores,
		.breakers = &worker->breakers[SERVER_STORE],
		.refusals = &worker->refusals,
		.avoided = away_stores(worker),
		.served = &worker->served,
		.pump = &worker->work_pump,
		.handover_at_ms = job->started_ms + worker->conf->worker.handover_after_ms,
	};
	struct files_end end;

	child_step(worker->child, "files");
	enum files_result result = files_delete(&means, &job->message, job->entry, &end);
	job->changed = job->changed || end.progress;
	for (int i = 0; i < s3_stores_count(worker->stores); i++)
		away_say(worker, SERVER_STORE + i);
	refusals_say(&worker->refusals, worker->child, worker->conf->common.retry_delays.item[0].ms);
	if ((end.away != 0 || end.refusing != NULL) &&
	    (result == FILES_FAILED || result == FILES_UNFINISHED))
		return wait_for_store(job, result, &end, means.handover_at_ms);
	switch (result) {
	case FILES_GONE: return job_mail(job);
	case FILES_FAILED: return outcome_fail(job, &end.failure);
	case FILES_UNFINISHED:
		return worker->broker_lost ? JOB_ABANDONED : outcome_hand_over(job, end.progress);
	case FILES_SUPERSEDED: return outcome_of_ledger(job, LEDGER_SUPERSEDED);
	case FILES_CHANGED: return user_changed(job);
	case FILES_GUARD_REFUSED: return outcome_refused(job, worker->sessions.users);
	case FILES_REFUSED: return outcome_refused(job, worker->sessions.ledger.db);
	default:
		/* The start stays counted: a row that crashes the server must not do so for ever. */
		job->memory->started = false;
		return JOB_ABANDONED;
	}
}

/* The lease is ours and the guard says go: count the start, and work. */
static enum job_end job_start(struct job *job)
{
	struct worker *worker = job->worker;
	char why[FAILURE_WHY_SIZE];

	enum ledger_answer answer = ledger_begin(&worker->sessions.ledger, job->entry);
	job->memory->started = answer == LEDGER_OK || answer == LEDGER_LOST;
	if (answer != LEDGER_OK)
		return outcome_of_ledger(job, answer);
	CRASH_POINT("worker-after-start");
	if (job->entry->starts > worker->conf->worker.max_starts) {
		snprintf(why, sizeof(why),
		         "%d workers in a row ended without an outcome while they worked on it; look into "
		         "their log for what kills them",
		         job->entry->starts - 1);
		return outcome_park(job, 0, why);
	}
	return delete_files(job);
}

/* ---- the guard ---- */

/* Another producer may publish before it commits: its user has foreign_grace to be marked. */
static enum job_end wait_for_mark(struct job *job, bool absent)
{
	const struct conf *conf = job->worker->conf;
	int64_t waiting_ms = outcome_waiting_ms(job);
	struct dispatch_note note = {.request_id = job->delivery->correlation_id,
	                             .first_seen = (uint64_t)(time(NULL) - waiting_ms / 1000)};
	int delay = conf->common.retry_delays.count > 1 ? 1 : 0;

	if (waiting_ms >= conf->worker.foreign_grace_ms) {
		if (absent)
			return outcome_park_message(job, "there is no such user, and worker.foreign_grace is "
			                                 "over; see worker.lock_user_sql");
		return outcome_drop(job, JOB_ABORTED,
		                    "aborted: the user is active, and no request says otherwise");
	}
	log_info("later: %s; another producer may publish before it commits",
	         absent ? "there is no such user" : "the user is active");
	job->outcome = JOB_DEFERRED;
	return dispatch_later(&job->worker->sessions.dispatch, &job->message, delay, &note) ?
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

static enum guard_verdict ask_guard(struct job *job, bool seen)
{
	const struct guard_question question = {
		.conf = job->worker->conf,
		.request_id = job->delivery->correlation_id,
		.lineage = job->delivery->lineage,
		.seen = seen,
		.fresh = job->fresh,
		.misfit = job->misfit,
	};
	struct db *users = job->worker->sessions.users;
	int64_t asked_ms = clock_now_ms();

	job->guarded = true;
	enum guard_verdict verdict = guard_judge(users, &job->message, &question, &job->guard);

	/* A later turn's message was published later than the request: take_lease notes when. */
	if (job->message.turn == 1 && job->guard.requested_ms >= 0)
		child_note_published(job->worker->child, asked_ms - job->guard.requested_ms);
	if (verdict == GUARD_GO) {
		served_note(&job->worker->served, "worker.lock_user_sql", job->message.deletion_id);
		served_note(&job->worker->served, "worker.user_contact_sql", job->message.deletion_id);
	}
	return verdict;
}

/* What the guard's verdict makes of a deletion whose lease is ours. */
static enum job_end follow_verdict(struct job *job, enum guard_verdict verdict)
{
	switch (verdict) {
	case GUARD_GO: return job_start(job);
	case GUARD_FINISHED: return outcome_drop(job, JOB_SUPERSEDED, "finished before");
	case GUARD_ABORTED:
		return outcome_drop(job, JOB_ABORTED, "aborted: no such request was committed");
	case GUARD_CANCELLED: return outcome_cancel(job);
	case GUARD_ACTIVE: return wait_for_mark(job, false);
	case GUARD_ABSENT: return wait_for_mark(job, true);
	case GUARD_PARK: return outcome_park(job, 0, job->guard.why);
	case GUARD_MISMATCH: return outcome_park_message(job, job->guard.why);
	case GUARD_REFUSED: return outcome_refused(job, job->worker->sessions.users);
	default: return JOB_ABANDONED;
	}
}

/* ---- the lease ---- */

/* hard_timeout bounds how long a worker works on one delivery: who holds the lease for longer
 * hangs, or has hard_timeout set higher, and a person is told how to end its session. */
static enum job_end wait_for_lease(struct job *job)
{
	struct worker *worker = job->worker;
	int64_t waiting_ms = outcome_waiting_ms(job);
	char who[FAILURE_WHY_SIZE];

	if (waiting_ms > worker->conf->worker.pool.hard_timeout_ms) {
		ledger_lease_holder(&worker->sessions.ledger, job->message.deletion_id, who, sizeof(who));
		log_error("another worker has had this deletion in hand for %lld s, which is longer than "
		          "worker.hard_timeout: %s",
		          (long long)waiting_ms / 1000, who);
	}
	return outcome_defer(job, 1, "another worker has this deletion in hand");
}

/* Takes the lease and looks whether the message's turn is over, before anything is asked. True: go
 * on, *SEEN says whether there is a row; else *END. */
static bool take_lease(struct job *job, bool *seen, enum job_end *end)
{
	struct ledger *ledger = &job->worker->sessions.ledger;
	struct ledger_row row;

	job->leased = true;
	child_step(job->worker->child, "lease");
	ledger_entry_init(job->entry, &job->message, NULL);
	int64_t asked_ms = clock_now_ms();
	enum ledger_answer answer = ledger_lease(ledger, job->message.deletion_id, &row);
	if (answer == LEDGER_OK && job->message.turn > row.turn + TURNS_AHEAD_MAX)
		*end = outcome_park_message(job, turn_ahead);
	else if (answer == LEDGER_BUSY)
		*end = wait_for_lease(job);
	else if (answer != LEDGER_OK)
		*end = JOB_ABANDONED;
	else if (row.turn == job->message.turn + 1 && job->delivery->redelivered &&
	         strcmp(row.state.status, STATUS_PARKED) == 0)
		*end = outcome_park_again(job, &row);
	else if (row.turn > job->message.turn)
		*end = outcome_of_ledger(job, LEDGER_SUPERSEDED);
	else if (row.state.finished_at[0] != '\0') {
		outcome_report(job, &row.state);
		*end = outcome_drop(job, JOB_SUPERSEDED, "finished before");
	} else {
		*seen = row.turn > 0;
		if (row.turn == job->message.turn && row.turned_ms > 0)
			child_note_published(job->worker->child, asked_ms - row.turned_ms);
		ledger_entry_init(job->entry, &job->message, &row);
		return true;
	}
	return false;
}

/* A mail that was sent is a fact, however the job ended: until it is written, the job has not. */
static enum job_end give_lease_back(struct job *job, enum job_end end)
{
	struct ledger *ledger = &job->worker->sessions.ledger;
	bool open = end == JOB_ABANDONED || end == JOB_AGAIN;

	/* Before anybody else can take it; if the database is what is away, then later. */
	if ((open || job->memory->fact != JOB_MAIL_NOTHING) && db_is_open(ledger->db))
		job_remember(job->worker, job->memory);
	ledger_release(ledger, job->message.deletion_id); /* unless an outcome gave it back */
	return job->memory->fact != JOB_MAIL_NOTHING && !open ? JOB_ABANDONED : end;
}

/* A message of ours. */
static enum job_end job_of_request(struct job *job)
{
	enum job_end end = JOB_DONE;
	bool seen = false;

	if (take_lease(job, &seen, &end))
		end = job->delivery->deliveries >= DELIVERIES_MAX ?
		          outcome_park(job, 0, too_often) :
		          follow_verdict(job, ask_guard(job, seen || job->message.turn > 1));
	return give_lease_back(job, end);
}

/* Another producer's message, which has no deletion until the guard has found or made it. */
static enum job_end job_of_stranger(struct job *job)
{
	struct failure failure;
	enum job_end end = JOB_DONE;
	bool seen = false;

	if (job->delivery->deliveries >= DELIVERIES_MAX)
		return outcome_park_message(job, too_often);
	enum guard_verdict verdict = ask_guard(job, false);
	if (verdict == GUARD_PARK)
		return outcome_park_message(job, job->guard.why);
	if (verdict == GUARD_REFUSED) {
		struct db *users = job->worker->sessions.users;
		if (!job->fresh && db_kind(users) != SQLSTATE_BUSY)
			return JOB_AGAIN;
		failure_set(&failure, retry_cause_of(db_kind(users)), db_refused_title(users),
		            db_why(users));
		return outcome_fail_message(job, &failure);
	}
	if (verdict != GUARD_GO)
		return follow_verdict(job, verdict);
	job_introduce(job);
	if (take_lease(job, &seen, &end))
		end = job_start(job);
	return give_lease_back(job, end);
}

/* Whether a session was closed only because something was altered since it was prepared: not so if
 * the server has become a standby. */
static bool session_was_stale(const struct db *db)
{
	return !db_is_open(db) && db_kind(db) == SQLSTATE_STALE &&
	       strcmp(db_sqlstate(db), "25006") != 0;
}

/* What the job says of the databases: those it has lost are away; those that it needed, and that
 * took its outcome, are there. */
static void note_databases(const struct job *job, enum job_end end)
{
	struct worker *worker = job->worker;
	bool served = end == JOB_DONE || job->outcome == JOB_HANDED_BACK;
	int64_t now_ms = clock_now_ms();

	if (end != JOB_AGAIN)
		away_note_lost(worker);
	if (served && job->guarded && db_is_open(worker->sessions.users))
		breaker_success(&worker->breakers[SERVER_USER_DB], now_ms);
	if (served && job->leased && db_is_open(worker->sessions.ledger.db))
		breaker_success(&worker->breakers[SERVER_WORKER_DB], now_ms);
	away_update(worker);
}

enum job_end job_run(struct worker *worker, const struct mq_delivery *delivery, bool fresh,
                     struct job_memory *memory, enum job_outcome *outcome)
{
	char why[FAILURE_WHY_SIZE];
	struct job job = {
		.worker = worker,
		.delivery = delivery,
		.memory = memory,
		.entry = &memory->entry,
		.started_ms = clock_now_ms(),
		.fresh = fresh,
		.outcome = JOB_NONE,
	};
	enum job_end end;

	memset(memory, 0, sizeof(*memory));
	child_busy(worker->child, "", "start");
	bool good =
		message_read(delivery->body, delivery->length, worker->conf->common.id_format,
	                 (size_t)worker->conf->common.id_max_length, &job.message, why, sizeof(why));
	if (good || job.message.deletion_id[0] != '\0')
		job_introduce(&job);
	if (!good && (job.message.deletion_id[0] == '\0' || job.message.user_id[0] == '\0')) {
		end = outcome_park_message(&job, why);
	} else {
		job.misfit = good ? NULL : why;
		CRASH_POINT("worker-after-delivery");
		end = job.message.deletion_id[0] != '\0' ? job_of_request(&job) : job_of_stranger(&job);
	}
	if (end == JOB_ABANDONED && !fresh &&
	    (session_was_stale(worker->sessions.users) ||
	     session_was_stale(worker->sessions.ledger.db)))
		end = JOB_AGAIN;
	note_databases(&job, end);
	*outcome = end == JOB_ABANDONED || end == JOB_AGAIN ? JOB_NONE : job.outcome;
	return end;
}

bool job_remember(struct worker *worker, struct job_memory *memory)
{
	struct ledger *ledger = &worker->sessions.ledger;
	enum ledger_answer answer = LEDGER_OK;

	if (memory->fact == JOB_MAIL_SENT)
		answer = ledger_sent(ledger, &memory->entry);
	else if (memory->fact == JOB_MAIL_NOT_SENT)
		answer = ledger_not_sent(ledger, &memory->entry);
	if (answer != LEDGER_OK)
		return false;
	memory->fact = JOB_MAIL_NOTHING;
	if (memory->started && ledger_uncount(ledger, &memory->entry) == LEDGER_LOST)
		return false;
	memory->started = false;
	if (memory->unreported && !ledger_report(ledger, worker->sessions.users, &memory->state) &&
	    !db_is_open(worker->sessions.users))
		return false;
	memory->unreported = false;
	return true;
}
