/* Whether a bucket keeps versions. That it does stays true, and is remembered. That it does not is
 * asked before each page of objects: somebody may turn it on, and an object that was deleted since
 * has versions that the answer to another DELETE does not always betray (radosgw 16 to 18). */
#ifndef FAREWELL_S3_VERSIONING_H
#define FAREWELL_S3_VERSIONING_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/s3/s3_fault.h"

#define S3_VERSIONING_BUCKETS 64 /* that are remembered; more are asked about again */

struct s3_versioning {
	char buckets[S3_VERSIONING_BUCKETS][64]; /* that keep some; "": free */
	unsigned next;                           /* the one to be replaced */
};

/* *VERSIONED: the bucket has versioning, or had it once (suspended): it may hold versions. A store
 * that knows no versioning has none. False: FAULT says why it can't be known. */
bool s3_versioning_look(struct s3 *, const char *bucket, bool *versioned, struct s3_fault *fault);

/* An answer has shown that it has: it is not asked about again. */
void s3_versioning_note(struct s3 *, const char *bucket);

#endif
