/* The places of buckets that turned out not to lie where the options say, remembered. */
#ifndef FAREWELL_S3_PLACES_H
#define FAREWELL_S3_PLACES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/s3/s3_region.h"

#define S3_PLACES_MAX 64

struct s3_places {
	struct {
		char bucket[64]; /* empty: free */
		struct s3_place place;
		int64_t until_ms;
	} item[S3_PLACES_MAX];
	int next;         /* to be overwritten when none is free */
	char refused[64]; /* the bucket whose redirect was refused last: said once */
};

/* Where requests about BUCKET go at NOW_MS: to the configured ENDPOINT and REGION, or elsewhere. */
struct s3_place s3_places_find(const struct s3_places *, const struct s3_endpoint *endpoint,
                               const char *region, const char *bucket, int64_t now_ms);

/* Takes in the ANSWER to a request about BUCKET that was sent to *PLACE, to which an answer before
 * had led if FOLLOWED is not S3_REDIRECT_NONE. S3_REDIRECT_FOLLOW or _FOR_NOW: *PLACE has become
 * the one to ask, and what is answered there is to be handed in with that as FOLLOWED: once, and
 * remembered if it was the right one. Else S3_REDIRECT_NONE. */
enum s3_redirect s3_places_learn(struct s3_places *, const struct s3_endpoint *endpoint,
                                 const char *region, const char *bucket, enum s3_redirect followed,
                                 struct s3_place *place, const struct http_client_answer *answer);

#endif
