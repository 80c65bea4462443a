/* Deletes objects of a bucket many at a time, and finds out what became of each. */
#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/s3/s3_answer.h"
#include "lib/s3/s3_body.h"
#include "lib/s3/s3_inside.h"

/* How long a bucket's objects are deleted singly after it refused a batch as such: it may have been
 * the word of a proxy that is gone. */
#define NO_BATCHES_MS (10LL * 60 * 1000)

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

static void batch_set(struct s3 *s3, size_t count, enum s3_result result, const char *why)
{
	for (size_t i = 0; i < count; i++) {
		s3_object_set(s3->batch[i], result, why);
		s3->batch[i]->marker = false;
		s3->batch_again[i] = false;
	}
}

/* ---- one request ---- */

/* The first COUNT of the batch, which are being asked for. */
struct asked {
	struct s3 *s3;
	size_t count;
};

/* The first that is not less than WANTED. */
static size_t asked_find(const struct asked *asked, const struct s3_object *wanted)
{
	size_t low = 0, high = asked->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s3_body_compare(asked->s3->batch[middle], wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* One object of a DeleteResult. Mentioned twice, the failure counts; not one of ours, it is nothing
 * to us: so is a version that was not named, or named and not mentioned. */
static void on_object(void *arg, const struct s3_answer_entry *entry)
{
	const struct s3_object wanted = {.key = entry->key, .version_id = entry->version_id};
	const struct asked *asked = arg;
	struct s3 *s3 = asked->s3;
	char why[sizeof(wanted.why)] = "";
	enum s3_result result =
		entry->code == NULL ? S3_DELETED : s3_fault_of_object(entry->code, why, sizeof(why));
	bool again = entry->code != NULL && s3_trouble_of_object(entry->code) != S3_TROUBLE_NONE;

	if (entry->code != NULL && !again)
		s3_note_blame(s3, s3_blame_of_object(entry->code));
	for (size_t i = asked_find(asked, &wanted);
	     i < asked->count && s3_body_compare(s3->batch[i], &wanted) == 0; i++) {
		struct s3_object *object = s3->batch[i];

		if (object->result == S3_PENDING || result > object->result) {
			s3_object_set(object, result, why);
			s3->batch_again[i] = again;
		}
		object->marker = object->marker || (entry->marker && object->version_id == NULL);
		object->denied = object->denied || (entry->code != NULL && s3_fault_is_denial(entry->code));
	}
}

static struct s3_fault answer_fault(const struct asked *asked,
                                    const struct http_client_answer *answer)
{
	struct s3_answer read;

	if (answer->outcome != HTTP_ANSWERED)
		return s3_fault_of_transport(asked->s3, answer);
	read = s3_answer_read(answer->body, answer->length, on_object, (void *)asked);
	if (answer->status == 200 && read.kind == S3_ANSWER_DELETED)
		return (struct s3_fault){.result = S3_DELETED};
	return s3_fault_of_request(answer->status, &read, true);
}

static struct http_client_answer asked_send(const struct asked *asked, const char *bucket)
{
	struct http_client_answer answer = {.outcome = HTTP_FAILED, .why = "not enough memory"};
	size_t length = 0;
	char *body = s3_body_write(asked->s3->batch, asked->count, &length);

	if (body != NULL)
		answer = s3_send(asked->s3, &(struct s3_request){.method = "POST",
		                                                 .bucket = bucket,
		                                                 .query = {{"delete", ""}},
		                                                 .body = body,
		                                                 .body_length = length});
	free(body);
	return answer;
}

/* ---- a batch, in as many requests as it takes ---- */

/* Drops the first COUNT from the batch but those that are to be asked for again. */
static void batch_drop(struct s3 *s3, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (s3->batch_again[i])
			s3->batch[kept++] = s3->batch[i];
	for (size_t i = count; i < s3->batch_count; i++)
		s3->batch[kept++] = s3->batch[i];
	s3->batch_count = kept;
}

/* The store answered for each object by itself: takes that into the pace, and leaves in the batch
 * those that may do better soon. */
static void batch_go_on(struct s3 *s3, struct s3_pace *pace, const struct asked *asked,
                        int64_t took_ms)
{
	const struct s3_fault busy = {.trouble = S3_TROUBLE_SLOW};
	size_t again = 0;

	for (size_t i = 0; i < asked->count; i++)
		again += s3->batch_again[i];
	if (again == 0)
		s3_pace_batch_done(pace, asked->count, took_ms, s3->options.timeout_ms);
	else if (again < asked->count)
		s3_pace_some_trouble(pace, clock_now_ms(), arc4random());
	else
		s3_may_repeat(pace, &busy, asked->count, NULL);
	for (size_t i = 0; i < asked->count; i++) {
		struct s3_object *object = s3->batch[i];

		if (!s3->batch_again[i])
			continue;
		if (++object->tries >= S3_TRIES_MAX || s3_pace_gives_up(pace)) {
			s3->batch_again[i] = false; /* its result stays S3_RETRY */
			s3_note_blame(s3, S3_BLAME_DOUBT);
		}
	}
	for (size_t i = 0; i < asked->count; i++)
		if (s3->batch_again[i])
			s3->batch[i]->result = S3_PENDING;
	batch_drop(s3, asked->count);
}

/* The request failed as a whole. False: the rest must not be tried. */
static bool batch_failed(struct s3 *s3, struct s3_pace *pace, const struct asked *asked,
                         const struct s3_fault *fault, const struct http_client_answer *answer)
{
	/* What the answer mentioned does not count. */
	batch_set(s3, asked->count, S3_PENDING, "");
	if (fault->trouble != S3_TROUBLE_NONE && s3_may_repeat(pace, fault, asked->count, answer))
		return true;
	s3_note_blame(s3, fault->blame);
	batch_set(s3, asked->count, fault->result, fault->why);
	batch_drop(s3, asked->count);
	if (fault->no_batches) {
		pace->no_batches_until_ms = clock_now_ms() + NO_BATCHES_MS;
		s3->batch_count = 0;
	}
	return !fault->whole;
}

static bool batch_delete(struct s3 *s3, struct s3_pace *pace, struct s3_fault *fault)
{
	while (s3->batch_count > 0) {
		struct asked asked = {.s3 = s3, .count = s3->batch_count};
		bool go_on = true;

		if (!s3_wait(s3, pace, fault))
			return false;
		if (asked.count > pace->keys)
			asked.count = pace->keys;
		batch_set(s3, asked.count, S3_PENDING, "");
		int64_t began_ms = clock_now_ms();
		struct http_client_answer answer = asked_send(&asked, pace->bucket);
		*fault = answer_fault(&asked, &answer);
		if (fault->result == S3_DELETED)
			batch_go_on(s3, pace, &asked, clock_now_ms() - began_ms);
		else
			go_on = batch_failed(s3, pace, &asked, fault, &answer);
		http_client_answer_free(&answer);
		if (!go_on)
			return false;
	}
	return true;
}

bool s3_delete_in_batches(struct s3 *s3, struct s3_pace *pace, struct s3_object *objects,
                          size_t count, struct s3_fault *fault)
{
	size_t next = 0;

	while (clock_left_ms(pace->no_batches_until_ms) == 0) {
		batch_gather(s3, objects, count, &next);
		if (s3->batch_count == 0)
			break;
		if (!batch_delete(s3, pace, fault))
			return false;
	}
	return true;
}
