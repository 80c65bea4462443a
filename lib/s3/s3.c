/* Deletes objects from S3: opens the client, asks, waits, and says what became of each. */
#include "lib/s3/s3.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/s3/s3_answer.h"
#include "lib/s3/s3_inside.h"
#include "lib/session/http_date.h"

/* The longest answer that is read, several times what a DeleteResult for S3_BATCH_BYTES takes. */
#define ANSWER_BYTES_MAX (8 * 1024 * 1024)

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
		s3->pump = pump;
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

void s3_set_deadline(struct s3 *s3, int64_t deadline_ms)
{
	s3->deadline_ms = deadline_ms;
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

struct s3_fault s3_fault_of_transport(const struct s3 *s3, const struct http_client_answer *answer)
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
		fault.trouble = answer->timed_out ? S3_TROUBLE_TIMEOUT : S3_TROUBLE_NONE;
		snprintf(fault.why, sizeof(fault.why), "no answer from the store: %s", answer->why);
	}
	return fault;
}

/* ---- waiting ---- */

bool s3_is_late(const struct s3 *s3)
{
	return s3->asked && s3->deadline_ms != 0 && clock_now_ms() >= s3->deadline_ms;
}

bool s3_wait(struct s3 *s3, struct s3_pace *pace, struct s3_fault *fault)
{
	int64_t now_ms = clock_now_ms(), ms = s3_pace_wait_ms(pace, now_ms, s3->deadline_ms);

	if (ms < 0) {
		s3_note_blame(s3, S3_BLAME_DOUBT);
		if (fault->trouble != S3_TROUBLE_NONE)
			return false;
		*fault = (struct s3_fault){.result = S3_RETRY, .whole = true};
		snprintf(fault->why, sizeof(fault->why),
		         "the store was slow, or asked by Retry-After to be left alone for another %" PRId64
		         " s",
		         (pace->not_before_ms - now_ms + 999) / 1000);
		return false;
	}
	s3_pace_waited(pace, ms);
	if (!s3_is_late(s3) && (ms == 0 || pump_wait(s3->pump, ms)))
		return true;
	*fault = (struct s3_fault){
		.result = S3_STOPPED, .whole = true, .why = "stopped before the store was asked"};
	return false;
}

bool s3_may_repeat(struct s3_pace *pace, const struct s3_fault *fault, size_t keys,
                   const struct http_client_answer *answer)
{
	int64_t now_ms = clock_now_ms();

	s3_pace_trouble(pace, fault->trouble, keys, now_ms, arc4random());
	if (answer != NULL)
		s3_pace_hold(pace, http_retry_after_ms(answer, time(NULL)), now_ms);
	return !s3_pace_gives_up(pace);
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
		objects[i].tries = 0;
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

void s3_begin(struct s3 *s3)
{
	s3->blamed = S3_BLAME_NONE;
	s3->asked = s3->clock_corrected = false;
}

enum s3_result s3_delete_named(struct s3 *s3, const char *bucket, struct s3_object *objects,
                               size_t count)
{
	struct s3_pace *pace = s3_pace_find(&s3->paces, bucket, s3->options.batch_keys, clock_now_ms());
	struct s3_fault fault = {0};
	enum s3_result worst;
	bool to_the_end;

	s3_objects_refuse_unsafe(bucket, objects, count);
	to_the_end = s3_delete_in_batches(s3, pace, objects, count, &fault) &&
	             s3_delete_singly(s3, pace, objects, count, &fault);
	for (size_t i = 0; !to_the_end && i < count; i++)
		if (objects[i].result == S3_PENDING && fault.result != S3_STOPPED)
			s3_object_set(&objects[i], fault.result, fault.why);
	for (size_t i = 0; i < count; i++)
		objects[i].no_bucket = objects[i].result == S3_OPERATOR && fault.no_bucket;
	worst = s3_objects_worst(objects, count);
	return fault.result == S3_STOPPED ? S3_STOPPED : worst;
}

enum s3_blame s3_take_blame(struct s3 *s3)
{
	enum s3_blame blamed = s3->blamed;

	s3->blamed = S3_BLAME_NONE;
	return blamed;
}

enum s3_blame s3_blame(const struct s3 *s3)
{
	return s3->blamed;
}

bool s3_check(struct s3 *s3, char *why, size_t why_size)
{
	s3->clock_corrected = false;
	struct http_client_answer answer = s3_send(s3, &(struct s3_request){.method = "GET"});
	bool good = false;

	if (answer.outcome != HTTP_ANSWERED) {
		snprintf(why, why_size, "%s",
		         s3->credentials_why[0] != '\0' ? s3->credentials_why :
		                                          s3_fault_of_transport(s3, &answer).why);
	} else {
		struct s3_answer read = s3_answer_read(answer.body, answer.length, NULL, NULL);

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
