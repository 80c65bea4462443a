/* Passes over a user's files until one finds none: read a page, delete it, commit it. */
#include "workerd/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/crash.h"
#include "lib/base/log.h"
#include "lib/deletion/guard.h"
#include "lib/deletion/request.h"
#include "lib/session/sql_text.h"
#include "workerd/files_ids.h"
#include "workerd/files_page.h"
#include "workerd/files_prefix.h"

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

enum files_result files_result_of(enum ledger_answer answer)
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
	int64_t gone = 0, changed = 0, versions_left = 0;
	struct deletion_state state;

	char *ids = list_ids(files, count, &gone);
	if (ids == NULL)
		return FILES_LOST;
	if (gone == 0) {
		free(ids);
		return FILES_GONE;
	}
	for (size_t i = 0; i < count; i++)
		versions_left += files[i].versions_left;
	CRASH_POINT("worker-after-batch");
	enum ledger_answer answer =
		ledger_progress(pass->means->ledger, pass->entry, ids, gone, versions_left,
	                    pass->whole && pass->failed == 0, &changed, &state);
	free(ids);
	if (answer != LEDGER_OK)
		return files_result_of(answer);
	CRASH_POINT("worker-after-progress");
	served_note(pass->means->served, "worker.files_done_sql", pass->entry->deletion_id);
	pass->deleted += gone;
	request_report(pass->means->users, &state, NULL);
	if (changed == 0) {
		/* Their rows would be found again for ever. */
		files_note_failure(
			pass, RETRY_HOPELESS, "worker.files_done_sql",
			"worker.files_done_sql changed no row, though their objects are deleted; fix "
			"the setting");
		pass->useless = true;
	}
	return FILES_GONE;
}

enum files_result files_look_again(const struct pass *pass)
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
	size_t rows = (size_t)pass->rows;
	struct file *files = calloc(rows, sizeof(*files));
	struct file **order = calloc(rows, sizeof(struct file *));
	struct s3_object *objects = calloc(rows, sizeof(*objects));
	enum files_result result = FILES_LOST;

	if (files == NULL || order == NULL || objects == NULL) {
		log_error("out of memory for a page of %zu files; lower worker.files_page", rows);
		goto out;
	}
	CRASH_POINT("worker-before-batch");
	result = files_look_again(pass);
	if (result != FILES_GONE)
		goto out;
	files_delete_objects(pass, page, files, order, objects);
	result = pass->lost ? FILES_LOST : commit_page(pass, files, rows);
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
	files_note_failure(
		pass, RETRY_HOPELESS, "worker.files_sql",
		"worker.files_sql returns rows again that worker.files_done_sql was told are "
		"done; fix one of the settings");
	pass->useless = true;
}

/* A statement that does not heed $2 gives the same rows again as long as none of them can be
 * deleted. That is said before what is wrong with the rows: it is everybody's. */
static bool is_same_page(const struct pass *pass, const PGresult *page)
{
	const char *last = PQgetvalue(page, pass->rows - 1, FILE_ID);

	return (pass->after != NULL && strcmp(pass->after, last) == 0) ||
	       (pass->top != NULL && strcmp(pass->top, PQgetvalue(page, 0, FILE_ID)) == 0);
}

static void see_same_page(struct pass *pass)
{
	pass->useless = true;
	pass->failed++;
	if (pass->failure->why[0] == '\0' || pass->failure->cause == RETRY_HOPELESS)
		failure_set(pass->failure, RETRY_HOPELESS, "worker.files_sql",
		            "worker.files_sql returns the same page again, whatever id it is given as $2; "
		            "it must return only rows behind that one, in their order: fix the setting");
}

/* Reads the page behind pass->after, and one row more: that is only looked at, whether it belongs
 * to the page's last one, and comes again with the next page. */
static enum files_result read_page(struct pass *pass, PGresult **page)
{
	struct db *db = pass->means->ledger->db;
	char limit[24];

	snprintf(limit, sizeof(limit), "%lld", (long long)pass->means->conf->worker.files_page + 1);
	const char *params[] = {pass->entry->user_id, pass->after, limit};
	enum db_result result = db_run(db, FILES_PAGE, params, page, db_deadline(db));
	if (result != DB_OK) {
		log_warning("the files can't be read: %s", db_why(db));
		return result == DB_REFUSED && db_is_open(db) ? FILES_REFUSED : FILES_LOST;
	}
	served_note(pass->means->served, "worker.files_sql", pass->entry->deletion_id);
	pass->whole = PQntuples(*page) <= pass->means->conf->worker.files_page;
	pass->rows = pass->whole ? PQntuples(*page) : (int)pass->means->conf->worker.files_page;
	if (pass->rows == 0)
		return FILES_GONE;
	if (is_same_page(pass, *page)) {
		see_same_page(pass);
		return FILES_GONE;
	}
	if (files_check_ids(pass, *page) != FILES_GONE)
		return FILES_LOST;
	if (pass->useless)
		return FILES_GONE;
	if (!keep_text(&pass->top, PQgetvalue(*page, 0, FILE_ID)) ||
	    !keep_text(&pass->after, PQgetvalue(*page, pass->rows - 1, FILE_ID)))
		return FILES_LOST;
	if (pass->first == NULL) {
		if (!keep_text(&pass->first, PQgetvalue(*page, 0, FILE_ID)))
			return FILES_LOST;
		see_first_row(pass);
	}
	pass->found += pass->rows;
	return FILES_GONE;
}

bool files_must_stop(const struct pass *pass)
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
		bool last = result == FILES_GONE && pass->rows == 0;
		if (result == FILES_GONE && !last && !pass->useless)
			result = delete_page(pass, page);
		PQclear(page);
		if (result != FILES_GONE || last || pass->useless)
			return result;
		if (files_must_stop(pass))
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
                               struct ledger_entry *entry, struct files_end *end)
{
	char *before = NULL;
	enum files_result result;

	end->progress = false;
	for (;;) {
		struct pass pass = {.means = means,
		                    .message = message,
		                    .entry = entry,
		                    .failure = &end->failure,
		                    .before = before};
		memset(&end->failure, 0, sizeof(end->failure));
		result = run_pass(&pass);
		/* When no row is left, or none that can be done; what lies below a prefix and has a row is
		 * not listed any more. */
		if (result == FILES_GONE && !pass.stopped && (pass.found == 0 || pass.failed > 0))
			result = files_delete_prefixes(&pass);
		end->progress = end->progress || pass.deleted > 0;
		end->away = pass.away;
		end->refusing = pass.refusing;
		free(pass.after);
		free(pass.top);
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
