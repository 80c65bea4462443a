/* The broker's side: exchange, main queue, retry queues, parked queue (doc/DESIGN.md, section 3).
 */
#ifndef FAREWELL_TOPOLOGY_H
#define FAREWELL_TOPOLOGY_H

#include <stdint.h>

#include "lib/config/conf.h"
#include "lib/session/mq.h"

#define QUEUE_NAME_SIZE 256

/* The name of the retry queue with the delay of that index. */
void topology_retry_queue(const struct conf *, int delay, char name[QUEUE_NAME_SIZE]);

/* Declares everything, or with worker.topology = check only looks whether it is there. MQ_REFUSED
 * with mq_why: an argument clashes, or something is missing. */
enum mq_result topology_ensure(struct mq *, const struct conf *, int64_t deadline_ms);

#endif
