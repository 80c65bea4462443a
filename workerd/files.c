/* Passes over a user's files until one finds none: read a page, delete it, commit it. */
#include "workerd/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/crash.h"
#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/deletion/guard.h"
#include "lib/deletion/request.h"
#include "lib/s3/s3_allow.h"
#include "lib/session/sql_text.h"

#define SHOWN_ID 60 /* bytes of a row's id in a sentence */

#define SERVED_STORE "the object store"

#define BUCKETS_MAX 32        /* that are remembered for failing in one pass */
#define BUCKET_FAILURES_MAX 3 /* batches in one pass; then its rows are left for the next */

/* One row of the page in hand. */
struct file {
	const char *id; /* points into the page's result */
	struct s3_path path;
	bool gone;
};

/* A bucket whose batches failed in this pass. */
struct bucket {
	char name[sizeof((struct s3_path){.key = NULL}.bucket)];
	int failures;
};

/* A pass over all of the user's files. */
struct pass {
	const struct files_means *means;
	const struct message *message;
	struct ledger_entry *entry;
	struct failure *failure;
	struct bucket buckets[BUCKETS_MAX];
	int64_t found, deleted, failed;
	bool whole;   /* with the page in hand all rows were read that there are */
	bool useless; /* the pages behind would fare no better: the statements don't fit each other */
	bool stopped;
	const char *before; /* id of the first row of the pass before, which is done; NULL: none */
	char *first;        /* of this one; NULL: none yet */
	char *after;        /* id of the last row read; NULL: none yet */
};

/* Notes a failure; the one that heals by itself wins, since then it's worth while to come back. */
static void note_failure(struct pass *pass, enum retry_cause cause, const char *what,
                         const char *why)
{
	pass->failed++;
	if (pass->failure->why[0] == '\0' || cause < pass->failure->cause)
		failure_set(pass->failure, cause, what, why);
}

/* How many bytes of a row's ID a sentence shows: never half a character, which no database would
 * take. */
static int shown_bytes(const char *id)
{
	return (int)text_utf8_fit(id, SHOWN_ID);
}

/* ---- one page's objects ---- */

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
	note_failure(pass, RETRY_HOPELESS, what, sentence);
	return false;
}

/* Reads the rows into FILES; those that name no object, or one that they may not name, are left out
 * of ORDER. Returns how many are in ORDER. */
static size_t read_rows(struct pass *pass, const PGresult *page, struct file *files,
                        struct file **order)
{
	size_t count = 0;

	for (int row = 0; row < PQntuples(page); row++) {
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
static void name_failed(struct pass *pass, const char *bucket, bool no_bucket, char *what,
                        size_t what_size)
{
	struct served *served = pass->means->served;
	const char *deletion_id = pass->entry->deletion_id;
	char missing[FAILURE_WHAT_SIZE];

	snprintf(what, what_size, "bucket %s", bucket);
	snprintf(missing, sizeof(missing), "missing bucket %s", bucket);
	if (!no_bucket)
		return;
	if (!served_another(served, missing, deletion_id, pass->means->conf->worker.park_after_ms))
		snprintf(what, what_size, SERVED_STORE);
	served_note(served, missing, deletion_id);
}

static void note_object(struct pass *pass, struct file *file, const struct s3_object *object)
{
	char sentence[FAILURE_WHY_SIZE], what[FAILURE_WHAT_SIZE];

	if (object->result == S3_DELETED) {
		file->gone = true;
		return;
	}
	name_failed(pass, file->path.bucket, object->no_bucket, what, sizeof(what));
	snprintf(sentence, sizeof(sentence), "file row %.*s in bucket %s: %s", shown_bytes(file->id),
	         file->id, file->path.bucket, object->why);
	note_failure(pass, object->result == S3_OPERATOR ? RETRY_OPERATOR : RETRY_TIME_HEALS, what,
	             sentence);
}

/* Tells the store's breaker what became of a request for COUNT objects, of which so many are GONE.
 * True: the store is away, and asking it further is of no use. */
static bool tell_store(struct pass *pass, const struct s3_object *objects, size_t count,
                       size_t gone)
{
	struct breaker *store = pass->means->store;
	enum s3_blame blame = s3_blame(pass->means->s3);
	size_t failed = 0;

	while (failed < count && objects[failed].result == S3_DELETED)
		failed++;
	const char *why = failed < count ? objects[failed].why : "";
	if (blame == S3_BLAME_STORE)
		breaker_fault(store, why, clock_now_ms());
	else if (gone > 0)
		breaker_success(store, clock_now_ms());
	else if (blame == S3_BLAME_DOUBT)
		return breaker_failure(store, why, pass->entry->deletion_id, clock_now_ms());
	return blame == S3_BLAME_STORE;
}

/* Deletes the COUNT files in ORDER, which all lie in one bucket. */
static void delete_from_bucket(struct pass *pass, struct file **order, size_t count,
                               struct s3_object *objects)
{
	const char *name = order[0]->path.bucket;
	char what[FAILURE_WHAT_SIZE];
	size_t gone = 0;

	if (is_left_out(pass, name)) {
		pass->failed += (int64_t)count;
		return;
	}
	for (size_t i = 0; i < count; i++)
		objects[i] = (struct s3_object){.key = order[i]->path.key};
	enum s3_result result = s3_delete(pass->means->s3, name, objects, count);
	for (size_t i = 0; i < count; i++) {
		note_object(pass, order[i], &objects[i]);
		gone += order[i]->gone;
	}
	pass->stopped = result == S3_STOPPED || tell_store(pass, objects, count, gone);
	struct bucket *bucket = find_bucket(pass, name);
	if (gone > 0) {
		snprintf(what, sizeof(what), "bucket %s", name);
		served_note(pass->means->served, what, pass->entry->deletion_id);
		served_note(pass->means->served, SERVED_STORE, pass->entry->deletion_id);
		if (bucket != NULL && bucket->name[0] != '\0')
			bucket->failures = 0;
	} else if (bucket != NULL && !pass->stopped) {
		snprintf(bucket->name, sizeof(bucket->name), "%s", name);
		bucket->failures++;
	}
}

/* ---- one page's rows ---- */

/* The ids of those that are gone as an array literal; malloc'ed. */
static char *list_ids(const struct file *files, size_t count, int64_t *gone)
{
	const char **ids = calloc(count, sizeof(*ids));
	size_t listed = 0;

	for (size_t i = 0; ids != NULL && i < count; i++)
		if (files[i].gone)
			ids[listed++] = files[i].id;
	char *list = ids != NULL ? sql_array(ids, listed) : NULL;
	free(ids);
	*gone = (int64_t)listed;
	return list;
}

static enum files_result result_of(enum ledger_answer answer)
{
	switch (answer) {
	case LEDGER_SUPERSEDED: return FILES_SUPERSEDED;
	case LEDGER_REFUSED: return FILES_REFUSED;
	default: return FILES_LOST;
	}
}

/* Commits what is gone and reports it. */
static enum files_result commit_page(struct pass *pass, const struct file *files, size_t count)
{
	int64_t gone = 0, changed = 0;
	struct deletion_state state;

	char *ids = list_ids(files, count, &gone);
	if (ids == NULL)
		return FILES_LOST;
	if (gone == 0) {
		free(ids);
		return FILES_GONE;
	}
	CRASH_POINT("worker-after-batch");
	enum ledger_answer answer = ledger_progress(pass->means->ledger, pass->entry, ids, gone,
	                                            pass->whole && pass->failed == 0, &changed, &state);
	free(ids);
	if (answer != LEDGER_OK)
		return result_of(answer);
	CRASH_POINT("worker-after-progress");
	served_note(pass->means->served, "worker.files_done_sql", pass->entry->deletion_id);
	pass->deleted += gone;
	request_report(pass->means->users, &state);
	if (changed == 0) {
		/* Their rows would be found again for ever. */
		note_failure(pass, RETRY_HOPELESS, "worker.files_done_sql",
		             "worker.files_done_sql changed no row, though their objects are deleted; fix "
		             "the setting");
		pass->useless = true;
	}
	return FILES_GONE;
}

/* S3 knows nothing of leases: who has lost his, or whose user was restored after the page was read,
 * leaves the objects alone. FILES_GONE means: go on. */
static enum files_result look_again(const struct pass *pass)
{
	if (!db_is_alive(pass->means->ledger->db)) {
		log_warning("the lease is gone: %s", db_why(pass->means->ledger->db));
		return FILES_LOST;
	}
	bool absent_ok = pass->means->conf->worker.absent_user == ABSENT_USER_CONTINUE;
	switch (guard_look_again(pass->means->users, pass->message, absent_ok)) {
	case GUARD_GO: return FILES_GONE;
	case GUARD_REFUSED: return FILES_GUARD_REFUSED;
	case GUARD_LOST: return FILES_LOST;
	default: return FILES_CHANGED;
	}
}

/* Deletes one page's files. FILES_GONE means: go on. */
static enum files_result delete_page(struct pass *pass, const PGresult *page)
{
	size_t rows = (size_t)PQntuples(page), count;
	struct file *files = calloc(rows, sizeof(*files));
	struct file **order = calloc(rows, sizeof(struct file *));
	struct s3_object *objects = calloc(rows, sizeof(*objects));
	enum files_result result = FILES_LOST;

	if (files == NULL || order == NULL || objects == NULL) {
		log_error("out of memory for a page of %zu files; lower worker.files_page", rows);
		goto out;
	}
	CRASH_POINT("worker-before-batch");
	result = look_again(pass);
	if (result != FILES_GONE)
		goto out;
	count = read_rows(pass, page, files, order);
	for (size_t first = 0, next; first < count && !pass->stopped; first = next) {
		for (next = first + 1; next < count && by_bucket(&order[first], &order[next]) == 0; next++)
			;
		delete_from_bucket(pass, order + first, next - first, objects);
	}
	result = commit_page(pass, files, rows);
out:
	free(objects);
	free(order);
	free(files);
	return result;
}

/* ---- pages ---- */

/* Replaces *PLACE by a copy of TEXT. */
static bool keep_text(char **place, const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL)
		return false;
	free(*place);
	*place = copy;
	return true;
}

/* A row that is done and comes back would come back for ever. */
static void see_first_row(struct pass *pass)
{
	if (pass->before == NULL || strcmp(pass->first, pass->before) != 0)
		return;
	note_failure(pass, RETRY_HOPELESS, "worker.files_sql",
	             "worker.files_sql returns rows again that worker.files_done_sql was told are "
	             "done; fix one of the settings");
	pass->useless = true;
}

/* Reads the page behind pass->after. */
static enum files_result read_page(struct pass *pass, PGresult **page)
{
	struct db *db = pass->means->ledger->db;
	char limit[24];

	snprintf(limit, sizeof(limit), "%lld", (long long)pass->means->conf->worker.files_page);
	const char *params[] = {pass->entry->user_id, pass->after, limit};
	enum db_result result = db_run(db, FILES_PAGE, params, page, db_deadline(db));
	if (result != DB_OK) {
		log_warning("the files can't be read: %s", db_why(db));
		return result == DB_REFUSED && db_is_open(db) ? FILES_REFUSED : FILES_LOST;
	}
	served_note(pass->means->served, "worker.files_sql", pass->entry->deletion_id);
	int rows = PQntuples(*page);
	if (rows == 0)
		return FILES_GONE;
	if (!keep_text(&pass->after, PQgetvalue(*page, rows - 1, FILE_ID)))
		return FILES_LOST;
	if (pass->first == NULL) {
		if (!keep_text(&pass->first, PQgetvalue(*page, 0, FILE_ID)))
			return FILES_LOST;
		see_first_row(pass);
	}
	pass->found += rows;
	pass->whole = rows < pass->means->conf->worker.files_page;
	return FILES_GONE;
}

static bool must_stop(const struct pass *pass)
{
	return pass->stopped || !pump_turn(pass->means->pump) ||
	       clock_now_ms() >= pass->means->handover_at_ms;
}

/* One pass: page after page until there are no more. */
static enum files_result run_pass(struct pass *pass)
{
	for (;;) {
		PGresult *page = NULL;
		enum files_result result = read_page(pass, &page);
		bool last = result == FILES_GONE && PQntuples(page) == 0;
		if (result == FILES_GONE && !last && !pass->useless)
			result = delete_page(pass, page);
		PQclear(page);
		if (result != FILES_GONE || last || pass->useless)
			return result;
		if (must_stop(pass))
			return FILES_UNFINISHED;
	}
}

/* Rows that are found when all were deleted long ago are made faster than they go, and as each of
 * them is progress, nothing else would end that. */
static bool see_rows_coming(const struct pass *pass, enum files_result result)
{
	if (pass->found == 0 || pass->stopped ||
	    pass->entry->passed_ms < pass->means->conf->worker.park_after_ms)
		return false;
	if (result != FILES_GONE && (result != FILES_UNFINISHED || !pump_turn(pass->means->pump)))
		return false;
	failure_set(
		pass->failure, RETRY_HOPELESS, "worker.files_sql",
		"rows keep coming: worker.files_sql finds some, worker.park_after after all of them "
		"were deleted for the first time; stop the application or the trigger that inserts "
		"them for a deleted account, or fix worker.files_done_sql if it does not remove "
		"them");
	return true;
}

enum files_result files_delete(const struct files_means *means, const struct message *message,
                               struct ledger_entry *entry, bool *progress, struct failure *failure)
{
	char *before = NULL;
	enum files_result result;

	*progress = false;
	for (;;) {
		struct pass pass = {.means = means,
		                    .message = message,
		                    .entry = entry,
		                    .failure = failure,
		                    .before = before};
		memset(failure, 0, sizeof(*failure));
		result = run_pass(&pass);
		*progress = *progress || pass.deleted > 0;
		free(pass.after);
		free(before);
		before = pass.first;
		if (see_rows_coming(&pass, result) || (result == FILES_GONE && pass.failed > 0))
			result = FILES_FAILED;
		/* Rows may have come in behind the cursor: only a pass that finds nothing proves that
		 * nothing is left. */
		if (result != FILES_GONE || pass.found == 0)
			break;
	}
	free(before);
	return result;
}
