#include "common/mq.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/crash.h"
#include "common/mq_session.h"

#define SLICE_MS 1000                      /* the longest the pump waits for its turn */
#define FRAME_MAX 131072
#define BODY_MAX (16 * 1024 * 1024)        /* of a longer delivery only the length is kept */
#define CLOSE_TIMEOUT_MS 1000

#define HEADER_ATTEMPTS "x-farewell-attempts"
#define HEADER_REASON "x-farewell-reason"
#define HEADER_FIRST_SEEN "x-farewell-first-seen"

struct mq *mq_new(const struct mq_options *options, const struct pump *pump)
{
	struct mq *mq = calloc(1, sizeof(*mq));

	if (mq != NULL) {
		mq->options = options;
		mq->pump = pump;
	}
	return mq;
}

void mq_delivery_free(struct mq_delivery *delivery)
{
	free(delivery->body);
	free(delivery->correlation_id);
	free(delivery->content_type);
	memset(delivery, 0, sizeof(*delivery));
}

void mq_drop(struct mq *mq)
{
	if (mq->conn != NULL)
		amqp_destroy_connection(mq->conn);
	mq->conn = NULL;
	mq->consuming = false;
	mq->blocked = false;
	if (mq->stashed)
		mq_delivery_free(&mq->stash);
	mq->stashed = false;
}

void mq_free(struct mq *mq)
{
	if (mq == NULL)
		return;
	if (mq->conn != NULL) {
		mq_limit_rpc(mq, clock_now_ms() + CLOSE_TIMEOUT_MS);
		amqp_connection_close(mq->conn, AMQP_REPLY_SUCCESS);
	}
	mq_drop(mq);
	free(mq);
}

bool mq_is_open(const struct mq *mq)
{
	return mq->conn != NULL;
}

const char *mq_why(const struct mq *mq)
{
	return mq->why;
}

int mq_descriptor(const struct mq *mq)
{
	return mq->conn != NULL ? amqp_get_sockfd(mq->conn) : -1;
}

bool mq_buffered(const struct mq *mq)
{
	return mq->stashed || (mq->conn != NULL && (amqp_frames_enqueued(mq->conn) || amqp_data_in_buffer(mq->conn)));
}

/* ---- errors ---- */

enum mq_result mq_give_up(struct mq *mq, enum mq_result result, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(mq->why, sizeof(mq->why), format, args);
	va_end(args);
	mq_drop(mq);
	return result;
}

void mq_limit_rpc(struct mq *mq, int64_t deadline_ms)
{
	int left = clock_left_ms(deadline_ms);
	struct timeval limit = {.tv_sec = left / 1000, .tv_usec = (left % 1000) * 1000 + 1};

	if (mq->conn != NULL)
		amqp_set_rpc_timeout(mq->conn, &limit);
}

/* A channel or connection that the broker closed, with its code and text. */
static enum mq_result closed_by_broker(struct mq *mq, const amqp_method_t *method, const char *doing)
{
	int code = 0;
	amqp_bytes_t text = amqp_empty_bytes;

	if (method->id == AMQP_CHANNEL_CLOSE_METHOD) {
		const amqp_channel_close_t *close = method->decoded;
		code = close->reply_code;
		text = close->reply_text;
	} else if (method->id == AMQP_CONNECTION_CLOSE_METHOD) {
		const amqp_connection_close_t *close = method->decoded;
		code = close->reply_code;
		text = close->reply_text;
	}
	/* 403 access refused, 404 not found, 406 precondition failed: the broker's no; anything else: its end. */
	enum mq_result result = code == 403 || code == 404 || code == 406 || code == 530 ? MQ_REFUSED : MQ_LOST;
	return mq_give_up(mq, result, "broker: while %s: %d %.*s", doing, code, (int)text.len, (const char *)text.bytes);
}

static enum mq_result library_error(struct mq *mq, int status, const char *doing)
{
	return mq_give_up(mq, status == AMQP_STATUS_TIMEOUT ? MQ_TIMEOUT : MQ_LOST, "broker: while %s: %s", doing, amqp_error_string2(status));
}

static enum mq_result reply_result(struct mq *mq, amqp_rpc_reply_t reply, const char *doing)
{
	switch (reply.reply_type) {
	case AMQP_RESPONSE_NORMAL:
		return MQ_OK;
	case AMQP_RESPONSE_SERVER_EXCEPTION:
		return closed_by_broker(mq, &reply.reply, doing);
	case AMQP_RESPONSE_LIBRARY_EXCEPTION:
		return library_error(mq, reply.library_error, doing);
	default:
		return mq_give_up(mq, MQ_LOST, "broker: while %s: connection closed", doing);
	}
}

enum mq_result mq_rpc_result(struct mq *mq, const char *doing)
{
	if (mq->conn == NULL)
		return mq_give_up(mq, MQ_LOST, "broker: not connected while %s", doing);
	return reply_result(mq, amqp_get_rpc_reply(mq->conn), doing);
}

/* ---- connecting ---- */

static enum mq_result log_in(struct mq *mq, const struct amqp_connection_info *where)
{
	amqp_table_entry_t capabilities[] = {
		{.key = amqp_cstring_bytes("consumer_cancel_notify"), .value = {.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = 1}},
		{.key = amqp_cstring_bytes("connection.blocked"), .value = {.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = 1}},
	};
	amqp_table_entry_t properties[] = {
		{.key = amqp_cstring_bytes("capabilities"),
		 .value = {.kind = AMQP_FIELD_KIND_TABLE, .value.table = {.num_entries = 2, .entries = capabilities}}},
		{.key = amqp_cstring_bytes("connection_name"),
		 .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes(mq->options->name)}},
	};
	amqp_table_t table = {.num_entries = 2, .entries = properties};
	const char *password = mq->options->password != NULL ? mq->options->password : where->password;
	int heartbeat_s = (int)(mq->options->heartbeat_ms / 1000);
	amqp_rpc_reply_t reply = amqp_login_with_properties(mq->conn, where->vhost, 0, FRAME_MAX, heartbeat_s, &table, AMQP_SASL_METHOD_PLAIN,
	                                                    where->user, password);

	/* RabbitMQ answers a wrong password or an unknown virtual host by closing the connection. */
	return reply_result(mq, reply, "logging in (user, password and virtual host right?)");
}

/* A peer that vanished, or that takes nothing more from us, is given up by the kernel. */
static void limit_socket(int fd, int64_t timeout_ms)
{
	unsigned int limit = (unsigned int)timeout_ms;
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

static enum mq_result connect_and_log_in(struct mq *mq, struct amqp_connection_info *where, int64_t deadline_ms)
{
	int left = clock_left_ms(deadline_ms);
	struct timeval limit = {.tv_sec = left / 1000, .tv_usec = (left % 1000) * 1000 + 1};

	mq->conn = amqp_new_connection();
	amqp_socket_t *socket = mq->conn != NULL ? amqp_tcp_socket_new(mq->conn) : NULL;
	if (socket == NULL)
		return mq_give_up(mq, MQ_LOST, "broker: out of memory");
	int status = amqp_socket_open_noblock(socket, where->host, where->port, &limit);
	if (status != AMQP_STATUS_OK)
		return mq_give_up(mq, MQ_LOST, "broker: can't connect to %s port %d: %s", where->host, where->port, amqp_error_string2(status));
	limit_socket(amqp_get_sockfd(mq->conn), mq->options->heartbeat_ms);
	amqp_set_handshake_timeout(mq->conn, &limit);
	enum mq_result result = log_in(mq, where);
	if (result != MQ_OK)
		return result;
	mq_limit_rpc(mq, deadline_ms);
	amqp_channel_open(mq->conn, MQ_CHANNEL);
	result = mq_rpc_result(mq, "opening a channel");
	if (result != MQ_OK)
		return result;
	amqp_confirm_select(mq->conn, MQ_CHANNEL);
	return mq_rpc_result(mq, "asking for confirms");
}

enum mq_result mq_open(struct mq *mq, int64_t deadline_ms)
{
	struct amqp_connection_info where;

	if (mq->conn != NULL)
		return MQ_OK;
	char *url = strdup(mq->options->url);
	if (url == NULL)
		return mq_give_up(mq, MQ_LOST, "broker: out of memory");
	enum mq_result result;
	if (amqp_parse_url(url, &where) != AMQP_STATUS_OK || where.ssl) {
		result = mq_give_up(mq, MQ_REFUSED, "broker: the URL is not of the form amqp://user@host:port/vhost");
	} else {
		int64_t own_deadline_ms = clock_now_ms() + mq->options->connect_timeout_ms;
		mq->published = 0;
		result = connect_and_log_in(mq, &where, own_deadline_ms < deadline_ms ? own_deadline_ms : deadline_ms);
	}
	explicit_bzero(url, strlen(url));
	free(url);
	return result;
}

/* ---- frames ---- */

/* The next frame, the pump taking its turns; MQ_NOTHING when there is none by the deadline, the connection kept. */
static enum mq_result take_frame(struct mq *mq, amqp_frame_t *frame, int64_t deadline_ms, const char *doing)
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
			return library_error(mq, status, doing);
		if (clock_left_ms(deadline_ms) == 0)
			return MQ_NOTHING;
		if (!pump_turn(mq->pump))
			return mq_give_up(mq, MQ_STOPPED, "broker: stopped while %s", doing);
	}
}

static char *copy_bytes(amqp_bytes_t bytes)
{
	return strndup(bytes.bytes, bytes.len);
}

static int64_t integer_of(const amqp_field_value_t *value)
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

static void read_properties(const amqp_basic_properties_t *properties, struct mq_delivery *delivery)
{
	if (properties->_flags & AMQP_BASIC_CORRELATION_ID_FLAG)
		delivery->correlation_id = copy_bytes(properties->correlation_id);
	if (properties->_flags & AMQP_BASIC_CONTENT_TYPE_FLAG)
		delivery->content_type = copy_bytes(properties->content_type);
	if (!(properties->_flags & AMQP_BASIC_HEADERS_FLAG))
		return;
	for (int i = 0; i < properties->headers.num_entries; i++) {
		const amqp_table_entry_t *entry = &properties->headers.entries[i];
		int64_t value = integer_of(&entry->value);
		if (value < 0)
			continue;
		if (entry->key.len == strlen(HEADER_ATTEMPTS) && memcmp(entry->key.bytes, HEADER_ATTEMPTS, entry->key.len) == 0)
			delivery->attempts = value < INT32_MAX ? (int)value : INT32_MAX;
		else if (entry->key.len == strlen(HEADER_FIRST_SEEN) && memcmp(entry->key.bytes, HEADER_FIRST_SEEN, entry->key.len) == 0)
			delivery->first_seen = (uint64_t)value;
	}
}

/* The next frame of a message's content. */
static enum mq_result take_content_frame(struct mq *mq, amqp_frame_t *frame, int64_t deadline_ms)
{
	if (deadline_ms == 0)
		deadline_ms = clock_now_ms() + mq->options->connect_timeout_ms;
	return take_frame(mq, frame, deadline_ms, "reading a message");
}

/* Reads the header and body frames that follow a deliver or return method. DEADLINE_MS 0: each frame has a time of its own, for a large message
 * on a slow line is no broken one. A body beyond BODY_MAX is counted, not kept. */
static enum mq_result read_content(struct mq *mq, struct mq_delivery *delivery, int64_t deadline_ms)
{
	amqp_frame_t frame;
	size_t got = 0;

	enum mq_result result = take_content_frame(mq, &frame, deadline_ms);
	if (result == MQ_OK && frame.frame_type != AMQP_FRAME_HEADER)
		return mq_give_up(mq, MQ_LOST, "broker: a message without a header");
	if (result == MQ_OK) {
		delivery->length = frame.payload.properties.body_size;
		read_properties(frame.payload.properties.decoded, delivery);
		if (delivery->length <= BODY_MAX)
			delivery->body = malloc(delivery->length + 1);
	}
	while (result == MQ_OK && got < delivery->length) {
		result = take_content_frame(mq, &frame, deadline_ms);
		if (result != MQ_OK)
			break;
		size_t part = frame.frame_type == AMQP_FRAME_BODY ? frame.payload.body_fragment.len : 0;
		if (part == 0 || part > delivery->length - got)
			return mq_give_up(mq, MQ_LOST, "broker: a message that doesn't have the length it said");
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

static enum mq_result take_delivery(struct mq *mq, const amqp_basic_deliver_t *deliver)
{
	if (mq->stashed)
		return mq_give_up(mq, MQ_LOST, "broker: a second message in spite of prefetch 1");
	memset(&mq->stash, 0, sizeof(mq->stash));
	mq->stash.tag = deliver->delivery_tag;
	mq->stash.redelivered = deliver->redelivered;
	mq->stashed = true;
	return read_content(mq, &mq->stash, 0);
}

/* What a frame may have told about the message that was published last. */
struct confirm {
	bool returned, acked, nacked;
	int return_code;
	char return_text[96];
};

static enum mq_result take_return(struct mq *mq, const amqp_basic_return_t *back, struct confirm *confirm, int64_t deadline_ms)
{
	struct mq_delivery content = {0};

	confirm->returned = true;
	confirm->return_code = back->reply_code;
	snprintf(confirm->return_text, sizeof(confirm->return_text), "%.*s", (int)back->reply_text.len, (const char *)back->reply_text.bytes);
	enum mq_result result = read_content(mq, &content, deadline_ms);
	mq_delivery_free(&content);
	return result;
}

static void note_confirm(const struct mq *mq, struct confirm *confirm, bool ack, uint64_t tag, bool multiple)
{
	if (tag != mq->published && !(multiple && tag > mq->published))
		return;
	confirm->acked = confirm->acked || ack;
	confirm->nacked = confirm->nacked || !ack;
}

/* Acts on one frame. CONFIRM may be NULL while nothing was published. */
static enum mq_result take_method(struct mq *mq, const amqp_frame_t *frame, struct confirm *confirm, int64_t deadline_ms)
{
	struct confirm ignored = {0};
	const amqp_method_t *method = &frame->payload.method;

	if (frame->frame_type != AMQP_FRAME_METHOD)
		return MQ_OK;
	if (confirm == NULL)
		confirm = &ignored;
	switch (method->id) {
	case AMQP_BASIC_DELIVER_METHOD:
		return take_delivery(mq, method->decoded);
	case AMQP_BASIC_RETURN_METHOD:
		return take_return(mq, method->decoded, confirm, deadline_ms);
	case AMQP_BASIC_ACK_METHOD: {
		const amqp_basic_ack_t *ack = method->decoded;
		note_confirm(mq, confirm, true, ack->delivery_tag, ack->multiple);
		return MQ_OK;
	}
	case AMQP_BASIC_NACK_METHOD: {
		const amqp_basic_nack_t *nack = method->decoded;
		note_confirm(mq, confirm, false, nack->delivery_tag, nack->multiple);
		return MQ_OK;
	}
	case AMQP_CONNECTION_BLOCKED_METHOD:
		mq->blocked = true;
		return MQ_OK;
	case AMQP_CONNECTION_UNBLOCKED_METHOD:
		mq->blocked = false;
		return MQ_OK;
	case AMQP_BASIC_CANCEL_METHOD:
		return mq_give_up(mq, MQ_LOST, "broker: the queue that was consumed is gone (deleted?)");
	case AMQP_CHANNEL_CLOSE_METHOD:
	case AMQP_CONNECTION_CLOSE_METHOD:
		return closed_by_broker(mq, method, "waiting");
	default:
		return MQ_OK;
	}
}

enum mq_result mq_pump(struct mq *mq)
{
	amqp_frame_t frame;
	const struct pump *pump = mq->pump;
	enum mq_result result = MQ_OK;

	if (mq->conn == NULL)
		return MQ_LOST;
	mq->pump = NULL;   /* this may be the pump's own turn */
	while (result == MQ_OK) {
		result = take_frame(mq, &frame, clock_now_ms(), "pumping");
		if (result == MQ_OK)
			result = take_method(mq, &frame, NULL, clock_now_ms() + mq->options->connect_timeout_ms);
	}
	mq->pump = pump;
	return result == MQ_NOTHING ? MQ_OK : MQ_LOST;
}

/* ---- publishing ---- */

static int set_headers(const struct mq_properties *ours, amqp_table_entry_t entries[3])
{
	int count = 0;

	if (ours->attempts > 0)
		entries[count++] = (amqp_table_entry_t){.key = amqp_cstring_bytes(HEADER_ATTEMPTS),
		                                        .value = {.kind = AMQP_FIELD_KIND_I32, .value.i32 = ours->attempts}};
	if (ours->reason != NULL)
		entries[count++] = (amqp_table_entry_t){.key = amqp_cstring_bytes(HEADER_REASON),
		                                        .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes(ours->reason)}};
	if (ours->first_seen > 0)
		entries[count++] = (amqp_table_entry_t){.key = amqp_cstring_bytes(HEADER_FIRST_SEEN),
		                                        .value = {.kind = AMQP_FIELD_KIND_I64, .value.i64 = (int64_t)ours->first_seen}};
	return count;
}

static void set_text(amqp_basic_properties_t *theirs, amqp_flags_t flag, amqp_bytes_t *place, const char *text)
{
	if (text == NULL || *text == '\0')
		return;
	theirs->_flags |= flag;
	*place = amqp_cstring_bytes(text);
	if (place->len > 255)          /* AMQP's short strings */
		place->len = 255;
}

static int send_message(struct mq *mq, const char *exchange, const char *routing_key, const struct mq_properties *ours, const char *body,
                        size_t length)
{
	amqp_table_entry_t headers[3];
	amqp_basic_properties_t theirs = {
		._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG,
		.content_type = amqp_cstring_bytes("application/json"),
		.delivery_mode = AMQP_DELIVERY_PERSISTENT,
	};

	set_text(&theirs, AMQP_BASIC_MESSAGE_ID_FLAG, &theirs.message_id, ours->message_id);
	set_text(&theirs, AMQP_BASIC_TYPE_FLAG, &theirs.type, ours->type);
	set_text(&theirs, AMQP_BASIC_CORRELATION_ID_FLAG, &theirs.correlation_id, ours->correlation_id);
	set_text(&theirs, AMQP_BASIC_APP_ID_FLAG, &theirs.app_id, ours->app_id);
	if (ours->timestamp > 0) {
		theirs._flags |= AMQP_BASIC_TIMESTAMP_FLAG;
		theirs.timestamp = ours->timestamp;
	}
	theirs.headers = (amqp_table_t){.num_entries = set_headers(ours, headers), .entries = headers};
	if (theirs.headers.num_entries > 0)
		theirs._flags |= AMQP_BASIC_HEADERS_FLAG;
	return amqp_basic_publish(mq->conn, MQ_CHANNEL, amqp_cstring_bytes(exchange), amqp_cstring_bytes(routing_key), 1, 0, &theirs,
	                          (amqp_bytes_t){.len = length, .bytes = (void *)(uintptr_t)body});
}

static enum mq_result await_confirm(struct mq *mq, struct confirm *confirm, int64_t deadline_ms)
{
	while (!confirm->acked && !confirm->nacked) {
		amqp_frame_t frame;
		enum mq_result result = take_frame(mq, &frame, deadline_ms, "waiting for a confirm");
		if (result == MQ_NOTHING)
			return mq_give_up(mq, MQ_TIMEOUT, "broker: no confirm in time%s",
			                  mq->blocked ? "; it blocks publishers: memory or disk alarm" : "");
		if (result == MQ_OK)
			result = take_method(mq, &frame, confirm, deadline_ms);
		if (result != MQ_OK)
			return result;
	}
	return MQ_OK;
}

enum mq_result mq_publish(struct mq *mq, const char *exchange, const char *routing_key, const struct mq_properties *properties,
                          const char *body, size_t length, int64_t deadline_ms)
{
	struct confirm confirm = {0};

	if (mq->conn == NULL)
		return mq_give_up(mq, MQ_LOST, "broker: not connected");
	/* Also takes in what came meanwhile, so that nothing old stands before our confirm. */
	if (mq_pump(mq) != MQ_OK)
		return MQ_LOST;
	if (mq->blocked)
		return mq_give_up(mq, MQ_REFUSED, "broker: it blocks publishers: memory or disk alarm");
	int status = send_message(mq, exchange, routing_key, properties, body, length);
	if (status != AMQP_STATUS_OK)
		return library_error(mq, status, "publishing");
	mq->published++;
	CRASH_POINT("gateway-after-publish");
	enum mq_result result = await_confirm(mq, &confirm, deadline_ms);
	if (result != MQ_OK)
		return result;
	if (confirm.nacked) {
		snprintf(mq->why, sizeof(mq->why), "broker: it refused the message (nack)");
		return MQ_REFUSED;
	}
	if (confirm.returned) {
		snprintf(mq->why, sizeof(mq->why), "broker: no queue takes messages of exchange %s with key %s (%d %s)", exchange, routing_key,
		         confirm.return_code, confirm.return_text);
		return MQ_UNROUTABLE;
	}
	return MQ_OK;
}

/* ---- consuming ---- */

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
	amqp_basic_consume(mq->conn, MQ_CHANNEL, amqp_cstring_bytes(queue), amqp_cstring_bytes("farewell"), 0, 0, 0, amqp_empty_table);
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
	if (result == MQ_OK && mq->stashed) {
		result = mq_requeue(mq, mq->stash.tag);
		if (mq->stashed)
			mq_delivery_free(&mq->stash);
		mq->stashed = false;
	}
	return result;
}

enum mq_result mq_next(struct mq *mq, struct mq_delivery *delivery, int64_t deadline_ms)
{
	while (!mq->stashed) {
		amqp_frame_t frame;
		enum mq_result result = take_frame(mq, &frame, deadline_ms, "waiting for a message");
		if (result == MQ_OK)
			result = take_method(mq, &frame, NULL, clock_now_ms() + mq->options->connect_timeout_ms);
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
	return status == AMQP_STATUS_OK ? MQ_OK : library_error(mq, status, "acknowledging");
}

enum mq_result mq_requeue(struct mq *mq, uint64_t tag)
{
	if (mq->conn == NULL)
		return MQ_LOST;
	int status = amqp_basic_nack(mq->conn, MQ_CHANNEL, tag, 0, 1);
	return status == AMQP_STATUS_OK ? MQ_OK : library_error(mq, status, "handing a message back");
}

enum mq_result mq_reject(struct mq *mq, uint64_t tag)
{
	if (mq->conn == NULL)
		return MQ_LOST;
	int status = amqp_basic_nack(mq->conn, MQ_CHANNEL, tag, 0, 0);
	return status == AMQP_STATUS_OK ? MQ_OK : library_error(mq, status, "rejecting a message");
}
