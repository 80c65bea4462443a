/* Consuming: one message at a time, acknowledged by hand. */
#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/session/mq_session.h"

enum mq_result mq_consume(struct mq *mq, const char *queue, int64_t deadline_ms)
{
	char doing[300];

	snprintf(doing, sizeof(doing), "consuming queue %s", queue);
	if (mq->conn == NULL)
		return mq_give_up(mq, MQ_LOST, "broker: not connected while %s", doing);
	mq_limit_rpc(mq, deadline_ms);
	amqp_basic_qos(mq->conn, MQ_CHANNEL, 0, 1, 0);
	enum mq_result result = mq_rpc_result(mq, doing);
	if (result != MQ_OK)
		return result;
	amqp_basic_consume(mq->conn, MQ_CHANNEL, amqp_cstring_bytes(queue),
	                   amqp_cstring_bytes("farewell"), 0, 0, 0, amqp_empty_table);
	result = mq_rpc_result(mq, doing);
	mq->consuming = result == MQ_OK;
	return result;
}

enum mq_result mq_cancel(struct mq *mq, int64_t deadline_ms)
{
	if (mq->conn == NULL || !mq->consuming)
		return MQ_OK;
	mq_limit_rpc(mq, deadline_ms);
	amqp_basic_cancel(mq->conn, MQ_CHANNEL, amqp_cstring_bytes("farewell"));
	enum mq_result result = mq_rpc_result(mq, "ending to consume");
	mq->consuming = false;
	if (result == MQ_OK && mq_pump(mq) != MQ_OK)
		return MQ_LOST;
	return result;
}

enum mq_result mq_next(struct mq *mq, struct mq_delivery *delivery, int64_t deadline_ms)
{
	while (!mq->stashed) {
		amqp_frame_t frame;
		enum mq_result result = mq_take_frame(mq, &frame, deadline_ms, "waiting for a message");

		if (result == MQ_OK)
			result =
				mq_take_method(mq, &frame, NULL, clock_now_ms() + mq->options->connect_timeout_ms);
		if (result != MQ_OK)
			return result == MQ_NOTHING || result == MQ_STOPPED ? result : MQ_LOST;
	}
	*delivery = mq->stash;
	memset(&mq->stash, 0, sizeof(mq->stash));
	mq->stashed = false;
	return MQ_OK;
}

enum mq_result mq_ack(struct mq *mq, uint64_t tag)
{
	if (mq->conn == NULL)
		return MQ_LOST;
	int status = amqp_basic_ack(mq->conn, MQ_CHANNEL, tag, 0);
	return status == AMQP_STATUS_OK ? MQ_OK : mq_library_error(mq, status, "acknowledging");
}

enum mq_result mq_requeue(struct mq *mq, uint64_t tag)
{
	if (mq->conn == NULL)
		return MQ_LOST;
	int status = amqp_basic_nack(mq->conn, MQ_CHANNEL, tag, 0, 1);
	return status == AMQP_STATUS_OK ? MQ_OK :
	                                  mq_library_error(mq, status, "handing a message back");
}

enum mq_result mq_reject(struct mq *mq, uint64_t tag)
{
	if (mq->conn == NULL)
		return MQ_LOST;
	int status = amqp_basic_nack(mq->conn, MQ_CHANNEL, tag, 0, 0);
	return status == AMQP_STATUS_OK ? MQ_OK : mq_library_error(mq, status, "rejecting a message");
}
