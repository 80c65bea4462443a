/* Which objects the rows of an account may name: worker.s3_allow. Pure. */
#ifndef FAREWELL_S3_ALLOW_H
#define FAREWELL_S3_ALLOW_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/s3/s3.h"

/* Whether ALLOWED, a checked value of worker.s3_allow (lib/config/conf_allow.c), lets the rows of
 * the account with the canonical USER_ID name PATH; empty: it names nothing, and everything is
 * allowed. False: WHY says why not, with the bucket and never the key.
 *
 * An entry is s3://bucket, or s3://bucket/prefix, where {id} is USER_ID. Bucket and key are
 * compared byte for byte as the row has them: nothing is decoded and no case is folded. The bucket
 * is the entry's whole; the key begins with the prefix, and where that does not end with a slash
 * the key ends there or goes on with one. A key with a segment of `.` or `..` is refused, since a
 * store, or a proxy before it, may take it for another object. With {id} in any entry an id that is
 * empty,
 * `.`, `..` or has a slash in it is refused. */
bool s3_allow_path(const char *allowed, const char *user_id, const struct s3_path *path, char *why,
                   size_t why_size);

/* Likewise of a prefix, s3_prefix_read's, all that lies below which may be deleted: where an entry
 * has {id}, it must be one with {id} that allows it. */
bool s3_allow_prefix(const char *allowed, const char *user_id, const struct s3_path *path,
                     char *why, size_t why_size);

#endif
