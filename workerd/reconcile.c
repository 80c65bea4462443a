#include "workerd/reconcile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/crash.h"
#include "lib/base/log.h"
#include "lib/deletion/dispatch.h"
#include "lib/deletion/guard.h"
#include "lib/deletion/ledger.h"
#include "lib/deletion/status.h"
#include "lib/deletion/topology.h"
#include "workerd/worker.h"

#define BACK_OFF_FIRST_MS 1000

/* What became of one claimed request. */
enum fate { FATE_PUBLISHED, FATE_BROUGHT_UP_TO_DATE, FATE_LEFT_ALONE, FATE_FAILED };

static bool is_true(const PGresult *result, int row, int column)
{
	return strcmp(PQgetvalue(result, row, column), "t") == 0;
}

/* The session lock on the user database; it goes with the connection, and asking again is harmless.
 */
static bool take_the_lead(struct worker *worker, bool *leading)
{
	PGresult *row = NULL;

	if (*leading)
		return true;
	if (db_run(worker->users, "lead", 0, NULL, &row, worker_db_deadline(worker)) != DB_OK) {
		log_warning("%s", db_why(worker->users));
		return false;
	}
	*leading = is_true(row, 0, 0);
	PQclear(row);
	return true;
}

/* False: a long queue is waiting to be worked on, and more messages would help nobody. */
static bool queue_is_short(struct worker *worker)
{
	uint32_t waiting = 0;

	enum mq_result result = mq_open(worker->publisher, worker_mq_deadline(worker));
	if (result == MQ_OK)
		result = mq_inspect_queue(worker->publisher, worker->conf->common.queue, &waiting,
		                          worker_mq_deadline(worker));
	if (result == MQ_REFUSED && mq_open(worker->publisher, worker_mq_deadline(worker)) == MQ_OK)
		result = topology_ensure(worker->publisher, worker->conf, worker_mq_deadline(worker));
	if (result != MQ_OK) {
		log_warning("%s", mq_why(worker->publisher));
		return false;
	}
	if (waiting > (uint64_t)worker->conf->worker.reconcile_queue_limit) {
		log_info("%u messages are waiting: this pass is left out", waiting);
		return false;
	}
	return true;
}

/* Publishes the next turn of a deletion whose lease is ours. */
static enum fate publish_next_turn(struct worker *worker, struct message *message,
                                   const char *request_id)
{
	const char *params[] = {message->deletion_id, message->user_id};
	PGresult *row = NULL;

	if (db_run(worker->ledger, "next_turn", 2, params, &row, worker_db_deadline(worker)) != DB_OK) {
		log_warning("%s", db_why(worker->ledger));
		return FATE_FAILED;
	}
	if (PQntuples(row) == 0) {
		PQclear(row);
		return FATE_LEFT_ALONE;
	}
	message->turn = atoi(PQgetvalue(row, 0, 0));
	struct dispatch_note note = {.request_id = request_id, .attempts = atoi(PQgetvalue(row, 0, 1))};
	PQclear(row);
	CRASH_POINT("reconciler-after-turn");
	ledger_release(worker, message->deletion_id);
	if (!dispatch_continuation(worker, message, &note))
		return FATE_FAILED;
	CRASH_POINT("reconciler-after-publish");
	const char *id[] = {message->deletion_id};
	if (db_run(worker->users, "note_published", 1, id, NULL, worker_db_deadline(worker)) != DB_OK)
		log_warning("%s", db_why(worker->users));
	log_info("published again: deletion=%s user=%s turn=%d", message->deletion_id, message->user_id,
	         message->turn);
	return FATE_PUBLISHED;
}

/* What the ledger knows decides: finished or parked, the request only hears of it; due later, it is
 * left alone. */
static enum fate judge_by_ledger(struct worker *worker, const char *deletion_id)
{
	PGresult *row = NULL;
	enum fate fate = FATE_PUBLISHED;

	if (db_run(worker->ledger, "look", 1, &deletion_id, &row, worker_db_deadline(worker)) !=
	    DB_OK) {
		log_warning("%s", db_why(worker->ledger));
		return FATE_FAILED;
	}
	if (PQntuples(row) == 1) {
		bool finished = !PQgetisnull(row, 0, 7),
			 parked = strcmp(PQgetvalue(row, 0, 1), STATUS_PARKED) == 0;
		if (finished || parked)
			fate = guard_report(worker, row) == DB_OK ? FATE_BROUGHT_UP_TO_DATE : FATE_FAILED;
		else if (is_true(row, 0, 9))
			fate = FATE_LEFT_ALONE;
	}
	PQclear(row);
	return fate;
}

static enum fate reconcile_one(struct worker *worker, struct message *message,
                               const char *request_id)
{
	enum fate fate = judge_by_ledger(worker, message->deletion_id);

	if (fate != FATE_PUBLISHED)
		return fate;
	enum ledger_answer answer = ledger_lease(worker, message->deletion_id);
	if (answer != LEDGER_OK)
		return answer == LEDGER_BUSY ? FATE_LEFT_ALONE : FATE_FAILED;
	fate = publish_next_turn(worker, message, request_id);
	ledger_release(worker, message->deletion_id);
	return fate;
}

static PGresult *claim(struct worker *worker)
{
	char after[32], limit[24];
	PGresult *rows = NULL;
	int64_t after_ms = worker->conf->worker.reconcile_after_ms;

	snprintf(after, sizeof(after), "%lld.%03d", (long long)(after_ms / 1000),
	         (int)(after_ms % 1000));
	snprintf(limit, sizeof(limit), "%lld", (long long)worker->conf->worker.reconcile_batch);
	const char *params[] = {after, limit};
	if (db_run(worker->users, "claim", 2, params, &rows, worker_db_deadline(worker)) != DB_OK) {
		log_warning("%s", db_why(worker->users));
		return NULL;
	}
	return rows;
}

/* One pass. False: a server is away. */
static bool reconcile_pass(struct worker *worker)
{
	int fates[4] = {0};

	if (!queue_is_short(worker))
		return mq_is_open(worker->publisher);
	PGresult *rows = claim(worker);
	if (rows == NULL)
		return false;
	int count = PQntuples(rows);
	if (count > 0)
		CRASH_POINT("reconciler-after-claim");
	for (int row = 0; row < count && fates[FATE_FAILED] == 0 && !child_hurry(worker->child);
	     row++) {
		struct message message = {.turn = 1};
		snprintf(message.deletion_id, sizeof(message.deletion_id), "%s", PQgetvalue(rows, row, 0));
		snprintf(message.user_id, sizeof(message.user_id), "%s", PQgetvalue(rows, row, 1));
		snprintf(message.requested_at, sizeof(message.requested_at), "%s",
		         PQgetvalue(rows, row, 2));
		child_busy(worker->child, message.deletion_id, "reconciling");
		enum fate fate = reconcile_one(worker, &message,
		                               PQgetisnull(rows, row, 3) ? NULL : PQgetvalue(rows, row, 3));
		fates[fate]++;
		child_done(worker->child, fate != FATE_FAILED);
	}
	PQclear(rows);
	if (count > 0)
		log_info("reconciled %d requests: published=%d updated=%d left=%d failed=%d", count,
		         fates[FATE_PUBLISHED], fates[FATE_BROUGHT_UP_TO_DATE], fates[FATE_LEFT_ALONE],
		         fates[FATE_FAILED]);
	return fates[FATE_FAILED] == 0;
}

static void wait_for_next(struct worker *worker)
{
	int64_t until_ms = clock_now_ms() + worker->conf->worker.reconcile_every_ms;
	int heartbeat_ms = (int)(worker->conf->worker.sessions.broker_heartbeat_ms / 3);

	child_idle(worker->child, "waiting");
	while (clock_left_ms(until_ms) > 0 && !child_stopping(worker->child)) {
		int left = clock_left_ms(until_ms);
		child_wait(worker->child, -1, 0, left < heartbeat_ms ? left : heartbeat_ms);
		if (mq_is_open(worker->publisher))
			mq_pump(worker->publisher);
	}
}

int reconcile_run(struct child *child, const struct conf *conf)
{
	struct worker worker;
	int pause_ms = BACK_OFF_FIRST_MS;

	if (!worker_init(&worker, child, conf, false)) {
		worker_free(&worker);
		return CHILD_SICK;
	}
	bool leading = false;
	while (!child_stopping(child)) {
		if (!db_is_alive(worker.users))
			leading = false;
		bool well =
			worker_connect_databases(&worker) == WORKER_READY && take_the_lead(&worker, &leading);
		if (well && leading && !child_paused(child))
			well = reconcile_pass(&worker);
		if (well) {
			pause_ms = BACK_OFF_FIRST_MS;
			child_serving(child);
			wait_for_next(&worker);
		} else {
			child_idle(child, "waiting for a server");
			worker_back_off(&worker, &pause_ms);
		}
	}
	worker_free(&worker);
	return CHILD_RECYCLE;
}
