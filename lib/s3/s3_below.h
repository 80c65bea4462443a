/* Prefixes: which are safe to be emptied, and what lies below one. */
#ifndef FAREWELL_S3_BELOW_H
#define FAREWELL_S3_BELOW_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/s3/s3.h"
#include "lib/s3/s3_list.h"

/* Reads PATH, s3://bucket/prefix/, as s3_path_read does. Refused beside what that refuses: what
 * does not end with a slash, or has a part between slashes that is empty, `.` or `..` (which is
 * what is left of an account's id that is missing). */
bool s3_prefix_read(const char *path, struct s3_path *, char *why, size_t why_size);

#define S3_BELOW_MAX 1000

/* A way through all keys of which a bucket has something below a prefix: objects, or versions and
 * delete markers, and unfinished uploads, as the client's options ask for. Zeroed but for the first
 * three it begins. */
struct s3_below {
	const char *bucket, *prefix;
	int most; /* entries of a page, 1 to S3_BELOW_MAX */
	enum s3_list_kind kind;
	bool begun, over; /* over: all of it was seen */
	struct s3_list_place place;
	char *keys[S3_BELOW_MAX]; /* the page in hand; a key may be in it twice */
	size_t count;
	bool astray, no_memory, disordered;
	bool no_bucket; /* of a page that can't be listed: there is no such bucket */
};

/* Goes on to the next page. S3_DELETED: there it is, or it is over; else WHY says why it can't be
 * listed. A key that is not below the prefix makes it S3_OPERATOR: such a store heeds no prefix. */
enum s3_result s3_below_next(struct s3 *, struct s3_below *, char *why, size_t why_size);
void s3_below_free(struct s3_below *);

#endif
