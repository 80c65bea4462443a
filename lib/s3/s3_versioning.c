/* Asks whether buckets keep versions, and remembers those that do. */
#include "lib/s3/s3_versioning.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/s3/s3_inside.h"
#include "lib/s3/s3_xml.h"

static bool versioning_is_known(const struct s3_versioning *known, const char *bucket)
{
	for (int i = 0; i < S3_VERSIONING_BUCKETS; i++)
		if (strcmp(known->buckets[i], bucket) == 0)
			return true;
	return false;
}

void s3_versioning_note(struct s3 *s3, const char *bucket)
{
	struct s3_versioning *known = &s3->versioning;
	char *place = known->buckets[known->next % S3_VERSIONING_BUCKETS];

	if (versioning_is_known(known, bucket))
		return;
	snprintf(place, sizeof(known->buckets[0]), "%s", bucket);
	known->next++;
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
	bool good;

	*versioned = versioning_is_known(known, bucket);
	if (*versioned)
		return true;
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
	if (good && *versioned)
		s3_versioning_note(s3, bucket);
	return good;
}
