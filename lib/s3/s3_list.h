/* Reading the listings of a bucket: ListVersionsResult, ListMultipartUploadsResult and
 * ListBucketResult. Pure. */
#ifndef FAREWELL_S3_LIST_H
#define FAREWELL_S3_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/s3/s3.h"

enum s3_list_kind {
	S3_LIST_VERSIONS, /* ListVersionsResult: versions and delete markers */
	S3_LIST_UPLOADS,  /* ListMultipartUploadsResult */
	S3_LIST_OBJECTS,  /* ListBucketResult */
};

/* One version, delete marker, upload or object. */
struct s3_list_entry {
	const char *key; /* as the store means it */
	/* As it stands in the answer: if a store encodes otherwise than it says, its key is this one,
	 * or one of those s3_list_decode makes of it. */
	const char *raw;
	const char *id; /* the version's or the upload's; NULL: none, or none that can be used */
};

/* False: no more of them. */
typedef bool s3_list_handler(void *arg, const struct s3_list_entry *);

/* Where a listing is. */
struct s3_list_place {
	char key[S3_KEY_BYTES + 1], id[S3_KEY_BYTES + 1];
};

struct s3_list {
	bool truncated;            /* there is more, also where the handler wanted no more */
	struct s3_list_place next; /* behind which, if the store says it; else "" */
};

/* Reads a listing of this kind. What the handler was told of one that turns out broken, or does not
 * say whether it is all, must be forgotten: false. An entry whose key is no key of S3's (longer, no
 * UTF-8) is left out. */
bool s3_list_read(enum s3_list_kind, const char *body, size_t length, s3_list_handler *, void *arg,
                  struct s3_list *);

/* %XX becomes a byte, and `+` PLUS. False: TEXT has a broken %XX or %00, or the key does not fit.
 */
bool s3_list_decode(const char *text, char plus, char key[S3_KEY_BYTES + 1]);

#endif
