/* Deletes objects from S3 in batches and singly, and says what became of each. */
#include "lib/s3/s3.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/s3/s3_answer.h"
#include "lib/s3/s3_body.h"
#include "lib/s3/s3_own.h"
#include "lib/s3/s3_versioning.h"

/* Single requests that may fail in a row before the rest is left for another time. */
#define FAILURES_MAX 3
/* How long a bucket's objects are deleted singly after it refused a batch as such. */
#define NO_BATCHES_MS (10LL * 60 * 1000)
/* The longest answer that is read, several times what a DeleteResult for S3_BATCH_BYTES takes. */
#define ANSWER_BYTES_MAX (8 * 1024 * 1024)

struct s3 {
	struct s3_options options;
	struct s3_endpoint endpoint;
	struct http_client *http;
	enum s3_blame blamed; /* of the s3_delete under way, or the last one */
	struct s3_versioning versioning;
	/* A bucket without multi-object delete, as far as is known, and until when that is believed:
	 * it may have been the word of a proxy that is gone. */
	char no_batches[64];
	int64_t batches_again_ms;
	struct s3_object *batch[S3_BATCH_KEYS];
	size_t batch_count;
};

struct s3 *s3_new(const struct s3_options *options, const struct pump *pump, char *why,
                  size_t why_size)
{
	const struct http_client_options http = {
		.ca_file = options->ca_file,
		.user_agent = options->user_agent,
		.connect_timeout_ms = options->connect_timeout_ms,
		.timeout_ms = options->timeout_ms,
		.answer_bytes_max = ANSWER_BYTES_MAX,
	};
	struct s3 *s3;

	assert(options->batch_keys >= 1 && options->batch_keys <= S3_BATCH_KEYS);
	assert(options->batch_bytes >= 1 && options->batch_bytes <= S3_BATCH_BYTES);
	if (options->ca_file != NULL && options->ca_file[0] != '\0' &&
	    access(options->ca_file, R_OK) != 0) {
		snprintf(why, why_size, "s3_ca_file can't be read: %s", strerror(errno));
		return NULL;
	}
	s3 = calloc(1, sizeof(*s3));
	if (s3 != NULL) {
		s3->options = *options;
		s3_endpoint_split(options->endpoint, &s3->endpoint);
		s3->http = http_client_new(&http, pump);
	}
	if (s3 == NULL || s3->http == NULL) {
		snprintf(why, why_size, "libcurl can't be used, or there is not enough memory");
		s3_free(s3);
		return NULL;
	}
	return s3;
}

void s3_free(struct s3 *s3)
{
	if (s3 == NULL)
		return;
	http_client_free(s3->http);
	free(s3);
}

void s3_object_set(struct s3_object *object, enum s3_result result, const char *why)
{
	object->result = result;
	snprintf(object->why, sizeof(object->why), "%s", why);
}

void s3_note_blame(struct s3 *s3, enum s3_blame blame)
{
	if (blame > s3->blamed)
		s3->blamed = blame;
}

struct http_client_answer s3_send(struct s3 *s3, const struct s3_request *request)
{
	return s3_request_send(s3->http, &s3->endpoint, &s3->options, request);
}

/* What a request came to that has no answer of the server. */
struct s3_fault s3_fault_of_transport(const struct http_client_answer *answer)
{
	struct s3_fault fault = {.result = S3_STOPPED, .whole = true};

	if (answer->outcome == HTTP_STOPPED) {
		snprintf(fault.why, sizeof(fault.why), "stopped while the store was asked");
	} else {
		fault.result = S3_RETRY;
		fault.blame = answer->unreached ? S3_BLAME_STORE : S3_BLAME_DOUBT;
		snprintf(fault.why, sizeof(fault.why), "no answer from the store: %s", answer->why);
	}
	return fault;
}

/* ---- many at a time ---- */

static int compare_objects(const void *a, const void *b)
{
	return s3_body_compare(*(struct s3_object *const *)a, *(struct s3_object *const *)b);
}

/* Fills the batch with objects from *NEXT on that are pending and can be named, as many as the
 * limits allow. */
static void batch_gather(struct s3 *s3, struct s3_object *objects, size_t count, size_t *next)
{
	size_t bytes = s3_body_frame_bytes();

	s3->batch_count = 0;
	for (; *next < count && s3->batch_count < s3->options.batch_keys; ++*next) {
		struct s3_object *object = &objects[*next];

		if (object->result != S3_PENDING || !s3_body_can_name(object))
			continue;
		bytes += s3_body_object_bytes(object);
		if (bytes > s3->options.batch_bytes && s3->batch_count > 0)
			break;
		s3->batch[s3->batch_count++] = object;
	}
	qsort(s3->batch, s3->batch_count, sizeof(s3->batch[0]), compare_objects);
}

static void batch_set(struct s3 *s3, enum s3_result result, const char *why)
{
	for (size_t i = 0; i < s3->batch_count; i++)
		s3_object_set(s3->batch[i], result, why);
}

/* The first in the batch that is not less than WANTED. */
static size_t batch_find(const struct s3 *s3, const struct s3_object *wanted)
{
	size_t low = 0, high = s3->batch_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s3_body_compare(s3->batch[middle], wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* One object of a DeleteResult. Mentioned twice, the failure counts; not one of ours, it is nothing
 * to us: so is a version that was not named, or named and not mentioned. */
static void batch_on_object(void *arg, const struct s3_answer_entry *entry)
{
	const struct s3_object wanted = {.key = entry->key, .version_id = entry->version_id};
	struct s3 *s3 = arg;

	for (size_t i = batch_find(s3, &wanted);
	     i < s3->batch_count && s3_body_compare(s3->batch[i], &wanted) == 0; i++) {
		struct s3_object *object = s3->batch[i];
		char why[sizeof(object->why)] = "";
		enum s3_result result =
			entry->code == NULL ? S3_DELETED : s3_fault_of_object(entry->code, why, sizeof(why));

		if (entry->code != NULL)
			s3_note_blame(s3, s3_blame_of_object(entry->code));
		if (object->result == S3_PENDING || result > object->result)
			s3_object_set(object, result, why);
		object->marker = object->marker || (entry->marker && object->version_id == NULL);
		object->denied = object->denied || (entry->code != NULL && s3_fault_is_denial(entry->code));
	}
}

static struct s3_fault batch_fault(struct s3 *s3, const struct http_client_answer *answer)
{
	struct s3_answer read;

	if (answer->outcome != HTTP_ANSWERED)
		return s3_fault_of_transport(answer);
	read = s3_answer_read(answer->body, answer->length, batch_on_object, s3);
	if (answer->status == 200 && read.kind == S3_ANSWER_DELETED)
		return (struct s3_fault){.result = S3_DELETED};
	return s3_fault_of_request(answer->status, &read, true);
}

/* Asks for the gathered batch. False when the rest must not be tried; FAULT says why. */
static bool batch_delete(struct s3 *s3, const char *bucket, struct s3_fault *fault)
{
	struct http_client_answer answer = {.outcome = HTTP_FAILED, .why = "not enough memory"};
	size_t length = 0;
	char *body = s3_body_write(s3->batch, s3->batch_count, &length);

	if (body != NULL)
		answer = s3_send(s3, &(struct s3_request){.method = "POST",
		                                          .bucket = bucket,
		                                          .query = {{"delete", ""}},
		                                          .body = body,
		                                          .body_length = length});
	*fault = batch_fault(s3, &answer);
	s3_note_blame(s3, fault->blame);
	/* Unless the answer is a whole DeleteResult, what it mentioned does not count. */
	if (fault->result != S3_DELETED)
		batch_set(s3, fault->result, fault->why);
	if (fault->no_batches) {
		snprintf(s3->no_batches, sizeof(s3->no_batches), "%s", bucket);
		s3->batches_again_ms = clock_now_ms() + NO_BATCHES_MS;
	}
	http_client_answer_free(&answer);
	free(body);
	return !fault->whole;
}

static bool bucket_takes_batches(const struct s3 *s3, const char *bucket)
{
	return strcmp(s3->no_batches, bucket) != 0 || clock_left_ms(s3->batches_again_ms) == 0;
}

static bool objects_delete_in_batches(struct s3 *s3, const char *bucket, struct s3_object *objects,
                                      size_t count, struct s3_fault *fault)
{
	size_t next = 0;

	while (bucket_takes_batches(s3, bucket)) {
		batch_gather(s3, objects, count, &next);
		if (s3->batch_count == 0)
			break;
		if (!batch_delete(s3, bucket, fault))
			return false;
	}
	return true;
}

/* ---- one by one ---- */

static struct s3_fault single_fault(const struct http_client_answer *answer)
{
	struct s3_answer read;

	if (answer->outcome != HTTP_ANSWERED)
		return s3_fault_of_transport(answer);
	if (answer->status == 204 || (answer->status == 200 && answer->length == 0))
		return (struct s3_fault){.result = S3_DELETED};
	read = s3_answer_read(answer->body, answer->length, NULL, NULL);
	return s3_fault_of_request(answer->status, &read, false);
}

/* False when the rest must not be tried; FAULT says why. */
static bool object_delete(struct s3 *s3, const char *bucket, struct s3_object *object,
                          struct s3_fault *fault)
{
	struct s3_request request = {.method = "DELETE", .bucket = bucket, .key = object->key};
	struct http_client_answer answer;
	char marker[8];

	if (object->version_id != NULL)
		request.query[0] = (struct http_pair){"versionId", object->version_id};
	answer = s3_send(s3, &request);
	*fault = single_fault(&answer);
	s3_note_blame(s3, fault->blame);
	s3_object_set(object, fault->result, fault->result == S3_DELETED ? "" : fault->why);
	object->denied = fault->denied;
	object->marker = object->version_id == NULL && fault->result == S3_DELETED &&
	                 http_client_header(&answer, "x-amz-delete-marker", marker, sizeof(marker)) &&
	                 strcmp(marker, "true") == 0;
	http_client_answer_free(&answer);
	return !fault->whole;
}

/* What is pending after the batches: keys that XML can't name, and what no answer mentioned. */
static bool objects_delete_singly(struct s3 *s3, const char *bucket, struct s3_object *objects,
                                  size_t count, struct s3_fault *fault)
{
	int failures = 0;

	for (size_t i = 0; i < count; i++) {
		if (objects[i].result != S3_PENDING)
			continue;
		if (!object_delete(s3, bucket, &objects[i], fault))
			return false;
		failures = objects[i].result == S3_RETRY ? failures + 1 : 0;
		if (failures == FAILURES_MAX)
			return false;
	}
	return true;
}

/* ---- all of it ---- */

void s3_objects_refuse_unsafe(const char *bucket, struct s3_object *objects, size_t count)
{
	bool valid = s3_bucket_valid(bucket, strlen(bucket));

	for (size_t i = 0; i < count; i++) {
		const char *fault =
			valid ? s3_key_fault(objects[i].key) : "the bucket's name is not one that S3 allows";

		s3_object_set(&objects[i], fault == NULL ? S3_PENDING : S3_OPERATOR,
		              fault == NULL ? "" : fault);
		objects[i].marker = objects[i].denied = objects[i].locked = false;
		objects[i].locked_until = 0;
	}
}

enum s3_result s3_objects_worst(const struct s3_object *objects, size_t count)
{
	enum s3_result worst = S3_DELETED;

	for (size_t i = 0; i < count; i++) {
		enum s3_result result = objects[i].result == S3_PENDING ? S3_RETRY : objects[i].result;

		if (result > worst)
			worst = result;
	}
	return worst;
}

enum s3_result s3_delete_named(struct s3 *s3, const char *bucket, struct s3_object *objects,
                               size_t count)
{
	struct s3_fault fault = {0};
	bool to_the_end;

	s3_objects_refuse_unsafe(bucket, objects, count);
	to_the_end = objects_delete_in_batches(s3, bucket, objects, count, &fault) &&
	             objects_delete_singly(s3, bucket, objects, count, &fault);
	for (size_t i = 0; !to_the_end && i < count; i++)
		if (objects[i].result == S3_PENDING && fault.result != S3_STOPPED)
			s3_object_set(&objects[i], fault.result, fault.why);
	for (size_t i = 0; i < count; i++)
		objects[i].no_bucket = objects[i].result == S3_OPERATOR && fault.no_bucket;
	return s3_objects_worst(objects, count);
}

enum s3_blame s3_take_blame(struct s3 *s3)
{
	enum s3_blame blamed = s3->blamed;

	s3->blamed = S3_BLAME_NONE;
	return blamed;
}

const struct s3_options *s3_options(const struct s3 *s3)
{
	return &s3->options;
}

struct s3_versioning *s3_versioning(struct s3 *s3)
{
	return &s3->versioning;
}

enum s3_blame s3_blame(const struct s3 *s3)
{
	return s3->blamed;
}

bool s3_check(struct s3 *s3, char *why, size_t why_size)
{
	struct http_client_answer answer = s3_send(s3, &(struct s3_request){.method = "GET"});
	struct s3_answer read = {.kind = S3_ANSWER_BROKEN};
	bool good = false;

	if (answer.outcome != HTTP_ANSWERED) {
		snprintf(why, why_size, "%s", s3_fault_of_transport(&answer).why);
	} else {
		read = s3_answer_read(answer.body, answer.length, NULL, NULL);
		good = (answer.status == 200 && read.kind == S3_ANSWER_BUCKETS) ||
		       (answer.status == 403 && strcmp(read.code, "AccessDenied") == 0);
		if (!good)
			snprintf(why, why_size, "%s", s3_fault_of_request(answer.status, &read, false).why);
	}
	http_client_answer_free(&answer);
	return good;
}
