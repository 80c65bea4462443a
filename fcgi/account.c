#include "fcgi/account.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/crash.h"
#include "lib/base/log.h"
#include "lib/config/conf.h"

#define LOOKUP_PAUSE_MS                                                                            \
	100 /* between two attempts to find out what became of a COMMIT, doubled each time */
#define LOOKUP_PAUSE_MAX_MS 800
#define ENOUGH_REQUESTS                                                                            \
	"100" /* of one user, the newest; only the one of the present mark matters */

#define LOCK_USER "lock_user"
#define READ_REQUESTS "read_requests"
#define MARK_USER "mark_user"
#define INSERT_REQUEST "insert_request"
#define NEWEST_REQUEST "newest_request"

#define TIME(column) "to_char(" column ", 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"

/* ---- the statements ---- */

/* One row at least, for the time: the request's columns are null when there is none. */
static const char read_requests_sql[] =
	"SELECT " TIME("clock.now") ", r.deletion_id::text, r.mark, r.status, " TIME(
		"r.requested_at") " FROM (SELECT now()) AS clock(now) LEFT JOIN farewell.request r ON "
						  "r.user_id = $1"
						  " ORDER BY r.requested_at DESC NULLS LAST LIMIT " ENOUGH_REQUESTS;

static const char insert_request_sql[] =
	"INSERT INTO farewell.request (deletion_id, user_id, mark, requested_by, request_id, "
	"published_at)"
	" VALUES ($1::uuid, $2::text, $3::text, $4::text, $5::text, now()) RETURNING status, " TIME(
		"requested_at");

/* The setting's own text stands on lines of its own, so that a comment at its end swallows nothing
 * of ours. */
static const char mark_user_head[] = "WITH marked(mark) AS (\n";
static const char mark_user_tail[] = "\n) INSERT INTO farewell.request (deletion_id, user_id, "
									 "mark, requested_by, request_id, published_at)"
									 " SELECT $2::uuid, $3::text, marked.mark, $4::text, $5::text, "
									 "now() FROM marked RETURNING status, " TIME("requested_at");

static const char newest_request_sql[] =
	"SELECT user_id, deletion_id::text, status, mail, files_deleted::text, attempts::text, "
	"last_error, " TIME("requested_at") ", " TIME("started_at") ", " TIME("finished_at") ", " TIME(
		"next_attempt_at") " FROM farewell.request WHERE user_id = $1 ORDER BY requested_at DESC "
						   "LIMIT 1";

static char *wrap_mark_sql(const char *setting)
{
	size_t length = strlen(setting);

	while (length > 0 &&
	       (isspace((unsigned char)setting[length - 1]) || setting[length - 1] == ';'))
		length--;
	size_t size = sizeof(mark_user_head) + length + sizeof(mark_user_tail);
	char *sql = malloc(size);
	if (sql != NULL)
		snprintf(sql, size, "%s%.*s%s", mark_user_head, (int)length, setting, mark_user_tail);
	return sql;
}

bool account_statements(const struct conf *conf, struct db_statement statements[ACCOUNT_STATEMENTS],
                        char **mark_sql)
{
	*mark_sql = wrap_mark_sql(conf->gateway.mark_user_sql);
	const struct db_statement all[ACCOUNT_STATEMENTS] = {
		{LOCK_USER, "gateway.lock_user_sql", conf->gateway.lock_user_sql},
		{READ_REQUESTS, NULL, read_requests_sql},
		{MARK_USER, "gateway.mark_user_sql", *mark_sql},
		{INSERT_REQUEST, NULL, insert_request_sql},
		{NEWEST_REQUEST, NULL, newest_request_sql},
		{NULL, NULL, NULL},
	};

	memcpy(statements, all, sizeof(all));
	return *mark_sql != NULL;
}

enum db_result account_check(struct db *db, int64_t deadline_ms)
{
	enum db_result result = db_check(db, LOCK_USER, 1, 2, true, deadline_ms);

	if (result == DB_OK)
		result = db_check(db, MARK_USER, 5, 2, false, deadline_ms);
	if (result == DB_OK)
		result = db_check(db, INSERT_REQUEST, 5, 2, false, deadline_ms);
	return result;
}

/* ---- what went wrong ---- */

static bool state_is(struct db *db, const char *states)
{
	const char *state = db_sqlstate(db);

	return state[0] != '\0' && strstr(states, state) != NULL;
}

/* What a failed step means. Unless the session is in order it is closed, and with it the
 * transaction and whatever made it fail: a standby, a statement that is no longer prepared, a plan
 * that does not fit its table any more. */
static enum account_result failed(struct db *db, enum db_result result, int64_t deadline_ms)
{
	/* lock_not_available, query_canceled (statement_timeout), deadlock_detected,
	 * serialization_failure */
	if (result == DB_REFUSED && state_is(db, "55P03 57014 40P01 40001")) {
		log_warning("users row not locked: %s", db_why(db));
		account_unlock(db, deadline_ms);
		return ACCOUNT_BUSY;
	}
	log_error("database: %s", db_why(db));
	db_close(db);
	return ACCOUNT_DOWN;
}

static void clear(PGresult **results, int count)
{
	for (int i = 0; i < count; i++)
		PQclear(results[i]);
}

/* Copies a column; false if it is null or does not fit. */
static bool copy(const PGresult *result, int row, int column, char *text, size_t size)
{
	if (PQgetisnull(result, row, column) || (size_t)PQgetlength(result, row, column) >= size)
		return false;
	memcpy(text, PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column) + 1);
	return true;
}

/* ---- trip one: begin, lock, read ---- */

/* Takes the locked row: its id and its mark. */
static bool read_user(const PGresult *user, struct account *account)
{
	if (PQntuples(user) != 1) {
		log_error(
			"gateway.lock_user_sql: it returned %d rows for one id; it must select by a unique key",
			PQntuples(user));
		return false;
	}
	account->marked = !PQgetisnull(user, 0, 1);
	if (!copy(user, 0, 0, account->user_id, sizeof(account->user_id)) ||
	    account->user_id[0] == '\0') {
		log_error("gateway.lock_user_sql: the first column, the user's id, is null, empty or "
		          "longer than %d bytes",
		          ID_SIZE - 1);
		return false;
	}
	if (account->marked && !copy(user, 0, 1, account->mark, sizeof(account->mark))) {
		log_error("gateway.lock_user_sql: the second column, the time of deletion, is longer than "
		          "%d bytes",
		          ACCOUNT_MARK_SIZE - 1);
		return false;
	}
	return true;
}

/* Looks among the requests for the deletion with this MARK, or with this ID; NULL: any. */
static bool find_request(const PGresult *requests, const char *mark, const char *id,
                         struct account_deletion *deletion)
{
	for (int row = 0; row < PQntuples(requests); row++) {
		if (PQgetisnull(requests, row, 1) ||
		    (mark != NULL && strcmp(PQgetvalue(requests, row, 2), mark) != 0) ||
		    (id != NULL && strcmp(PQgetvalue(requests, row, 1), id) != 0))
			continue;
		return copy(requests, row, 1, deletion->id, sizeof(deletion->id)) &&
		       copy(requests, row, 3, deletion->status, sizeof(deletion->status)) &&
		       copy(requests, row, 4, deletion->requested_at, sizeof(deletion->requested_at));
	}
	return false;
}

/* BEGIN, the lock and the requests in one round trip; two statements, so that the second sees what
 * was committed while the first waited for its lock. On ACCOUNT_OK the transaction is open and
 * REQUESTS set. */
static enum account_result begin_and_lock(struct db *db, const char *user_id, int64_t deadline_ms,
                                          struct account *account, PGresult **requests)
{
	const char *params[] = {user_id};
	PGresult *results[3] = {NULL};
	enum account_result answer = ACCOUNT_OK;
	int which = 0;

	*account = (struct account){.marked = false};
	*requests = NULL;
	db_queue(db, "BEGIN", 0, NULL);
	db_queue(db, LOCK_USER, 1, params);
	db_queue(db, READ_REQUESTS, 1, params);
	enum db_result result = db_flush(db, results, 3, &which, deadline_ms);
	/* invalid_text_representation, numeric_value_out_of_range, character_not_in_repertoire,
	 * untranslatable_character */
	if (result == DB_REFUSED && which == 1 && state_is(db, "22P02 22003 22021 22P05")) {
		answer = ACCOUNT_ABSENT;
		account_unlock(db, deadline_ms);
	} else if (result != DB_OK) {
		answer = failed(db, result, deadline_ms);
	} else if (PQntuples(results[1]) == 0) {
		answer = ACCOUNT_ABSENT;
		account_unlock(db, deadline_ms);
	} else if (!read_user(results[1], account) ||
	           !copy(results[2], 0, 0, account->now, sizeof(account->now))) {
		answer = ACCOUNT_WRONG;
		account_unlock(db, deadline_ms);
	} else {
		*requests = results[2];
		results[2] = NULL;
	}
	clear(results, 3);
	return answer;
}

/* Opens the session if need be and locks; the requests read are those of the id as the database
 * writes it. */
static enum account_result open_and_lock(struct db *db, const char *user_id, int64_t deadline_ms,
                                         struct account *account, PGresult **requests)
{
	*requests = NULL;
	enum db_result opened = db_open(db, deadline_ms);
	if (opened != DB_OK) {
		log_error("database: %s", db_why(db));
		return ACCOUNT_DOWN;
	}
	enum account_result answer = begin_and_lock(db, user_id, deadline_ms, account, requests);
	if (answer != ACCOUNT_OK || strcmp(account->user_id, user_id) == 0)
		return answer;
	const char *params[] = {account->user_id};
	PQclear(*requests);
	*requests = NULL;
	enum db_result result = db_run(db, READ_REQUESTS, 1, params, requests, deadline_ms);
	return result == DB_OK ? ACCOUNT_OK : failed(db, result, deadline_ms);
}

enum account_result account_lock(struct db *db, const char *user_id, int64_t deadline_ms,
                                 struct account *account)
{
	PGresult *requests = NULL;
	bool was_open = db_is_alive(db);
	enum account_result answer = open_and_lock(db, user_id, deadline_ms, account, &requests);

	/* A session that died since it was last used, and nothing has happened yet: once more on a new
	 * one. */
	if (answer == ACCOUNT_DOWN && was_open && !db_is_open(db) && clock_left_ms(deadline_ms) > 0)
		answer = open_and_lock(db, user_id, deadline_ms, account, &requests);
	if (answer == ACCOUNT_OK && account->marked)
		account->requested = find_request(requests, account->mark, NULL, &account->deletion);
	PQclear(requests);
	return answer;
}

void account_unlock(struct db *db, int64_t deadline_ms)
{
	/* Closed is rolled back too. */
	if (db_is_open(db) && db_command(db, "ROLLBACK", NULL, deadline_ms) != DB_OK) {
		log_warning("database: rolling back: %s", db_why(db));
		db_close(db);
	}
}

/* ---- trip two: mark, insert, commit ---- */

static void pause_for(int ms)
{
	const struct timespec pause = {.tv_sec = 0, .tv_nsec = ms * 1000000L};

	nanosleep(&pause, NULL);
}

/* What became of a COMMIT whose answer did not come. Who holds the row's lock knows that the
 * transaction that held it has ended, so that what is to be seen then is what was committed. */
static enum account_result look_up(struct db *db, struct account *account, const char *deletion_id,
                                   int64_t deadline_ms)
{
	struct account_deletion deletion;
	struct account seen;
	PGresult *requests = NULL;
	enum account_result answer;

	log_warning("the connection broke during COMMIT: looking up what became of it deletion=%s",
	            deletion_id);
	for (int pause_ms = LOOKUP_PAUSE_MS;;
	     pause_ms = pause_ms < LOOKUP_PAUSE_MAX_MS ? 2 * pause_ms : pause_ms) {
		answer = open_and_lock(db, account->user_id, deadline_ms, &seen, &requests);
		if ((answer != ACCOUNT_DOWN && answer != ACCOUNT_BUSY) ||
		    clock_left_ms(deadline_ms) <= pause_ms)
			break;
		pause_for(pause_ms);
	}
	bool found = answer == ACCOUNT_OK && find_request(requests, NULL, deletion_id, &deletion);
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
static enum account_result committed(struct account *account, const char *deletion_id,
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
	if (!copy(results[0], 0, 0, account->deletion.status, sizeof(account->deletion.status)) ||
	    !copy(results[0], 0, 1, account->deletion.requested_at,
	          sizeof(account->deletion.requested_at)))
		log_error("farewell.request: status or requested_at of the new row is null or too long "
		          "deletion=%s",
		          deletion_id);
	return ACCOUNT_OK;
}

static void queue_change(struct db *db, const struct account *account,
                         const struct account_request *request)
{
	const char *id = request->deletion_id, *by = request->requested_by, *of = request->request_id;
	const char *marking[] = {account->user_id, id, account->user_id, by, of};
	const char *inserting[] = {id, account->user_id, account->mark, by, of};

	db_queue(db, account->marked ? INSERT_REQUEST : MARK_USER, 5,
	         account->marked ? inserting : marking);
	db_queue(db, "COMMIT", 0, NULL);
}

enum account_result account_mark(struct db *db, struct account *account,
                                 const struct account_request *request, int64_t deadline_ms)
{
	PGresult *results[2] = {NULL};
	enum account_result answer;

	assert(!account->requested);
	CRASH_POINT("gateway-before-commit");
	queue_change(db, account, request);
	enum db_result result = db_flush(db, results, 2, NULL, deadline_ms);
	if (result == DB_OK)
		answer = committed(account, request->deletion_id, results);
	else if (result == DB_REFUSED)
		answer = failed(db, result, deadline_ms);
	else
		answer = look_up(db, account, request->deletion_id, deadline_ms);
	clear(results, 2);
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
		result = db_run(db, NEWEST_REQUEST, 1, params, row, deadline_ms);
	if (result == DB_LOST && was_open && (result = db_open(db, deadline_ms)) == DB_OK)
		result = db_run(db, NEWEST_REQUEST, 1, params, row, deadline_ms);
	/* character_not_in_repertoire, untranslatable_character: the database can write no such id. */
	if (result == DB_REFUSED && state_is(db, "22021 22P05"))
		return ACCOUNT_ABSENT;
	if (result != DB_OK) {
		if (db_is_open(db))
			return failed(db, result, deadline_ms);
		log_error("database: %s", db_why(db));
		return ACCOUNT_DOWN;
	}
	assert(PQnfields(*row) == ACCOUNT_COLUMNS);
	if (PQntuples(*row) == 1)
		return ACCOUNT_OK;
	PQclear(*row);
	*row = NULL;
	return ACCOUNT_ABSENT;
}
