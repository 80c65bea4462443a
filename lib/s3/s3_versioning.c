/* Asks whether buckets keep versions, and remembers it. */
#include "lib/s3/s3_versioning.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/s3/s3_inside.h"
#include "lib/s3/s3_xml.h"

/* How long a bucket counts as having none: somebody may turn it on. */
#define NONE_MS (5LL * 60 * 1000)

/* What is remembered of the bucket, or -1. */
static int versioning_find(const struct s3_versioning *known, const char *bucket)
{
	for (int i = 0; i < S3_VERSIONING_BUCKETS; i++)
		if (strcmp(known->buckets[i].bucket, bucket) == 0)
			return i;
	return -1;
}

static void versioning_set(struct s3_versioning *known, const char *bucket, int64_t again_ms)
{
	int i = versioning_find(known, bucket);

	if (i < 0)
		i = (int)(known->next++ % S3_VERSIONING_BUCKETS);
	snprintf(known->buckets[i].bucket, sizeof(known->buckets[i].bucket), "%s", bucket);
	known->buckets[i].again_ms = again_ms;
}

void s3_versioning_note(struct s3 *s3, const char *bucket)
{
	versioning_set(&s3->versioning, bucket, INT64_MAX);
}

static bool status_read(const struct http_client_answer *answer, bool *versioned,
                        struct s3_fault *fault)
{
	char status[16];

	if (!s3_xml_field(answer->body, answer->length, "VersioningConfiguration", "Status", status,
	                  sizeof(status))) {
		*fault = s3_fault_of_nonsense("answer about versioning");
		return false;
	}
	*versioned = status[0] != '\0';
	return true;
}

bool s3_versioning_look(struct s3 *s3, const char *bucket, bool *versioned, struct s3_fault *fault)
{
	struct s3_versioning *known = &s3->versioning;
	struct http_client_answer answer;
	int i = versioning_find(known, bucket);
	bool good;

	if (i >= 0 && known->buckets[i].again_ms > clock_now_ms()) {
		*versioned = known->buckets[i].again_ms == INT64_MAX;
		return true;
	}
	*versioned = false;
	if (s3_ask(s3, &(struct s3_request){"GET", .bucket = bucket, .query = {{"versioning", ""}}},
	           "s3:GetBucketVersioning (or, if no bucket has versions, set s3_versions = current)",
	           &answer, fault)) {
		good = status_read(&answer, versioned, fault);
		http_client_answer_free(&answer);
	} else {
		good = s3_fault_is_unknown(fault);
		if (good)
			log_debug("the store does not know versioning, so bucket %s has none", bucket);
	}
	if (good)
		versioning_set(known, bucket, *versioned ? INT64_MAX : clock_now_ms() + NONE_MS);
	return good;
}
