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
#include "lib/s3/s3_fault.h"
#include "lib/s3/s3_request.h"
#include "lib/session/http.h"

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
	struct s3_credential_source *credentials;
	/* Why there were none for the last request; empty: there were, or the pump said stop. */
	char credentials_why[S3_CREDENTIALS_WHY_SIZE];
	enum s3_blame blamed; /* of the s3_delete under way, or the last one */
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
	s3->credentials = s3_credential_source_new(&s3->options.credentials, pump, why, why_size);
	if (s3->credentials == NULL) {
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
	s3_credential_source_free(s3->credentials);
	free(s3);
}

static void object_set(struct s3_object *object, enum s3_result result, const char *why)
{
	object->result = result;
	snprintf(object->why, sizeof(object->why), "%s", why);
}

static void s3_note_blame(struct s3 *s3, enum s3_blame blame)
{
	if (blame > s3->blamed)
		s3->blamed = blame;
}

/* One attempt with the credentials at hand, which are fetched first if need be. */
static struct http_client_answer s3_send_once(struct s3 *s3, const struct s3_request *request)
{
	const struct s3_credentials *credentials;
	struct http_client_answer answer = {.outcome = HTTP_FAILED};

	s3->credentials_why[0] = '\0';
	switch (s3_credentials_get(s3->credentials, &credentials, s3->credentials_why,
	                           sizeof(s3->credentials_why))) {
	case S3_CREDENTIALS_READY:
		answer = s3_request_send(s3->http, &s3->endpoint, &s3->options, credentials, request);
		break;
	case S3_CREDENTIALS_STOPPED: answer.outcome = HTTP_STOPPED; break;
	case S3_CREDENTIALS_FAILED: break;
	}
	return answer;
}

/* Credentials may have ended before their time, or been replaced where they come from: then the
 * request is sent once more with the new ones. */
static struct http_client_answer s3_send(struct s3 *s3, const struct s3_request *request)
{
	struct http_client_answer answer = s3_send_once(s3, request);

	if (answer.outcome == HTTP_ANSWERED &&
	    s3_fault_is_of_credentials(answer.status, answer.body, answer.length) &&
	    s3_credentials_renew(s3->credentials)) {
		http_client_answer_free(&answer);
		answer = s3_send_once(s3, request);
	}
	return answer;
}

/* What a request came to that has no answer of the server. */
static struct s3_fault fault_of_transport(const struct s3 *s3,
                                          const struct http_client_answer *answer)
{
	struct s3_fault fault = {.result = S3_STOPPED, .whole = true};

	if (answer->outcome == HTTP_FAILED && s3->credentials_why[0] != '\0') {
		fault.result = S3_RETRY;
		fault.blame = S3_BLAME_STORE;
		s3_fault_say(&fault, s3->credentials_why);
	} else if (answer->outcome == HTTP_STOPPED) {
		snprintf(fault.why, sizeof(fault.why), "stopped while the store was asked");
	} else {
		fault.result = S3_RETRY;
		fault.blame = answer->unreached ? S3_BLAME_STORE : S3_BLAME_DOUBT;
		snprintf(fault.why, sizeof(fault.why), "no answer from the store: %s", answer->why);
	}
	return fault;
}

/* ---- many at a time ---- */

static int compare_keys(const void *a, const void *b)
{
	return strcmp((*(struct s3_object *const *)a)->key, (*(struct s3_object *const *)b)->key);
}

/* Fills the batch with objects from *NEXT on that are pending and can be named, as many as the
 * limits allow. */
static void batch_gather(struct s3 *s3, struct s3_object *objects, size_t count, size_t *next)
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

static void batch_set(struct s3 *s3, enum s3_result result, const char *why)
{
	for (size_t i = 0; i < s3->batch_count; i++)
		object_set(s3->batch[i], result, why);
}

/* The first in the batch whose key is not less than KEY. */
static size_t batch_find(const struct s3 *s3, const char *key)
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
static void batch_on_object(void *arg, const char *key, const char *code)
{
	struct s3 *s3 = arg;

	for (size_t i = batch_find(s3, key); i < s3->batch_count && strcmp(s3->batch[i]->key, key) == 0;
	     i++) {
		struct s3_object *object = s3->batch[i];
		char why[sizeof(object->why)] = "";
		enum s3_result result =
			code == NULL ? S3_DELETED : s3_fault_of_object(code, why, sizeof(why));

		if (code != NULL)
			s3_note_blame(s3, s3_blame_of_object(code));
		if (object->result == S3_PENDING || result > object->result)
			object_set(object, result, why);
	}
}

static struct s3_fault batch_fault(struct s3 *s3, const struct http_client_answer *answer)
{
	struct s3_answer read;

	if (answer->outcome != HTTP_ANSWERED)
		return fault_of_transport(s3, answer);
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

static struct s3_fault single_fault(const struct s3 *s3, const struct http_client_answer *answer)
{
	struct s3_answer read;

	if (answer->outcome != HTTP_ANSWERED)
		return fault_of_transport(s3, answer);
	if (answer->status == 204 || (answer->status == 200 && answer->length == 0))
		return (struct s3_fault){.result = S3_DELETED};
	read = s3_answer_read(answer->body, answer->length, NULL, NULL);
	return s3_fault_of_request(answer->status, &read, false);
}

/* False when the rest must not be tried; FAULT says why. */
static bool object_delete(struct s3 *s3, const char *bucket, struct s3_object *object,
                          struct s3_fault *fault)
{
	struct http_client_answer answer =
		s3_send(s3, &(struct s3_request){.method = "DELETE", .bucket = bucket, .key = object->key});

	*fault = single_fault(s3, &answer);
	s3_note_blame(s3, fault->blame);
	object_set(object, fault->result, fault->result == S3_DELETED ? "" : fault->why);
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

static void objects_refuse_unsafe(const char *bucket, struct s3_object *objects, size_t count)
{
	bool valid = s3_bucket_valid(bucket, strlen(bucket));

	for (size_t i = 0; i < count; i++) {
		const char *fault =
			valid ? s3_key_fault(objects[i].key) : "the bucket's name is not one that S3 allows";

		object_set(&objects[i], fault == NULL ? S3_PENDING : S3_OPERATOR,
		           fault == NULL ? "" : fault);
	}
}

static enum s3_result objects_worst(const struct s3_object *objects, size_t count)
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
	bool to_the_end;

	s3->blamed = S3_BLAME_NONE;
	objects_refuse_unsafe(bucket, objects, count);
	to_the_end = objects_delete_in_batches(s3, bucket, objects, count, &fault) &&
	             objects_delete_singly(s3, bucket, objects, count, &fault);
	for (size_t i = 0; !to_the_end && i < count; i++)
		if (objects[i].result == S3_PENDING && fault.result != S3_STOPPED)
			object_set(&objects[i], fault.result, fault.why);
	for (size_t i = 0; i < count; i++)
		objects[i].no_bucket = objects[i].result == S3_OPERATOR && fault.no_bucket;
	return objects_worst(objects, count);
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
		snprintf(why, why_size, "%s",
		         s3->credentials_why[0] != '\0' ? s3->credentials_why :
		                                          fault_of_transport(s3, &answer).why);
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

void s3_describe_credentials(const struct s3 *s3, char *text, size_t size)
{
	s3_credentials_describe(s3->credentials, text, size);
}
