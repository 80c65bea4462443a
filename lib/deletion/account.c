/* The gateway's transaction on an account: lock and read, then mark, insert and commit. */
#include "lib/deletion/account.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/crash.h"
#include "lib/base/log.h"
#include "lib/config/conf.h"

/* Between two attempts to find out what became of a COMMIT, doubled each time. */
#define LOOKUP_PAUSE_MS 100
#define LOOKUP_PAUSE_MAX_MS 800

enum db_result account_check(struct db *db, int64_t deadline_ms)
{
	static const enum user_db_statement checked[] = {USERS_LOCK, USERS_MARK, REQUEST_INSERT};
	enum db_result result = DB_OK;

	for (size_t i = 0; result == DB_OK && i < sizeof(checked) / sizeof(checked[0]); i++)
		result = db_check(db, checked[i], deadline_ms);
	return result;
}

/* ---- what went wrong ---- */

/* What a failed step means. Unless the session is in order it is closed, and with it the
 * transaction and whatever made it fail: a standby, a statement that is no longer prepared, a plan
 * that does not fit its table any more. */
static enum account_result account_failed(struct db *db, enum db_result result, int64_t deadline_ms)
{
	if (result == DB_REFUSED && db_kind(db) == SQLSTATE_BUSY) {
		log_warning("users row not locked: %s", db_why(db));
		account_unlock(db, deadline_ms);
		return ACCOUNT_BUSY;
	}
	log_error("database: %s", db_why(db));
	db_close(db);
	return ACCOUNT_DOWN;
}

/* ---- trip one: begin, lock, read ---- */

/* Takes the locked row: its id and its mark. */
static bool account_read_user(const PGresult *user, struct account *account)
{
	if (PQntuples(user) != 1) {
		log_error(
			"gateway.lock_user_sql: it returned %d rows for one id; it must select by a unique key",
			PQntuples(user));
		return false;
	}
	account->marked = !PQgetisnull(user, 0, USERS_DELETED_AT);
	if (!db_copy(user, 0, USERS_ID, account->user_id, sizeof(account->user_id)) ||
	    account->user_id[0] == '\0') {
		log_error("gateway.lock_user_sql: the first column, the user's id, is null, empty or "
		          "longer than %d bytes",
		          ID_SIZE - 1);
		return false;
	}
	if (account->marked &&
	    !db_copy(user, 0, USERS_DELETED_AT, account->mark, sizeof(account->mark))) {
		log_error("gateway.lock_user_sql: the second column, the time of deletion, is longer than "
		          "%d bytes",
		          ACCOUNT_MARK_SIZE - 1);
		return false;
	}
	return true;
}

/* Looks among the requests for the deletion with this MARK, or with this ID; NULL: any. */
static bool account_find_request(const PGresult *requests, const char *mark, const char *id,
                                 struct account_deletion *deletion)
{
	for (int row = 0; row < PQntuples(requests); row++) {
		if (PQgetisnull(requests, row, REQUEST_ID) ||
		    (mark != NULL && strcmp(PQgetvalue(requests, row, REQUEST_MARK), mark) != 0) ||
		    (id != NULL && strcmp(PQgetvalue(requests, row, REQUEST_ID), id) != 0))
			continue;
		return db_copy(requests, row, REQUEST_ID, deletion->id, sizeof(deletion->id)) &&
		       db_copy(requests, row, REQUEST_STATUS, deletion->status, sizeof(deletion->status)) &&
		       db_copy(requests, row, REQUEST_REQUESTED_AT, deletion->requested_at,
		               sizeof(deletion->requested_at));
	}
	return false;
}

/* BEGIN, the lock and the requests in one round trip; two statements, so that the second sees what
 * was committed while the first waited for its lock. On ACCOUNT_OK the transaction is open and
 * REQUESTS set. */
static enum account_result account_begin_and_lock(struct db *db, const char *user_id,
                                                  int64_t deadline_ms, struct account *account,
                                                  PGresult **requests)
{
	const char *params[] = {user_id};
	PGresult *results[3] = {NULL};
	enum account_result answer = ACCOUNT_OK;
	int which = 0;

	*account = (struct account){.marked = false};
	*requests = NULL;
	db_queue_sql(db, "BEGIN");
	db_queue(db, USERS_LOCK, params);
	db_queue(db, REQUEST_READ_ALL, params);
	enum db_result result = db_flush(db, results, 3, &which, deadline_ms);
	if (result == DB_REFUSED && which == 1 && db_kind(db) == SQLSTATE_NO_SUCH_ID) {
		answer = ACCOUNT_ABSENT;
		account_unlock(db, deadline_ms);
	} else if (result != DB_OK) {
		answer = account_failed(db, result, deadline_ms);
	} else if (PQntuples(results[1]) == 0) {
		answer = ACCOUNT_ABSENT;
		account_unlock(db, deadline_ms);
	} else if (!account_read_user(results[1], account) ||
	           !db_copy(results[2], 0, REQUEST_NOW, account->now, sizeof(account->now))) {
		answer = ACCOUNT_WRONG;
		account_unlock(db, deadline_ms);
	} else {
		*requests = results[2];
		results[2] = NULL;
	}
	db_clear(results, 3);
	return answer;
}

/* Opens the session if need be and locks; the requests read are those of the id as the database
 * writes it. */
static enum account_result account_open_and_lock(struct db *db, const char *user_id,
                                                 int64_t deadline_ms, struct account *account,
                                                 PGresult **requests)
{
	*requests = NULL;
	enum db_result opened = db_open(db, deadline_ms);
	if (opened != DB_OK) {
		log_error("database: %s", db_why(db));
		return ACCOUNT_DOWN;
	}
	enum account_result answer =
		account_begin_and_lock(db, user_id, deadline_ms, account, requests);
	if (answer != ACCOUNT_OK || strcmp(account->user_id, user_id) == 0)
		return answer;
	const char *params[] = {account->user_id};
	PQclear(*requests);
	*requests = NULL;
	enum db_result result = db_run(db, REQUEST_READ_ALL, params, requests, deadline_ms);
	return result == DB_OK ? ACCOUNT_OK : account_failed(db, result, deadline_ms);
}

enum account_result account_lock(struct db *db, const char *user_id, int64_t deadline_ms,
                                 struct account *account)
{
	PGresult *requests = NULL;
	bool was_open = db_is_alive(db);
	enum account_result answer =
		account_open_and_lock(db, user_id, deadline_ms, account, &requests);

	/* A session that died since it was last used, and nothing has happened yet: once more on a new
	 * one. */
	if (answer == ACCOUNT_DOWN && was_open && !db_is_open(db) && clock_left_ms(deadline_ms) > 0)
		answer = account_open_and_lock(db, user_id, deadline_ms, account, &requests);
	if (answer == ACCOUNT_OK && account->marked)
		account->requested =
			account_find_request(requests, account->mark, NULL, &account->deletion);
	PQclear(requests);
	return answer;
}

void account_unlock(struct db *db, int64_t deadline_ms)
{
	/* Closed is rolled back too. */
	if (db_is_open(db) && db_run_sql(db, "ROLLBACK", NULL, deadline_ms) != DB_OK) {
		log_warning("database: rolling back: %s", db_why(db));
		db_close(db);
	}
}

/* ---- trip two: mark, insert, commit ---- */

static void account_pause(int ms)
{
	const struct timespec pause = {.tv_sec = 0, .tv_nsec = ms * 1000000L};

	nanosleep(&pause, NULL);
}

/* What became of a COMMIT whose answer did not come. Who holds the row's lock knows that the
 * transaction that held it has ended, so that what is to be seen then is what was committed. */
static enum account_result account_look_up_commit(struct db *db, struct account *account,
                                                  const char *deletion_id, int64_t deadline_ms)
{
	struct account_deletion deletion;
	struct account seen;
	PGresult *requests = NULL;
	enum account_result answer;

	log_warning("the connection broke during COMMIT: looking up what became of it deletion=%s",
	            deletion_id);
	for (int pause_ms = LOOKUP_PAUSE_MS;;
	     pause_ms = pause_ms < LOOKUP_PAUSE_MAX_MS ? 2 * pause_ms : pause_ms) {
		answer = account_open_and_lock(db, account->user_id, deadline_ms, &seen, &requests);
		if ((answer != ACCOUNT_DOWN && answer != ACCOUNT_BUSY) ||
		    clock_left_ms(deadline_ms) <= pause_ms)
			break;
		account_pause(pause_ms);
	}
	bool found =
		answer == ACCOUNT_OK && account_find_request(requests, NULL, deletion_id, &deletion);
	PQclear(requests);
	if (answer != ACCOUNT_OK) {
		log_error("what became of the COMMIT could not be found out deletion=%s", deletion_id);
		return ACCOUNT_UNKNOWN;
	}
	account_unlock(db, deadline_ms);
	log_warning("the COMMIT was found to be %s deletion=%s", found ? "done" : "not done",
	            deletion_id);
	if (!found)
		return ACCOUNT_DOWN;
	account->deletion = deletion;
	return ACCOUNT_OK;
}

/* Whether INSERT and COMMIT both did what they say. A failed transaction answers COMMIT with
 * ROLLBACK and no error. */
static enum account_result account_read_commit(struct account *account, const char *deletion_id,
                                               PGresult *const *results)
{
	if (strcmp(PQcmdStatus(results[1]), "COMMIT") != 0) {
		log_error("database: COMMIT was answered with %s", PQcmdStatus(results[1]));
		return ACCOUNT_DOWN;
	}
	if (PQntuples(results[0]) != 1) {
		log_error("gateway.mark_user_sql: it marked %d rows of an account that was not marked; it "
		          "must mark 1 deletion=%s",
		          PQntuples(results[0]), deletion_id);
		return ACCOUNT_WRONG;
	}
	snprintf(account->deletion.id, sizeof(account->deletion.id), "%s", deletion_id);
	if (!db_copy(results[0], 0, REQUEST_NEW_STATUS, account->deletion.status,
	             sizeof(account->deletion.status)) ||
	    !db_copy(results[0], 0, REQUEST_NEW_REQUESTED_AT, account->deletion.requested_at,
	             sizeof(account->deletion.requested_at)))
		log_error("farewell.request: status or requested_at of the new row is null or too long "
		          "deletion=%s",
		          deletion_id);
	return ACCOUNT_OK;
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
	if (result == DB_OK)
		answer = account_read_commit(account, request->deletion_id, results);
	else if (result == DB_REFUSED)
		answer = account_failed(db, result, deadline_ms);
	else
		answer = account_look_up_commit(db, account, request->deletion_id, deadline_ms);
	db_clear(results, 2);
	return answer;
}

/* ---- without a transaction ---- */

enum account_result account_newest(struct db *db, const char *user_id, int64_t deadline_ms,
                                   PGresult **row)
{
	const char *params[] = {user_id};
	bool was_open = db_is_alive(db);
	enum db_result result = db_open(db, deadline_ms);

	*row = NULL;
	if (result == DB_OK)
		result = db_run(db, REQUEST_NEWEST, params, row, deadline_ms);
	if (result == DB_LOST && was_open && (result = db_open(db, deadline_ms)) == DB_OK)
		result = db_run(db, REQUEST_NEWEST, params, row, deadline_ms);
	if (result == DB_REFUSED && db_kind(db) == SQLSTATE_NO_SUCH_ID)
		return ACCOUNT_ABSENT;
	if (result != DB_OK) {
		if (db_is_open(db))
			return account_failed(db, result, deadline_ms);
		log_error("database: %s", db_why(db));
		return ACCOUNT_DOWN;
	}
	assert(PQnfields(*row) == NEWEST_COLUMNS);
	if (PQntuples(*row) == 1)
		return ACCOUNT_OK;
	PQclear(*row);
	*row = NULL;
	return ACCOUNT_ABSENT;
}
