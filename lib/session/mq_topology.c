/* Exchanges, queues and bindings: declared idempotently, or looked at. */
#include <stdio.h>
#include <string.h>

#include "lib/session/mq_session.h"

#define ARGUMENTS_MAX 8

struct arguments {
	amqp_table_entry_t entries[ARGUMENTS_MAX];
	int count;
};

static void arguments_add_text(struct arguments *arguments, const char *key, const char *value)
{
	amqp_table_entry_t *entry = &arguments->entries[arguments->count++];

	entry->key = amqp_cstring_bytes(key);
	entry->value.kind = AMQP_FIELD_KIND_UTF8;
	entry->value.value.bytes = amqp_cstring_bytes(value);
}

static void arguments_add_number(struct arguments *arguments, const char *key, int64_t value)
{
	amqp_table_entry_t *entry = &arguments->entries[arguments->count++];

	entry->key = amqp_cstring_bytes(key);
	entry->value.kind = AMQP_FIELD_KIND_I64;
	entry->value.value.i64 = value;
}

enum mq_result mq_declare_exchange(struct mq *mq, const char *name, int64_t deadline_ms)
{
	char doing[300];

	snprintf(doing, sizeof(doing), "declaring exchange %s (direct, durable)", name);
	if (mq->conn == NULL)
		return mq_rpc_result(mq, doing);
	mq_limit_rpc(mq, deadline_ms);
	amqp_exchange_declare(mq->conn, MQ_CHANNEL, amqp_cstring_bytes(name),
	                      amqp_cstring_bytes("direct"), 0, 1, 0, 0, amqp_empty_table);
	return mq_rpc_result(mq, doing);
}

enum mq_result mq_declare_queue(struct mq *mq, const struct mq_queue *queue, int64_t deadline_ms)
{
	struct arguments arguments = {.count = 0};
	char doing[300];

	if (queue->quorum)
		arguments_add_text(&arguments, "x-queue-type", "quorum");
	if (queue->ttl_ms > 0)
		arguments_add_number(&arguments, "x-message-ttl", queue->ttl_ms);
	if (queue->delivery_limit > 0)
		arguments_add_number(&arguments, "x-delivery-limit", queue->delivery_limit);
	if (queue->dead_letter_key != NULL) {
		arguments_add_text(&arguments, "x-dead-letter-exchange", queue->dead_letter_exchange);
		arguments_add_text(&arguments, "x-dead-letter-routing-key", queue->dead_letter_key);
		/* Without both of these an expiry while the target is unbound loses the message. */
		arguments_add_text(&arguments, "x-dead-letter-strategy", "at-least-once");
		arguments_add_text(&arguments, "x-overflow", "reject-publish");
	}
	amqp_table_t table = {.num_entries = arguments.count, .entries = arguments.entries};
	snprintf(doing, sizeof(doing), "declaring queue %s", queue->name);
	if (mq->conn == NULL)
		return mq_rpc_result(mq, doing);
	mq_limit_rpc(mq, deadline_ms);
	amqp_queue_declare(mq->conn, MQ_CHANNEL, amqp_cstring_bytes(queue->name), 0, 1, 0, 0, table);
	return mq_rpc_result(mq, doing);
}

enum mq_result mq_bind(struct mq *mq, const char *queue, const char *exchange, const char *key,
                       int64_t deadline_ms)
{
	char doing[300];

	snprintf(doing, sizeof(doing), "binding queue %s", queue);
	if (mq->conn == NULL)
		return mq_rpc_result(mq, doing);
	mq_limit_rpc(mq, deadline_ms);
	amqp_queue_bind(mq->conn, MQ_CHANNEL, amqp_cstring_bytes(queue), amqp_cstring_bytes(exchange),
	                amqp_cstring_bytes(key), amqp_empty_table);
	return mq_rpc_result(mq, doing);
}

enum mq_result mq_inspect_queue(struct mq *mq, const char *name, uint32_t *messages,
                                int64_t deadline_ms)
{
	char doing[300];

	snprintf(doing, sizeof(doing), "looking at queue %s", name);
	if (mq->conn == NULL)
		return mq_rpc_result(mq, doing);
	if (mq->blocked)
		return mq_say_blocked(mq);
	mq_limit_rpc(mq, deadline_ms);
	amqp_queue_declare_ok_t *ok = amqp_queue_declare(mq->conn, MQ_CHANNEL, amqp_cstring_bytes(name),
	                                                 1, 0, 0, 0, amqp_empty_table);
	if (ok != NULL && messages != NULL)
		*messages = ok->message_count;
	return mq_rpc_result(mq, doing);
}

enum mq_result mq_inspect_exchange(struct mq *mq, const char *name, int64_t deadline_ms)
{
	char doing[300];

	snprintf(doing, sizeof(doing), "looking at exchange %s", name);
	if (mq->conn == NULL)
		return mq_rpc_result(mq, doing);
	if (mq->blocked)
		return mq_say_blocked(mq);
	mq_limit_rpc(mq, deadline_ms);
	amqp_exchange_declare(mq->conn, MQ_CHANNEL, amqp_cstring_bytes(name),
	                      amqp_cstring_bytes("direct"), 1, 0, 0, 0, amqp_empty_table);
	return mq_rpc_result(mq, doing);
}
