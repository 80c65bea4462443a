/* Deletes objects one by one, several requests at a time: keys that XML can't name, what no batch's
 * answer mentioned, and stores without batches. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/s3/s3_answer.h"
#include "lib/s3/s3_inside.h"

/* Objects in a row that can't be deleted now before the rest is left for another time. */
#define REFUSED_MAX 3

struct request {
	struct s3_object *object; /* NULL: free */
	struct s3_sent sent;
};

/* Where the whole work stands. */
struct work {
	struct s3 *s3;
	struct s3_pace *pace;
	struct s3_fault *fault; /* the caller's */
	struct s3_object *next, *end;
	struct s3_object *again[S3_AT_ONCE_MAX]; /* before the next */
	struct request requests[S3_AT_ONCE_MAX];
	size_t again_count, under_way;
	int refused;
	bool troubled; /* no request is begun until those under way are answered */
	bool ended;    /* no further one is begun; FAULT says why */
};

/* Whether a 200 is the store's word: a proxy on the way can say 200 too. S3 itself says 204. */
static bool has_stores_header(const struct http_client_answer *answer)
{
	static const char *const names[] = {"x-amz-request-id", "x-amz-id-2", "x-amz-delete-marker",
	                                    "x-amz-version-id"};
	char value[256];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (http_client_header(answer, names[i], value, sizeof(value)))
			return true;
	return false;
}

static struct s3_fault answer_fault(const struct s3 *s3, const struct http_client_answer *answer)
{
	struct s3_answer read;

	if (answer->outcome != HTTP_ANSWERED)
		return s3_fault_of_transport(s3, answer);
	read = s3_answer_read(answer->body, answer->length, NULL, NULL);
	if (answer->status == 204 ||
	    (answer->status == 200 && answer->length == 0 && has_stores_header(answer)))
		return (struct s3_fault){.result = S3_DELETED};
	return s3_fault_of_request(answer->status, &read, false);
}

static bool is_marker(const struct s3_object *object, const struct http_client_answer *answer)
{
	char value[8];

	return object->version_id == NULL &&
	       http_client_header(answer, "x-amz-delete-marker", value, sizeof(value)) &&
	       strcmp(value, "true") == 0;
}

/* ---- asking ---- */

static struct s3_object *work_next(struct work *work)
{
	if (work->again_count > 0)
		return work->again[--work->again_count];
	while (work->next < work->end && work->next->result != S3_PENDING)
		work->next++;
	return work->next < work->end ? work->next++ : NULL;
}

static void work_repeat(struct work *work, struct s3_object *object)
{
	assert(work->again_count < S3_AT_ONCE_MAX);
	work->again[work->again_count++] = object;
	work->troubled = true;
}

static struct request *work_free_request(struct work *work)
{
	struct request *request = work->requests;

	while (request->object != NULL)
		request++;
	assert(request < work->requests + S3_AT_ONCE_MAX);
	return request;
}

/* Nothing more can be begun. */
static void work_end(struct work *work, struct s3_object *object, const struct s3_fault *fault)
{
	*work->fault = *fault;
	s3_note_blame(work->s3, fault->blame);
	if (fault->result != S3_STOPPED)
		s3_object_set(object, fault->result, fault->why);
	work->ended = true;
}

/* SENT: how, after something was learnt; NULL: as ever. */
static void work_begin(struct work *work, struct s3_object *object, const struct s3_sent *sent)
{
	struct s3_request wanted = {
		.method = "DELETE", .bucket = work->pace->bucket, .key = object->key};
	struct request *request = work_free_request(work);
	struct http_client_answer none;
	struct s3_fault fault = {.result = S3_RETRY,
	                         .whole = true,
	                         .why = "not enough memory, or libcrypto refuses SHA-256"};

	if (object->version_id != NULL)
		wanted.query[0] = (struct http_pair){"versionId", object->version_id};
	request->sent = sent != NULL ? *sent : (struct s3_sent){.followed = S3_REDIRECT_NONE};
	if (!s3_dress(work->s3, &wanted, &request->sent, &none)) {
		fault = s3_fault_of_transport(work->s3, &none);
		work->s3->credentials_why[0] = '\0'; /* for what is under way it is no reason */
		work_end(work, object, &fault);
		return;
	}
	work->s3->asked = true;
	if (!s3_request_begin(work->s3->http, &request->sent.way, &wanted, request)) {
		work_end(work, object, &fault);
		return;
	}
	request->object = object;
	work->under_way++;
}

/* Begins as many requests as the pace allows. */
static void work_fill(struct work *work)
{
	struct s3_object *object;

	while (!work->ended && !work->troubled && work->under_way < work->pace->at_once &&
	       !s3_is_late(work->s3) && (object = work_next(work)) != NULL)
		work_begin(work, object, NULL);
}

/* ---- answers ---- */

/* More requests at once than the store takes connections for are refused or cut: no fault of the
 * store's, as long as there was more than one. */
static void excuse_connection(struct s3_fault *fault, const struct http_client_answer *answer,
                              const struct work *work)
{
	if (answer->outcome != HTTP_FAILED || fault->trouble != S3_TROUBLE_NONE ||
	    (work->pace->at_once == 1 && !work->troubled))
		return;
	fault->trouble = S3_TROUBLE_SLOW;
	fault->blame = S3_BLAME_DOUBT;
}

/* Whether a request that came to FAULT is to be repeated in this s3_delete. Of several under way at
 * the time of the first trouble only that counts for the pace. */
static bool work_may_repeat(struct work *work, struct s3_object *object,
                            const struct s3_fault *fault, const struct http_client_answer *answer)
{
	bool more = !work->troubled ? s3_may_repeat(work->pace, fault, 1, answer) :
	                              !s3_pace_gives_up(work->pace);

	work->troubled = true;
	return more && ++object->tries < S3_TRIES_MAX && !work->ended;
}

static void work_refused(struct work *work, const struct s3_fault *fault)
{
	s3_note_blame(work->s3, fault->blame);
	work->refused = fault->result == S3_RETRY ? work->refused + 1 : 0;
	if (!work->ended && (fault->whole || work->refused == REFUSED_MAX)) {
		*work->fault = *fault;
		work->ended = true;
	}
}

static void work_take(struct work *work, struct request *request,
                      const struct http_client_answer *answer)
{
	struct s3_object *object = request->object;
	struct s3_fault fault = answer_fault(work->s3, answer);

	excuse_connection(&fault, answer, work);
	if (!work->ended && s3_learn(work->s3, work->pace->bucket, &request->sent, answer)) {
		work_begin(work, object, &request->sent);
		return;
	}
	if (fault.trouble != S3_TROUBLE_NONE && work_may_repeat(work, object, &fault, answer)) {
		*work->fault = fault;
		work_repeat(work, object);
		return;
	}
	s3_object_set(object, fault.result, fault.result == S3_DELETED ? "" : fault.why);
	object->denied = fault.denied;
	if (fault.result == S3_DELETED) {
		object->marker = is_marker(object, answer);
		s3_pace_single_done(work->pace);
		work->refused = 0;
	} else {
		work_refused(work, &fault);
	}
}

static void work_wait_for_answer(struct work *work)
{
	struct http_client_answer answer;
	struct request *request = http_client_next(work->s3->http, &answer);
	struct request taken;

	assert(request != NULL);
	taken = *request;
	request->object = NULL;
	work->under_way--;
	work_take(work, &taken, &answer);
	http_client_answer_free(&answer);
}

bool s3_delete_singly(struct s3 *s3, struct s3_pace *pace, struct s3_object *objects, size_t count,
                      struct s3_fault *fault)
{
	struct work work = {
		.s3 = s3, .pace = pace, .fault = fault, .next = objects, .end = objects + count};

	for (;;) {
		struct s3_object *first = NULL;

		if (work.under_way > 0) {
			work_wait_for_answer(&work);
		} else if (work.ended || (first = work_next(&work)) == NULL) {
			return !work.ended;
		} else {
			work.troubled = false;
			if (!s3_wait(s3, pace, fault))
				return false;
			work_begin(&work, first, NULL);
		}
		work_fill(&work);
	}
}
