/* Which of several stores a bucket lies in. Pure. */
#ifndef FAREWELL_S3_PICK_H
#define FAREWELL_S3_PICK_H

#define S3_PICK_NONE (-1)      /* no store claims it */
#define S3_PICK_AMBIGUOUS (-2) /* two do, and neither more than the other */

/* The index of the list that claims BUCKET: of COUNT lists, as `store.buckets` has them
 * (lib/config/ conf_store.c): names, and patterns with one `*`, separated by spaces. The bucket's
 * own name comes before any pattern, a longer pattern before a shorter one. For S3_PICK_AMBIGUOUS
 * BOTH are the two lists; it may be NULL. */
int s3_pick(const char *const *lists, int count, const char *bucket, int both[2]);

#endif
