/* Taking in what the broker sends: frames, the content of messages, confirms, ends of a session. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "lib/base/clock.h"
#include "lib/session/mq_session.h"

#define SLICE_MS 1000               /* the longest the pump waits for its turn */
#define COUNT_MAX 1000000           /* anybody can write a header: with room left to count on */
#define LINEAGE_MAX 255             /* a longer one is not ours */
#define BODY_MAX (16 * 1024 * 1024) /* of a longer delivery only the length is kept */

enum mq_result mq_take_frame(struct mq *mq, amqp_frame_t *frame, int64_t deadline_ms,
                             const char *doing)
{
	for (;;) {
		if (mq->conn == NULL)
			return mq_give_up(mq, MQ_LOST, "broker: not connected while %s", doing);
		amqp_maybe_release_buffers(mq->conn);
		int left = clock_left_ms(deadline_ms);
		int slice = left < SLICE_MS ? left : SLICE_MS;
		struct timeval limit = {.tv_sec = slice / 1000, .tv_usec = (slice % 1000) * 1000};
		int status = amqp_simple_wait_frame_noblock(mq->conn, frame, &limit);
		if (status == AMQP_STATUS_OK)
			return MQ_OK;
		if (status != AMQP_STATUS_TIMEOUT)
			return mq_library_error(mq, status, doing);
		if (clock_left_ms(deadline_ms) == 0)
			return MQ_NOTHING;
		if (!pump_turn(mq->pump))
			return mq_give_up(mq, MQ_STOPPED, "broker: stopped while %s", doing);
	}
}

static char *field_copy(amqp_bytes_t bytes)
{
	return strndup(bytes.bytes, bytes.len);
}

static int64_t field_integer(const amqp_field_value_t *value)
{
	switch (value->kind) {
	case AMQP_FIELD_KIND_I32: return value->value.i32;
	case AMQP_FIELD_KIND_I64: return value->value.i64;
	case AMQP_FIELD_KIND_U32: return value->value.u32;
	case AMQP_FIELD_KIND_I16: return value->value.i16;
	case AMQP_FIELD_KIND_I8: return value->value.i8;
	default: return 0;
	}
}

static bool entry_is(const amqp_table_entry_t *entry, const char *name)
{
	return entry->key.len == strlen(name) && memcmp(entry->key.bytes, name, entry->key.len) == 0;
}

/* What is not of the kind that we write is as good as absent. */
static void delivery_read_header(const amqp_table_entry_t *entry, struct mq_delivery *delivery)
{
	int64_t value = field_integer(&entry->value);

	if (entry_is(entry, MQ_HEADER_ATTEMPTS) && value >= 0)
		delivery->attempts = value < COUNT_MAX ? (int)value : COUNT_MAX;
	else if (entry_is(entry, MQ_HEADER_DELIVERIES) && value >= 0 && delivery->redelivered)
		delivery->deliveries = value < COUNT_MAX ? (int)value : COUNT_MAX;
	else if (entry_is(entry, MQ_HEADER_FIRST_SEEN) && value >= 0)
		delivery->first_seen = (uint64_t)value;
	else if (entry_is(entry, MQ_HEADER_LINEAGE) && delivery->lineage == NULL &&
	         entry->value.kind == AMQP_FIELD_KIND_UTF8 &&
	         entry->value.value.bytes.len <= LINEAGE_MAX)
		delivery->lineage = field_copy(entry->value.value.bytes);
}

static void delivery_read_properties(const amqp_basic_properties_t *properties,
                                     struct mq_delivery *delivery)
{
	if (properties->_flags & AMQP_BASIC_CORRELATION_ID_FLAG)
		delivery->correlation_id = field_copy(properties->correlation_id);
	if (properties->_flags & AMQP_BASIC_CONTENT_TYPE_FLAG)
		delivery->content_type = field_copy(properties->content_type);
	if (!(properties->_flags & AMQP_BASIC_HEADERS_FLAG))
		return;
	for (int i = 0; i < properties->headers.num_entries; i++)
		delivery_read_header(&properties->headers.entries[i], delivery);
}

/* The next frame of a message's content. */
static enum mq_result mq_take_content_frame(struct mq *mq, amqp_frame_t *frame, int64_t deadline_ms)
{
	if (deadline_ms == 0)
		deadline_ms = clock_now_ms() + mq->options->connect_timeout_ms;
	return mq_take_frame(mq, frame, deadline_ms, "reading a message");
}

/* Reads the header and body frames that follow a deliver or return method. DEADLINE_MS 0: each
 * frame has a time of its own, for a large message on a slow line is no broken one. A body beyond
 * BODY_MAX is counted, not kept. */
static enum mq_result delivery_read_content(struct mq *mq, struct mq_delivery *delivery,
                                            int64_t deadline_ms)
{
	amqp_frame_t frame;
	size_t got = 0;

	enum mq_result result = mq_take_content_frame(mq, &frame, deadline_ms);
	if (result == MQ_OK && frame.frame_type != AMQP_FRAME_HEADER)
		return mq_give_up(mq, MQ_LOST, "broker: a message without a header");
	if (result == MQ_OK) {
		delivery->length = frame.payload.properties.body_size;
		delivery_read_properties(frame.payload.properties.decoded, delivery);
		if (delivery->length <= BODY_MAX)
			delivery->body = malloc(delivery->length + 1);
	}
	while (result == MQ_OK && got < delivery->length) {
		result = mq_take_content_frame(mq, &frame, deadline_ms);
		if (result != MQ_OK)
			break;
		size_t part = frame.frame_type == AMQP_FRAME_BODY ? frame.payload.body_fragment.len : 0;
		if (part == 0 || part > delivery->length - got)
			return mq_give_up(mq, MQ_LOST,
			                  "broker: a message that doesn't have the length it said");
		if (delivery->body != NULL)
			memcpy((char *)delivery->body + got, frame.payload.body_fragment.bytes, part);
		got += part;
	}
	if (result == MQ_NOTHING)
		return mq_give_up(mq, MQ_TIMEOUT, "broker: a message stopped half-way");
	if (result == MQ_OK && delivery->body != NULL)
		((char *)delivery->body)[delivery->length] = '\0';
	return result;
}

static enum mq_result mq_take_delivery(struct mq *mq, const amqp_basic_deliver_t *deliver)
{
	if (mq->stashed)
		return mq_give_up(mq, MQ_LOST, "broker: a second message in spite of prefetch 1");
	memset(&mq->stash, 0, sizeof(mq->stash));
	mq->stash.tag = deliver->delivery_tag;
	mq->stash.redelivered = deliver->redelivered;
	mq->stashed = true;
	return delivery_read_content(mq, &mq->stash, 0);
}

static enum mq_result mq_take_return(struct mq *mq, const amqp_basic_return_t *back,
                                     struct mq_confirm *confirm, int64_t deadline_ms)
{
	struct mq_delivery content = {0};

	confirm->returned = true;
	confirm->return_code = back->reply_code;
	snprintf(confirm->return_text, sizeof(confirm->return_text), "%.*s", (int)back->reply_text.len,
	         (const char *)back->reply_text.bytes);
	enum mq_result result = delivery_read_content(mq, &content, deadline_ms);
	mq_delivery_free(&content);
	return result;
}

static void confirm_take_answer(const struct mq *mq, struct mq_confirm *confirm, bool ack,
                                uint64_t tag, bool multiple)
{
	if (tag != mq->published && !(multiple && tag > mq->published))
		return;
	confirm->acked = confirm->acked || ack;
	confirm->nacked = confirm->nacked || !ack;
}

enum mq_result mq_take_method(struct mq *mq, const amqp_frame_t *frame, struct mq_confirm *confirm,
                              int64_t deadline_ms)
{
	struct mq_confirm ignored = {0};
	const amqp_method_t *method = &frame->payload.method;

	if (frame->frame_type != AMQP_FRAME_METHOD)
		return MQ_OK;
	if (confirm == NULL)
		confirm = &ignored;
	switch (method->id) {
	case AMQP_BASIC_DELIVER_METHOD: return mq_take_delivery(mq, method->decoded);
	case AMQP_BASIC_RETURN_METHOD: return mq_take_return(mq, method->decoded, confirm, deadline_ms);
	case AMQP_BASIC_ACK_METHOD: {
		const amqp_basic_ack_t *ack = method->decoded;
		confirm_take_answer(mq, confirm, true, ack->delivery_tag, ack->multiple);
		return MQ_OK;
	}
	case AMQP_BASIC_NACK_METHOD: {
		const amqp_basic_nack_t *nack = method->decoded;
		confirm_take_answer(mq, confirm, false, nack->delivery_tag, nack->multiple);
		return MQ_OK;
	}
	case AMQP_CONNECTION_BLOCKED_METHOD: mq->blocked = true; return MQ_OK;
	case AMQP_CONNECTION_UNBLOCKED_METHOD: mq->blocked = false; return MQ_OK;
	case AMQP_BASIC_CANCEL_METHOD:
		return mq_give_up(mq, MQ_LOST, "broker: the queue that was consumed is gone (deleted?)");
	case AMQP_CHANNEL_CLOSE_METHOD:
	case AMQP_CONNECTION_CLOSE_METHOD: return mq_closed_by_broker(mq, method, "waiting");
	default: return MQ_OK;
	}
}

enum mq_result mq_pump(struct mq *mq)
{
	amqp_frame_t frame;
	const struct pump *pump = mq->pump;
	enum mq_result result = MQ_OK;

	if (mq->conn == NULL)
		return MQ_LOST;
	mq->pump = NULL; /* this may be the pump's own turn */
	while (result == MQ_OK) {
		result = mq_take_frame(mq, &frame, clock_now_ms(), "pumping");
		if (result == MQ_OK)
			result =
				mq_take_method(mq, &frame, NULL, clock_now_ms() + mq->options->connect_timeout_ms);
	}
	mq->pump = pump;
	return result == MQ_NOTHING ? MQ_OK : MQ_LOST;
}
