/* -t of farewell-workerd: whether the buckets let it do what deleting takes. */
#ifndef FAREWELL_WORKER_CHECK_BUCKETS_H
#define FAREWELL_WORKER_CHECK_BUCKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/config/conf.h"
#include "lib/s3/s3_stores.h"

/* Tries each bucket that worker.s3_allow names, or, where that is not set, that a store's buckets
 * name, on a key that no object has; a line each. Those of the stores in LEFT_OUT, bits by their
 * numbers, are passed over. False: something was refused, and it has been logged what to do. */
bool check_buckets(const struct conf *, struct s3_stores *, uint32_t left_out);

#endif
