/* Claiming requests that do not get on, and publishing them again. */
#include "workerd/reconcile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/crash.h"
#include "lib/base/log.h"
#include "lib/deletion/dispatch.h"
#include "lib/deletion/ledger_report.h"
#include "lib/deletion/sessions.h"
#include "lib/deletion/status.h"
#include "lib/deletion/topology.h"
#include "workerd/sweep.h"
#include "workerd/vanish.h"
#include "workerd/worker.h"

#define BACK_OFF_FIRST_MS 1000
/* When the queue was too long, or nobody works. */
#define SOON_MS 1000
/* A message may come into the queue so much later than it is recorded to be due: to publish it
 * takes its time, and two servers have two clocks. */
#define LATE_MS 60000
/* So often at most what waits for a server is brought forward: it may be back for a moment only. */
#define FORWARD_EVERY_MS 60000
/* Older than any message: but what is to be published whatever the queue has is due since a year.
 */
#define NEVER_MS (300LL * 24 * 3600 * 1000)
#define MISSING_SIZE 384

/* What became of one claimed request. */
enum fate { FATE_PUBLISHED, FATE_BROUGHT_UP_TO_DATE, FATE_LEFT_ALONE, FATE_FAILED };

/* What the reconciler holds. */
struct reconciler {
	struct child *child;
	const struct conf *conf;
	struct pump pump;          /* heartbeats and a look at the signals */
	struct pump dispatch_pump; /* the same, and stop when told to hurry */
	struct sessions sessions;
	struct vanish vanish;
	bool leading;
	int64_t empty_ms;    /* when the queue was last seen empty; 0: never */
	uint32_t recoveries; /* as of which what waits for a server was brought forward */
	int64_t forward_ms;  /* not before */
	bool queue_long, soon;
	char missing[MISSING_SIZE]; /* what the broker said that it lacks; "": nothing */
};

static bool pump_child(void *arg)
{
	struct reconciler *reconciler = arg;

	child_look(reconciler->child);
	return true;
}

static bool pump_until_hurry(void *arg)
{
	struct reconciler *reconciler = arg;

	return pump_child(arg) && !child_hurry(reconciler->child);
}

/* The session lock on the user database; it goes with the connection, and asking again is harmless.
 */
static bool take_the_lead(struct reconciler *r)
{
	if (r->leading)
		return true;
	if (request_lead(r->sessions.users, &r->leading) == DB_OK)
		return true;
	log_warning("%s", db_why(r->sessions.users));
	return false;
}

/* Another host may lead meanwhile. */
static void give_up_the_lead(struct reconciler *r)
{
	if (r->leading && request_follow(r->sessions.users) != DB_OK) {
		log_warning("%s", db_why(r->sessions.users));
		db_close(r->sessions.users); /* and with it the lock */
	}
	r->leading = false;
}

/* ---- what the broker has ---- */

/* Puts back what somebody deleted; where nothing is going on, nobody else would notice before the
 * next deletion is refused. What can't be put back, or may not (topology = check), is said once. */
static void look_after_topology(struct reconciler *r)
{
	struct mq *mq = r->sessions.publisher;

	if (mq_open(mq, mq_deadline(mq)) != MQ_OK || mq_pump(mq) != MQ_OK || mq_is_blocked(mq))
		return;
	enum mq_result result = topology_ensure(mq, r->conf, mq_deadline(mq));
	if (result == MQ_REFUSED && strcmp(r->missing, mq_why(mq)) != 0) {
		snprintf(r->missing, sizeof(r->missing), "%s", mq_why(mq));
		log_error("the broker lacks something, or has it otherwise: %s", r->missing);
	} else if (result == MQ_OK && r->missing[0] != '\0') {
		r->missing[0] = '\0';
		log_info("exchange and queues are as they should be again");
	}
}

enum queue_state { QUEUE_AWAY, QUEUE_LONG, QUEUE_SHORT };

/* Looks how many messages are ready; notes it if there is none. */
static enum queue_state look_at_queue(struct reconciler *r)
{
	struct mq *mq = r->sessions.publisher;
	uint32_t waiting = 0;

	enum mq_result result = mq_open(mq, mq_deadline(mq));
	int64_t asked_ms = clock_now_ms();
	if (result == MQ_OK)
		result = mq_inspect_queue(mq, r->conf->common.queue, &waiting, mq_deadline(mq));
	if (result != MQ_OK) {
		if (result != MQ_REFUSED || r->missing[0] == '\0') /* else it was said */
			log_warning("%s", mq_why(mq));
		return QUEUE_AWAY;
	}
	if (waiting == 0)
		r->empty_ms = asked_ms;
	bool was_long = r->queue_long;
	r->queue_long = waiting > (uint64_t)r->conf->worker.reconcile_queue_limit;
	if (r->queue_long && !was_long)
		log_info("%u messages are waiting: no more are published until they are fewer", waiting);
	return r->queue_long ? QUEUE_LONG : QUEUE_SHORT;
}

/* For how long nothing that was published can have been in the queue: the queue is first in, first
 * out, so what is older than a message that was delivered is not in it any more, and when it was
 * empty, nothing was. On this machine's clock; of deliveries those of this host are known. */
static int64_t passed_since_ms(const struct reconciler *r)
{
	int64_t delivered_ms = child_newest_published(r->child), passed_ms = r->empty_ms;
	int64_t late_ms = r->conf->worker.reconcile_after_ms;

	if (delivered_ms != 0 && (passed_ms == 0 || delivered_ms > passed_ms))
		passed_ms = delivered_ms;
	if (passed_ms == 0)
		return NEVER_MS;
	return clock_now_ms() - passed_ms + (late_ms < LATE_MS ? late_ms : LATE_MS);
}

/* ---- one request ---- */

/* Publishes the next turn of a deletion whose lease is ours. */
static enum fate publish_next_turn(struct reconciler *r, struct message *message,
                                   const char *request_id)
{
	struct dispatch_note note = {.request_id = request_id};
	enum ledger_answer answer = ledger_next_turn(&r->sessions.ledger, message->deletion_id,
	                                             message->user_id, &message->turn, &note.attempts);

	/* A row that is locked, or refuses to be written, keeps no other request from being looked at.
	 */
	if (answer != LEDGER_OK)
		return answer == LEDGER_LOST ? FATE_FAILED : FATE_LEFT_ALONE;
	CRASH_POINT("reconciler-after-turn");
	ledger_release(&r->sessions.ledger, message->deletion_id);
	if (!dispatch_continuation(&r->sessions.dispatch, message, &note))
		return FATE_FAILED;
	CRASH_POINT("reconciler-after-publish");
	if (request_note_published(r->sessions.users, message->deletion_id) != DB_OK)
		log_warning("%s", db_why(r->sessions.users));
	log_info("published again: deletion=%s user=%s turn=%d", message->deletion_id, message->user_id,
	         message->turn);
	return FATE_PUBLISHED;
}

/* False: a server is away. One request that refuses to be told keeps no other from it. */
static bool report_state(struct reconciler *r, const struct deletion_state *state)
{
	return ledger_report(&r->sessions.ledger, r->sessions.users, state) ||
	       (db_is_open(r->sessions.users) && db_is_open(r->sessions.ledger.db));
}

/* What the ledger knows decides: finished or parked, the request only hears of it; due later, it is
 * left alone. */
static enum fate fate_by_ledger(struct reconciler *r, const char *deletion_id)
{
	struct ledger_row row;

	if (ledger_look(&r->sessions.ledger, deletion_id, &row) != LEDGER_OK)
		return FATE_FAILED;
	if (row.turn == 0)
		return FATE_PUBLISHED;
	if (row.state.finished_at[0] != '\0' || strcmp(row.state.status, STATUS_PARKED) == 0)
		return report_state(r, &row.state) ? FATE_BROUGHT_UP_TO_DATE : FATE_FAILED;
	/* A later turn may have come into the queue after what the request has heard of. */
	bool queued = row.due_ms > 0 && row.due_ms < passed_since_ms(r);
	return row.waiting || queued ? FATE_LEFT_ALONE : FATE_PUBLISHED;
}

static enum fate reconcile_one(struct reconciler *r, struct message *message,
                               const char *request_id)
{
	enum fate fate = fate_by_ledger(r, message->deletion_id);

	if (fate != FATE_PUBLISHED)
		return fate;
	struct ledger_row row;
	enum ledger_answer answer = ledger_lease(&r->sessions.ledger, message->deletion_id, &row);
	if (answer != LEDGER_OK)
		return answer == LEDGER_BUSY ? FATE_LEFT_ALONE : FATE_FAILED;
	fate = publish_next_turn(r, message, request_id);
	ledger_release(&r->sessions.ledger, message->deletion_id);
	return fate;
}

/* ---- the passes ---- */

static void read_claim(const PGresult *rows, int row, struct message *message)
{
	*message = (struct message){.turn = 1};
	db_copy(rows, row, CLAIM_DELETION_ID, message->deletion_id, sizeof(message->deletion_id));
	db_copy(rows, row, CLAIM_USER_ID, message->user_id, sizeof(message->user_id));
	db_copy(rows, row, CLAIM_REQUESTED_AT, message->requested_at, sizeof(message->requested_at));
}

static const char *claim_request_id(const PGresult *rows, int row)
{
	return PQgetisnull(rows, row, CLAIM_REQUEST_ID) ? NULL :
	                                                  PQgetvalue(rows, row, CLAIM_REQUEST_ID);
}

/* Publishes what does not get on. False: a server is away; the claims that were not got to are
 * given back, for they were not tried. */
static bool republish_batch(struct reconciler *r, int *claimed)
{
	PGresult *rows = NULL;
	int fates[4] = {0}, row = 0;

	*claimed = 0;
	if (request_claim(r->sessions.users, r->conf->worker.reconcile_after_ms, passed_since_ms(r),
	                  r->conf->worker.reconcile_batch, &rows) != DB_OK) {
		log_warning("%s", db_why(r->sessions.users));
		return false;
	}
	int count = *claimed = PQntuples(rows);
	if (count > 0)
		CRASH_POINT("reconciler-after-claim");
	for (; row < count && fates[FATE_FAILED] == 0 && !child_hurry(r->child); row++) {
		struct message message;
		read_claim(rows, row, &message);
		child_busy(r->child, message.deletion_id, "reconciling");
		enum fate fate = reconcile_one(r, &message, claim_request_id(rows, row));
		fates[fate]++;
		child_done(r->child, fate != FATE_FAILED);
	}
	if (row < count && request_give_back(r->sessions.users, rows, row) != DB_OK)
		log_warning("%s", db_why(r->sessions.users));
	PQclear(rows);
	if (count > 0)
		log_info("reconciled %d requests: published=%d updated=%d left=%d failed=%d", count,
		         fates[FATE_PUBLISHED], fates[FATE_BROUGHT_UP_TO_DATE], fates[FATE_LEFT_ALONE],
		         fates[FATE_FAILED]);
	return fates[FATE_FAILED] == 0;
}

static bool forward_is_due(const struct reconciler *r)
{
	return r->recoveries != child_recoveries(r->child) && clock_left_ms(r->forward_ms) <= 0;
}

/* A server is back: what waits for it need not wait for its time. Makes one batch due, first in the
 * ledger: if we die in between, the message in the retry queue comes as it would have. */
static bool bring_batch_forward(struct reconciler *r, int *count)
{
	PGresult *rows = NULL;
	bool good = ledger_bring_forward(&r->sessions.ledger, r->conf->common.retry_delays.item[0].ms,
	                                 r->conf->worker.reconcile_batch, &rows) == LEDGER_OK;

	*count = good ? PQntuples(rows) : 0;
	if (*count > 0 && request_hasten(r->sessions.users, rows) != DB_OK) {
		log_warning("%s", db_why(r->sessions.users));
		good = false;
	}
	if (good && *count > 0)
		log_info("a server is back: %d retries are brought forward", *count);
	PQclear(rows);
	return good;
}

/* Batch after batch, as long as there is something to publish and the queue is short. */
static bool republish_pass(struct reconciler *r)
{
	int64_t batch = r->conf->worker.reconcile_batch;
	int claimed = 0, forward = 0;

	look_after_topology(r);
	while (!child_hurry(r->child)) {
		uint32_t recoveries = child_recoveries(r->child);
		enum queue_state state = look_at_queue(r);
		r->soon = state != QUEUE_SHORT;
		if (r->soon)
			return state == QUEUE_LONG || mq_is_open(r->sessions.publisher);
		if (!republish_batch(r, &claimed))
			return false;
		if (claimed == batch)
			continue;
		if (!forward_is_due(r))
			return true;
		if (!bring_batch_forward(r, &forward))
			return false;
		if (forward < batch) {
			r->recoveries = recoveries;
			r->forward_ms = clock_now_ms() + FORWARD_EVERY_MS;
		}
	}
	return true;
}

/* Carries to the requests what none of them has heard of. */
static bool report_pass(struct reconciler *r)
{
	PGresult *rows = NULL;
	bool good = ledger_unreported(&r->sessions.ledger, r->conf->worker.reconcile_after_ms,
	                              r->conf->worker.reconcile_batch, &rows) == LEDGER_OK;

	for (int row = 0; good && row < PQntuples(rows) && !child_hurry(r->child); row++) {
		struct deletion_state state;
		ledger_read_state(rows, row, &state);
		good = report_state(r, &state);
	}
	PQclear(rows);
	return good;
}

/* One pass of everything. False: a server is away. */
static bool reconcile_pass(struct reconciler *r)
{
	if (!vanish_pass(&r->vanish, &r->sessions, r->child) || !report_pass(r))
		return false;
	/* Who has no worker at work hears of no delivery, and what he publishes helps nobody. */
	if (!child_others_serve(r->child)) {
		give_up_the_lead(r);
		r->soon = true;
		return true;
	}
	return republish_pass(r) &&
	       sweep_pass(&r->sessions, &r->conf->worker.sweep_after, r->conf->worker.reconcile_batch);
}

static void wait_for_next_pass(struct reconciler *r)
{
	int64_t every_ms = r->conf->worker.reconcile_every_ms;
	int64_t until_ms = clock_now_ms() + (r->soon && every_ms > SOON_MS ? SOON_MS : every_ms);
	int heartbeat_ms = (int)(r->conf->worker.sessions.broker_heartbeat_ms / 3);

	child_idle(r->child, r->missing[0] == '\0' ? "waiting" : "waiting, broker lacks a queue");
	while (clock_left_ms(until_ms) > 0 && !child_stopping(r->child) &&
	       (r->soon || !r->leading || !forward_is_due(r))) {
		int left = clock_left_ms(until_ms);
		child_wait(r->child, -1, 0, left < heartbeat_ms ? left : heartbeat_ms);
		if (mq_is_open(r->sessions.publisher))
			mq_pump(r->sessions.publisher);
	}
}

/* Connects, takes the lead if it can, and makes one pass if it has it. False: a server is away. */
static bool reconcile_once(struct reconciler *r)
{
	r->soon = false;
	if (!db_is_alive(r->sessions.users))
		r->leading = false;
	if (sessions_connect_databases(&r->sessions) != SESSIONS_READY) {
		if (db_is_alive(r->sessions.users))
			give_up_the_lead(r); /* another host may have both databases, or the right ones */
		return false;
	}
	if (child_paused(r->child)) {
		give_up_the_lead(r);
		return true;
	}
	return take_the_lead(r) && (!r->leading || reconcile_pass(r));
}

int reconcile_run(struct child *child, const struct conf *conf)
{
	struct reconciler reconciler = {
		.child = child, .conf = conf, .recoveries = child_recoveries(child)};
	int pause_ms = BACK_OFF_FIRST_MS;

	reconciler.pump = (struct pump){.turn = pump_child, .arg = &reconciler};
	reconciler.dispatch_pump = (struct pump){.turn = pump_until_hurry, .arg = &reconciler};
	if (!sessions_new(&reconciler.sessions, conf, "farewell-workerd", &reconciler.pump,
	                  &reconciler.dispatch_pump)) {
		sessions_free(&reconciler.sessions);
		return CHILD_TRY_LATER;
	}
	while (!child_stopping(child)) {
		if (reconcile_once(&reconciler)) {
			pause_ms = BACK_OFF_FIRST_MS;
			child_serving(child);
			wait_for_next_pass(&reconciler);
		} else {
			child_away(child, reconciler.sessions.pairing.why != NULL ? DATABASES_DIFFER :
			                                                            "waiting for a server");
			worker_back_off(child, &reconciler.pump, &pause_ms);
		}
	}
	sessions_free(&reconciler.sessions);
	return CHILD_RECYCLE;
}
