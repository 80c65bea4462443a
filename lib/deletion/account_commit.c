/* The end of the gateway's transaction: mark, insert, commit, and what became of a lost COMMIT. */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/crash.h"
#include "lib/base/log.h"
#include "lib/deletion/account_session.h"

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
	PGresult *results[3] = {NULL};
	struct account seen;
	enum account_result answer = account_lock_once(db, account->user_id, deadline_ms, &seen);
	bool absent = answer == ACCOUNT_ABSENT;
	int count = absent ? 3 : 2;

	*found = false;
	if (answer != ACCOUNT_OK && !absent)
		return answer;
	if (absent)
		db_queue_sql(db, "BEGIN");
	db_queue(db, REQUEST_HOLD, params);
	db_queue_sql(db, "COMMIT");
	enum db_result result = db_flush(db, results, count, NULL, deadline_ms);
	PGresult *request = results[count - 2], *commit = results[count - 1];
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
		bool passes = answer == ACCOUNT_DOWN || answer == ACCOUNT_BUSY || answer == ACCOUNT_LOCKED;

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

/* What INSERT says, after a COMMIT that is one. */
static enum account_result account_read_commit(struct account *account, const char *deletion_id,
                                               const PGresult *inserted)
{
	if (PQntuples(inserted) != 1) {
		log_error("gateway.mark_user_sql: it marked %d rows of an account that was not marked; it "
		          "must mark 1 deletion=%s",
		          PQntuples(inserted), deletion_id);
		return ACCOUNT_WRONG;
	}
	snprintf(account->deletion.id, sizeof(account->deletion.id), "%s", deletion_id);
	if (!db_copy(inserted, 0, REQUEST_NEW_STATUS, account->deletion.status,
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

static void account_queue_change(struct db *db, const struct account *account,
                                 const struct account_request *request)
{
	const char *id = request->deletion_id, *by = request->requested_by, *of = request->request_id;
	const char *marking[] = {account->user_id, id, account->user_id, by, of};
	const char *inserting[] = {id, account->user_id, account->mark, by, of};

	db_queue(db, account->marked ? REQUEST_INSERT : USERS_MARK,
	         account->marked ? inserting : marking);
	db_queue_sql(db, "COMMIT");
}

enum account_result account_mark(struct db *db, struct account *account,
                                 const struct account_request *request, int64_t deadline_ms)
{
	PGresult *results[2] = {NULL};
	enum account_result answer;

	assert(!account->requested);
	CRASH_POINT("gateway-before-commit");
	account_queue_change(db, account, request);
	enum db_result result = db_flush(db, results, 2, NULL, deadline_ms);
	if (result == DB_REFUSED)
		answer = account_failed(db, result, deadline_ms);
	/* A failed transaction answers COMMIT with ROLLBACK and no error. */
	else if (result == DB_OK && strcmp(PQcmdStatus(results[1]), "ROLLBACK") == 0)
		answer = account_rolled_back(db);
	else if (result == DB_OK && account_commit_is_sure(db, results[1]))
		answer = account_read_commit(account, request->deletion_id, results[0]);
	else
		answer = account_look_up_commit(db, account, request->deletion_id, deadline_ms);
	db_clear(results, 2);
	return answer;
}

enum account_result account_repeat(struct db *db, struct account *account, int64_t deadline_ms)
{
	const char *params[] = {account->deletion.id};
	PGresult *results[2] = {NULL};

	assert(account->requested);
	db_queue(db, REQUEST_ASK_SWEEP, params);
	db_queue_sql(db, "COMMIT");
	enum db_result result = db_flush(db, results, 2, NULL, deadline_ms);
	bool sure = result == DB_OK && account_commit_is_sure(db, results[1]);
	db_clear(results, 2);
	if (sure)
		return ACCOUNT_OK;
	if (result != DB_OK)
		log_warning("database: %s", db_why(db));
	return account_look_up_commit(db, account, account->deletion.id, deadline_ms);
}
