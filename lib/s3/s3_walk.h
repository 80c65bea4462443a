/* Finding what a bucket has of certain keys, by its listings: versions, uploads, objects.
 *
 * Neighbouring keys are listed together, by what they have in common, for as long as that is
 * cheaper than a request for each key (doc/HACKING.md has what was measured). */
#ifndef FAREWELL_S3_WALK_H
#define FAREWELL_S3_WALK_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/s3/s3_fault.h"
#include "lib/s3/s3_inside.h"
#include "lib/s3/s3_list.h"

#define S3_WALK_FOUND_MAX 1000 /* that are handed over at a time */

/* A version or an upload of one of the keys, or the object itself. */
struct s3_found {
	struct s3_object *object;
	char *id; /* of the version or upload; an object's is "" */
};

/* Is given what a page of the listing has of the keys. It may make an object's result worse than
 * S3_PENDING: then what else there is of it may be left out. False ends the walk, with FAULT set.
 */
typedef bool s3_walk_take(void *arg, struct s3_found *found, size_t count, struct s3_fault *fault);

/* How keys in the answers are taken. To delete, by id, what else a key may mean to a store that
 * encodes otherwise than it says harms nobody; to say that it is still there would. */
enum s3_walk_match { S3_WALK_AS_SAID, S3_WALK_AS_MAY_BE };

/* Lists what BUCKET has of the OBJECTS, which are sorted by key, none of them twice, and pending.
 * *COVERED: so many of them, from the first on, were looked for in the whole bucket; of the others
 * FAULT says why not. */
bool s3_walk(struct s3 *, enum s3_list_kind, enum s3_walk_match, const char *bucket,
             struct s3_object *const *objects, size_t count, s3_walk_take *, void *arg,
             size_t *covered, struct s3_fault *fault);

/* One page of a listing below PREFIX, of at most MOST entries, behind the place AFTER. */
bool s3_list_page(struct s3 *, enum s3_list_kind, const char *bucket, const char *prefix,
                  const struct s3_list_place *after, int most, s3_list_handler *, void *arg,
                  struct s3_list *, struct s3_fault *fault);

#endif
