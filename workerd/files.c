/* Passes over a user's files until one finds none: read a page, delete it, commit it. */
#include "workerd/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/crash.h"
#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/deletion/request.h"

#define FILE_KEY_SIZE 1024 /* of a row's id as text */
#define SHOWN_ID 60        /* bytes of it in a sentence */

/* One row of the page in hand. */
struct file {
	const char *id; /* points into the page's result */
	struct s3_path path;
	bool gone;
};

/* A pass over all of the user's files. */
struct pass {
	const struct files_means *means;
	struct ledger_entry *entry;
	struct files_failure *failure;
	int64_t found, deleted, failed;
	bool server_away; /* stop the pass: the next page would fare no better */
	bool stopped;
	const char *before; /* id of the first row of the pass before, which is done; empty: none */
	char first[FILE_KEY_SIZE]; /* of this one */
	char after[FILE_KEY_SIZE]; /* id of the last row read; empty: none yet */
};

/* Notes a failure; the one that heals by itself wins, since then it's worth while to come back. */
static void note_failure(struct pass *pass, enum retry_cause cause, const char *why)
{
	struct files_failure *failure = pass->failure;

	pass->failed++;
	if (failure->why[0] == '\0' || cause < failure->cause) {
		failure->cause = cause;
		snprintf(failure->why, sizeof(failure->why), "%.*s",
		         (int)text_utf8_fit(why, sizeof(failure->why) - 1), why);
	}
}

/* How many bytes of a row's ID a sentence shows: never half a character, which no database would
 * take. */
static int shown(const char *id)
{
	return (int)text_utf8_fit(id, SHOWN_ID);
}

static int by_bucket(const void *left, const void *right)
{
	const struct file *a = *(const struct file *const *)left,
					  *b = *(const struct file *const *)right;

	return strcmp(a->path.bucket, b->path.bucket);
}

/* Reads the rows into FILES; those whose path is none are reported and left out of ORDER. Returns
 * how many are in ORDER. */
static size_t read_rows(struct pass *pass, const PGresult *page, struct file *files,
                        struct file **order)
{
	size_t count = 0;

	for (int row = 0; row < PQntuples(page); row++) {
		struct file *file = &files[row];
		char why[160], sentence[FILES_WHY_SIZE];
		file->id = PQgetvalue(page, row, FILE_ID);
		if (!PQgetisnull(page, row, FILE_PATH) &&
		    s3_path_read(PQgetvalue(page, row, FILE_PATH), &file->path, why, sizeof(why))) {
			order[count++] = file;
			continue;
		}
		snprintf(sentence, sizeof(sentence), "file row %.*s: %s; correct or remove the row",
		         shown(file->id), file->id,
		         PQgetisnull(page, row, FILE_PATH) ? "the path is null" : why);
		log_warning("a file can't be deleted: %s", sentence);
		note_failure(pass, RETRY_HOPELESS, sentence);
	}
	qsort(order, count, sizeof(*order), by_bucket);
	return count;
}

static void note_object(struct pass *pass, struct file *file, const struct s3_object *object)
{
	char sentence[FILES_WHY_SIZE];

	if (object->result == S3_DELETED) {
		file->gone = true;
		return;
	}
	snprintf(sentence, sizeof(sentence), "file row %.*s in bucket %s: %s", shown(file->id),
	         file->id, file->path.bucket, object->why);
	note_failure(pass, object->result == S3_OPERATOR ? RETRY_OPERATOR : RETRY_TIME_HEALS, sentence);
}

/* Deletes the COUNT files in ORDER, which all lie in one bucket. */
static void delete_from_bucket(struct pass *pass, struct file **order, size_t count,
                               struct s3_object *objects)
{
	for (size_t i = 0; i < count; i++)
		objects[i] = (struct s3_object){.key = order[i]->path.key};
	enum s3_result result = s3_delete(pass->means->s3, order[0]->path.bucket, objects, count);
	bool some_gone = false;
	for (size_t i = 0; i < count; i++) {
		note_object(pass, order[i], &objects[i]);
		some_gone = some_gone || order[i]->gone;
	}
	pass->stopped = result == S3_STOPPED;
	/* A store that deleted some is there: an object it can't delete must not keep us from the pages
	 * behind it. */
	pass->server_away = result == S3_RETRY && !some_gone;
}

/* The ids of those that are gone as an array literal; malloc'ed. */
static char *list_ids(const struct file *files, size_t count, int64_t *gone)
{
	size_t size = 3, used = 0;

	for (size_t i = 0; i < count; i++)
		size += files[i].gone ? 2 * strlen(files[i].id) + 3 : 0;
	char *list = malloc(size);
	if (list == NULL)
		return NULL;
	*gone = 0;
	list[used++] = '{';
	for (size_t i = 0; i < count; i++) {
		if (!files[i].gone)
			continue;
		if ((*gone)++ > 0)
			list[used++] = ',';
		list[used++] = '"';
		for (const char *c = files[i].id; *c != '\0'; c++) {
			if (*c == '"' || *c == '\\')
				list[used++] = '\\';
			list[used++] = *c;
		}
		list[used++] = '"';
	}
	list[used++] = '}';
	list[used] = '\0';
	return list;
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
	enum ledger_answer answer =
		ledger_progress(pass->means->ledger, pass->entry, ids, gone, &changed, &state);
	free(ids);
	if (answer == LEDGER_REFUSED) {
		note_failure(pass, RETRY_OPERATOR, db_why(pass->means->ledger->db));
		pass->server_away = true;
		return FILES_GONE;
	}
	if (answer != LEDGER_OK)
		return answer == LEDGER_SUPERSEDED ? FILES_SUPERSEDED : FILES_LOST;
	CRASH_POINT("worker-after-progress");
	pass->deleted += gone;
	if (request_report(pass->means->users, &state) != DB_OK)
		return FILES_LOST;
	if (changed == 0) {
		/* Their rows would be found again for ever. */
		note_failure(pass, RETRY_HOPELESS,
		             "worker.files_done_sql changed no row, though their objects are deleted; fix "
		             "the setting");
		pass->server_away = true;
	}
	return FILES_GONE;
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
	/* S3 knows nothing of leases: who has lost his leaves the objects alone. */
	if (!db_is_alive(pass->means->ledger->db)) {
		log_warning("the lease is gone: %s", db_why(pass->means->ledger->db));
		goto out;
	}
	count = read_rows(pass, page, files, order);
	for (size_t first = 0, next; first < count && !pass->stopped && !pass->server_away;
	     first = next) {
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

/* A row that is done and comes back would come back for ever. */
static void see_first_row(struct pass *pass, const char *id)
{
	snprintf(pass->first, sizeof(pass->first), "%s", id);
	if (pass->first[0] == '\0' || strcmp(pass->first, pass->before) != 0)
		return;
	note_failure(pass, RETRY_HOPELESS,
	             "worker.files_sql returns rows again that worker.files_done_sql was told are "
	             "done; fix one of the settings");
	pass->server_away = true;
}

/* Reads the page behind pass->after; it stays NULL, which ends the pass, when this user's rows are
 * what the statement fails on. */
static enum files_result read_page(struct pass *pass, PGresult **page)
{
	struct db *db = pass->means->ledger->db;
	char limit[24];

	snprintf(limit, sizeof(limit), "%lld", (long long)pass->means->page);
	const char *params[] = {pass->entry->user_id, pass->after[0] != '\0' ? pass->after : NULL,
	                        limit};
	enum db_result result = db_run(db, FILES_PAGE, params, page, db_deadline(db));
	if (result != DB_OK)
		log_warning("the files can't be read: %s", db_why(db));
	if (result == DB_REFUSED &&
	    (db_kind(db) == SQLSTATE_DATA || db_kind(db) == SQLSTATE_NO_SUCH_ID)) {
		note_failure(pass, RETRY_OPERATOR, db_why(db));
		return FILES_GONE;
	}
	if (result != DB_OK)
		return FILES_LOST;
	int rows = PQntuples(*page);
	if (rows > 0 && pass->found == 0)
		see_first_row(pass, PQgetvalue(*page, 0, FILE_ID));
	pass->found += rows;
	if (rows > 0)
		snprintf(pass->after, sizeof(pass->after), "%s", PQgetvalue(*page, rows - 1, FILE_ID));
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
		if (result == FILES_GONE && !last)
			result = delete_page(pass, page);
		PQclear(page);
		if (result != FILES_GONE || last || pass->server_away)
			return result;
		if (must_stop(pass))
			return FILES_UNFINISHED;
	}
}

enum files_result files_delete(const struct files_means *means, struct ledger_entry *entry,
                               bool *progress, struct files_failure *failure)
{
	char first[FILE_KEY_SIZE] = "";

	*progress = false;
	for (;;) {
		struct pass pass = {.means = means, .entry = entry, .failure = failure, .before = first};
		memset(failure, 0, sizeof(*failure));
		enum files_result result = run_pass(&pass);
		*progress = *progress || pass.deleted > 0;
		if (result != FILES_GONE)
			return result;
		if (pass.failed > 0)
			return FILES_FAILED;
		/* Rows may have come in behind the cursor: only a pass that finds nothing proves that
		 * nothing is left. */
		if (pass.found == 0)
			return FILES_GONE;
		snprintf(first, sizeof(first), "%s", pass.first);
	}
}
