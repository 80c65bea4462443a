/* Publishing a message anew, with patience for a broker that is away. */
#include "lib/deletion/dispatch.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/deletion/topology.h"

#define PAUSE_FIRST_MS 250
#define PAUSE_LONGEST_MS 10000
/* Of a line to the broker: a large message that is parked has the time it takes. */
#define SLOWEST_BYTES_PER_MS 50

struct parcel {
	const char *exchange, *routing_key;
	const void *body;
	size_t length;
	struct mq_properties properties;
};

static enum mq_result parcel_try_once(const struct dispatch *dispatch, const struct parcel *parcel)
{
	int64_t deadline_ms =
		mq_deadline(dispatch->mq) + (int64_t)(parcel->length / SLOWEST_BYTES_PER_MS);

	/* It may have been idle for long: finds out whether the broker has closed it meanwhile. */
	mq_pump(dispatch->mq);
	enum mq_result result = mq_open(dispatch->mq, deadline_ms);
	if (result == MQ_OK)
		result = mq_publish(dispatch->mq, parcel->exchange, parcel->routing_key,
		                    &parcel->properties, parcel->body, parcel->length, deadline_ms);
	if (result == MQ_UNROUTABLE) {
		/* Somebody deleted the queue: put it back. */
		log_warning("%s; declaring it again", mq_why(dispatch->mq));
		topology_ensure(dispatch->mq, dispatch->conf, deadline_ms);
	}
	return result;
}

/* True when confirmed. Tries at least once, whatever the pump says. */
static bool parcel_deliver(const struct dispatch *dispatch, const struct parcel *parcel)
{
	int64_t pause_ms = PAUSE_FIRST_MS;

	for (;;) {
		enum mq_result result = parcel_try_once(dispatch, parcel);

		if (result == MQ_OK)
			return true;
		log_warning("a message could not be passed on: %s", mq_why(dispatch->mq));
		/* An alarm may last for hours: what is recorded, the reconciler publishes. */
		if (result == MQ_BLOCKED || result == MQ_STOPPED || !pump_wait(dispatch->pump, pause_ms))
			return false;
		pause_ms = pause_ms * 2 < PAUSE_LONGEST_MS ? pause_ms * 2 : PAUSE_LONGEST_MS;
	}
}

static struct mq_properties note_properties(const char *message_id,
                                            const struct dispatch_note *note)
{
	return (struct mq_properties){
		.message_id = message_id,
		.type = MESSAGE_TYPE,
		.correlation_id = note->request_id,
		.app_id = "farewell-workerd",
		.timestamp = (uint64_t)time(NULL),
		.attempts = note->attempts,
		.first_seen = note->first_seen,
		.reason = note->reason,
		.lineage = note->lineage,
	};
}

static bool message_deliver(const struct dispatch *dispatch, const char *exchange,
                            const char *routing_key, const struct message *message,
                            const struct dispatch_note *note)
{
	char *body = message_write(message);

	if (body == NULL) {
		log_error("out of memory for a message");
		return false;
	}
	struct parcel parcel = {
		.exchange = exchange,
		.routing_key = routing_key,
		.body = body,
		.length = strlen(body),
		.properties = note_properties(message->deletion_id, note),
	};
	bool delivered = parcel_deliver(dispatch, &parcel);
	free(body);
	return delivered;
}

bool dispatch_retry(const struct dispatch *dispatch, const struct message *message, int delay,
                    const struct dispatch_note *note)
{
	char queue[QUEUE_NAME_SIZE];

	topology_retry_queue(dispatch->conf, delay, queue);
	return message_deliver(dispatch, "", queue, message, note);
}

bool dispatch_hand_back(const struct dispatch *dispatch, const struct mq_delivery *delivery,
                        int delay)
{
	char queue[QUEUE_NAME_SIZE], why[160];
	struct message message;
	const struct dispatch_note note = {
		.request_id = delivery->correlation_id,
		.attempts = delivery->attempts,
		.first_seen = delivery->first_seen,
		.lineage = delivery->lineage,
	};
	bool ours =
		message_read(delivery->body, delivery->length, dispatch->conf->common.id_format,
	                 (size_t)dispatch->conf->common.id_max_length, &message, why, sizeof(why)) &&
		message.deletion_id[0] != '\0';
	const struct parcel parcel = {
		.exchange = "",
		.routing_key = queue,
		.body = delivery->body,
		.length = delivery->length,
		.properties = note_properties(ours ? message.deletion_id : NULL, &note),
	};

	topology_retry_queue(dispatch->conf, delay, queue);
	return parcel_deliver(dispatch, &parcel);
}

bool dispatch_continuation(const struct dispatch *dispatch, const struct message *message,
                           const struct dispatch_note *note)
{
	return message_deliver(dispatch, dispatch->conf->common.exchange,
	                       dispatch->conf->common.routing_key, message, note);
}

bool dispatch_parked_message(const struct dispatch *dispatch, const struct message *message,
                             const struct dispatch_note *note)
{
	return message_deliver(dispatch, "", dispatch->conf->common.parked_queue, message, note);
}

bool dispatch_parked(const struct dispatch *dispatch, const char *message_id, const void *body,
                     size_t length, const struct dispatch_note *note)
{
	struct parcel parcel = {
		.exchange = "",
		.routing_key = dispatch->conf->common.parked_queue,
		.body = body,
		.length = length,
		.properties = note_properties(message_id, note),
	};

	return parcel_deliver(dispatch, &parcel);
}
