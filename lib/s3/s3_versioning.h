/* Whether a bucket keeps versions, looked up and remembered. */
#ifndef FAREWELL_S3_VERSIONING_H
#define FAREWELL_S3_VERSIONING_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/s3/s3_fault.h"

#define S3_VERSIONING_BUCKETS 64 /* that are remembered; more are asked about again */

struct s3_versioning {
	struct {
		char bucket[64];  /* "": free */
		int64_t again_ms; /* when to ask again; INT64_MAX: never, what has versions keeps them */
	} buckets[S3_VERSIONING_BUCKETS];
	unsigned next; /* the one to be replaced */
};

/* *VERSIONED: the bucket has versioning, or had it once (suspended): it may hold versions. A store
 * that knows no versioning has none. False: FAULT says why it can't be known. */
bool s3_versioning_look(struct s3 *, const char *bucket, bool *versioned, struct s3_fault *fault);

/* An answer has shown that it has: it is not asked about again. */
void s3_versioning_note(struct s3 *, const char *bucket);

#endif
