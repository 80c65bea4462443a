/* Deleting objects from S3: batches, single requests, and what their answers mean for each object.
 */
#include "lib/s3/s3.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/s3/s3_answer.h"
#include "lib/s3/s3_body.h"
#include "lib/s3/s3_fault.h"
#include "lib/s3/s3_http.h"
#include "lib/s3/s3_request.h"

/* Single requests that may fail in a row before the rest is left for another time. */
#define FAILURES_MAX 3

struct s3 {
	struct s3_options options;
	struct s3_endpoint endpoint;
	struct s3_http *http;
	bool no_batches; /* the store has no multi-object delete */
	struct s3_object *batch[S3_BATCH_KEYS];
	size_t batch_count;
};

static const char *option_fault(const struct s3_options *o)
{
	if (o->region[0] == '\0')
		return "s3_region must not be empty (us-east-1 for stores that have none)";
	if (o->access_key[0] == '\0')
		return "s3_access_key must not be empty";
	if (o->secret_key == NULL || o->secret_key[0] == '\0')
		return "s3_secret_key_file must be set";
	if (o->ca_file != NULL && o->ca_file[0] != '\0' && access(o->ca_file, R_OK) != 0)
		return "s3_ca_file can't be read";
	if (o->batch_keys < 1 || o->batch_keys > S3_BATCH_KEYS)
		return "s3_batch_keys must be 1 to 1000";
	if (o->batch_bytes < 1 || o->batch_bytes > S3_BATCH_BYTES)
		return "s3_batch_bytes must be 1 to 1000000";
	if (o->connect_timeout_ms < 1 || o->timeout_ms < 1)
		return "s3_timeout must be more than 0";
	return NULL;
}

struct s3 *s3_open(const struct s3_options *options, const struct pump *pump, char *why,
                   size_t why_size)
{
	const char *fault = option_fault(options);
	struct s3_endpoint endpoint;

	if (fault != NULL) {
		snprintf(why, why_size, "%s", fault);
		return NULL;
	}
	if (!s3_endpoint_read(options->endpoint, &endpoint, why, why_size))
		return NULL;
	struct s3 *s3 = calloc(1, sizeof(*s3));
	if (s3 != NULL) {
		s3->options = *options;
		s3->endpoint = endpoint;
		s3->http = s3_http_open(&(struct s3_http_options){options->ca_file, options->user_agent,
		                                                  options->connect_timeout_ms,
		                                                  options->timeout_ms},
		                        pump);
	}
	if (s3 == NULL || s3->http == NULL) {
		snprintf(why, why_size, "libcurl can't be used, or there is not enough memory");
		free(s3);
		return NULL;
	}
	return s3;
}

void s3_close(struct s3 *s3)
{
	if (s3 == NULL)
		return;
	s3_http_close(s3->http);
	free(s3);
}

static void judge(struct s3_object *object, enum s3_result result, const char *why)
{
	object->result = result;
	snprintf(object->why, sizeof(object->why), "%s", why);
}

static struct s3_http_answer ask(struct s3 *s3, const struct s3_request *request)
{
	return s3_request_send(s3->http, &s3->endpoint, &s3->options, request);
}

/* What a request came to that has no answer of the server. */
static struct s3_fault fault_of_transport(const struct s3_http_answer *answer)
{
	struct s3_fault fault = {.result = answer->outcome == S3_HTTP_STOPPED ? S3_STOPPED : S3_RETRY,
	                         .whole = true};

	snprintf(fault.why, sizeof(fault.why), "%s", answer->why);
	return fault;
}

/* ---- many at a time ---- */

static int compare_keys(const void *a, const void *b)
{
	return strcmp((*(struct s3_object *const *)a)->key, (*(struct s3_object *const *)b)->key);
}

/* Fills the batch with objects from *NEXT on that are pending and can be named, as many as the
 * limits allow. */
static void gather(struct s3 *s3, struct s3_object *objects, size_t count, size_t *next)
{
	size_t bytes = s3_body_frame_bytes();

	s3->batch_count = 0;
	for (; *next < count && s3->batch_count < s3->options.batch_keys; ++*next) {
		struct s3_object *object = &objects[*next];

		if (object->result != S3_PENDING || !s3_body_can_name(object->key))
			continue;
		bytes += s3_body_object_bytes(object->key);
		if (bytes > s3->options.batch_bytes && s3->batch_count > 0)
			break;
		s3->batch[s3->batch_count++] = object;
	}
	qsort(s3->batch, s3->batch_count, sizeof(s3->batch[0]), compare_keys);
}

static void judge_batch(struct s3 *s3, enum s3_result result, const char *why)
{
	for (size_t i = 0; i < s3->batch_count; i++)
		judge(s3->batch[i], result, why);
}

/* The first in the batch whose key is not less than KEY. */
static size_t find_in_batch(const struct s3 *s3, const char *key)
{
	size_t low = 0, high = s3->batch_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(s3->batch[middle]->key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* One object of a DeleteResult. Mentioned twice, the failure counts; not one of ours, it is nothing
 * to us. */
static void take_object(void *arg, const char *key, const char *code)
{
	struct s3 *s3 = arg;

	for (size_t i = find_in_batch(s3, key);
	     i < s3->batch_count && strcmp(s3->batch[i]->key, key) == 0; i++) {
		struct s3_object *object = s3->batch[i];
		char why[sizeof(object->why)] = "";
		enum s3_result result =
			code == NULL ? S3_DELETED : s3_fault_of_object(code, why, sizeof(why));

		if (object->result == S3_PENDING || result > object->result)
			judge(object, result, why);
	}
}

static struct s3_fault judge_batch_answer(struct s3 *s3, const struct s3_http_answer *answer)
{
	if (answer->outcome != S3_HTTP_ANSWERED)
		return fault_of_transport(answer);
	struct s3_answer read = s3_answer_read(answer->body, answer->length, take_object, s3);
	if (answer->status == 200 && read.kind == S3_ANSWER_DELETED)
		return (struct s3_fault){.result = S3_DELETED};
	return s3_fault_of_request(answer->status, &read, true);
}

/* Asks for the gathered batch. False when the rest must not be tried; FAULT says why. */
static bool delete_batch(struct s3 *s3, const char *bucket, struct s3_fault *fault)
{
	struct s3_http_answer answer = {.outcome = S3_HTTP_FAILED, .why = "not enough memory"};
	size_t length = 0;
	char *body = s3_body_write(s3->batch, s3->batch_count, &length);

	if (body != NULL)
		answer = ask(s3, &(struct s3_request){.method = "POST",
		                                      .bucket = bucket,
		                                      .query = "delete",
		                                      .body = body,
		                                      .body_length = length});
	*fault = judge_batch_answer(s3, &answer);
	/* Unless the answer is a whole DeleteResult, what it mentioned does not count. */
	if (fault->result != S3_DELETED)
		judge_batch(s3, fault->result, fault->why);
	s3->no_batches |= fault->no_batches;
	free(answer.body);
	free(body);
	return !fault->whole;
}

static bool delete_batches(struct s3 *s3, const char *bucket, struct s3_object *objects,
                           size_t count, struct s3_fault *fault)
{
	size_t next = 0;

	while (!s3->no_batches) {
		gather(s3, objects, count, &next);
		if (s3->batch_count == 0)
			break;
		if (!delete_batch(s3, bucket, fault))
			return false;
	}
	return true;
}

/* ---- one by one ---- */

static struct s3_fault judge_single_answer(const struct s3_http_answer *answer)
{
	if (answer->outcome != S3_HTTP_ANSWERED)
		return fault_of_transport(answer);
	if (answer->status == 204 || (answer->status == 200 && answer->length == 0))
		return (struct s3_fault){.result = S3_DELETED};
	struct s3_answer read = s3_answer_read(answer->body, answer->length, NULL, NULL);
	return s3_fault_of_request(answer->status, &read, false);
}

/* False when the rest must not be tried; FAULT says why. */
static bool delete_single(struct s3 *s3, const char *bucket, struct s3_object *object,
                          struct s3_fault *fault)
{
	struct s3_http_answer answer =
		ask(s3, &(struct s3_request){.method = "DELETE", .bucket = bucket, .key = object->key});

	*fault = judge_single_answer(&answer);
	judge(object, fault->result, fault->result == S3_DELETED ? "" : fault->why);
	free(answer.body);
	return !fault->whole;
}

/* What is pending after the batches: keys that XML can't name, and what no answer mentioned. */
static bool delete_singles(struct s3 *s3, const char *bucket, struct s3_object *objects,
                           size_t count, struct s3_fault *fault)
{
	int failures = 0;

	for (size_t i = 0; i < count; i++) {
		if (objects[i].result != S3_PENDING)
			continue;
		if (!delete_single(s3, bucket, &objects[i], fault))
			return false;
		failures = objects[i].result == S3_RETRY ? failures + 1 : 0;
		if (failures == FAILURES_MAX)
			return false;
	}
	return true;
}

/* ---- all of it ---- */

static void refuse_unsafe(const char *bucket, struct s3_object *objects, size_t count)
{
	bool valid = s3_bucket_valid(bucket, strlen(bucket));

	for (size_t i = 0; i < count; i++) {
		const char *fault =
			valid ? s3_key_fault(objects[i].key) : "the bucket's name is not one that S3 allows";

		judge(&objects[i], fault == NULL ? S3_PENDING : S3_OPERATOR, fault == NULL ? "" : fault);
	}
}

static enum s3_result worst_of(const struct s3_object *objects, size_t count)
{
	enum s3_result worst = S3_DELETED;

	for (size_t i = 0; i < count; i++) {
		enum s3_result result = objects[i].result == S3_PENDING ? S3_RETRY : objects[i].result;

		if (result > worst)
			worst = result;
	}
	return worst;
}

enum s3_result s3_delete(struct s3 *s3, const char *bucket, struct s3_object *objects, size_t count)
{
	struct s3_fault fault = {0};

	refuse_unsafe(bucket, objects, count);
	bool to_the_end = delete_batches(s3, bucket, objects, count, &fault) &&
	                  delete_singles(s3, bucket, objects, count, &fault);
	for (size_t i = 0; !to_the_end && i < count; i++)
		if (objects[i].result == S3_PENDING && fault.result != S3_STOPPED)
			judge(&objects[i], fault.result, fault.why);
	return worst_of(objects, count);
}

bool s3_check(struct s3 *s3, char *why, size_t why_size)
{
	struct s3_http_answer answer = ask(s3, &(struct s3_request){.method = "GET"});
	struct s3_answer read = {.kind = S3_ANSWER_BROKEN};
	bool good = false;

	if (answer.outcome != S3_HTTP_ANSWERED) {
		snprintf(why, why_size, "%s", answer.why);
	} else {
		read = s3_answer_read(answer.body, answer.length, NULL, NULL);
		good = (answer.status == 200 && read.kind == S3_ANSWER_BUCKETS) ||
		       (answer.status == 403 && strcmp(read.code, "AccessDenied") == 0);
		if (!good)
			snprintf(why, why_size, "%s", s3_fault_of_request(answer.status, &read, false).why);
	}
	free(answer.body);
	return good;
}
