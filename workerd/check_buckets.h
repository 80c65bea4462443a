/* -t of farewell-workerd: whether the buckets let it do what deleting takes. */
#ifndef FAREWELL_WORKER_CHECK_BUCKETS_H
#define FAREWELL_WORKER_CHECK_BUCKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/config/conf.h"
#include "lib/deletion/ledger.h"
#include "lib/s3/s3_stores.h"

/* Tries each bucket that worker.s3_allow names, or, where that is not set, that a store's buckets
 * name, on a key that no object has; a line each. Those of the stores in LEFT_OUT, bits by their
 * numbers, are passed over. False: something was refused, and it has been logged what to do. */
bool check_buckets(const struct conf *, struct s3_stores *, uint32_t left_out);

/* Whether the buckets are in the stores by the settings in which the ledger saw them last, a line
 * for each that is not; it writes nothing. */
bool check_buckets_homes(struct ledger *, const struct s3_stores *);

#endif
