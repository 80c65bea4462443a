#include "lib/deletion/dispatch.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/deletion/topology.h"

#define PAUSE_FIRST_MS 250
#define PAUSE_LONGEST_MS 10000
#define SLOWEST_BYTES_PER_MS                                                                       \
	50 /* of a line to the broker: a large message that is parked has the time it takes */

struct parcel {
	const char *exchange, *routing_key;
	const void *body;
	size_t length;
	struct mq_properties properties;
};

/* Waits a while, the consumer's heartbeats going on. */
static void pause_for(struct worker *worker, int64_t pause_ms)
{
	int64_t until_ms = clock_now_ms() + pause_ms;

	while (clock_left_ms(until_ms) > 0 && pump_turn(&worker->work_pump)) {
		int left = clock_left_ms(until_ms);
		child_wait(worker->child, -1, 0, left < 500 ? left : 500);
	}
}

static enum mq_result try_once(struct worker *worker, const struct parcel *parcel)
{
	int64_t deadline_ms =
		worker_mq_deadline(worker) + (int64_t)(parcel->length / SLOWEST_BYTES_PER_MS);

	/* It may have been idle for long: finds out whether the broker has closed it meanwhile. */
	mq_pump(worker->publisher);
	enum mq_result result = mq_open(worker->publisher, deadline_ms);
	if (result == MQ_OK)
		result = mq_publish(worker->publisher, parcel->exchange, parcel->routing_key,
		                    &parcel->properties, parcel->body, parcel->length, deadline_ms);
	if (result == MQ_UNROUTABLE) {
		/* Somebody deleted the queue: put it back. */
		log_warning("%s; declaring it again", mq_why(worker->publisher));
		topology_ensure(worker->publisher, worker->conf, deadline_ms);
	}
	return result;
}

/* True when confirmed. Tries at least once, also in a hurry. */
static bool deliver(struct worker *worker, const struct parcel *parcel)
{
	int64_t pause_ms = PAUSE_FIRST_MS;

	for (;;) {
		enum mq_result result = try_once(worker, parcel);
		if (result == MQ_OK)
			return true;
		log_warning("a message could not be passed on: %s", mq_why(worker->publisher));
		if (worker->broker_lost || result == MQ_STOPPED || child_hurry(worker->child))
			return false;
		pause_for(worker, pause_ms);
		pause_ms = pause_ms * 2 < PAUSE_LONGEST_MS ? pause_ms * 2 : PAUSE_LONGEST_MS;
	}
}

static struct mq_properties properties_of(const char *message_id, const struct dispatch_note *note)
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
	};
}

static bool deliver_message(struct worker *worker, const char *exchange, const char *routing_key,
                            const struct message *message, const struct dispatch_note *note)
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
		.properties = properties_of(message->deletion_id, note),
	};
	bool delivered = deliver(worker, &parcel);
	free(body);
	return delivered;
}

bool dispatch_retry(struct worker *worker, const struct message *message, int delay,
                    const struct dispatch_note *note)
{
	char queue[QUEUE_NAME_SIZE];

	topology_retry_queue(worker->conf, delay, queue);
	return deliver_message(worker, "", queue, message, note);
}

bool dispatch_continuation(struct worker *worker, const struct message *message,
                           const struct dispatch_note *note)
{
	return deliver_message(worker, worker->conf->common.exchange, worker->conf->common.routing_key,
	                       message, note);
}

bool dispatch_parked(struct worker *worker, const char *message_id, const void *body, size_t length,
                     const struct dispatch_note *note)
{
	struct parcel parcel = {
		.exchange = "",
		.routing_key = worker->conf->common.parked_queue,
		.body = body,
		.length = length,
		.properties = properties_of(message_id, note),
	};

	return deliver(worker, &parcel);
}
