/* The end of the gateway's transaction: mark, insert, commit, and what became of a lost COMMIT. */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/crash.h"
#include "lib/base/log.h"
#include "lib/deletion/account_session.h"
#include "lib/deletion/mark.h"

/* Between two attempts to find out what became of a COMMIT, doubled each time. */
#define LOOKUP_PAUSE_MS 100
#define LOOKUP_PAUSE_MAX_MS 800

static void account_pause(int ms)
{
	const struct timespec pause = {.tv_sec = 0, .tv_nsec = ms * 1000000L};

	nanosleep(&pause, NULL);
}

/* Whether a COMMIT that was answered is one. What it warned of may be lost with this server. */
static bool account_commit_is_sure(struct db *db, PGresult *commit)
{
	if (strcmp(PQcmdStatus(commit), "COMMIT") != 0) {
		log_error("database: COMMIT was answered with %s", PQcmdStatus(commit));
		return false;
	}
	if (db_warning(db)[0] == '\0')
		return true;
	log_error("database: COMMIT was answered with a warning: %s", db_warning(db));
	return false;
}

/* One look: locks the users row, or without one the request's alone, reads the request and commits.
 * Who holds the lock knows that the transaction that held it has ended, so that what is to be seen
 * then is what was committed; and the COMMIT of a transaction that locked a row waits until a
 * synchronous standby has all of that, too. *FOUND is set on ACCOUNT_OK. */
static enum account_result account_look_once(struct db *db, struct account *account,
                                             const char *deletion_id, int64_t deadline_ms,
                                             bool *found)
{
	const char *params[] = {deletion_id};
	PGresult *results[4] = {NULL};
	struct account seen;
	enum account_result answer = account_lock_once(db, account->user_id, deadline_ms, &seen);
	bool absent = answer == ACCOUNT_ABSENT;
	int count = absent ? 4 : 3;

	*found = false;
	if (answer != ACCOUNT_OK && !absent)
		return answer;
	if (absent)
		db_queue_sql(db, "BEGIN");
	db_queue(db, REQUEST_HOLD, params);
	db_queue_settings(db);
	db_queue_sql(db, "COMMIT");
	enum db_result result = db_flush(db, results, count, NULL, deadline_ms);
	PGresult *request = results[count - 3], *commit = results[count - 1];
	if (result != DB_OK) {
		answer = account_failed(db, result, deadline_ms);
	} else if (!account_commit_is_sure(db, commit)) {
		db_close(db);
		answer = ACCOUNT_DOWN;
	} else if (PQntuples(request) == 1) {
		struct account_deletion *deletion = &account->deletion;

		snprintf(deletion->id, sizeof(deletion->id), "%s", deletion_id);
		*found =
			db_copy(request, 0, REQUEST_NEW_STATUS, deletion->status, sizeof(deletion->status)) &&
			db_copy(request, 0, REQUEST_NEW_REQUESTED_AT, deletion->requested_at,
		            sizeof(deletion->requested_at));
		answer = *found ? ACCOUNT_OK : ACCOUNT_UNKNOWN;
	} else {
		/* Nothing of a user is seen: that proves nothing. */
		answer = absent ? ACCOUNT_UNKNOWN : ACCOUNT_OK;
	}
	db_clear(results, count);
	return answer;
}

/* What became of a COMMIT whose answer did not come, or can't be relied on. Looks until that is
 * known or the deadline is there. */
static enum account_result account_look_up_commit(struct db *db, struct account *account,
                                                  const char *deletion_id, int64_t deadline_ms)
{
	enum account_result answer;
	bool found = false;

	log_warning("looking up what became of a COMMIT deletion=%s", deletion_id);
	for (int pause_ms = LOOKUP_PAUSE_MS;;
	     pause_ms = pause_ms < LOOKUP_PAUSE_MAX_MS ? 2 * pause_ms : pause_ms) {
		db_close(db);
		answer = account_look_once(db, account, deletion_id, deadline_ms, &found);
		bool passes = answer == ACCOUNT_DOWN || answer == ACCOUNT_BUSY ||
		              answer == ACCOUNT_LOCKED || answer == ACCOUNT_REFUSED;

		if (!passes || clock_left_ms(deadline_ms) <= pause_ms)
			break;
		account_pause(pause_ms);
	}
	if (answer != ACCOUNT_OK) {
		log_error("what became of the COMMIT could not be found out deletion=%s", deletion_id);
		return ACCOUNT_UNKNOWN;
	}
	log_warning("the COMMIT was found to be %s deletion=%s", found ? "done" : "not done",
	            deletion_id);
	return found ? ACCOUNT_OK : ACCOUNT_DOWN;
}

/* ---- trip two: mark, insert, commit ---- */

/* Where the results of the change are in the pipeline. */
struct change {
	int mark, settings, insert, commit, count;
};

#define NOT_QUEUED (-1)
#define CHANGE_MAX 6

/* What INSERT says, after a COMMIT that is one. */
static enum account_result account_read_commit(struct account *account, const char *deletion_id,
                                               const PGresult *inserted)
{
	snprintf(account->deletion.id, sizeof(account->deletion.id), "%s", deletion_id);
	if (PQntuples(inserted) != 1 ||
	    !db_copy(inserted, 0, REQUEST_NEW_STATUS, account->deletion.status,
	             sizeof(account->deletion.status)) ||
	    !db_copy(inserted, 0, REQUEST_NEW_REQUESTED_AT, account->deletion.requested_at,
	             sizeof(account->deletion.requested_at)))
		log_error("farewell.request: status or requested_at of the new row is null or too long "
		          "deletion=%s",
		          deletion_id);
	return ACCOUNT_OK;
}

static enum account_result account_rolled_back(struct db *db)
{
	log_error("database: COMMIT was answered with ROLLBACK");
	db_close(db);
	return ACCOUNT_DOWN;
}

/* Marks, and lets deferred triggers run where statement_timeout counts: in COMMIT it does not. */
static void account_queue_mark(struct db *db, const struct account *account, struct change *change)
{
	const char *user[] = {account->user_id};

	change->mark = change->count++;
	db_queue(db, USERS_MARK, user);
	change->count++;
	db_queue_sql(db, "SET CONSTRAINTS ALL IMMEDIATE");
}

/* Reads the row again, for what the triggers made of its mark is what the worker will find. The
 * user was active, so no earlier deletion is of this mark. */
static void account_queue_request(struct db *db, const struct account *account,
                                  const struct account_request *request, struct change *change)
{
	const char *id = request->deletion_id, *by = request->requested_by, *of = request->request_id;
	const char *setting_apart[] = {account->user_id, account->user_id, id};
	const char *inserting_seen[] = {account->user_id, id, account->user_id, by, of};
	const char *inserting[] = {id, account->user_id, account->mark, by, of};

	if (!account->marked && account->earlier) {
		change->count++;
		db_queue(db, REQUEST_SET_APART, setting_apart);
	}
	change->insert = change->count++;
	db_queue(db, account->marked ? REQUEST_INSERT : REQUEST_INSERT_SEEN,
	         account->marked ? inserting : inserting_seen);
}

/* After the mark the session's settings are put right, which a trigger may have changed for this
 * transaction or for all that follow: the zone in which the mark is read, and that COMMIT waits for
 * a synchronous standby and warns when it could not. */
static void account_queue_change(struct db *db, const struct account *account,
                                 const struct account_request *request, struct change *change)
{
	*change = (struct change){.mark = NOT_QUEUED};
	if (!account->marked)
		account_queue_mark(db, account, change);
	change->settings = change->count++;
	db_queue_settings(db);
	account_queue_request(db, account, request, change);
	change->commit = change->count++;
	db_queue_sql(db, "COMMIT");
	assert(change->count <= CHANGE_MAX);
}

/* The INSERT refuses a mark that is null (23502), as an infinite one is to it: who marked nothing,
 * or took it back? */
static enum account_result account_not_marked(struct db *db, const struct change *change,
                                              PGresult **results, int64_t deadline_ms)
{
	const char *mark = PQgetvalue(results[change->mark], 0, 0);

	if (mark_is_infinite(mark))
		log_error("gateway.mark_user_sql: it returned %s, which is no time of a deletion; it must "
		          "write the present time, now(), or a trigger must let it",
		          mark);
	else if (PQgetisnull(results[change->mark], 0, 0))
		log_error("gateway.mark_user_sql: it marked 0 rows of an account that was not marked; it "
		          "must mark 1: is its condition right, does a trigger skip the update?");
	else
		log_error(
			"gateway.mark_user_sql: it returned %.60s, but gateway.lock_user_sql then finds no "
			"mark, infinity, or no row: a trigger takes it back; look at the triggers of the table",
			mark);
	account_unlock(db, deadline_ms);
	return ACCOUNT_WRONG;
}

enum account_result account_mark(struct db *db, struct account *account,
                                 const struct account_request *request, int64_t deadline_ms)
{
	PGresult *results[CHANGE_MAX] = {NULL};
	struct change change;
	enum account_result answer;
	int failed = 0;

	assert(!account->requested);
	CRASH_POINT("gateway-before-commit");
	account_queue_change(db, account, request, &change);
	enum db_result result = db_flush(db, results, change.count, &failed, deadline_ms);
	if (result == DB_OK)
		db_note_settings(db, results[change.settings]);
	if (result == DB_REFUSED && failed == change.insert && change.mark != NOT_QUEUED &&
	    strcmp(db_sqlstate(db), "23502") == 0)
		answer = account_not_marked(db, &change, results, deadline_ms);
	else if (result == DB_REFUSED)
		answer = account_failed(db, result, deadline_ms);
	/* A failed transaction answers COMMIT with ROLLBACK and no error. */
	else if (result == DB_OK && strcmp(PQcmdStatus(results[change.commit]), "ROLLBACK") == 0)
		answer = account_rolled_back(db);
	else if (result == DB_OK && account_commit_is_sure(db, results[change.commit]))
		answer = account_read_commit(account, request->deletion_id, results[change.insert]);
	else
		answer = account_look_up_commit(db, account, request->deletion_id, deadline_ms);
	db_clear(results, change.count);
	return answer;
}

enum account_result account_repeat(struct db *db, struct account *account, int64_t deadline_ms)
{
	const char *params[] = {account->deletion.id};
	PGresult *results[3] = {NULL};

	assert(account->requested);
	db_queue(db, REQUEST_ASK_SWEEP, params);
	db_queue_settings(db);
	db_queue_sql(db, "COMMIT");
	enum db_result result = db_flush(db, results, 3, NULL, deadline_ms);
	bool sure = result == DB_OK && account_commit_is_sure(db, results[2]);
	if (result == DB_OK)
		db_note_settings(db, results[1]);
	db_clear(results, 3);
	if (sure)
		return ACCOUNT_OK;
	if (result != DB_OK)
		log_warning("database: %s", db_why(db));
	return account_look_up_commit(db, account, account->deletion.id, deadline_ms);
}
