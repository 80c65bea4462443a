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

/* VERSION_ID: NULL names none. */
static void probe_delete(struct s3 *s3, const char *bucket, const char *key, const char *version_id,
                         struct s3_trial *trial)
{
	struct s3_request request = {.method = "DELETE", .bucket = bucket, .key = key};
	struct http_client_answer answer;
	struct s3_fault fault;
	char marker[8], marker_id[VERSION_BYTES];

	if (version_id != NULL)
		request.query[0] = (struct http_pair){"versionId", version_id};
	answer = s3_send(s3, &request);
	if (answer.outcome != HTTP_ANSWERED) {
		fault = s3_fault_of_transport(s3, &answer);
		trial_fail(trial, &fault, "");
	} else if (answer.status == 204 || answer.status == 200) {
		trial->good = true;
		if (version_id == NULL &&
		    http_client_header(&answer, "x-amz-delete-marker", marker, sizeof(marker)) &&
		    strcmp(marker, "true") == 0 &&
		    http_client_header(&answer, "x-amz-version-id", marker_id, sizeof(marker_id)))
			probe_remove_marker(s3, bucket, key, marker_id, trial);
	} else {
		struct s3_answer read = s3_answer_read(answer.body, answer.length, NULL, NULL);

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
	} else if (result.code[0] == '\0' || strcmp(result.code, "NoSuchKey") == 0 ||
	           strcmp(result.code, "NoSuchVersion") == 0) {
		trial->good = true;
		if (result.marker[0] != '\0')
			probe_remove_marker(s3, bucket, key, result.marker, trial);
	} else {
		trial->denied = strcmp(result.code, "AccessDenied") == 0;
		s3_fault_of_object(result.code, trial->why, sizeof(trial->why));
	}
}

static void probe_batch(struct s3 *s3, const char *bucket, const char *key, const char *version_id,
                        struct s3_trial *trial)
{
	struct s3_object object = {.key = key, .version_id = version_id}, *objects[] = {&object};
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

/* ---- questions about the bucket ---- */

static void probe_versioning(struct s3 *s3, const char *bucket, struct s3_trial *trial,
                             bool *versioned)
{
	struct s3_fault fault;

	*trial = (struct s3_trial){
		.name = "versioning", .permission = "s3:GetBucketVersioning", .of_bucket = true};
	trial->good = s3_versioning_look(s3, bucket, versioned, &fault);
	if (!trial->good)
		trial_fail(trial, &fault, fault.code);
}

/* Asks for the entries of one listing that begin with KEY: there are none. LIST is the parameter
 * that names it. */
static void probe_list(struct s3 *s3, const char *bucket, const char *key, const char *list,
                       struct s3_trial *trial)
{
	struct s3_request request = {.method = "GET", .bucket = bucket};
	struct http_client_answer answer;
	struct s3_fault fault;

	request.query[0] = (struct http_pair){list, strcmp(list, "list-type") == 0 ? "2" : ""};
	request.query[1] = (struct http_pair){"prefix", key};
	trial->of_bucket = true;
	if (s3_ask(s3, &request, trial->permission, &answer, &fault)) {
		trial->good = true;
		http_client_answer_free(&answer);
	} else if (s3_fault_is_unknown(&fault)) {
		trial->good = true; /* a store that knows no such thing has none */
	} else {
		trial_fail(trial, &fault, fault.code);
	}
}

/* Ends an upload that is not there: a store says so only to who may end one. */
static void probe_abort(struct s3 *s3, const char *bucket, const char *key, struct s3_trial *trial)
{
	const struct s3_request request = {.method = "DELETE",
	                                   .bucket = bucket,
	                                   .key = key,
	                                   .query = {{"uploadId", "farewell-check"}}};
	struct http_client_answer answer;
	struct s3_fault fault;

	trial->good = true;
	if (s3_ask(s3, &request, trial->permission, &answer, &fault)) {
		http_client_answer_free(&answer);
	} else if (strcmp(fault.code, "AccessDenied") == 0) {
		trial->good = false;
		trial_fail(trial, &fault, fault.code);
	}
}

void s3_probe(struct s3 *s3, const char *bucket, const char *key, struct s3_trial trials[S3_TRIALS])
{
	bool versioned = false;

	s3_begin(s3);
	memset(trials, 0, S3_TRIALS * sizeof(trials[0]));
	if (s3->options.all_versions)
		probe_versioning(s3, bucket, &trials[S3_TRIAL_VERSIONING], &versioned);
	const char *version_id = versioned ? "null" : NULL;
	const char *permission = versioned ? "s3:DeleteObjectVersion" : "s3:DeleteObject";
	trials[S3_TRIAL_DELETE] = (struct s3_trial){.name = "delete", .permission = permission};
	trials[S3_TRIAL_BATCH] =
		(struct s3_trial){.name = "multi-object delete", .permission = permission};
	probe_delete(s3, bucket, key, version_id, &trials[S3_TRIAL_DELETE]);
	probe_batch(s3, bucket, key, version_id, &trials[S3_TRIAL_BATCH]);
	if (s3->options.all_versions) {
		trials[S3_TRIAL_UPLOADS] = (struct s3_trial){.name = "list of uploads",
		                                             .permission = "s3:ListBucketMultipartUploads"};
		probe_list(s3, bucket, key, "uploads", &trials[S3_TRIAL_UPLOADS]);
		trials[S3_TRIAL_ABORT] =
			(struct s3_trial){.name = "abort of uploads", .permission = "s3:AbortMultipartUpload"};
		probe_abort(s3, bucket, key, &trials[S3_TRIAL_ABORT]);
	}
	if (versioned) {
		trials[S3_TRIAL_VERSIONS] =
			(struct s3_trial){.name = "list of versions", .permission = "s3:ListBucketVersions"};
		probe_list(s3, bucket, key, "versions", &trials[S3_TRIAL_VERSIONS]);
	}
	if (s3->options.verify) {
		trials[S3_TRIAL_OBJECTS] =
			(struct s3_trial){.name = "list of objects", .permission = "s3:ListBucket"};
		probe_list(s3, bucket, key, "list-type", &trials[S3_TRIAL_OBJECTS]);
	}
}
