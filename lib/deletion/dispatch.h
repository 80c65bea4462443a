/* Passing a message on: to a retry queue, back to the main queue, or to the parked queue, always
 * confirmed. */
#ifndef FAREWELL_DISPATCH_H
#define FAREWELL_DISPATCH_H

#include <stddef.h>
#include <stdint.h>

#include "lib/deletion/message.h"
#include "workerd/worker.h"

/* What travels beside the message. */
struct dispatch_note {
	const char *request_id; /* correlation id, or NULL */
	int attempts;
	uint64_t first_seen; /* of another producer's message for an active user; 0: none */
	const char *reason;  /* why it is parked, or NULL */
};

/* To the retry queue with the delay of that index. Each of these tries until the broker has
 * confirmed, the child is told to hurry or the message in hand is no longer ours; false: not
 * confirmed (logged). */
bool dispatch_retry(struct worker *, const struct message *, int delay,
                    const struct dispatch_note *);
/* To the exchange, at once. */
bool dispatch_continuation(struct worker *, const struct message *, const struct dispatch_note *);
/* To the parked queue; BODY is the message as it came. */
bool dispatch_parked(struct worker *, const char *message_id, const void *body, size_t length,
                     const struct dispatch_note *);

#endif
