/* Connecting, consuming, and settling each delivery. */
#include "workerd/consume.h"

#include <poll.h>

#include "lib/base/clock.h"
#include "lib/base/crash.h"
#include "lib/base/log.h"
#include "lib/deletion/topology.h"
#include "workerd/away.h"

#define CANCEL_MS 1000 /* a broker that takes longer to end consuming has other worries */

static enum mq_result cancel_consuming(struct worker *worker)
{
	worker->cancelled = true;
	return mq_cancel(worker->consumer, clock_now_ms() + CANCEL_MS);
}

/* The same message to the first retry queue, or that of DELAY, and then acknowledges it. It is not
 * requeued as long as anything can be published: it would be back at once, and each time would
 * count as a delivery. Who is told to stop tries once. */
static void hand_back(struct worker *worker, const struct mq_delivery *delivery, int delay)
{
	int pause_ms = BREAKER_PAUSE_FIRST_MS;

	while (!worker->broker_lost) {
		if (delivery->body == NULL) {
			mq_reject(worker->consumer, delivery->tag);
			return;
		}
		if (dispatch_hand_back(&worker->sessions.dispatch, delivery, delay)) {
			CRASH_POINT("worker-after-hand-back");
			mq_ack(worker->consumer, delivery->tag);
			return;
		}
		if (child_stopping(worker->child)) {
			mq_requeue(worker->consumer, delivery->tag);
			return;
		}
		child_away(worker->child, "waiting for the broker");
		worker_back_off(worker->child, &worker->pump, &pause_ms);
	}
}

/* Acknowledges, rejects or hands back; an error shows at the next wait. Who leaves, or waits for a
 * server, ends consuming first: while the message is not acknowledged, the broker sends no other,
 * and so has none to deliver again to somebody else. */
static void settle_delivery(struct worker *worker, const struct mq_delivery *delivery,
                            enum job_end end)
{
	child_look(worker->child);
	if (child_last_job(worker->child) || child_paused(worker->child) || !away_may_consume(worker))
		cancel_consuming(worker);
	switch (end) {
	case JOB_DONE:
		CRASH_POINT("worker-before-ack");
		mq_ack(worker->consumer, delivery->tag);
		CRASH_POINT("worker-after-ack");
		break;
	case JOB_TOO_LARGE: mq_reject(worker->consumer, delivery->tag); break;
	case JOB_AGAIN:
	case JOB_ABANDONED: hand_back(worker, delivery, worker->memory.delay); break;
	}
}

/* What became of a mail is a fact: the message is kept until it is written down, so that nobody
 * acts on less than is known. It may be this one row that is locked: no other child is told to
 * wait. False: told to stop before. */
static bool keep_until_written(struct worker *worker)
{
	int pause_ms = BREAKER_PAUSE_FIRST_MS;

	while (worker->memory.fact != JOB_MAIL_NOTHING) {
		child_away(worker->child, "writing a mail down"); /* no time-out of the job's is for this */
		worker_back_off(worker->child, &worker->pump, &pause_ms);
		if (child_stopping(worker->child))
			return false;
		db_close(worker->sessions.ledger.db); /* perhaps a new session may */
		if (sessions_connect_databases(&worker->sessions) == SESSIONS_READY)
			job_remember(worker, &worker->memory);
	}
	return true;
}

/* The databases are away: nobody has worked on this message. */
static void return_unserved(struct worker *worker, const struct mq_delivery *delivery)
{
	cancel_consuming(worker);
	hand_back(worker, delivery, 0);
	child_count(worker->child, JOB_HANDED_BACK, 1);
}

/* Works on DELIVERY; once more, at once, if a statement was refused, on new database sessions. */
static enum job_end work_on(struct worker *worker, const struct mq_delivery *delivery,
                            enum job_outcome *outcome)
{
	enum job_end end = job_run(worker, delivery, false, &worker->memory, outcome);

	if (end != JOB_AGAIN)
		return end;
	log_info("once more, on new database sessions");
	db_close(worker->sessions.users);
	db_close(worker->sessions.ledger.db);
	return away_connect(worker) == SESSIONS_READY ?
	           job_run(worker, delivery, true, &worker->memory, outcome) :
	           JOB_ABANDONED;
}

/* One message to its end, which is that it is handed back when a server is away; when the broker
 * was what went away, it comes again. */
static void serve_delivery(struct worker *worker, struct mq_delivery *delivery)
{
	enum job_outcome outcome;

	worker->broker_lost = false;
	if (away_connect(worker) != SESSIONS_READY) {
		return_unserved(worker, delivery);
		return;
	}
	enum job_end end = work_on(worker, delivery, &outcome);
	if (!keep_until_written(worker) && end == JOB_DONE)
		end = JOB_ABANDONED; /* told to stop: whoever has it next decides what became of the mail */
	if (!worker->broker_lost)
		settle_delivery(worker, delivery, end);
	if ((end == JOB_ABANDONED || end == JOB_AGAIN) && !worker->broker_lost)
		outcome = JOB_HANDED_BACK;
	if (outcome != JOB_NONE)
		child_count(worker->child, (int)outcome, 1);
	child_done(worker->child, outcome != JOB_NONE && outcome != JOB_PARKED &&
	                              outcome != JOB_RETRIED && outcome != JOB_HANDED_BACK);
	log_context_clear();
}

/* Waits for one message and serves it. False: the broker is lost. */
static bool serve_next(struct worker *worker)
{
	struct mq_delivery delivery;
	int heartbeat_ms = (int)(worker->conf->worker.sessions.broker_heartbeat_ms / 3);

	if (!mq_buffered(worker->consumer))
		child_wait(worker->child, mq_descriptor(worker->consumer), POLLIN, heartbeat_ms);
	if (child_stopping(worker->child) || child_paused(worker->child) || !away_may_consume(worker))
		return true;
	enum mq_result result = mq_next(worker->consumer, &delivery, clock_now_ms());
	if (result == MQ_NOTHING)
		return true;
	if (result != MQ_OK) {
		log_warning("%s", mq_why(worker->consumer));
		return false;
	}
	serve_delivery(worker, &delivery);
	mq_delivery_free(&delivery);
	child_idle(worker->child, away_idle_step(worker));
	return mq_is_open(worker->consumer);
}

/* A message that came meanwhile is served when this child leaves in peace: the broker delivers
 * nothing twice because of a reload. */
static bool end_consuming(struct worker *worker, int64_t deadline_ms)
{
	struct mq_delivery last;

	if (!mq_is_open(worker->consumer) || mq_cancel(worker->consumer, deadline_ms) != MQ_OK)
		return false;
	if (mq_next(worker->consumer, &last, clock_now_ms()) != MQ_OK)
		return mq_is_open(worker->consumer);
	if (child_paused(worker->child) || child_hurry(worker->child))
		mq_requeue(worker->consumer, last.tag);
	else
		serve_delivery(worker, &last);
	mq_delivery_free(&last);
	return mq_is_open(worker->consumer);
}

/* Paused: consumes nothing, and keeps its sessions. */
static bool sit_out_pause(struct worker *worker)
{
	if (!end_consuming(worker, mq_deadline(worker->consumer)))
		return false;
	log_info("paused");
	child_idle(worker->child, "paused");
	while (child_paused(worker->child) && !child_stopping(worker->child)) {
		child_wait(worker->child, -1, 0, 1000);
		pump_turn(&worker->pump);
	}
	return false; /* consume anew */
}

/* A server is away: takes no more, and hands back what came meanwhile. */
static void stop_for_server(struct worker *worker)
{
	struct mq_delivery last;

	worker->broker_lost = false;
	if (cancel_consuming(worker) != MQ_OK ||
	    mq_next(worker->consumer, &last, clock_now_ms()) != MQ_OK)
		return;
	return_unserved(worker, &last);
	mq_delivery_free(&last);
}

static void consume_until_lost(struct worker *worker)
{
	child_idle(worker->child, away_idle_step(worker));
	while (!child_stopping(worker->child)) {
		if (!away_may_consume(worker)) {
			stop_for_server(worker);
			return;
		}
		if (worker->cancelled && !child_paused(worker->child))
			return; /* what we stopped for is over: consume anew */
		bool going = child_paused(worker->child) ? sit_out_pause(worker) : serve_next(worker);
		if (!going)
			return;
	}
}

/* Connects the databases; the first child of all checks the statements. */
static enum sessions_state connect_databases(struct worker *worker, bool first)
{
	enum sessions_state state = away_connect(worker);

	if (state == SESSIONS_READY && first)
		state = sessions_check_user_db(&worker->sessions);
	if (state == SESSIONS_READY && first)
		state = sessions_check_worker_db(&worker->sessions);
	if (state == SESSIONS_READY && first)
		state = sessions_check_encodings(&worker->sessions);
	return state;
}

/* Connects the broker and starts consuming. */
static enum sessions_state start_consuming(struct worker *worker, bool first)
{
	enum mq_result result = mq_open(worker->consumer, mq_deadline(worker->consumer));
	bool logged_in = result == MQ_OK;

	if (result == MQ_OK && (child_is_first(worker->child) || worker->queue_missing))
		result = topology_ensure(worker->consumer, worker->conf, mq_deadline(worker->consumer));
	if (result == MQ_OK) {
		result =
			mq_consume(worker->consumer, worker->conf->common.queue, mq_deadline(worker->consumer));
		worker->queue_missing = result == MQ_REFUSED;
		worker->cancelled = false;
	}
	if (result == MQ_OK)
		return SESSIONS_READY;
	log_error("%s", mq_why(worker->consumer));
	mq_drop(worker->consumer);
	return result == MQ_REFUSED && first && logged_in ? SESSIONS_MISCONFIGURED : SESSIONS_AWAY;
}

int consume_run(struct child *child, const struct conf *conf)
{
	struct worker worker;
	int code = CHILD_RECYCLE, pause_ms = BREAKER_PAUSE_FIRST_MS;
	bool first_time = true;

	if (!worker_init(&worker, child, conf))
		code = CHILD_MISCONFIGURED;
	while (code == CHILD_RECYCLE && !child_stopping(child)) {
		bool first = first_time && child_is_first(child);
		away_wait(&worker);
		child_away(child, "connecting");
		enum sessions_state state = connect_databases(&worker, first);
		if (state == SESSIONS_READY)
			state = start_consuming(&worker, first);
		if (state == SESSIONS_MISCONFIGURED && first_time) {
			code = CHILD_MISCONFIGURED;
		} else if (state == SESSIONS_READY) {
			first_time = false;
			pause_ms = BREAKER_PAUSE_FIRST_MS;
			child_serving(child);
			consume_until_lost(&worker);
		} else if (away_may_consume(&worker)) { /* else the wait is the server's */
			worker_back_off(child, &worker.pump, &pause_ms);
		}
	}
	if (worker.consumer != NULL)
		end_consuming(&worker, clock_now_ms() + CANCEL_MS);
	worker_free(&worker);
	return code;
}
