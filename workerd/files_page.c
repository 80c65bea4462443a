/* Deletes the objects of one page of file rows, bucket by bucket. */
#include "workerd/files_page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/s3/s3_allow.h"
#include "workerd/files_home.h"

#define SHOWN_ID 60 /* bytes of a row's id in a sentence */

#define LOCK_WAITS 8 /* one wait is at least this part of that for the last lock */

#define BUCKET_FAILURES_MAX 3 /* batches in one pass; then its rows are left for the next */

void files_note_failure(struct pass *pass, enum retry_cause cause, const char *what,
                        const char *why)
{
	pass->failed++;
	if (pass->failure->why[0] == '\0' || cause < pass->failure->cause)
		failure_set(pass->failure, cause, what, why);
}

/* What is worth to wait for: the first lock's end, unless that would be the first of a great many.
 */
static time_t lock_until(const struct pass *pass, time_t now)
{
	time_t apart = now + (pass->lock_last - now) / LOCK_WAITS;

	return pass->lock_first > apart ? pass->lock_first : apart;
}

void files_note_lock(struct pass *pass, const char *what, const char *why, time_t until)
{
	bool first = pass->lock_first == 0 || until < pass->lock_first;

	if (first)
		pass->lock_first = until;
	if (until > pass->lock_last)
		pass->lock_last = until;
	if (first && pass->failure->cause == RETRY_LOCKED)
		pass->failure->why[0] = '\0';
	files_note_failure(pass, RETRY_LOCKED, what, why);
	if (pass->failure->cause == RETRY_LOCKED)
		pass->failure->until = lock_until(pass, time(NULL));
}

/* How many bytes of a row's ID a sentence shows: never half a character, which no database would
 * take. */
static int shown_bytes(const char *id)
{
	return (int)text_utf8_fit(id, SHOWN_ID);
}

static int by_bucket(const void *left, const void *right)
{
	const struct file *a = *(const struct file *const *)left;
	const struct file *b = *(const struct file *const *)right;

	return strcmp(a->path.bucket, b->path.bucket);
}

/* Reads where the object of ROW lies into FILE. False: the row is reported, and left alone. */
static bool read_path(struct pass *pass, const PGresult *page, int row, struct file *file)
{
	const char *allowed = pass->means->conf->worker.s3_allow, *advice = "", *what = "a file's path";
	char why[192] = "the path is null", sentence[FAILURE_WHY_SIZE];

	if (!PQgetisnull(page, row, FILE_PATH) &&
	    s3_path_read(PQgetvalue(page, row, FILE_PATH), &file->path, why, sizeof(why))) {
		if (s3_allow_path(allowed, pass->entry->user_id, &file->path, why, sizeof(why)))
			return true;
		what = "worker.s3_allow";
		advice = ", or the setting";
	}
	snprintf(sentence, sizeof(sentence), "file row %.*s: %s; correct or remove the row%s",
	         shown_bytes(file->id), file->id, why, advice);
	log_warning("a file can't be deleted: %s", sentence);
	files_note_failure(pass, RETRY_HOPELESS, what, sentence);
	return false;
}

/* Reads the rows into FILES; those that name no object, or one that they may not name, are left out
 * of ORDER. Returns how many are in ORDER. */
static size_t read_rows(struct pass *pass, const PGresult *page, struct file *files,
                        struct file **order)
{
	size_t count = 0;

	for (int row = 0; row < pass->rows; row++) {
		files[row].id = PQgetvalue(page, row, FILE_ID);
		if (read_path(pass, page, row, &files[row]))
			order[count++] = &files[row];
	}
	qsort(order, count, sizeof(*order), by_bucket);
	return count;
}

/* The entry of the bucket NAME, or a free one; NULL: there is none. */
static struct bucket *find_bucket(struct pass *pass, const char *name)
{
	for (int i = 0; i < BUCKETS_MAX; i++)
		if (pass->buckets[i].name[0] == '\0' || strcmp(pass->buckets[i].name, name) == 0)
			return &pass->buckets[i];
	return NULL;
}

/* Whether so many batches of this bucket have failed that the pass goes on without it. */
static bool is_left_out(struct pass *pass, const char *name)
{
	const struct bucket *bucket = find_bucket(pass, name);

	return bucket != NULL && bucket->failures >= BUCKET_FAILURES_MAX;
}

/* What failed, by which its failures are counted and others' success is asked for: the bucket. One
 * that is not there serves nobody, so for a name that only this deletion knows it is the store. */
static void name_failed(struct pass *pass, int store, const char *bucket, bool no_bucket,
                        char *what, size_t what_size)
{
	struct served *served = pass->means->served;
	const char *deletion_id = pass->entry->deletion_id;
	char missing[FAILURE_WHAT_SIZE];

	snprintf(what, what_size, "bucket %s", bucket);
	snprintf(missing, sizeof(missing), "missing bucket %s", bucket);
	if (!no_bucket)
		return;
	if (!served_another(served, missing, deletion_id, pass->means->conf->worker.park_after_ms))
		snprintf(what, what_size, "%s", s3_stores_name(pass->means->stores, store));
	served_note(served, missing, deletion_id);
}

static void note_object(struct pass *pass, int store, struct file *file,
                        const struct s3_object *object)
{
	char sentence[FAILURE_WHY_SIZE], what[FAILURE_WHAT_SIZE], why[256];

	if (object->result == S3_DELETED) {
		file->gone = true;
		file->versions_left = object->marker;
		return;
	}
	name_failed(pass, store, file->path.bucket, object->no_bucket, what, sizeof(what));
	s3_stores_explain(pass->means->stores, store, object->why, why, sizeof(why));
	if (pass->prefix > 0)
		snprintf(sentence, sizeof(sentence), "an object below prefix %d in bucket %s: %s",
		         pass->prefix, file->path.bucket, why);
	else
		snprintf(sentence, sizeof(sentence), "file row %.*s in bucket %s: %s",
		         shown_bytes(file->id), file->id, file->path.bucket, why);
	if (object->result == S3_LOCKED) {
		files_note_lock(pass, what, sentence, object->locked_until);
		return;
	}
	enum retry_cause cause = RETRY_TIME_HEALS;
	if (object->result == S3_OPERATOR) /* a legal hold is this object's own */
		cause = object->locked ? RETRY_HOPELESS : RETRY_OPERATOR;
	files_note_failure(pass, cause, what, sentence);
}

/* BUCKET serves, or refuses, for which nobody is charged from the third deletion on. */
static void tell_bucket(struct pass *pass, const char *bucket, bool serves, const char *why)
{
	struct refusals *refusals = pass->means->refusals;
	struct breaker *breaker =
		serves ? refusals_find(refusals, bucket) : refusals_of(refusals, bucket);

	if (serves && breaker != NULL)
		breaker_success(breaker, clock_now_ms());
	else if (!serves && breaker_failure(breaker, why, pass->entry->deletion_id, clock_now_ms()))
		pass->refusing = breaker;
}

/* Tells the breakers of STORE and BUCKET what became of a request for COUNT objects, of which so
 * many are GONE. True: the store is away, and asking it further is of no use. */
static bool tell_store(struct pass *pass, int store, const char *bucket,
                       const struct s3_object *objects, size_t count, size_t gone)
{
	struct breaker *breaker = &pass->means->breakers[store];
	enum s3_blame blame = s3_blame(s3_stores_client(pass->means->stores, store));
	char why[256] = "";
	size_t failed = 0;

	while (failed < count && objects[failed].result == S3_DELETED)
		failed++;
	if (failed < count)
		s3_stores_explain(pass->means->stores, store, objects[failed].why, why, sizeof(why));
	if (blame == S3_BLAME_STORE)
		breaker_fault(breaker, why, clock_now_ms());
	else if (gone > 0) {
		breaker_success(breaker, clock_now_ms());
		tell_bucket(pass, bucket, true, NULL);
	} else if (blame == S3_BLAME_DOUBT && failed < count && objects[failed].result == S3_OPERATOR)
		tell_bucket(pass, bucket, false, why);
	else if (blame == S3_BLAME_DOUBT)
		return breaker_failure(breaker, why, pass->entry->deletion_id, clock_now_ms());
	return blame == S3_BLAME_STORE;
}

/* STORE is away: its files are left alone. There is nothing to do if it is the last one. */
static void note_away(struct pass *pass, int store)
{
	pass->away |= 1u << store;
	if (__builtin_popcount(pass->away) == s3_stores_count(pass->means->stores))
		pass->stopped = true;
}

/* Whether BUCKET is in STORE by the ledger, too. If not, its files are left alone, which is noted
 * and told as the bucket's refusal: a person has to say which is right. */
static bool is_at_home(struct pass *pass, int store, const char *bucket)
{
	char what[FAILURE_WHAT_SIZE], why[FAILURE_WHY_SIZE];
	enum ledger_answer answer = files_home_look(pass->means->ledger, pass->means->stores, store,
	                                            bucket, &pass->bucket_proven, why, sizeof(why));

	if (answer == LEDGER_OK)
		return true;
	snprintf(what, sizeof(what), "bucket %s", bucket);
	files_note_failure(pass, RETRY_OPERATOR, what, why);
	if (answer == LEDGER_SUPERSEDED)
		tell_bucket(pass, bucket, false, why);
	else
		pass->lost = pass->stopped = answer == LEDGER_LOST;
	return false;
}

/* Writes down what the store's answer about COUNT objects says of the bucket itself. */
static void note_home(struct pass *pass, int store, const char *bucket,
                      const struct s3_object *objects, size_t count)
{
	const char *block = s3_stores_block(pass->means->stores, store);
	bool proven = false, missing = false;

	if (pass->bucket_proven)
		return;
	for (size_t i = 0; i < count; i++) {
		proven = proven || objects[i].result == S3_DELETED || objects[i].locked;
		missing = missing || objects[i].no_bucket;
	}
	if (proven)
		pass->bucket_proven = ledger_bucket_proven(pass->means->ledger, bucket, block) == LEDGER_OK;
	else if (missing)
		ledger_bucket_missing(pass->means->ledger, bucket, block);
}

int files_store_of(struct pass *pass, const char *bucket, const char *id, size_t count)
{
	char why[256], sentence[FAILURE_WHY_SIZE];
	int store = s3_stores_of(pass->means->stores, bucket, why, sizeof(why));

	if (store < 0) {
		if (pass->prefix > 0)
			snprintf(sentence, sizeof(sentence), "prefix %d: %s", pass->prefix, why);
		else
			snprintf(sentence, sizeof(sentence), "file row %.*s: %s", shown_bytes(id), id, why);
		log_warning("files can't be deleted: %s", sentence);
		files_note_failure(pass, RETRY_HOPELESS, "store.buckets", sentence);
		pass->failed += (int64_t)count - 1;
		return -1;
	}
	const struct breaker *breaker = refusals_find(pass->means->refusals, bucket);
	bool refuses = breaker != NULL && breaker_waits(breaker, clock_now_ms());
	if (((pass->means->avoided | pass->away) & 1u << store) != 0)
		note_away(pass, store);
	else if (refuses)
		pass->refusing = breaker;
	else if (is_at_home(pass, store, bucket))
		return store;
	pass->failed += (int64_t)count;
	return -1;
}

void files_note_bucket(struct pass *pass, int store, const char *bucket,
                       const struct s3_object *failed)
{
	struct file file = {.id = ""};

	snprintf(file.path.bucket, sizeof(file.path.bucket), "%s", bucket);
	note_object(pass, store, &file, failed);
	note_home(pass, store, bucket, failed, 1);
	if (!pass->stopped && tell_store(pass, store, bucket, failed, 1, 0))
		note_away(pass, store);
}

void files_delete_from_bucket(struct pass *pass, struct file **order, size_t count,
                              struct s3_object *objects)
{
	const char *name = order[0]->path.bucket;
	char what[FAILURE_WHAT_SIZE];
	size_t gone = 0, locked = 0;

	if (is_left_out(pass, name)) {
		pass->failed += (int64_t)count;
		return;
	}
	int store = files_store_of(pass, name, order[0]->id, count);
	if (store < 0)
		return;
	for (size_t i = 0; i < count; i++)
		objects[i] = (struct s3_object){.key = order[i]->path.key};
	struct s3 *s3 = s3_stores_client(pass->means->stores, store);
	s3_set_deadline(s3, pass->means->handover_at_ms);
	enum s3_result result = s3_delete(s3, name, objects, count);
	note_home(pass, store, name, objects, count);
	for (size_t i = 0; i < count; i++) {
		note_object(pass, store, order[i], &objects[i]);
		gone += order[i]->gone;
		locked += objects[i].locked;
	}
	if (result == S3_STOPPED)
		pass->stopped = true;
	else if (tell_store(pass, store, name, objects, count, gone))
		note_away(pass, store);
	struct bucket *bucket = find_bucket(pass, name);
	if (gone > 0) {
		snprintf(what, sizeof(what), "bucket %s", name);
		served_note(pass->means->served, what, pass->entry->deletion_id);
		served_note(pass->means->served, s3_stores_name(pass->means->stores, store),
		            pass->entry->deletion_id);
		if (bucket != NULL && bucket->name[0] != '\0')
			bucket->failures = 0;
	} else if (bucket != NULL && !pass->stopped && locked == 0) {
		snprintf(bucket->name, sizeof(bucket->name), "%s", name);
		bucket->failures++;
	}
}

void files_delete_objects(struct pass *pass, const PGresult *page, struct file *files,
                          struct file **order, struct s3_object *objects)
{
	size_t count = read_rows(pass, page, files, order);

	for (size_t first = 0, next; first < count && !pass->stopped; first = next) {
		for (next = first + 1; next < count && by_bucket(&order[first], &order[next]) == 0; next++)
			;
		files_delete_from_bucket(pass, order + first, next - first, objects);
	}
}
