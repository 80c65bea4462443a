/* The gateway's transaction on an account, up to its end: lock and read; account_commit.c ends it.
 */
#include "lib/deletion/account.h"

#include <assert.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/deletion/account_session.h"
#include "lib/deletion/mark.h"

#define RELOCKS_MAX 3

/* What the statements on farewell.request take, some of which are seldom needed. */
static enum db_result account_check_rights(struct db *db, int64_t deadline_ms)
{
	PGresult *row = NULL;
	enum db_result result =
		db_run_sql(db,
	               "SELECT has_table_privilege('farewell.request', 'SELECT')"
	               " AND has_table_privilege('farewell.request', 'INSERT')"
	               " AND has_column_privilege('farewell.request', 'sweep_asked', 'UPDATE')"
	               " AND has_column_privilege('farewell.request', 'mark', 'UPDATE')",
	               &row, deadline_ms);

	if (result == DB_OK && !db_is_true(row, 0, 0))
		result = db_refuse_as(db, "42501",
		                      "farewell.request: the role needs SELECT, INSERT and UPDATE on it");
	PQclear(row);
	return result;
}

enum db_result account_check(struct db *db, int64_t deadline_ms)
{
	static const enum user_db_statement checked[] = {USERS_LOCK, USERS_MARK, REQUEST_INSERT,
	                                                 REQUEST_INSERT_SEEN};
	enum db_result result = DB_OK;

	for (size_t i = 0; result == DB_OK && i < sizeof(checked) / sizeof(checked[0]); i++)
		result = db_check(db, checked[i], deadline_ms);
	return result == DB_OK ? account_check_rights(db, deadline_ms) : result;
}

enum db_result account_warn_of_type(struct db *db, int64_t deadline_ms)
{
	const char *params[] = {db_sql(db, USERS_LOCK)};
	PGresult *columns = NULL;
	enum db_result result = db_run(db, COARSE_COLUMNS, params, &columns, deadline_ms);

	for (int row = 0; result == DB_OK && row < PQntuples(columns); row++)
		log_warning("gateway.lock_user_sql: %s.%s is a %s: two deletions of one user can have the "
		            "same mark, so that a user who is restored and then deleted by other means "
		            "looks as if nothing had happened; a timestamp tells them apart",
		            PQgetvalue(columns, row, COARSE_TABLE), PQgetvalue(columns, row, COARSE_COLUMN),
		            PQgetvalue(columns, row, COARSE_TYPE));
	PQclear(columns);
	return result;
}

/* ---- what went wrong ---- */

/* A lock that did not come in time: whether it was a row's or a whole table's. The error doesn't
 * tell, so this looks at who has or wants what now, and is not more than a good guess. */
static enum account_result account_waited(struct db *db, int64_t deadline_ms)
{
	const char *params[] = {db_sql(db, USERS_LOCK)};
	enum account_result answer = ACCOUNT_BUSY;
	PGresult *locks = NULL;

	if (!db_is_open(db))
		return ACCOUNT_BUSY;
	if (db_run(db, TABLE_LOCKS, params, &locks, deadline_ms) != DB_OK) {
		log_warning("who holds the lock can't be found out: %s", db_why(db));
	} else if (PQntuples(locks) == 0) {
		log_warning("it was the row's lock that was waited for: another transaction has it");
	} else {
		log_warning("it was the lock of table %s that was waited for: process %s has or wants %s",
		            PQgetvalue(locks, 0, LOCK_TABLE), PQgetvalue(locks, 0, LOCK_PID),
		            PQgetvalue(locks, 0, LOCK_MODE));
		answer = ACCOUNT_LOCKED;
	}
	PQclear(locks);
	return answer;
}

enum account_result account_failed(struct db *db, enum db_result result, int64_t deadline_ms)
{
	if (result == DB_REFUSED && db_kind(db) == SQLSTATE_BUSY) {
		bool waited = strcmp(db_sqlstate(db), "55P03") == 0;
		bool slow = strcmp(db_sqlstate(db), "57014") == 0;

		log_warning("users row not locked: %s", db_why(db));
		account_unlock(db, deadline_ms);
		return waited ? account_waited(db, deadline_ms) : slow ? ACCOUNT_DOWN : ACCOUNT_BUSY;
	}
	log_error("database: %s", db_why(db));
	enum sqlstate_kind kind = db_kind(db);
	bool refused = result == DB_REFUSED && (kind == SQLSTATE_SETTING || kind == SQLSTATE_DATA ||
	                                        kind == SQLSTATE_NO_SUCH_ID);
	db_close(db);
	return refused ? ACCOUNT_REFUSED : ACCOUNT_DOWN;
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
	if (account->marked && mark_is_infinite(account->mark)) {
		log_error(
			"gateway.lock_user_sql: it returned %s as the time of deletion: " MARK_INFINITE_ADVICE
			" in it and in worker.lock_user_sql, and let "
			"gateway.mark_user_sql replace infinity",
			account->mark);
		return false;
	}
	return true;
}

/* Looks among the live requests for the deletion that made the present mark. */
static bool account_find_request(const PGresult *requests, struct account *account)
{
	struct account_deletion *deletion = &account->deletion;

	account->earlier = !PQgetisnull(requests, 0, REQUEST_ID);
	for (int row = 0; account->marked && row < PQntuples(requests); row++) {
		if (PQgetisnull(requests, row, REQUEST_ID) ||
		    strcmp(PQgetvalue(requests, row, REQUEST_MARK), account->mark) != 0)
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
 * REQUESTS set. *REFUSED: the column's type takes no such id, which this session believes. */
static enum account_result account_begin_and_lock(struct db *db, const char *user_id,
                                                  int64_t deadline_ms, struct account *account,
                                                  PGresult **requests, bool *refused)
{
	const char *params[] = {user_id};
	PGresult *results[3] = {NULL};
	enum account_result answer = ACCOUNT_OK;
	int which = 0;

	db_queue_sql(db, "BEGIN");
	db_queue(db, USERS_LOCK, params);
	db_queue(db, REQUEST_READ_LIVE, params);
	enum db_result result = db_flush(db, results, 3, &which, deadline_ms);
	*refused = result == DB_REFUSED && which == 1 && db_kind(db) == SQLSTATE_NO_SUCH_ID;
	if (*refused) {
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

/* Opens the session if need be, locks, and reads the requests of the id as the database writes it.
 */
static enum account_result account_lock_in_session(struct db *db, const char *user_id,
                                                   int64_t deadline_ms, struct account *account,
                                                   bool *refused)
{
	PGresult *requests = NULL;

	*account = (struct account){.marked = false};
	*refused = false;
	if (!db_settings_intact(db)) {
		log_warning("database: %s: going on in a new session", db_why(db));
		db_close(db);
	}
	if (db_open(db, deadline_ms) != DB_OK) {
		log_error("database: %s", db_why(db));
		return ACCOUNT_DOWN;
	}
	enum account_result answer =
		account_begin_and_lock(db, user_id, deadline_ms, account, &requests, refused);
	if (answer == ACCOUNT_OK && strcmp(account->user_id, user_id) != 0) {
		const char *params[] = {account->user_id};

		PQclear(requests);
		requests = NULL;
		enum db_result result = db_run(db, REQUEST_READ_LIVE, params, &requests, deadline_ms);
		if (result != DB_OK)
			answer = account_failed(db, result, deadline_ms);
	}
	if (answer == ACCOUNT_OK)
		account->requested = account_find_request(requests, account);
	PQclear(requests);
	return answer;
}

enum account_result account_lock_once(struct db *db, const char *user_id, int64_t deadline_ms,
                                      struct account *account)
{
	bool refused;
	enum account_result answer =
		account_lock_in_session(db, user_id, deadline_ms, account, &refused);

	if (!refused)
		return answer;
	/* A session keeps the type that the column had when its statements were prepared, and an ALTER
	 * TABLE may have widened it: only one that was opened after the refusal knows. */
	log_info("the users table takes no such id, says a session that may be older than the table: "
	         "asking a new one");
	db_close(db);
	return account_lock_in_session(db, user_id, deadline_ms, account, &refused);
}

enum account_result account_lock(struct db *db, const char *user_id, int64_t deadline_ms,
                                 struct account *account)
{
	bool was_open = db_is_alive(db);
	enum account_result answer = account_lock_once(db, user_id, deadline_ms, account);

	/* A session that died since it was last used, or that refuses what it knows of a table that was
	 * altered since, and nothing has happened yet: once more on a new one. */
	if ((answer == ACCOUNT_DOWN || answer == ACCOUNT_REFUSED) && was_open && !db_is_open(db) &&
	    clock_left_ms(deadline_ms) > 0)
		answer = account_lock_once(db, user_id, deadline_ms, account);
	/* Who waits for a row that moves to another partition gets 40001, and finds it there the next
	 * time. */
	for (int again = 0; answer == ACCOUNT_BUSY && strncmp(db_sqlstate(db), "40", 2) == 0 &&
	                    again < RELOCKS_MAX && clock_left_ms(deadline_ms) > 0;
	     again++)
		answer = account_lock_once(db, user_id, deadline_ms, account);
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
