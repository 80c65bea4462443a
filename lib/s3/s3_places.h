/* The places of buckets that turned out not to lie where the options say, remembered, and requests
 * that go there. */
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

/* Where requests about BUCKET go at NOW_MS. */
struct s3_place s3_places_find(const struct s3_places *, const struct s3_endpoint *,
                               const struct s3_options *, const char *bucket, int64_t now_ms);

/* As s3_request_send, for a request about a bucket or the store: to where the bucket lies. An
 * answer that names another place is followed once; if that was the right one, it is remembered. */
struct http_client_answer s3_places_send(struct s3_places *, struct http_client *,
                                         const struct s3_endpoint *, const struct s3_options *,
                                         const struct s3_request *);

#endif
