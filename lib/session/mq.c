/* One AMQP session: connecting, logging in, ending, and what an error means. */
#include "lib/session/mq.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/session/mq_session.h"

#define FRAME_MAX 131072
#define CLOSE_TIMEOUT_MS 1000

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
	free(delivery->lineage);
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

bool mq_is_blocked(const struct mq *mq)
{
	return mq->blocked;
}

int64_t mq_deadline(const struct mq *mq)
{
	return clock_now_ms() + 2 * mq->options->connect_timeout_ms;
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
	return mq->stashed ||
	       (mq->conn != NULL && (amqp_frames_enqueued(mq->conn) || amqp_data_in_buffer(mq->conn)));
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

enum mq_result mq_closed_by_broker(struct mq *mq, const amqp_method_t *method, const char *doing)
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
	/* 403 access refused, 404 not found, 406 precondition failed, 530 not allowed: the broker
	 * refuses; anything else: it ends the session. */
	enum mq_result result =
		code == 403 || code == 404 || code == 406 || code == 530 ? MQ_REFUSED : MQ_LOST;
	return mq_give_up(mq, result, "broker: while %s: %d %.*s", doing, code, (int)text.len,
	                  (const char *)text.bytes);
}

enum mq_result mq_library_error(struct mq *mq, int status, const char *doing)
{
	return mq_give_up(mq, status == AMQP_STATUS_TIMEOUT ? MQ_TIMEOUT : MQ_LOST,
	                  "broker: while %s: %s", doing, amqp_error_string2(status));
}

static enum mq_result mq_reply_result(struct mq *mq, amqp_rpc_reply_t reply, const char *doing)
{
	switch (reply.reply_type) {
	case AMQP_RESPONSE_NORMAL: return MQ_OK;
	case AMQP_RESPONSE_SERVER_EXCEPTION: return mq_closed_by_broker(mq, &reply.reply, doing);
	case AMQP_RESPONSE_LIBRARY_EXCEPTION: return mq_library_error(mq, reply.library_error, doing);
	default: return mq_give_up(mq, MQ_LOST, "broker: while %s: connection closed", doing);
	}
}

enum mq_result mq_rpc_result(struct mq *mq, const char *doing)
{
	if (mq->conn == NULL)
		return mq_give_up(mq, MQ_LOST, "broker: not connected while %s", doing);
	return mq_reply_result(mq, amqp_get_rpc_reply(mq->conn), doing);
}

/* ---- connecting ---- */

static enum mq_result mq_log_in(struct mq *mq, const struct amqp_connection_info *where)
{
	amqp_table_entry_t capabilities[] = {
		{.key = amqp_cstring_bytes("consumer_cancel_notify"),
	     .value = {.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = 1}},
		{.key = amqp_cstring_bytes("connection.blocked"),
	     .value = {.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = 1}},
	};
	amqp_table_entry_t properties[] = {
		{.key = amqp_cstring_bytes("capabilities"),
	     .value = {.kind = AMQP_FIELD_KIND_TABLE,
	               .value.table = {.num_entries = 2, .entries = capabilities}}},
		{.key = amqp_cstring_bytes("connection_name"),
	     .value = {.kind = AMQP_FIELD_KIND_UTF8,
	               .value.bytes = amqp_cstring_bytes(mq->options->name)}},
	};
	amqp_table_t table = {.num_entries = 2, .entries = properties};
	const char *password = mq->options->password != NULL ? mq->options->password : where->password;
	int heartbeat_s = (int)(mq->options->heartbeat_ms / 1000);
	amqp_rpc_reply_t reply =
		amqp_login_with_properties(mq->conn, where->vhost, 0, FRAME_MAX, heartbeat_s, &table,
	                               AMQP_SASL_METHOD_PLAIN, where->user, password);

	/* RabbitMQ answers a wrong password or an unknown virtual host by closing the connection. */
	return mq_reply_result(mq, reply, "logging in (user, password and virtual host right?)");
}

/* A peer that vanished, or that takes nothing more from us, is given up by the kernel. */
static void mq_limit_socket(int fd, int64_t timeout_ms)
{
	unsigned int limit = (unsigned int)timeout_ms;
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

static enum mq_result mq_connect(struct mq *mq, struct amqp_connection_info *where,
                                 int64_t deadline_ms)
{
	int left = clock_left_ms(deadline_ms);
	struct timeval limit = {.tv_sec = left / 1000, .tv_usec = (left % 1000) * 1000 + 1};

	mq->conn = amqp_new_connection();
	amqp_socket_t *socket = mq->conn != NULL ? amqp_tcp_socket_new(mq->conn) : NULL;
	if (socket == NULL)
		return mq_give_up(mq, MQ_LOST, "broker: out of memory");
	int status = amqp_socket_open_noblock(socket, where->host, where->port, &limit);
	if (status != AMQP_STATUS_OK)
		return mq_give_up(mq, status == AMQP_STATUS_TIMEOUT ? MQ_TIMEOUT : MQ_LOST,
		                  "broker: can't connect to %s port %d: %s", where->host, where->port,
		                  amqp_error_string2(status));
	mq_limit_socket(amqp_get_sockfd(mq->conn), mq->options->heartbeat_ms);
	amqp_set_handshake_timeout(mq->conn, &limit);
	enum mq_result result = mq_log_in(mq, where);
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
	if (amqp_parse_url(url, &where) != AMQP_STATUS_OK) {
		result = mq_give_up(mq, MQ_REFUSED,
		                    "broker: the URL is not of the form amqp://user@host:port/vhost");
	} else {
		int64_t own_deadline_ms = clock_now_ms() + mq->options->connect_timeout_ms;

		mq->published = 0;
		result =
			mq_connect(mq, &where, own_deadline_ms < deadline_ms ? own_deadline_ms : deadline_ms);
	}
	explicit_bzero(url, strlen(url));
	free(url);
	return result;
}
