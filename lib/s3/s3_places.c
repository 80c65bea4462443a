/* Remembers where buckets lie, and learns it from answers. */
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
                               const char *region, const char *bucket, int64_t now_ms)
{
	struct s3_place place;
	int index = places_index(places, bucket);

	if (index >= 0 && now_ms < places->item[index].until_ms)
		return places->item[index].place;
	snprintf(place.host, sizeof(place.host), "%s", endpoint->host);
	snprintf(place.region, sizeof(place.region), "%s", region);
	return place;
}

static void places_keep(struct s3_places *places, const char *bucket, const struct s3_place *place,
                        bool for_now)
{
	int index = places_index(places, bucket);
	bool known = index >= 0 && strcmp(places->item[index].place.host, place->host) == 0 &&
	             strcmp(places->item[index].place.region, place->region) == 0;

	if (index < 0)
		index = places_index(places, "");
	if (index < 0) {
		index = places->next;
		places->next = (places->next + 1) % S3_PLACES_MAX;
	}
	snprintf(places->item[index].bucket, sizeof(places->item[index].bucket), "%s", bucket);
	places->item[index].place = *place;
	places->item[index].until_ms = clock_now_ms() + (for_now ? FOR_NOW_MS : FOLLOWED_MS);
	if (known) /* several requests were under way */
		return;
	log_info("bucket %s is in region %s: its requests go to %s%s", bucket, place->region,
	         place->host, for_now ? ", for some minutes" : "");
}

static void places_forget(struct s3_places *places, const char *bucket)
{
	int index = places_index(places, bucket);

	if (index >= 0)
		places->item[index].bucket[0] = '\0';
}

/* ---- learning ---- */

/* What ANSWER, from ASKED, says of where BUCKET lies. */
static enum s3_redirect place_learn(const struct s3_endpoint *endpoint, const char *region,
                                    const char *bucket, const struct s3_place *asked,
                                    const struct http_client_answer *answer, bool *no_bucket,
                                    struct s3_place *place)
{
	struct s3_answer read;
	char bucket_region[HEADER_BYTES], location[HEADER_BYTES];

	*no_bucket = false;
	if (answer->outcome != HTTP_ANSWERED || answer->status < 300 || answer->status >= 500)
		return S3_REDIRECT_NONE;
	read = s3_answer_read(answer->body, answer->length, NULL, NULL);
	*no_bucket = strcmp(read.code, "NoSuchBucket") == 0;
	http_client_header(answer, "x-amz-bucket-region", bucket_region, sizeof(bucket_region));
	http_client_header(answer, "location", location, sizeof(location));
	return s3_region_read(endpoint, region, bucket, asked,
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

enum s3_redirect s3_places_learn(struct s3_places *places, const struct s3_endpoint *endpoint,
                                 const char *region, const char *bucket, enum s3_redirect followed,
                                 struct s3_place *place, const struct http_client_answer *answer)
{
	struct s3_place further;
	bool no_bucket;
	enum s3_redirect redirect =
		place_learn(endpoint, region, bucket, place, answer, &no_bucket, &further);

	if (followed != S3_REDIRECT_NONE) {
		if (answer->outcome == HTTP_ANSWERED && place_is_right(answer->status) && !no_bucket)
			places_keep(places, bucket, place, followed == S3_REDIRECT_FOR_NOW);
		return S3_REDIRECT_NONE;
	}
	if (no_bucket)
		places_forget(places, bucket);
	if (redirect == S3_REDIRECT_REFUSED)
		places_say_refused(places, bucket, endpoint, further.host);
	if (redirect == S3_REDIRECT_NONE || redirect == S3_REDIRECT_REFUSED)
		return S3_REDIRECT_NONE;
	*place = further;
	return redirect;
}
