/* Reads prefixes, and lists what lies below them. */
#include "lib/s3/s3_below.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/s3/s3_inside.h"
#include "lib/s3/s3_versioning.h"
#include "lib/s3/s3_walk.h"

/* ---- which are safe ---- */

/* The first part between slashes that a prefix must not have, in words; NULL: none. */
static const char *part_fault(const char *prefix)
{
	for (size_t length; *prefix != '\0'; prefix += length + 1) {
		length = strcspn(prefix, "/");
		if (length == 0)
			return "the prefix has nothing between two slashes";
		if (length <= 2 && strncmp(prefix, "..", length) == 0)
			return "the prefix has . or .. between slashes";
		if (prefix[length] == '\0')
			return "the prefix does not end with a slash";
	}
	return NULL;
}

bool s3_prefix_read(const char *path, struct s3_path *parsed, char *why, size_t why_size)
{
	const char *fault;

	if (!s3_path_read(path, parsed, why, why_size))
		return false;
	fault = part_fault(parsed->key);
	if (fault != NULL)
		snprintf(why, why_size, "%s", fault);
	return fault == NULL;
}

/* ---- what lies below ---- */

static void below_clear(struct s3_below *below)
{
	while (below->count > 0)
		free(below->keys[--below->count]);
}

void s3_below_free(struct s3_below *below)
{
	below_clear(below);
}

static bool on_entry(void *arg, const struct s3_list_entry *entry)
{
	struct s3_below *below = arg;
	size_t count = below->count;

	if (count == S3_BELOW_MAX)
		return false;
	if (strncmp(entry->key, below->prefix, strlen(below->prefix)) != 0) {
		below->astray = true;
		return false;
	}
	if (below->kind != S3_LIST_UPLOADS && strcmp(entry->key, below->place.key) < 0)
		below->disordered = true;
	memcpy(below->place.key, entry->key, strlen(entry->key) + 1);
	snprintf(below->place.id, sizeof(below->place.id), "%s", entry->id == NULL ? "" : entry->id);
	if (count > 0 && strcmp(below->keys[count - 1], entry->key) == 0)
		return true;
	below->keys[count] = strdup(entry->key);
	if (below->keys[count] == NULL) {
		below->no_memory = true;
		return false;
	}
	below->count++;
	return true;
}

static bool below_begin(struct s3 *s3, struct s3_below *below, struct s3_fault *fault)
{
	bool versioned = false;

	if (below->begun)
		return true;
	if (s3->options.all_versions && !s3_versioning_look(s3, below->bucket, &versioned, fault))
		return false;
	below->kind = versioned ? S3_LIST_VERSIONS : S3_LIST_OBJECTS;
	below->begun = true;
	return true;
}

/* The listing of one kind is at its end: that of uploads follows, or nothing. */
static void below_end_kind(struct s3 *s3, struct s3_below *below)
{
	if (below->kind == S3_LIST_UPLOADS || !s3->options.all_versions) {
		below->over = true;
		return;
	}
	below->kind = S3_LIST_UPLOADS;
	memset(&below->place, 0, sizeof(below->place));
}

/* Reads one page. */
static bool below_page(struct s3 *s3, struct s3_below *below, struct s3_fault *fault)
{
	const struct s3_list_place after = below->place;
	const char *what = NULL;
	struct s3_list list;

	if (!s3_list_page(s3, below->kind, below->bucket, below->prefix, &after, below->most, on_entry,
	                  below, &list, fault)) {
		if (below->kind != S3_LIST_UPLOADS || !s3_fault_is_unknown(fault))
			return false;
		below->over = true; /* a store that has no such thing has no uploads */
		return true;
	}
	if (below->count == 0)
		below->place = list.next;
	if (below->astray)
		what = "the store lists what is not below the prefix";
	else if (below->no_memory)
		what = "not enough memory";
	else if (below->disordered || (list.truncated && strcmp(after.key, below->place.key) == 0 &&
	                               strcmp(after.id, below->place.id) == 0))
		what = "the store's listing does not get on";
	if (what != NULL) {
		*fault = (struct s3_fault){.result = below->astray ? S3_OPERATOR : S3_RETRY};
		snprintf(fault->why, sizeof(fault->why), "%s", what);
		return false;
	}
	if (!list.truncated)
		below_end_kind(s3, below);
	return true;
}

enum s3_result s3_below_next(struct s3 *s3, struct s3_below *below, char *why, size_t why_size)
{
	struct s3_fault fault = {.result = S3_DELETED};

	below_clear(below);
	s3_begin(s3);
	if (!below_begin(s3, below, &fault))
		goto failed;
	while (below->count == 0 && !below->over)
		if (!below_page(s3, below, &fault))
			goto failed;
	return S3_DELETED;
failed:
	below_clear(below);
	s3_note_blame(s3, fault.blame);
	below->no_bucket = fault.no_bucket;
	snprintf(why, why_size, "%s", fault.why);
	return fault.result;
}
