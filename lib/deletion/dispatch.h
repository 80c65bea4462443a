/* Passing a message on: to a retry queue, back to the main queue, or to the parked queue, always
 * confirmed. */
#ifndef FAREWELL_DISPATCH_H
#define FAREWELL_DISPATCH_H

#include <stddef.h>
#include <stdint.h>

#include "lib/deletion/message.h"
#include "lib/session/mq.h"

/* What travels beside the message. */
struct dispatch_note {
	const char *request_id; /* correlation id, or NULL */
	int attempts;
	uint64_t first_seen; /* of another producer's message for an active user; 0: none */
	const char *reason;  /* why it is parked, or NULL */
	const char *lineage; /* of the user database when the deletion was asked for, or NULL */
};

/* What passing on takes. */
struct dispatch {
	const struct conf *conf; /* the names of exchange and queues */
	struct mq *mq; /* not the connection that consumes: an alarm blocks those that publish */
	const struct pump *pump; /* between two attempts; false: give up */
};

/* To the retry queue with the delay of that index; the turn is recorded, so that the reconciler
 * publishes what is not out. Each of these tries at least once, and while the broker is away until
 * the pump says stop; what the broker refuses it tries twice. False: not confirmed (logged). */
bool dispatch_retry(const struct dispatch *, const struct message *, int delay,
                    const struct dispatch_note *);
/* The same for what is recorded nowhere: a queue that refuses it is gone round, by the other retry
 * queues or the exchange. */
bool dispatch_later(const struct dispatch *, const struct message *, int delay,
                    const struct dispatch_note *);
/* Likewise the message of DELIVERY as it came, its headers included: nobody has worked on it. */
bool dispatch_hand_back(const struct dispatch *, const struct mq_delivery *, int delay);
/* To the exchange, at once. */
bool dispatch_continuation(const struct dispatch *, const struct message *,
                           const struct dispatch_note *);
/* To the parked queue. */
bool dispatch_parked_message(const struct dispatch *, const struct message *,
                             const struct dispatch_note *);
/* Likewise a message that is none of ours; BODY is as it came. MESSAGE_ID may be NULL. */
bool dispatch_parked(const struct dispatch *, const char *message_id, const void *body,
                     size_t length, const struct dispatch_note *);

#endif
