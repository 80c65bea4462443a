/* Walks through the listings of a bucket for what it has of certain keys. */
#include "lib/s3/s3_walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/text.h"
#include "lib/s3/s3_inside.h"

/* A shared listing that goes past more entries of others than so many for each key of ours costs
 * more than asking for each key. */
#define FOREIGN_PER_KEY 150
/* Then so many keys are asked for singly before it is tried again from there on. */
#define SINGLY 32
/* Uploads have no order that all stores agree in, so their listing is read to its end, unless it
 * has more pages than one for so many keys. */
#define KEYS_PER_PAGE 4
#define PAGE_ENTRIES 1000
#define SINGLE_ENTRIES 100 /* of a listing for one key */
/* Pages that may begin with one and the same key, and pages of uploads: more is taken for a listing
 * that goes round in circles. */
#define SAME_KEY_PAGES 100
#define UPLOAD_PAGES 10000

struct walk {
	struct s3 *s3;
	enum s3_list_kind kind;
	enum s3_walk_match match;
	const char *bucket;
	struct s3_object *const *objects;
	size_t first, end, count; /* first to end: those that are looked for */
	size_t singly;
	s3_walk_take *take;
	void *arg;
	struct s3_fault *fault;
	const char *prefix; /* that is asked for */
	/* The page in hand: its last entry, and the last one of another key before that. */
	struct s3_list_place last, before;
	size_t entries, foreign;
	bool disordered, astray, no_id, no_memory;
	size_t found_count;
	struct s3_found found[S3_WALK_FOUND_MAX];
};

static const char *const permissions[] = {
	[S3_LIST_VERSIONS] = "s3:ListBucketVersions",
	[S3_LIST_UPLOADS] = "s3:ListBucketMultipartUploads",
	[S3_LIST_OBJECTS] = "s3:ListBucket",
};
static const char *const titles[] = {
	[S3_LIST_VERSIONS] = "listing of versions",
	[S3_LIST_UPLOADS] = "listing of uploads",
	[S3_LIST_OBJECTS] = "listing of objects",
};

/* ---- one page ---- */

/* The parameters of a listing; those that are empty are left out. */
static void list_query(enum s3_list_kind kind, const char *prefix,
                       const struct s3_list_place *after, const char *most,
                       struct http_pair query[S3_QUERY_MAX])
{
	const bool uploads = kind == S3_LIST_UPLOADS, objects = kind == S3_LIST_OBJECTS;
	size_t count = 0;

	if (!objects)
		query[count++] = (struct http_pair){uploads ? "uploads" : "versions", ""};
	query[count++] = (struct http_pair){"encoding-type", "url"};
	query[count++] = (struct http_pair){uploads ? "max-uploads" : "max-keys", most};
	if (prefix[0] != '\0')
		query[count++] = (struct http_pair){"prefix", prefix};
	if (after->key[0] == '\0')
		return;
	query[count++] = (struct http_pair){objects ? "marker" : "key-marker", after->key};
	if (!objects && after->id[0] != '\0')
		query[count++] =
			(struct http_pair){uploads ? "upload-id-marker" : "version-id-marker", after->id};
}

bool s3_list_page(struct s3 *s3, enum s3_list_kind kind, const char *bucket, const char *prefix,
                  const struct s3_list_place *after, int most, s3_list_handler *handler, void *arg,
                  struct s3_list *list, struct s3_fault *fault)
{
	struct s3_request request = {.method = "GET", .bucket = bucket};
	struct http_client_answer answer;
	char limit[16];
	bool good;

	if (s3->options.list_entries > 0 && s3->options.list_entries < most)
		most = s3->options.list_entries;
	snprintf(limit, sizeof(limit), "%d", most);
	list_query(kind, prefix, after, limit, request.query);
	if (!s3_ask(s3, &request, permissions[kind], &answer, fault))
		return false;
	good = s3_list_read(kind, answer.body, answer.length, handler, arg, list);
	http_client_answer_free(&answer);
	if (!good)
		*fault = s3_fault_of_nonsense(titles[kind]);
	return good;
}

/* The one of those that are looked for whose key is KEY, or NULL. */
static struct s3_object *walk_find(const struct walk *w, const char *key)
{
	size_t low = w->first, high = w->end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(w->objects[middle]->key, key);

		if (order == 0)
			return w->objects[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* Notes the entry if it is of a key of ours. */
static bool walk_note(struct walk *w, const char *key, const char *id)
{
	struct s3_object *object = walk_find(w, key);
	struct s3_found *found = &w->found[w->found_count];

	if (object == NULL)
		return false;
	if (id == NULL && w->kind != S3_LIST_OBJECTS)
		w->no_id = true;
	found->object = object;
	found->id = strdup(id == NULL ? "" : id);
	if (found->id == NULL)
		w->no_memory = true;
	else
		w->found_count++;
	return true;
}

/* What a key is called in the answer of a store that encodes otherwise than it says. To take it for
 * all that it may mean harms nobody: only our keys are asked for, and ids are no other's. */
static bool walk_note_variants(struct walk *w, const struct s3_list_entry *entry)
{
	char plain[S3_KEY_BYTES + 1], spaced[S3_KEY_BYTES + 1];
	bool ours = false, encoded = strpbrk(entry->raw, "%+") != NULL;

	if (!encoded)
		return false;
	if (strcmp(entry->raw, entry->key) != 0)
		ours = walk_note(w, entry->raw, entry->id);
	if (s3_list_decode(entry->raw, '+', plain) && strcmp(plain, entry->key) != 0 &&
	    strcmp(plain, entry->raw) != 0)
		ours = walk_note(w, plain, entry->id) || ours;
	if (s3_list_decode(entry->raw, ' ', spaced) && strcmp(spaced, entry->key) != 0 &&
	    strcmp(spaced, entry->raw) != 0)
		ours = walk_note(w, spaced, entry->id) || ours;
	return ours;
}

/* Whether the key begins as it was asked for, whichever way the store encodes it. */
static bool walk_is_asked(const struct walk *w, const struct s3_list_entry *entry)
{
	char decoded[S3_KEY_BYTES + 1];
	size_t length = strlen(w->prefix);

	return strncmp(entry->key, w->prefix, length) == 0 ||
	       strncmp(entry->raw, w->prefix, length) == 0 ||
	       (s3_list_decode(entry->raw, '+', decoded) && strncmp(decoded, w->prefix, length) == 0) ||
	       (s3_list_decode(entry->raw, ' ', decoded) && strncmp(decoded, w->prefix, length) == 0);
}

static bool on_entry(void *arg, const struct s3_list_entry *entry)
{
	struct walk *w = arg;
	int order = strcmp(entry->key, w->last.key);
	bool ours;

	if (w->found_count + 4 > S3_WALK_FOUND_MAX)
		return false;
	w->disordered = w->disordered || order < 0;
	w->astray = w->astray || !walk_is_asked(w, entry);
	if (order != 0) {
		w->before = w->last;
		memcpy(w->last.key, entry->key, strlen(entry->key) + 1);
	}
	snprintf(w->last.id, sizeof(w->last.id), "%s", entry->id == NULL ? "" : entry->id);
	ours = walk_note(w, entry->key, entry->id);
	if (w->match == S3_WALK_AS_MAY_BE)
		ours = walk_note_variants(w, entry) || ours;
	w->entries++;
	w->foreign += !ours;
	return !w->no_memory;
}

static bool walk_fail(struct walk *w, enum s3_result result, const char *what)
{
	*w->fault = (struct s3_fault){.result = result, .whole = true};
	snprintf(w->fault->why, sizeof(w->fault->why), "the store's %s %s", titles[w->kind], what);
	return false;
}

/* Hands over what was found on a page. */
static bool walk_take(struct walk *w)
{
	bool good = false;

	if (w->no_memory)
		walk_fail(w, S3_RETRY, "needs more memory than there is");
	else if (w->no_id)
		walk_fail(w, S3_OPERATOR, "has no id for something of this key");
	else if (w->astray)
		walk_fail(w, S3_OPERATOR, "has keys that were not asked for, so nothing is proven by it");
	else if (w->disordered && w->kind != S3_LIST_UPLOADS)
		walk_fail(w, S3_OPERATOR, "is not in the order of the keys, so nothing is proven by it");
	else
		good = w->found_count == 0 || w->take(w->arg, w->found, w->found_count, w->fault);
	for (size_t i = 0; i < w->found_count; i++)
		free(w->found[i].id);
	return good;
}

/* Reads the page behind MARKER and hands over what is ours. */
static bool walk_page(struct walk *w, const char *prefix, const struct s3_list_place *marker,
                      int most, struct s3_list *list)
{
	w->last = w->before = *marker;
	w->entries = w->foreign = w->found_count = 0;
	w->disordered = w->astray = w->no_id = w->no_memory = false;
	w->prefix = prefix;
	if (s3_list_page(w->s3, w->kind, w->bucket, prefix, marker, most, on_entry, w, list, w->fault))
		return walk_take(w);
	for (size_t i = 0; i < w->found_count; i++)
		free(w->found[i].id);
	return false;
}

/* ---- page after page ---- */

/* Where the next page begins. A key of ours at the page's end may have more versions: it is listed
 * again from its first one, since what was just deleted is no place that a store must know. */
static bool walk_next(struct walk *w, const struct s3_list *list, struct s3_list_place *marker,
                      int *same)
{
	struct s3_list_place next = w->entries == 0 ? list->next : w->last;
	const struct s3_object *ours = walk_find(w, next.key);
	int order;

	if (w->kind == S3_LIST_VERSIONS && ours != NULL && ours->result == S3_PENDING) {
		next = w->before;
		if (walk_find(w, next.key) != NULL)
			next.id[0] = '\0';
	}
	order = strcmp(next.key, marker->key);
	if (w->kind == S3_LIST_UPLOADS)
		*same += 1;
	else
		*same = order > 0 ? 0 : *same + 1;
	if ((order < 0 && w->kind != S3_LIST_UPLOADS) ||
	    (order == 0 && w->found_count == 0 && strcmp(next.id, marker->id) == 0) ||
	    *same > (w->kind == S3_LIST_UPLOADS ? UPLOAD_PAGES : SAME_KEY_PAGES))
		return walk_fail(w, S3_RETRY, "does not get on");
	*marker = next;
	return true;
}

/* Whether a page says that the keys are better asked for one by one. */
static bool walk_is_poor(const struct walk *w, size_t passed, int pages)
{
	if (w->kind == S3_LIST_UPLOADS)
		return (size_t)pages > (w->end - w->first) / KEYS_PER_PAGE;
	return w->foreign > FOREIGN_PER_KEY * (passed + 1);
}

/* The keys before the page's last entry have been passed. */
static size_t walk_pass(struct walk *w)
{
	size_t from = w->first;

	if (w->kind != S3_LIST_UPLOADS)
		while (w->first < w->end && strcmp(w->objects[w->first]->key, w->last.key) < 0)
			w->first++;
	return w->first - from;
}

/* What the keys have in common; PREFIX has room for a key. */
static void walk_prefix(const struct walk *w, char *prefix)
{
	const char *one = w->objects[w->first]->key, *other = w->objects[w->end - 1]->key;
	size_t common = 0;

	while (one[common] != '\0' && one[common] == other[common])
		common++;
	common = text_utf8_fit(one, common);
	memcpy(prefix, one, common);
	prefix[common] = '\0';
}

/* Goes through the keys from FIRST to END, or as many of them as are worth to be listed together.
 */
static bool walk_range(struct walk *w)
{
	char prefix[S3_KEY_BYTES + 1];
	struct s3_list_place marker = {.key = ""};
	const bool shared = w->end - w->first > 1;
	int same = 0;

	walk_prefix(w, prefix);
	/* What was asked for singly before is not listed again. */
	if (shared && w->first > 0 && w->kind != S3_LIST_UPLOADS &&
	    strncmp(w->objects[w->first - 1]->key, prefix, strlen(prefix)) == 0)
		snprintf(marker.key, sizeof(marker.key), "%s", w->objects[w->first - 1]->key);
	for (int pages = 1;; pages++) {
		struct s3_list list;

		int most = shared || pages > 1 ? PAGE_ENTRIES : SINGLE_ENTRIES;

		if (!walk_page(w, prefix, &marker, most, &list))
			return false;
		if (!list.truncated ||
		    (w->kind != S3_LIST_UPLOADS && strcmp(w->last.key, w->objects[w->end - 1]->key) > 0)) {
			w->first = w->end;
			return true;
		}
		if (!walk_next(w, &list, &marker, &same))
			return false;
		size_t passed = walk_pass(w);
		if (shared && walk_is_poor(w, passed, pages)) {
			w->singly = w->kind == S3_LIST_UPLOADS ? w->count : SINGLY;
			return true;
		}
	}
}

bool s3_walk(struct s3 *s3, enum s3_list_kind kind, enum s3_walk_match match, const char *bucket,
             struct s3_object *const *objects, size_t count, s3_walk_take *take, void *arg,
             size_t *covered, struct s3_fault *fault)
{
	struct walk *w = calloc(1, sizeof(*w));
	bool good = w != NULL;

	*covered = 0;
	if (w == NULL) {
		*fault = (struct s3_fault){.result = S3_RETRY, .whole = true, .why = "not enough memory"};
		return false;
	}
	*w = (struct walk){.s3 = s3,
	                   .kind = kind,
	                   .match = match,
	                   .bucket = bucket,
	                   .objects = objects,
	                   .count = count,
	                   .take = take,
	                   .arg = arg,
	                   .fault = fault};
	while (good && w->first < count) {
		w->end = w->singly > 0 ? w->first + 1 : count;
		good = walk_range(w);
		if (w->singly > 0 && w->first == w->end)
			w->singly--;
	}
	*covered = w->first;
	free(w);
	return good;
}
