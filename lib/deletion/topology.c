/* The exchange and the queues, and the arguments they are declared with. */
#include "lib/deletion/topology.h"

#include <stdio.h>

/* A backstop only: every lost connection and every broker crash counts as a delivery. */
#define DELIVERY_LIMIT 50
/* Whoever looks at a parked message counts as a delivery, and RabbitMQ 4 drops it at the 21st. */
#define LOOKS_LIMIT 1000000

void topology_retry_queue(const struct conf *conf, int delay, char name[QUEUE_NAME_SIZE])
{
	snprintf(name, QUEUE_NAME_SIZE, "%s.%s", conf->common.retry_queue_prefix,
	         conf->common.retry_delays.item[delay].text);
}

static enum mq_result topology_declare_main(struct mq *mq, const struct conf *conf,
                                            int64_t deadline_ms)
{
	/* The default exchange leads to the parked queue by its name. */
	struct mq_queue parked = {
		.name = conf->common.parked_queue,
		.quorum = true,
		.delivery_limit = LOOKS_LIMIT,
	};
	struct mq_queue queue = {
		.name = conf->common.queue,
		.quorum = true,
		.dead_letter_exchange = "",
		.dead_letter_key = conf->common.parked_queue,
		.delivery_limit = DELIVERY_LIMIT,
	};

	enum mq_result result = mq_declare_exchange(mq, conf->common.exchange, deadline_ms);
	if (result == MQ_OK)
		result = mq_declare_queue(mq, &parked, deadline_ms);
	if (result == MQ_OK)
		result = mq_declare_queue(mq, &queue, deadline_ms);
	if (result == MQ_OK)
		result = mq_bind(mq, conf->common.queue, conf->common.exchange, conf->common.routing_key,
		                 deadline_ms);
	return result;
}

static enum mq_result topology_declare_retry(struct mq *mq, const struct conf *conf, int delay,
                                             int64_t deadline_ms)
{
	char name[QUEUE_NAME_SIZE];
	struct mq_queue queue = {
		.name = name,
		.quorum = true,
		.ttl_ms = conf->common.retry_delays.item[delay].ms,
		.dead_letter_exchange = conf->common.exchange,
		.dead_letter_key = conf->common.routing_key,
	};

	topology_retry_queue(conf, delay, name);
	return mq_declare_queue(mq, &queue, deadline_ms);
}

static enum mq_result topology_check_all(struct mq *mq, const struct conf *conf,
                                         int64_t deadline_ms)
{
	char name[QUEUE_NAME_SIZE];

	enum mq_result result = mq_inspect_exchange(mq, conf->common.exchange, deadline_ms);
	if (result == MQ_OK)
		result = mq_inspect_queue(mq, conf->common.queue, NULL, deadline_ms);
	if (result == MQ_OK)
		result = mq_inspect_queue(mq, conf->common.parked_queue, NULL, deadline_ms);
	for (int i = 0; result == MQ_OK && i < conf->common.retry_delays.count; i++) {
		topology_retry_queue(conf, i, name);
		result = mq_inspect_queue(mq, name, NULL, deadline_ms);
	}
	return result;
}

enum mq_result topology_ensure(struct mq *mq, const struct conf *conf, int64_t deadline_ms)
{
	if (conf->worker.topology == TOPOLOGY_CHECK)
		return topology_check_all(mq, conf, deadline_ms);
	enum mq_result result = topology_declare_main(mq, conf, deadline_ms);
	for (int i = 0; result == MQ_OK && i < conf->common.retry_delays.count; i++)
		result = topology_declare_retry(mq, conf, i, deadline_ms);
	return result;
}
