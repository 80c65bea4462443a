/* Deletes objects so that nothing of them is left: their uploads, versions and delete markers; and
 * looks whether it is so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/s3/s3_inside.h"
#include "lib/s3/s3_lock.h"
#include "lib/s3/s3_uploads.h"
#include "lib/s3/s3_versioning.h"
#include "lib/s3/s3_walk.h"

/* Versions whose locks are looked at in one call; the others that were refused fare as the last of
 * them. */
#define LOCK_LOOKS 16

/* One call of s3_delete. */
struct erasing {
	struct s3 *s3;
	const char *bucket;
	struct s3_object *objects;
	size_t count;
	struct s3_object **sorted; /* those of one result, by key */
	size_t sorted_count;
	struct s3_object **keys; /* the first of each key of them */
	size_t key_count;
	int looks;
	struct s3_object seen; /* what the last look came to */
};

/* ---- keys ---- */

static int compare_keys(const void *a, const void *b)
{
	return strcmp((*(struct s3_object *const *)a)->key, (*(struct s3_object *const *)b)->key);
}

/* Sorts out those whose result is RESULT, and makes them pending. */
static void keys_collect(struct erasing *e, enum s3_result result)
{
	e->sorted_count = e->key_count = 0;
	for (size_t i = 0; i < e->count; i++)
		if (e->objects[i].result == result)
			e->sorted[e->sorted_count++] = &e->objects[i];
	qsort(e->sorted, e->sorted_count, sizeof(*e->sorted), compare_keys);
	for (size_t i = 0; i < e->sorted_count; i++) {
		s3_object_set(e->sorted[i], S3_PENDING, "");
		if (i == 0 || compare_keys(&e->sorted[i - 1], &e->sorted[i]) != 0)
			e->keys[e->key_count++] = e->sorted[i];
	}
}

static void keys_fail(struct s3_object *const *keys, size_t count, const struct s3_fault *fault)
{
	for (size_t i = 0; fault->result != S3_STOPPED && i < count; i++) {
		s3_object_set(keys[i], fault->result, fault->why);
		keys[i]->no_bucket = fault->no_bucket;
	}
}

/* What is pending still has nothing against it; twins fare as the first of them. */
static void keys_finish(struct erasing *e, bool stopped)
{
	for (size_t i = 0; i < e->sorted_count; i++) {
		struct s3_object *object = e->sorted[i];
		const char *key = object->key;

		if (i > 0 && compare_keys(&e->sorted[i - 1], &e->sorted[i]) == 0) {
			*object = *e->sorted[i - 1];
			object->key = key;
		} else if (object->result == S3_PENDING && !stopped) {
			s3_object_set(object, S3_DELETED, "");
		}
	}
}

/* ---- versions ---- */

/* Looks what has refused the versions; the blame for a lock is nobody's. */
static bool locks_look(struct erasing *e, struct s3_object *versions, size_t count,
                       struct s3_fault *fault)
{
	for (size_t i = 0; i < count; i++) {
		struct s3_object *version = &versions[i];

		if (!version->denied)
			continue;
		if (e->looks < LOCK_LOOKS) {
			e->looks++;
			if (!s3_lock_look(e->s3, e->bucket, version, fault))
				return false;
			e->seen = *version;
			continue;
		}
		s3_object_set(version, e->seen.result, e->seen.why);
		version->locked = e->seen.locked;
		version->locked_until = e->seen.locked_until;
	}
	return true;
}

static void version_count(struct s3_object *object, const struct s3_object *version)
{
	if (version->result <= S3_DELETED)
		return;
	if (version->locked_until > object->locked_until)
		object->locked_until = version->locked_until;
	if (version->result > object->result) {
		s3_object_set(object, version->result, version->why);
		object->locked = version->locked;
	}
}

/* Deletes VERSIONS by id. False: the rest is not to be tried. */
static bool versions_delete(struct erasing *e, struct s3_object *versions, size_t count,
                            struct s3_fault *fault)
{
	enum s3_blame before = s3_take_blame(e->s3);
	enum s3_result worst = s3_delete_named(e->s3, e->bucket, versions, count);
	enum s3_blame blame = s3_take_blame(e->s3);
	size_t gone = 0, locked = 0;
	bool good = worst == S3_DELETED || locks_look(e, versions, count, fault);

	for (size_t i = 0; i < count; i++) {
		gone += versions[i].result == S3_DELETED;
		locked += versions[i].result > S3_DELETED && versions[i].locked;
	}
	s3_note_blame(e->s3, before);
	s3_note_blame(e->s3, gone + locked == count ? S3_BLAME_NONE : blame);
	if (worst == S3_STOPPED || !good) {
		if (good)
			*fault = (struct s3_fault){.result = S3_STOPPED, .whole = true};
		return false;
	}
	if (gone == 0 && worst == S3_RETRY && versions[0].result == S3_RETRY) {
		*fault = (struct s3_fault){.result = S3_RETRY, .whole = true};
		snprintf(fault->why, sizeof(fault->why), "%s", versions[0].why);
		return false;
	}
	return true;
}

static bool take_versions(void *arg, struct s3_found *found, size_t count, struct s3_fault *fault)
{
	struct erasing *e = arg;
	struct s3_object *versions = calloc(count, sizeof(*versions));
	bool good;

	if (versions == NULL) {
		*fault = (struct s3_fault){.result = S3_RETRY, .whole = true, .why = "not enough memory"};
		return false;
	}
	for (size_t i = 0; i < count; i++)
		versions[i] = (struct s3_object){.key = found[i].object->key, .version_id = found[i].id};
	good = versions_delete(e, versions, count, fault);
	for (size_t i = 0; i < count; i++)
		version_count(found[i].object, &versions[i]);
	free(versions);
	return good;
}

/* Deletes every version and delete marker of the keys that were sorted out. */
static bool erase_versions(struct erasing *e)
{
	struct s3_fault fault;
	size_t covered = 0;

	bool good = s3_walk(e->s3, S3_LIST_VERSIONS, S3_WALK_AS_MAY_BE, e->bucket, e->keys,
	                    e->key_count, take_versions, e, &covered, &fault);
	if (!good) {
		s3_note_blame(e->s3, fault.blame);
		keys_fail(e->keys + covered, e->key_count - covered, &fault);
	}
	return good || fault.result != S3_STOPPED;
}

/* ---- whether it is so ---- */

static bool take_remains(void *arg, struct s3_found *found, size_t count, struct s3_fault *fault)
{
	(void)arg, (void)fault;
	for (size_t i = 0; i < count; i++)
		s3_object_set(found[i].object, S3_RETRY,
		              "worker.s3_verify: the store still lists it after it said that it was "
		              "deleted");
	return true;
}

/* Asks once more what there is of those that are deleted. */
static bool erase_verify(struct erasing *e, bool versioned)
{
	/* The list of versions beside that of the objects, which a store may keep elsewhere. */
	const enum s3_list_kind kinds[] = {S3_LIST_OBJECTS, S3_LIST_UPLOADS, S3_LIST_VERSIONS};
	const size_t kind_count = !e->s3->options.all_versions ? 1 : versioned ? 3 : 2;
	struct s3_fault fault = {.result = S3_DELETED};
	bool good = true;

	keys_collect(e, S3_DELETED);
	for (size_t i = 0; good && i < kind_count; i++) {
		size_t covered = 0;

		good = s3_walk(e->s3, kinds[i], S3_WALK_AS_SAID, e->bucket, e->keys, e->key_count,
		               take_remains, NULL, &covered, &fault) ||
		       (kinds[i] == S3_LIST_UPLOADS && covered == 0 && s3_fault_is_unknown(&fault));
		if (!good) {
			s3_note_blame(e->s3, fault.blame);
			keys_fail(e->keys + covered, e->key_count - covered, &fault);
		}
	}
	keys_finish(e, fault.result == S3_STOPPED);
	return good || fault.result != S3_STOPPED;
}

/* ---- all of it ---- */

/* In a bucket that keeps none, as far as is known. An answer with a delete marker says otherwise,
 * for it has just been given versioning: then the versions go. */
static bool erase_plain(struct erasing *e, bool *versioned)
{
	if (s3_delete_named(e->s3, e->bucket, e->objects, e->count) == S3_STOPPED)
		return false;
	for (size_t i = 0; i < e->count; i++) {
		if (e->objects[i].result != S3_DELETED || !e->objects[i].marker)
			continue;
		e->objects[i].result = S3_PENDING;
		e->objects[i].marker = false;
		*versioned = true;
	}
	if (!*versioned)
		return true;
	s3_versioning_note(e->s3, e->bucket);
	keys_collect(e, S3_PENDING);
	bool good = erase_versions(e);
	keys_finish(e, !good);
	return good;
}

static bool erase_by_versioning(struct erasing *e, bool *versioned)
{
	if (!*versioned)
		return erase_plain(e, versioned);
	bool good = erase_versions(e);
	keys_finish(e, !good);
	return good;
}

/* The objects whose uploads could not be aborted have something left. */
static void uploads_fail(struct erasing *e, struct s3_object *const *keys, const bool *failed,
                         size_t count, const struct s3_fault *fault)
{
	for (size_t i = 0; i < e->count; i++) {
		struct s3_object *object = &e->objects[i];
		struct s3_object *const *at = bsearch(&object, keys, count, sizeof(*keys), compare_keys);

		if (at != NULL && failed[at - keys] && object->result <= S3_LOCKED)
			s3_object_set(object, fault->result, fault->why);
	}
}

/* The uploads first: one that is completed after its object was deleted would bring it back. */
static bool erase_all(struct erasing *e, bool *versioned)
{
	struct s3_object **keys = calloc(e->count, sizeof(struct s3_object *));
	bool *failed = calloc(e->count, sizeof(*failed));
	struct s3_fault fault = {.result = S3_RETRY, .whole = true, .why = "not enough memory"};
	bool good = true;

	keys_collect(e, S3_PENDING);
	size_t count = e->key_count;
	if (keys == NULL || failed == NULL ||
	    !s3_versioning_look(e->s3, e->bucket, versioned, &fault)) {
		s3_note_blame(e->s3, fault.blame);
		keys_fail(e->keys, e->key_count, &fault);
		keys_finish(e, fault.result == S3_STOPPED);
		good = fault.result != S3_STOPPED;
		goto out;
	}
	memcpy(keys, e->keys, count * sizeof(struct s3_object *));
	bool aborted = s3_uploads_abort(e->s3, e->bucket, keys, count, failed, &fault);
	if (!aborted && fault.result == S3_STOPPED) {
		good = false;
		goto out;
	}
	good = erase_by_versioning(e, versioned);
	if (!aborted && good)
		uploads_fail(e, keys, failed, count, &fault);
out:
	free(keys);
	free(failed);
	return good;
}

enum s3_result s3_delete(struct s3 *s3, const char *bucket, struct s3_object *objects, size_t count)
{
	struct erasing e = {.s3 = s3, .bucket = bucket, .objects = objects, .count = count};
	const struct s3_options *options = &s3->options;
	bool good = true, versioned = false;

	s3_begin(s3);
	if (!options->all_versions && !options->verify)
		return s3_delete_named(s3, bucket, objects, count);
	e.sorted = calloc(count, sizeof(*e.sorted));
	e.keys = calloc(count, sizeof(*e.keys));
	s3_objects_refuse_unsafe(bucket, objects, count);
	if (e.sorted == NULL || e.keys == NULL) {
		for (size_t i = 0; i < count; i++)
			s3_object_set(&objects[i], S3_RETRY, "not enough memory");
		goto out;
	}
	if (options->all_versions)
		good = erase_all(&e, &versioned);
	else
		good = s3_delete_named(s3, bucket, objects, count) != S3_STOPPED;
	if (good && options->verify)
		good = erase_verify(&e, versioned);
out:
	free(e.sorted);
	free(e.keys);
	return good ? s3_objects_worst(objects, count) : S3_STOPPED;
}
