/* Sends requests to where their buckets lie, and remembers what it learns of that. */
#include "lib/s3/s3_places.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/s3/s3_answer.h"

/* A bucket may be made anew elsewhere. */
#define FOLLOWED_MS (60LL * 60 * 1000)
/* Names that catch up after a bucket was made take that long at most. */
#define FOR_NOW_MS (3LL * 60 * 1000)
#define HEADER_BYTES 512

/* ---- remembering ---- */

static int places_index(const struct s3_places *places, const char *bucket)
{
	for (int i = 0; i < S3_PLACES_MAX; i++)
		if (strcmp(places->item[i].bucket, bucket) == 0)
			return i;
	return -1;
}

struct s3_place s3_places_find(const struct s3_places *places, const struct s3_endpoint *endpoint,
                               const struct s3_options *options, const char *bucket, int64_t now_ms)
{
	struct s3_place place;
	int index = places_index(places, bucket);

	if (index >= 0 && now_ms < places->item[index].until_ms)
		return places->item[index].place;
	snprintf(place.host, sizeof(place.host), "%s", endpoint->host);
	snprintf(place.region, sizeof(place.region), "%s", options->region);
	return place;
}

static void places_keep(struct s3_places *places, const char *bucket, const struct s3_place *place,
                        bool for_now)
{
	int index = places_index(places, bucket);

	if (index < 0)
		index = places_index(places, "");
	if (index < 0) {
		index = places->next;
		places->next = (places->next + 1) % S3_PLACES_MAX;
	}
	snprintf(places->item[index].bucket, sizeof(places->item[index].bucket), "%s", bucket);
	places->item[index].place = *place;
	places->item[index].until_ms = clock_now_ms() + (for_now ? FOR_NOW_MS : FOLLOWED_MS);
	log_info("bucket %s is in region %s: its requests go to %s%s", bucket, place->region,
	         place->host, for_now ? ", for some minutes" : "");
}

static void places_forget(struct s3_places *places, const char *bucket)
{
	int index = places_index(places, bucket);

	if (index >= 0)
		places->item[index].bucket[0] = '\0';
}

/* ---- asking ---- */

static struct http_client_answer place_ask(struct http_client *http,
                                           const struct s3_endpoint *endpoint,
                                           const struct s3_options *options,
                                           const struct s3_place *place,
                                           const struct s3_request *request)
{
	struct s3_endpoint there = *endpoint;
	struct s3_options signing = *options;

	memcpy(there.host, place->host, sizeof(there.host));
	signing.region = place->region;
	return s3_request_send(http, &there, &signing, request);
}

/* What ANSWER, from ASKED, says of where BUCKET lies. */
static enum s3_redirect place_learn(const struct s3_endpoint *endpoint,
                                    const struct s3_options *options, const char *bucket,
                                    const struct s3_place *asked,
                                    const struct http_client_answer *answer, bool *no_bucket,
                                    struct s3_place *place)
{
	struct s3_answer read = {.kind = S3_ANSWER_BROKEN};
	char bucket_region[HEADER_BYTES], location[HEADER_BYTES];

	*no_bucket = false;
	if (answer->outcome != HTTP_ANSWERED || answer->status < 300 || answer->status >= 500)
		return S3_REDIRECT_NONE;
	read = s3_answer_read(answer->body, answer->length, NULL, NULL);
	*no_bucket = strcmp(read.code, "NoSuchBucket") == 0;
	http_client_header(answer, "x-amz-bucket-region", bucket_region, sizeof(bucket_region));
	http_client_header(answer, "location", location, sizeof(location));
	return s3_region_read(endpoint, options->region, bucket, asked,
	                      &(struct s3_hint){.status = answer->status,
	                                        .code = read.code,
	                                        .region = read.region,
	                                        .endpoint = read.endpoint,
	                                        .bucket_region = bucket_region,
	                                        .location = location},
	                      place);
}

/* Whether an answer with STATUS, but for NoSuchBucket, comes from where the bucket is. */
static bool place_is_right(long status)
{
	return status < 300 || status > 400;
}

static void places_say_refused(struct s3_places *places, const char *bucket,
                               const struct s3_endpoint *endpoint, const char *host)
{
	if (strcmp(places->refused, bucket) == 0)
		return;
	snprintf(places->refused, sizeof(places->refused), "%s", bucket);
	log_warning(
		"the store sends requests about bucket %s to %s, which is not followed: only hosts "
		"within the domain of the endpoint %s are, on its port; if that is where the bucket "
		"lies, make it a store of its own",
		bucket, host, endpoint->host);
}

struct http_client_answer s3_places_send(struct s3_places *places, struct http_client *http,
                                         const struct s3_endpoint *endpoint,
                                         const struct s3_options *options,
                                         const struct s3_request *request)
{
	struct s3_place asked, place, further;
	bool no_bucket;

	if (request->bucket == NULL)
		return s3_request_send(http, endpoint, options, request);
	asked = s3_places_find(places, endpoint, options, request->bucket, clock_now_ms());
	struct http_client_answer answer = place_ask(http, endpoint, options, &asked, request);
	enum s3_redirect redirect =
		place_learn(endpoint, options, request->bucket, &asked, &answer, &no_bucket, &place);
	if (no_bucket)
		places_forget(places, request->bucket);
	if (redirect == S3_REDIRECT_REFUSED)
		places_say_refused(places, request->bucket, endpoint, place.host);
	if (redirect == S3_REDIRECT_NONE || redirect == S3_REDIRECT_REFUSED)
		return answer;
	http_client_answer_free(&answer);
	answer = place_ask(http, endpoint, options, &place, request);
	place_learn(endpoint, options, request->bucket, &place, &answer, &no_bucket, &further);
	if (answer.outcome == HTTP_ANSWERED && place_is_right(answer.status) && !no_bucket)
		places_keep(places, request->bucket, &place, redirect == S3_REDIRECT_FOR_NOW);
	return answer;
}
