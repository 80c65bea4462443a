/* The gateway's patience with the broker: alarms, and a back-off after answers that did not come.
 */
#include "fcgi/broker.h"

#include <sys/mman.h>
#include <sys/random.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"

#define MISSED_MAX 2 /* one may be bad luck: a fail-over, a busy disk */
#define PAUSE_FIRST_MS 500
#define PAUSE_MAX_MS 8000
#define PROBE_MS 900
#define ALARM_MS 10000 /* how long the word of a child counts that may have died; it repeats it */

struct broker_alarm *broker_alarm_new(void)
{
	void *memory = mmap(NULL, sizeof(struct broker_alarm), PROT_READ | PROT_WRITE,
	                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory != MAP_FAILED ? memory : NULL;
}

void broker_alarm_free(struct broker_alarm *alarm)
{
	if (alarm != NULL)
		munmap(alarm, sizeof(*alarm));
}

bool broker_is_blocked(struct broker *broker, struct mq *mq)
{
	bool was_blocked = broker->blocked;

	if (mq_is_open(mq))
		(void)mq_pump(mq);
	broker->blocked = mq_is_blocked(mq);
	if (broker->alarm == NULL)
		return broker->blocked;
	if (broker->blocked)
		atomic_store(&broker->alarm->seen_ms, clock_now_ms());
	else if (was_blocked)
		atomic_store(&broker->alarm->seen_ms, 0);
	int64_t seen_ms = atomic_load(&broker->alarm->seen_ms);
	return broker->blocked || (seen_ms != 0 && clock_now_ms() - seen_ms < ALARM_MS);
}

static bool broker_is_left(const struct broker *broker)
{
	return broker->missed >= MISSED_MAX;
}

/* A quarter more or less, so that children don't ask in step. */
static int64_t broker_jitter(int64_t ms)
{
	uint16_t random = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
		return ms;
	return ms * 3 / 4 + ms * random / 2 / UINT16_MAX;
}

static void broker_leave(struct broker *broker)
{
	int64_t doubled_ms = 2 * broker->pause_ms;

	if (broker->pause_ms == 0)
		doubled_ms = PAUSE_FIRST_MS;
	broker->pause_ms = doubled_ms < PAUSE_MAX_MS ? doubled_ms : PAUSE_MAX_MS;
	broker->again_ms = clock_now_ms() + broker_jitter(broker->pause_ms);
	broker->probed = false;
	log_warning("the broker does not answer in time: leaving it alone for %lld ms",
	            (long long)(broker->again_ms - clock_now_ms()));
}

bool broker_may_publish(struct broker *broker, struct mq *mq, const char **why)
{
	if (broker_is_blocked(broker, mq)) {
		*why = "takes no messages for now: it has a memory or disk alarm";
		return false;
	}
	if (broker_is_left(broker) && !broker->probed) {
		*why = "did not answer in time lately, and is left alone for a moment";
		return false;
	}
	return true;
}

void broker_note(struct broker *broker, enum mq_result result)
{
	switch (result) {
	case MQ_OK:
	case MQ_UNROUTABLE:
	case MQ_NACKED:
	case MQ_REFUSED:
	case MQ_BLOCKED:
		if (broker_is_left(broker))
			log_info("the broker answers again");
		broker->missed = 0;
		broker->pause_ms = 0;
		break;
	case MQ_TIMEOUT:
		broker->missed++;
		if (broker_is_left(broker))
			broker_leave(broker);
		break;
	default: /* at once, and so nobody waited; but it is not back yet */
		if (broker_is_left(broker))
			broker_leave(broker);
		break;
	}
}

void broker_look(struct broker *broker, struct mq *mq, const char *exchange)
{
	int64_t deadline_ms = clock_now_ms() + PROBE_MS;

	/* A blocked connection is not read at the other end. */
	if (broker_is_blocked(broker, mq) || !broker_is_left(broker) || broker->probed ||
	    clock_now_ms() < broker->again_ms)
		return;
	enum mq_result result = mq_open(mq, deadline_ms);
	if (result == MQ_OK)
		result = mq_inspect_exchange(mq, exchange, deadline_ms);
	/* Without the exchange it is the request that has to say so. */
	if (result == MQ_OK || result == MQ_REFUSED)
		broker->probed = true;
	else
		broker_leave(broker);
}
