/* Empties the prefixes of an account: lists a page, lets the guard look again, deletes it, commits
 * it. */
#include "workerd/files_prefix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/crash.h"
#include "lib/base/log.h"
#include "lib/deletion/request.h"
#include "lib/s3/s3_allow.h"
#include "lib/s3/s3_below.h"

#define SETTING "worker.prefixes_sql"
#define PREFIXES_MAX 1000 /* of one account */
#define ROUNDS_MAX 1000   /* over one prefix, below which objects keep coming */

/* One prefix in hand. */
struct emptying {
	struct pass *pass;
	struct s3_path path;
	int store;
	struct s3_below below;
	int64_t found, failed_before;
	char first[S3_KEY_BYTES + 1]; /* key that was listed in this round */
};

/* ---- which ---- */

static void prefix_refuse(struct pass *pass, int number, const char *what, const char *why)
{
	char sentence[FAILURE_WHY_SIZE];

	snprintf(sentence, sizeof(sentence), "prefix %d of worker.prefixes_sql: %s; fix the setting%s",
	         number, why, strcmp(what, SETTING) == 0 ? "" : ", or what it is compared with");
	log_warning("nothing below a prefix is deleted: %s", sentence);
	files_note_failure(pass, RETRY_HOPELESS, what, sentence);
}

/* Reads the prefix of ROW. False: it is refused, and noted. */
static bool prefix_read(struct pass *pass, const PGresult *rows, int row, struct s3_path *path)
{
	char why[192] = "it is null";

	if (PQgetisnull(rows, row, 0) ||
	    !s3_prefix_read(PQgetvalue(rows, row, 0), path, why, sizeof(why))) {
		prefix_refuse(pass, row + 1, SETTING, why);
		return false;
	}
	if (!s3_allow_prefix(pass->means->conf->worker.s3_allow, pass->entry->user_id, path, why,
	                     sizeof(why))) {
		prefix_refuse(pass, row + 1, "worker.s3_allow", why);
		return false;
	}
	return true;
}

/* Whether all may be emptied; if one may not, none is touched. */
static bool prefixes_are_good(struct pass *pass, const PGresult *rows)
{
	struct s3_path path;
	bool good = true;

	if (PQntuples(rows) > PREFIXES_MAX) {
		prefix_refuse(pass, PREFIXES_MAX + 1, SETTING, "there are more than 1000 for one account");
		return false;
	}
	for (int row = 0; row < PQntuples(rows); row++)
		good = prefix_read(pass, rows, row, &path) && good;
	return good;
}

/* ---- one page ---- */

static enum files_result page_commit(struct pass *pass, const struct file *files, size_t count)
{
	int64_t gone = 0, versions_left = 0, changed;
	struct deletion_state state;

	for (size_t i = 0; i < count; i++) {
		gone += files[i].gone;
		versions_left += files[i].versions_left;
	}
	if (gone == 0)
		return FILES_GONE;
	CRASH_POINT("worker-after-batch");
	enum ledger_answer answer = ledger_progress(pass->means->ledger, pass->entry, "{}", gone,
	                                            versions_left, false, &changed, &state);
	if (answer != LEDGER_OK)
		return files_result_of(answer);
	CRASH_POINT("worker-after-progress");
	pass->deleted += gone;
	request_report(pass->means->users, &state, NULL);
	return FILES_GONE;
}

/* A listed key that a row could not name either is left alone. */
static bool key_is_allowed(struct emptying *e, struct file *file, char *key)
{
	struct pass *pass = e->pass;
	char why[192], sentence[FAILURE_WHY_SIZE];

	file->id = "";
	file->path = e->path;
	file->path.key = key;
	if (s3_allow_path(pass->means->conf->worker.s3_allow, pass->entry->user_id, &file->path, why,
	                  sizeof(why)))
		return true;
	snprintf(sentence, sizeof(sentence), "an object below prefix %d: %s; delete it by hand",
	         pass->prefix, why);
	files_note_failure(pass, RETRY_HOPELESS, "worker.s3_allow", sentence);
	return false;
}

static int compare_files(const void *left, const void *right)
{
	return strcmp((*(struct file *const *)left)->path.key,
	              (*(struct file *const *)right)->path.key);
}

/* Deletes the keys of the page in hand. */
static enum files_result page_delete(struct emptying *e)
{
	size_t count = e->below.count, listed = 0, different = 0;
	struct file *files = calloc(count, sizeof(*files));
	struct file **order = calloc(count, sizeof(struct file *));
	struct s3_object *objects = calloc(count, sizeof(*objects));
	enum files_result result = FILES_LOST;

	if (files == NULL || order == NULL || objects == NULL) {
		log_error("out of memory for a page of %zu files", count);
		goto out;
	}
	CRASH_POINT("worker-before-batch");
	result = files_look_again(e->pass);
	if (result != FILES_GONE)
		goto out;
	for (size_t i = 0; i < count; i++)
		if (key_is_allowed(e, &files[i], e->below.keys[i]))
			order[listed++] = &files[i];
	qsort(order, listed, sizeof(*order), compare_files);
	for (size_t i = 0; i < listed; i++)
		if (i == 0 || compare_files(&order[different - 1], &order[i]) != 0)
			order[different++] = order[i];
	if (different > 0)
		files_delete_from_bucket(e->pass, order, different, objects);
	result = e->pass->lost ? FILES_LOST : page_commit(e->pass, files, count);
out:
	free(objects);
	free(order);
	free(files);
	return result;
}

/* ---- one prefix ---- */

/* What kept the listing from being read; the objects below are counted as one. */
static enum files_result listing_failed(struct emptying *e, const struct s3_object *failed)
{
	struct pass *pass = e->pass;

	if (failed->result == S3_STOPPED) {
		pass->stopped = true;
		return FILES_UNFINISHED;
	}
	files_note_bucket(pass, e->store, e->path.bucket, failed);
	return FILES_GONE;
}

/* One round over the prefix. */
static enum files_result round_run(struct emptying *e)
{
	struct s3_object failed = {.key = e->path.key};
	struct s3 *s3 = s3_stores_client(e->pass->means->stores, e->store);
	int64_t page = e->pass->means->conf->worker.files_page;

	e->found = 0;
	e->below = (struct s3_below){.bucket = e->path.bucket, .prefix = e->path.key};
	e->below.most = page < S3_BELOW_MAX ? (int)page : S3_BELOW_MAX;
	while (!e->below.over) {
		s3_set_deadline(s3, e->pass->means->handover_at_ms);
		failed.result = s3_below_next(s3, &e->below, failed.why, sizeof(failed.why));
		failed.no_bucket = e->below.no_bucket;
		if (failed.result != S3_DELETED)
			return listing_failed(e, &failed);
		if (e->below.count == 0)
			continue;
		if (e->found == 0)
			snprintf(e->first, sizeof(e->first), "%s", e->below.keys[0]);
		e->found += (int64_t)e->below.count;
		enum files_result result = page_delete(e);
		if (result != FILES_GONE)
			return result;
		if (files_must_stop(e->pass))
			return FILES_UNFINISHED;
		if (e->pass->away & 1u << e->store)
			break;
	}
	return FILES_GONE;
}

static enum files_result prefix_empty(struct emptying *e)
{
	char before[S3_KEY_BYTES + 1] = "", sentence[FAILURE_WHY_SIZE];

	e->failed_before = e->pass->failed;
	e->store = files_store_of(e->pass, e->path.bucket, "", 1);
	if (e->store < 0)
		return e->pass->lost ? FILES_LOST : FILES_GONE;
	for (int round = 1;; round++) {
		enum files_result result = round_run(e);
		s3_below_free(&e->below);
		if (result != FILES_GONE || e->found == 0 || e->pass->failed > e->failed_before)
			return result;
		if (strcmp(before, e->first) == 0 || round == ROUNDS_MAX)
			break;
		snprintf(before, sizeof(before), "%s", e->first);
	}
	snprintf(sentence, sizeof(sentence),
	         "below prefix %d in bucket %s the store still lists what it said was deleted, or "
	         "objects keep coming",
	         e->pass->prefix, e->path.bucket);
	files_note_failure(e->pass, RETRY_TIME_HEALS, SETTING, sentence);
	return FILES_GONE;
}

enum files_result files_delete_prefixes(struct pass *pass)
{
	struct db *db = pass->means->ledger->db;
	const char *params[] = {pass->entry->user_id};
	struct emptying *e;
	PGresult *rows = NULL;

	if (pass->means->conf->worker.prefixes_sql[0] == '\0')
		return FILES_GONE;
	enum db_result answer = db_run(db, FILES_PREFIXES, params, &rows, db_deadline(db));
	if (answer != DB_OK) {
		log_warning("the prefixes can't be read: %s", db_why(db));
		return answer == DB_REFUSED && db_is_open(db) ? FILES_REFUSED : FILES_LOST;
	}
	served_note(pass->means->served, SETTING, pass->entry->deletion_id);
	enum files_result result = FILES_GONE;
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		result = FILES_LOST;
	bool good = e != NULL && prefixes_are_good(pass, rows);
	for (int row = 0; good && result == FILES_GONE && row < PQntuples(rows); row++) {
		e->pass = pass;
		pass->prefix = row + 1;
		if (prefix_read(pass, rows, row, &e->path))
			result = prefix_empty(e);
	}
	free(e);
	PQclear(rows);
	return result;
}
