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
/* How often the broker may say no to a message; the second time on another connection, or after
 * what was missing has been declared. */
#define REFUSALS_MAX 2
/* Before a message goes round by the main queue, from which it may come back at once. */
#define ROUND_MS 1000
/* Of a line to the broker: a large message that is parked has the time it takes. */
#define SLOWEST_BYTES_PER_MS 50

struct parcel {
	const char *exchange, *routing_key;
	const void *body;
	size_t length;
	struct mq_properties properties;
};

/* The broker answers, and its answer is no: until a person changes something there. */
static bool is_refusal(enum mq_result result)
{
	return result == MQ_NACKED || result == MQ_REFUSED || result == MQ_UNROUTABLE;
}

static enum mq_result parcel_try_once(const struct dispatch *dispatch, const struct parcel *parcel)
{
	int64_t deadline_ms =
		mq_deadline(dispatch->mq) + (int64_t)(parcel->length / SLOWEST_BYTES_PER_MS);

	/* It may have been idle for long: finds out whether the broker has closed it meanwhile. */
	mq_pump(dispatch->mq);
	enum mq_result result = mq_open(dispatch->mq, deadline_ms);
	if (result != MQ_OK)
		return result == MQ_REFUSED ? MQ_LOST : result; /* us, and not the message */
	result = mq_publish(dispatch->mq, parcel->exchange, parcel->routing_key, &parcel->properties,
	                    parcel->body, parcel->length, deadline_ms);
	if (result == MQ_UNROUTABLE || result == MQ_REFUSED) {
		/* Somebody deleted the queue, its binding or the exchange: put it back. */
		log_warning("%s; looking after exchange and queues", mq_why(dispatch->mq));
		if (mq_open(dispatch->mq, deadline_ms) == MQ_OK)
			topology_ensure(dispatch->mq, dispatch->conf, deadline_ms);
	}
	return result;
}

/* MQ_OK when confirmed. Tries at least once, whatever the pump says. */
static enum mq_result parcel_deliver(const struct dispatch *dispatch, const struct parcel *parcel)
{
	int64_t pause_ms = PAUSE_FIRST_MS;

	for (int refusals = 0;;) {
		enum mq_result result = parcel_try_once(dispatch, parcel);

		if (result == MQ_OK)
			return MQ_OK;
		log_warning("a message could not be passed on: %s", mq_why(dispatch->mq));
		refusals += is_refusal(result);
		/* An alarm may last for hours, a refusal until a person ends it: no child waits so long. */
		if (result == MQ_BLOCKED || result == MQ_STOPPED || refusals == REFUSALS_MAX ||
		    !pump_wait(dispatch->pump, pause_ms))
			return result;
		pause_ms = pause_ms * 2 < PAUSE_LONGEST_MS ? pause_ms * 2 : PAUSE_LONGEST_MS;
	}
}

/* What only this message knows of, to the retry queue with the delay of that index. If that refuses
 * it, to the next one, and if all do, to the exchange: it comes round sooner than it should, which
 * does no harm, and counts as no delivery, as requeueing it would. */
static bool parcel_deliver_anyhow(const struct dispatch *dispatch, struct parcel *parcel, int delay)
{
	const struct conf *conf = dispatch->conf;
	const int count = conf->common.retry_delays.count;
	char queue[QUEUE_NAME_SIZE];

	parcel->exchange = "";
	parcel->routing_key = queue;
	for (int i = 0; i < count; i++) {
		topology_retry_queue(conf, (delay + i) % count, queue);
		enum mq_result result = parcel_deliver(dispatch, parcel);
		if (!is_refusal(result))
			return result == MQ_OK;
	}
	log_warning("no retry queue takes the message: it goes to the main queue");
	pump_wait(dispatch->pump, ROUND_MS);
	parcel->exchange = conf->common.exchange;
	parcel->routing_key = conf->common.routing_key;
	return parcel_deliver(dispatch, parcel) == MQ_OK;
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

/* The body, malloc'ed; NULL, and logged: no memory. */
static char *parcel_pack(struct parcel *parcel, const struct message *message,
                         const struct dispatch_note *note)
{
	char *body = message_write(message);

	if (body == NULL) {
		log_error("out of memory for a message");
		return NULL;
	}
	*parcel = (struct parcel){
		.body = body,
		.length = strlen(body),
		.properties = note_properties(message->deletion_id, note),
	};
	return body;
}

static bool message_deliver(const struct dispatch *dispatch, const char *exchange,
                            const char *routing_key, const struct message *message,
                            const struct dispatch_note *note)
{
	struct parcel parcel;
	char *body = parcel_pack(&parcel, message, note);

	if (body == NULL)
		return false;
	parcel.exchange = exchange;
	parcel.routing_key = routing_key;
	bool delivered = parcel_deliver(dispatch, &parcel) == MQ_OK;
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

bool dispatch_later(const struct dispatch *dispatch, const struct message *message, int delay,
                    const struct dispatch_note *note)
{
	struct parcel parcel;
	char *body = parcel_pack(&parcel, message, note);

	if (body == NULL)
		return false;
	bool delivered = parcel_deliver_anyhow(dispatch, &parcel, delay);
	free(body);
	return delivered;
}

bool dispatch_hand_back(const struct dispatch *dispatch, const struct mq_delivery *delivery,
                        int delay)
{
	char why[160];
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
	struct parcel parcel = {
		.body = delivery->body,
		.length = delivery->length,
		.properties = note_properties(ours ? message.deletion_id : NULL, &note),
	};

	return parcel_deliver_anyhow(dispatch, &parcel, delay);
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

	return parcel_deliver(dispatch, &parcel) == MQ_OK;
}
