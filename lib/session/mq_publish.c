/* Publishing: persistent, mandatory, confirmed. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/crash.h"
#include "lib/session/mq_session.h"

static void headers_add_number(amqp_table_t *headers, const char *key, int64_t value)
{
	headers->entries[headers->num_entries++] = (amqp_table_entry_t){
		.key = amqp_cstring_bytes(key), .value = {.kind = AMQP_FIELD_KIND_I64, .value.i64 = value}};
}

static void headers_add_text(amqp_table_t *headers, const char *key, const char *value)
{
	headers->entries[headers->num_entries++] = (amqp_table_entry_t){
		.key = amqp_cstring_bytes(key),
		.value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes(value)}};
}

static void properties_set_headers(const struct mq_properties *ours, amqp_table_t *headers)
{
	if (ours->attempts > 0)
		headers_add_number(headers, MQ_HEADER_ATTEMPTS, ours->attempts);
	if (ours->reason != NULL)
		headers_add_text(headers, MQ_HEADER_REASON, ours->reason);
	if (ours->first_seen > 0)
		headers_add_number(headers, MQ_HEADER_FIRST_SEEN, (int64_t)ours->first_seen);
	if (ours->lineage != NULL)
		headers_add_text(headers, MQ_HEADER_LINEAGE, ours->lineage);
}

static void properties_set_text(amqp_basic_properties_t *theirs, amqp_flags_t flag,
                                amqp_bytes_t *place, const char *text)
{
	if (text == NULL || *text == '\0')
		return;
	theirs->_flags |= flag;
	*place = amqp_cstring_bytes(text);
	if (place->len > 255) /* AMQP's short strings */
		place->len = 255;
}

static int mq_send_message(struct mq *mq, const char *exchange, const char *routing_key,
                           const struct mq_properties *ours, const char *body, size_t length)
{
	amqp_table_entry_t headers[MQ_HEADERS];
	amqp_basic_properties_t theirs = {
		._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG,
		.content_type = amqp_cstring_bytes("application/json"),
		.delivery_mode = AMQP_DELIVERY_PERSISTENT,
		.headers = {.num_entries = 0, .entries = headers},
	};

	properties_set_text(&theirs, AMQP_BASIC_MESSAGE_ID_FLAG, &theirs.message_id, ours->message_id);
	properties_set_text(&theirs, AMQP_BASIC_TYPE_FLAG, &theirs.type, ours->type);
	properties_set_text(&theirs, AMQP_BASIC_CORRELATION_ID_FLAG, &theirs.correlation_id,
	                    ours->correlation_id);
	properties_set_text(&theirs, AMQP_BASIC_APP_ID_FLAG, &theirs.app_id, ours->app_id);
	if (ours->timestamp > 0) {
		theirs._flags |= AMQP_BASIC_TIMESTAMP_FLAG;
		theirs.timestamp = ours->timestamp;
	}
	properties_set_headers(ours, &theirs.headers);
	if (theirs.headers.num_entries > 0)
		theirs._flags |= AMQP_BASIC_HEADERS_FLAG;
	return amqp_basic_publish(mq->conn, MQ_CHANNEL, amqp_cstring_bytes(exchange),
	                          amqp_cstring_bytes(routing_key), 1, 0, &theirs,
	                          (amqp_bytes_t){.len = length, .bytes = (void *)(uintptr_t)body});
}

enum mq_result mq_say_blocked(struct mq *mq)
{
	snprintf(mq->why, sizeof(mq->why), "broker: it blocks publishers: memory or disk alarm");
	return MQ_BLOCKED;
}

static enum mq_result mq_await_confirm(struct mq *mq, struct mq_confirm *confirm,
                                       int64_t deadline_ms)
{
	while (!confirm->acked && !confirm->nacked) {
		amqp_frame_t frame;
		enum mq_result result = mq_take_frame(mq, &frame, deadline_ms, "waiting for a confirm");

		if (result == MQ_NOTHING)
			return mq_give_up(mq, MQ_TIMEOUT, "broker: no confirm in time");
		if (result == MQ_OK)
			result = mq_take_method(mq, &frame, confirm, deadline_ms);
		if (result != MQ_OK)
			return result;
		if (mq->blocked && !confirm->acked && !confirm->nacked)
			return mq_say_blocked(mq);
	}
	return MQ_OK;
}

enum mq_result mq_publish(struct mq *mq, const char *exchange, const char *routing_key,
                          const struct mq_properties *properties, const char *body, size_t length,
                          int64_t deadline_ms)
{
	struct mq_confirm confirm = {0};

	if (mq->conn == NULL)
		return mq_give_up(mq, MQ_LOST, "broker: not connected");
	/* Also takes in what came meanwhile, so that nothing old stands before our confirm. */
	if (mq_pump(mq) != MQ_OK)
		return MQ_LOST;
	if (mq->blocked)
		return mq_say_blocked(mq);
	int status = mq_send_message(mq, exchange, routing_key, properties, body, length);
	if (status != AMQP_STATUS_OK)
		return mq_library_error(mq, status, "publishing");
	mq->published++;
	CRASH_POINT("gateway-after-publish");
	enum mq_result result = mq_await_confirm(mq, &confirm, deadline_ms);
	if (result != MQ_OK)
		return result;
	if (confirm.nacked)
		return mq_give_up(mq, MQ_NACKED,
		                  "broker: the queue of exchange \"%s\" and key %s refused the message "
		                  "(nack); is it full, by a policy with max-length?",
		                  exchange, routing_key);
	if (confirm.returned) {
		snprintf(mq->why, sizeof(mq->why),
		         "broker: no queue takes messages of exchange %s with key %s (%d %s)", exchange,
		         routing_key, confirm.return_code, confirm.return_text);
		return MQ_UNROUTABLE;
	}
	return MQ_OK;
}
