/* Whether a bucket is still in the store it was in when it was used last. A key that a store does
 * not have counts as deleted, so a bucket of the same name in another one, of which the settings
 * say now that it is the bucket's, would make a deletion complete whose objects are all there. */
#ifndef FAREWELL_FILES_HOME_H
#define FAREWELL_FILES_HOME_H

#include <stdbool.h>

#include "lib/s3/s3_stores.h"

#define HOMES_MAX 64 /* the one that was noted longest ago makes room */

/* The buckets whose store one child has compared. */
struct homes {
	char bucket[HOMES_MAX][sizeof((struct s3_path){.key = NULL}.bucket)]; /* empty: unused */
	unsigned next;
};

bool homes_has(const struct homes *, const char *bucket);
void homes_note(struct homes *, const char *bucket);
void homes_forget(struct homes *, const char *bucket);

/* The sentence about a bucket that is in STORE by the settings and was SEEN, the name of a block,
 * in another one. */
void homes_explain(const struct s3_stores *, int store, const char *bucket, const char *seen,
                   char *why, size_t why_size);

#endif
