/* What mq.c and mq_topology.c share: the session itself. For nobody else. */
#ifndef FAREWELL_MQ_SESSION_H
#define FAREWELL_MQ_SESSION_H

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#ifdef HAVE_RABBITMQ_C_AMQP_H
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/tcp_socket.h>
#else
#include <amqp.h>
#include <amqp_tcp_socket.h>
#endif

#include "common/mq.h"

#define MQ_CHANNEL 1
#define MQ_WHY_SIZE 384

struct mq {
	const struct mq_options *options;
	const struct pump *pump;
	amqp_connection_state_t conn;
	bool blocked;                 /* the broker has a memory or disk alarm */
	uint64_t published;           /* delivery tag of the last publish on this channel */
	bool consuming;
	bool stashed;                 /* a delivery that came while something else was waited for */
	struct mq_delivery stash;
	char why[MQ_WHY_SIZE];
};

/* Says why, drops the connection and returns RESULT. */
enum mq_result mq_give_up(struct mq *, enum mq_result result, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* What the library's last RPC came to; anything but MQ_OK has dropped the connection. DOING is for the sentence. */
enum mq_result mq_rpc_result(struct mq *, const char *doing);

/* Limits the next RPC to what is left until DEADLINE_MS. */
void mq_limit_rpc(struct mq *, int64_t deadline_ms);

#endif
