/* One AMQP session: one connection with one channel to RabbitMQ, in one process.
 *
 * Every call that waits has a deadline (clock_now_ms). After MQ_LOST, MQ_TIMEOUT or MQ_STOPPED the
 * connection has been dropped, so that a late answer can't be taken for the next one's; the next
 * mq_open makes a new one. The same holds after MQ_REFUSED, and after MQ_NACKED: to an old
 * connection RabbitMQ goes on saying nack for minutes when the queue has room again. After
 * MQ_BLOCKED it is kept, for only there the broker says when the alarm is over; a late confirm has
 * a delivery tag of its own, and a late basic.return can only make the next publish MQ_UNROUTABLE.
 * mq_why has the sentence. */
#ifndef FAREWELL_MQ_H
#define FAREWELL_MQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/session/pump.h"

struct mq;

enum mq_result {
	MQ_OK,
	MQ_NOTHING,    /* mq_next: no delivery in time                            */
	MQ_UNROUTABLE, /* published, but no queue took it (basic.return)          */
	MQ_NACKED,     /* published, but the queue refused it: it is full         */
	MQ_REFUSED,    /* the broker said no: 404, 403, 406; see mq_why           */
	MQ_BLOCKED,    /* publishing waits for the end of a memory or disk alarm  */
	MQ_TIMEOUT,    /* no answer by the deadline                               */
	MQ_LOST,       /* connection, channel or consumer is gone                 */
	MQ_STOPPED,    /* the pump said stop                                      */
};

struct mq_options {
	const char *url;      /* amqp://user@host:port/vhost */
	const char *password; /* NULL: the URL's */
	int64_t connect_timeout_ms;
	int64_t heartbeat_ms;
	const char *name; /* shown in the broker's list of connections */
};

/* What we set in a message beside its body; strings are copied by the broker library. */
struct mq_properties {
	const char *message_id, *type, *correlation_id, *app_id;
	uint64_t timestamp;  /* seconds */
	int attempts;        /* header x-farewell-attempts; 0: none */
	const char *reason;  /* header x-farewell-reason, or NULL */
	uint64_t first_seen; /* header x-farewell-first-seen, seconds; 0: none */
	const char *lineage; /* header x-farewell-lineage, or NULL */
};

struct mq_delivery {
	uint64_t tag;
	bool redelivered;
	void *body; /* owned by the delivery; NULL if it had more than 16 MiB */
	size_t length;
	char *correlation_id; /* or NULL */
	char *content_type;   /* or NULL */
	char *lineage;        /* header x-farewell-lineage, at most 255 bytes; or NULL */
	int attempts;         /* from the headers, 0 when absent */
	int deliveries;       /* before this one, as the broker counts them; 0 when it does not */
	uint64_t first_seen;
};

/* NULL only without memory. Does not connect. OPTIONS' strings must outlive the session. PUMP may
 * be NULL.
 */
struct mq *mq_new(const struct mq_options *options, const struct pump *pump);
void mq_free(struct mq *); /* ends the session by AMQP's rules, in a second at most; NULL is fine */
void mq_drop(struct mq *); /* closes the connection at once */

/* Connects, logs in and opens the channel in confirm mode, unless that is so already. */
enum mq_result mq_open(struct mq *, int64_t deadline_ms);
bool mq_is_open(const struct mq *);
/* As far as the broker has told us, which it does when something is published: mq_pump reads that
 * the alarm is over. While it is true the broker reads nothing from this connection, so that
 * inspecting is MQ_BLOCKED too, and nothing else that waits for an answer makes sense. */
bool mq_is_blocked(const struct mq *);
const char *mq_why(const struct mq *);
/* A deadline for one exchange with the broker, connecting included. */
int64_t mq_deadline(const struct mq *);
int mq_descriptor(const struct mq *); /* to poll; -1 when closed. Ask mq_buffered first: frames may
                                         have been read already */
bool mq_buffered(const struct mq *);

/* Publishes persistent and mandatory, and waits for the confirm of just this message. MQ_BLOCKED at
 * once, also in the middle of it: a message that was sent then may come to a queue after the alarm.
 */
enum mq_result mq_publish(struct mq *, const char *exchange, const char *routing_key,
                          const struct mq_properties *, const char *body, size_t length,
                          int64_t deadline_ms);

/* Starts consuming QUEUE with prefetch 1 and manual acknowledgement. */
enum mq_result mq_consume(struct mq *, const char *queue, int64_t deadline_ms);
/* Stops consuming. A message that was already under way is the last that mq_next has. */
enum mq_result mq_cancel(struct mq *, int64_t deadline_ms);
/* The next delivery, waiting until DEADLINE_MS. Free it with mq_delivery_free. */
enum mq_result mq_next(struct mq *, struct mq_delivery *, int64_t deadline_ms);
void mq_delivery_free(struct mq_delivery *);
enum mq_result mq_ack(struct mq *, uint64_t tag);
enum mq_result mq_requeue(struct mq *, uint64_t tag);
/* To the queue's dead-letter exchange. */
enum mq_result mq_reject(struct mq *, uint64_t tag);

/* Sends a heartbeat if one is due and takes in what came, without waiting: MQ_OK, or MQ_LOST. Call
 * it at least every half heartbeat while doing something else. */
enum mq_result mq_pump(struct mq *);

/* ---- topology ---- */
struct mq_queue {
	const char *name;
	bool quorum;
	int64_t ttl_ms; /* 0: none */
	const char *dead_letter_exchange,
		*dead_letter_key; /* NULL: none; at-least-once with overflow reject-publish */
	int delivery_limit;   /* 0: none */
};
enum mq_result mq_declare_exchange(struct mq *, const char *name, int64_t deadline_ms);
enum mq_result mq_declare_queue(struct mq *, const struct mq_queue *, int64_t deadline_ms);
enum mq_result mq_bind(struct mq *, const char *queue, const char *exchange, const char *key,
                       int64_t deadline_ms);
/* Passive: does it exist, and how many messages are ready in it (MESSAGES may be NULL)? */
enum mq_result mq_inspect_queue(struct mq *, const char *name, uint32_t *messages,
                                int64_t deadline_ms);
enum mq_result mq_inspect_exchange(struct mq *, const char *name, int64_t deadline_ms);

#endif
