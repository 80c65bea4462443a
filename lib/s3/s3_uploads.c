/* Lists and aborts unfinished multipart uploads. */
#include "lib/s3/s3_uploads.h"

#include <stdlib.h>
#include <string.h>

#include "lib/s3/s3_inside.h"
#include "lib/s3/s3_walk.h"

struct aborting {
	struct s3 *s3;
	const char *bucket;
	struct s3_object *const *objects;
	size_t count;
	bool *failed, any;
	struct s3_fault worst;
};

static int compare_to_object(const void *key, const void *object)
{
	return strcmp(key, (*(struct s3_object *const *)object)->key);
}

static void abort_failed(struct aborting *a, const struct s3_object *object,
                         const struct s3_fault *fault)
{
	struct s3_object *const *at =
		bsearch(object->key, a->objects, a->count, sizeof(*a->objects), compare_to_object);

	a->failed[at - a->objects] = true;
	if (!a->any || fault->result > a->worst.result)
		a->worst = *fault;
	a->any = true;
}

/* Aborts those that were found; whoever ended one of them meanwhile has done our work. */
static bool take_uploads(void *arg, struct s3_found *found, size_t count, struct s3_fault *fault)
{
	struct aborting *a = arg;

	for (size_t i = 0; i < count; i++) {
		const struct s3_request request = {
			.method = "DELETE",
			.bucket = a->bucket,
			.key = found[i].object->key,
			.query = {{"uploadId", found[i].id}},
		};
		struct http_client_answer answer;

		if (s3_ask(a->s3, &request, "s3:AbortMultipartUpload", &answer, fault)) {
			http_client_answer_free(&answer);
			continue;
		}
		if (fault->status == 404 && strcmp(fault->code, "NoSuchUpload") == 0)
			continue;
		s3_note_blame(a->s3, fault->blame);
		if (fault->result != S3_OPERATOR)
			return false;
		abort_failed(a, found[i].object, fault);
	}
	return true;
}

bool s3_uploads_abort(struct s3 *s3, const char *bucket, struct s3_object *const *objects,
                      size_t count, bool *failed, struct s3_fault *fault)
{
	struct aborting a = {
		.s3 = s3, .bucket = bucket, .objects = objects, .count = count, .failed = failed};
	size_t covered;

	memset(failed, 0, count * sizeof(*failed));
	if (!s3_walk(s3, S3_LIST_UPLOADS, S3_WALK_AS_MAY_BE, bucket, objects, count, take_uploads, &a,
	             &covered, fault)) {
		if (covered == 0 && s3_fault_is_unknown(fault))
			return true;
		s3_note_blame(s3, fault->blame);
		for (size_t i = covered; i < count; i++)
			abort_failed(&a, objects[i], fault);
	}
	*fault = a.worst;
	return !a.any;
}
