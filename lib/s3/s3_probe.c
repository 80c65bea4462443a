/* Tries in a bucket what deleting takes, on a key that no object has. */
#include "lib/s3/s3_probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/s3/s3_answer.h"
#include "lib/s3/s3_body.h"
#include "lib/s3/s3_inside.h"

#define VERSION_BYTES 1024 /* of a version's id */

static void trial_fail(struct s3_trial *trial, const struct s3_fault *fault, const char *code)
{
	trial->denied = strcmp(code, "AccessDenied") == 0;
	trial->no_bucket = fault->no_bucket;
	snprintf(trial->why, sizeof(trial->why), "%s", fault->why);
}

/* A bucket with versions keeps the marker that deleting nothing has made. */
static void probe_remove_marker(struct s3 *s3, const char *bucket, const char *key,
                                const char *version_id, struct s3_trial *trial)
{
	struct http_client_answer answer = s3_send(s3, &(struct s3_request){
													   .method = "DELETE",
													   .bucket = bucket,
													   .key = key,
													   .query = {{"versionId", version_id}},
												   });

	if (answer.outcome != HTTP_ANSWERED || answer.status >= 300)
		snprintf(
			trial->why, sizeof(trial->why),
			"the bucket keeps versions, and this left a delete marker whose removal was refused "
			"(s3:DeleteObjectVersion)");
	http_client_answer_free(&answer);
}

static void probe_delete(struct s3 *s3, const char *bucket, const char *key, struct s3_trial *trial)
{
	struct http_client_answer answer =
		s3_send(s3, &(struct s3_request){.method = "DELETE", .bucket = bucket, .key = key});
	struct s3_answer read = {.kind = S3_ANSWER_BROKEN};
	struct s3_fault fault;
	char marker[8], version_id[VERSION_BYTES];

	if (answer.outcome != HTTP_ANSWERED) {
		fault = s3_fault_of_transport(s3, &answer);
		trial_fail(trial, &fault, "");
	} else if (answer.status == 204 || answer.status == 200) {
		trial->good = true;
		if (http_client_header(&answer, "x-amz-delete-marker", marker, sizeof(marker)) &&
		    strcmp(marker, "true") == 0 &&
		    http_client_header(&answer, "x-amz-version-id", version_id, sizeof(version_id)))
			probe_remove_marker(s3, bucket, key, version_id, trial);
	} else {
		read = s3_answer_read(answer.body, answer.length, NULL, NULL);
		fault = s3_fault_of_request(answer.status, &read, false);
		trial->good = fault.result == S3_DELETED;
		if (!trial->good)
			trial_fail(trial, &fault, read.code);
	}
	http_client_answer_free(&answer);
}

/* What the DeleteResult of one key said. */
struct probe_result {
	const char *key;
	bool seen;
	char code[48];
	char marker[VERSION_BYTES]; /* the id of a delete marker that was made; empty: none */
};

static void probe_on_object(void *arg, const struct s3_answer_entry *entry)
{
	struct probe_result *result = arg;

	if (strcmp(entry->key, result->key) != 0)
		return;
	result->seen = true;
	snprintf(result->code, sizeof(result->code), "%s", entry->code == NULL ? "" : entry->code);
	if (entry->marker && entry->marker_version_id != NULL &&
	    strlen(entry->marker_version_id) < sizeof(result->marker))
		snprintf(result->marker, sizeof(result->marker), "%s", entry->marker_version_id);
}

static void probe_read_batch(struct s3 *s3, const char *bucket, const char *key,
                             const struct http_client_answer *answer, struct s3_trial *trial)
{
	struct probe_result result = {.key = key};
	struct s3_answer read = s3_answer_read(answer->body, answer->length, probe_on_object, &result);
	struct s3_fault fault;

	if (answer->status != 200 || read.kind != S3_ANSWER_DELETED) {
		fault = s3_fault_of_request(answer->status, &read, true);
		trial_fail(trial, &fault, read.code);
		trial->good = fault.no_batches;
	} else if (!result.seen) {
		snprintf(trial->why, sizeof(trial->why), "the answer does not mention the key");
	} else if (result.code[0] == '\0' || strcmp(result.code, "NoSuchKey") == 0) {
		trial->good = true;
		if (result.marker[0] != '\0')
			probe_remove_marker(s3, bucket, key, result.marker, trial);
	} else {
		trial->denied = strcmp(result.code, "AccessDenied") == 0;
		s3_fault_of_object(result.code, trial->why, sizeof(trial->why));
	}
}

static void probe_batch(struct s3 *s3, const char *bucket, const char *key, struct s3_trial *trial)
{
	struct s3_object object = {.key = key}, *objects[] = {&object};
	struct http_client_answer answer = {.outcome = HTTP_FAILED, .why = "not enough memory"};
	struct s3_fault fault;
	size_t length = 0;
	char *body = s3_body_write(objects, 1, &length);

	if (body != NULL)
		answer = s3_send(s3, &(struct s3_request){.method = "POST",
		                                          .bucket = bucket,
		                                          .query = {{"delete", ""}},
		                                          .body = body,
		                                          .body_length = length});
	if (answer.outcome == HTTP_ANSWERED) {
		probe_read_batch(s3, bucket, key, &answer, trial);
	} else {
		fault = s3_fault_of_transport(s3, &answer);
		trial_fail(trial, &fault, "");
	}
	http_client_answer_free(&answer);
	free(body);
}

void s3_probe(struct s3 *s3, const char *bucket, const char *key, struct s3_trial trials[S3_TRIALS])
{
	trials[S3_TRIAL_DELETE] = (struct s3_trial){"delete", "s3:DeleteObject", .good = false};
	trials[S3_TRIAL_BATCH] =
		(struct s3_trial){"multi-object delete", "s3:DeleteObject", .good = false};
	probe_delete(s3, bucket, key, &trials[S3_TRIAL_DELETE]);
	probe_batch(s3, bucket, key, &trials[S3_TRIAL_BATCH]);
}
