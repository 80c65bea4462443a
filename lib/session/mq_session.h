/* What the files of mq*.c share: the session itself. For nobody else. */
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

#include "lib/session/mq.h"

#define MQ_CHANNEL 1
#define MQ_WHY_SIZE 384

/* Headers that only Farewell sets and reads. */
#define MQ_HEADER_ATTEMPTS "x-farewell-attempts"
#define MQ_HEADER_REASON "x-farewell-reason"
#define MQ_HEADER_FIRST_SEEN "x-farewell-first-seen"
#define MQ_HEADER_LINEAGE "x-farewell-lineage"
#define MQ_HEADERS 4
/* And the broker's, of quorum queues: deliveries of this message before this one. */
#define MQ_HEADER_DELIVERIES "x-delivery-count"

struct mq {
	const struct mq_options *options;
	const struct pump *pump;
	amqp_connection_state_t conn;
	bool blocked;       /* the broker has a memory or disk alarm */
	uint64_t published; /* delivery tag of the last publish on this channel */
	bool consuming;
	bool stashed; /* a delivery that came while something else was waited for */
	struct mq_delivery stash;
	char why[MQ_WHY_SIZE];
};

/* Says why, drops the connection and returns RESULT. */
enum mq_result mq_give_up(struct mq *, enum mq_result result, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* What the library's last RPC came to; anything but MQ_OK has dropped the connection. DOING is for
 * the sentence. */
enum mq_result mq_rpc_result(struct mq *, const char *doing);

/* What a frame may have told about the message that was published last. */
struct mq_confirm {
	bool returned, acked, nacked;
	int return_code;
	char return_text[96];
};

/* A channel or connection that the broker closed by METHOD, with its code and text. */
enum mq_result mq_closed_by_broker(struct mq *, const amqp_method_t *method, const char *doing);
/* The same for an error of the library's. */
enum mq_result mq_library_error(struct mq *, int status, const char *doing);

/* The next frame, the pump taking its turns; MQ_NOTHING when there is none by the deadline, the
 * connection kept. */
enum mq_result mq_take_frame(struct mq *, amqp_frame_t *, int64_t deadline_ms, const char *doing);
/* Acts on one frame. CONFIRM may be NULL while nothing was published. */
enum mq_result mq_take_method(struct mq *, const amqp_frame_t *, struct mq_confirm *,
                              int64_t deadline_ms);

/* Says that an alarm blocks publishers; the connection stays. */
enum mq_result mq_say_blocked(struct mq *);

/* Limits the next RPC to what is left until DEADLINE_MS. */
void mq_limit_rpc(struct mq *, int64_t deadline_ms);

#endif
