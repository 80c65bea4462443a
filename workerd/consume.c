/* Connecting, consuming, and settling each delivery. */
#include "workerd/consume.h"

#include <poll.h>

#include "lib/base/clock.h"
#include "lib/base/crash.h"
#include "lib/base/log.h"
#include "lib/deletion/topology.h"
#include "workerd/job.h"
#include "workerd/worker.h"

#define BACK_OFF_FIRST_MS 500
#define CANCEL_MS 1000 /* a broker that takes longer to end consuming has other worries */

/* Acknowledges, rejects or hands back; an error shows at the next wait. Who leaves ends consuming
 * first: while the message is not acknowledged, the broker sends no other, and so has none to
 * deliver again to somebody else. */
static void settle_delivery(struct worker *worker, const struct mq_delivery *delivery,
                            enum job_end end)
{
	child_look(worker->child);
	if (child_last_job(worker->child) || child_paused(worker->child))
		mq_cancel(worker->consumer, clock_now_ms() + CANCEL_MS);
	switch (end) {
	case JOB_DONE:
		CRASH_POINT("worker-before-ack");
		mq_ack(worker->consumer, delivery->tag);
		CRASH_POINT("worker-after-ack");
		break;
	case JOB_TOO_LARGE: mq_reject(worker->consumer, delivery->tag); break;
	case JOB_AGAIN:
	case JOB_ABANDONED: mq_requeue(worker->consumer, delivery->tag); break;
	}
}

/* Waits until both databases are back and the abandoned job's memory is written down. False: told
 * to stop before. */
static bool recover_sessions(struct worker *worker, struct job_memory *memory)
{
	int pause_ms = BACK_OFF_FIRST_MS;

	child_away(worker->child, "waiting for a server"); /* the job's time-outs are not for this */
	for (;;) {
		if (sessions_connect_databases(&worker->sessions) == SESSIONS_READY &&
		    job_remember(worker, memory))
			return true;
		if (child_stopping(worker->child))
			return false;
		worker_back_off(worker->child, &worker->pump, &pause_ms);
	}
}

/* One message to its end. While a server is away the message is kept and nothing is counted; when
 * the broker was what went away, it comes again. */
static void serve_delivery(struct worker *worker, struct mq_delivery *delivery)
{
	struct job_memory memory;
	enum job_outcome outcome;
	enum job_end end;
	int pause_ms = BACK_OFF_FIRST_MS;
	bool fresh = false;

	worker->broker_lost = false;
	for (;;) {
		end = job_run(worker, delivery, fresh, &memory, &outcome);
		if (end != JOB_ABANDONED && end != JOB_AGAIN)
			break;
		if (end == JOB_AGAIN) {
			log_info("once more, on new database sessions");
			db_close(worker->sessions.users);
			db_close(worker->sessions.ledger.db);
		}
		fresh = end == JOB_AGAIN;
		if (!recover_sessions(worker, &memory) || worker->broker_lost ||
		    child_stopping(worker->child))
			break;
		if (end == JOB_ABANDONED)
			worker_back_off(worker->child, &worker->pump, &pause_ms);
	}
	if (!worker->broker_lost)
		settle_delivery(worker, delivery, end);
	if (memory.unreported)
		recover_sessions(worker, &memory);
	if (outcome != JOB_NONE)
		child_count(worker->child, (int)outcome, 1);
	child_done(worker->child,
	           outcome != JOB_NONE && outcome != JOB_PARKED && outcome != JOB_RETRIED);
	log_context_clear();
}

/* Waits for one message and serves it. False: the broker is lost. */
static bool serve_next(struct worker *worker)
{
	struct mq_delivery delivery;
	int heartbeat_ms = (int)(worker->conf->worker.sessions.broker_heartbeat_ms / 3);

	if (!mq_buffered(worker->consumer))
		child_wait(worker->child, mq_descriptor(worker->consumer), POLLIN, heartbeat_ms);
	if (child_stopping(worker->child) || child_paused(worker->child))
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
	child_idle(worker->child, "waiting");
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

static void consume_until_lost(struct worker *worker)
{
	child_idle(worker->child, "waiting");
	while (!child_stopping(worker->child)) {
		bool going = child_paused(worker->child) ? sit_out_pause(worker) : serve_next(worker);
		if (!going)
			return;
	}
}

/* Connects to everything and starts consuming. */
static enum sessions_state start_consuming(struct worker *worker, bool first_time)
{
	enum sessions_state state = sessions_connect_databases(&worker->sessions);
	bool first = first_time && child_is_first(worker->child);

	if (state == SESSIONS_READY && first)
		state = sessions_check_user_db(&worker->sessions);
	if (state == SESSIONS_READY && first)
		state = sessions_check_worker_db(&worker->sessions);
	if (state != SESSIONS_READY)
		return state;
	enum mq_result result = mq_open(worker->consumer, mq_deadline(worker->consumer));
	bool logged_in = result == MQ_OK;
	if (result == MQ_OK && (child_is_first(worker->child) || worker->queue_missing))
		result = topology_ensure(worker->consumer, worker->conf, mq_deadline(worker->consumer));
	if (result == MQ_OK) {
		result =
			mq_consume(worker->consumer, worker->conf->common.queue, mq_deadline(worker->consumer));
		worker->queue_missing = result == MQ_REFUSED;
	}
	if (result == MQ_OK)
		return SESSIONS_READY;
	log_error("%s", mq_why(worker->consumer));
	return result == MQ_REFUSED && first && logged_in ? SESSIONS_MISCONFIGURED : SESSIONS_AWAY;
}

int consume_run(struct child *child, const struct conf *conf)
{
	struct worker worker;
	int code = CHILD_RECYCLE, pause_ms = BACK_OFF_FIRST_MS;
	bool first_time = true;

	if (!worker_init(&worker, child, conf))
		code = CHILD_MISCONFIGURED;
	while (code == CHILD_RECYCLE && !child_stopping(child)) {
		child_away(child, "connecting");
		enum sessions_state state = start_consuming(&worker, first_time);
		if (state == SESSIONS_MISCONFIGURED && first_time) {
			code = CHILD_MISCONFIGURED;
		} else if (state != SESSIONS_READY) {
			mq_drop(worker.consumer);
			worker_back_off(child, &worker.pump, &pause_ms);
		} else {
			first_time = false;
			pause_ms = BACK_OFF_FIRST_MS;
			child_serving(child);
			consume_until_lost(&worker);
		}
	}
	if (worker.consumer != NULL)
		end_consuming(&worker, clock_now_ms() + CANCEL_MS);
	worker_free(&worker);
	return code;
}
