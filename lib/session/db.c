#include "lib/session/db_session.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"

#define SLICE_MS 1000 /* the longest the pump waits for its turn */

struct db *db_new(const struct db_options *options, const struct pump *pump)
{
	struct db *db = calloc(1, sizeof(*db));

	if (db != NULL) {
		db->options = options;
		db->pump = pump;
	}
	return db;
}

void db_free(struct db *db)
{
	if (db == NULL)
		return;
	db_close(db);
	free(db);
}

void db_close(struct db *db)
{
	if (db->conn != NULL)
		PQfinish(db->conn);
	db->conn = NULL;
	db->ready = false;
	db->queued = 0;
	db->queue_failed = false;
}

bool db_is_open(const struct db *db)
{
	return db->ready;
}

int db_descriptor(const struct db *db)
{
	return db->conn != NULL ? PQsocket(db->conn) : -1;
}

const char *db_why(const struct db *db)
{
	return db->why;
}

const char *db_sqlstate(const struct db *db)
{
	return db->sqlstate;
}

bool db_refused_data(const struct db *db)
{
	return strncmp(db->sqlstate, "22", 2) == 0 || strncmp(db->sqlstate, "23", 2) == 0 ||
	       strncmp(db->sqlstate, "P0", 2) == 0;
}

/* ---- errors ---- */

bool db_may_pass(const struct db *db)
{
	/* connection, invalid transaction state, rollback, insufficient resources, object in use,
	 * operator intervention, system error */
	static const char *const classes[] = {"08", "25", "40", "53", "55", "57", "58", NULL};

	for (const char *const *c = classes; *c != NULL; c++)
		if (strncmp(db->sqlstate, *c, 2) == 0)
			return true;
	return false;
}

void db_say(struct db *db, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int used = snprintf(db->why, sizeof(db->why), "%s: ", db->options->name);
	if (used > 0 && (size_t)used < sizeof(db->why))
		vsnprintf(db->why + used, sizeof(db->why) - (size_t)used, format, args);
	va_end(args);
	/* libpq's texts have several lines; ours is one. */
	for (char *c = db->why; *c != '\0'; c++)
		if (*c == '\n')
			*c = c[1] == '\0' ? '\0' : ' ';
}

static const struct db_statement *find_statement(const struct db *db, const char *name)
{
	for (const struct db_statement *s = db->options->statements; s != NULL && s->name != NULL; s++)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

/* How a statement is called in an error: by its setting if it has one. */
static const char *statement_title(const struct db *db, const char *name)
{
	const struct db_statement *statement = find_statement(db, name);

	return statement != NULL && statement->setting != NULL ? statement->setting : name;
}

enum db_result db_lose(struct db *db, const char *doing)
{
	const char *text = db->conn != NULL ? PQerrorMessage(db->conn) : "";

	db_say(db, "connection lost while %s%s%s", doing, *text != '\0' ? ": " : "", text);
	db->sqlstate[0] = '\0';
	db_close(db);
	return DB_LOST;
}

static enum db_result run_out(struct db *db, const char *doing)
{
	db_say(db, "no answer in time while %s", doing);
	db->sqlstate[0] = '\0';
	db_close(db);
	return DB_TIMEOUT;
}

/* Whether this error will come again for as long as the session lasts, and not in a new one: the
 * table has changed since the statement was prepared (0A000: cached plan must not change result
 * type), somebody threw the prepared statements away (26000), the server has become a standby
 * (25006). */
static bool is_stale(const struct db *db, const char *state)
{
	return db->ready && (strcmp(state, "0A000") == 0 || strcmp(state, "26000") == 0 ||
	                     strcmp(state, "25006") == 0);
}

/* Takes note of what the server said; an error that ends the session, or its use, is a lost
 * connection. */
static enum db_result refuse(struct db *db, const char *title, const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	if (state == NULL)
		state = "";
	db_say(db, "%s: %s%s%s%s", title, message != NULL ? message : PQresultErrorMessage(result),
	       *state != '\0' ? " (SQLSTATE " : "", state, *state != '\0' ? ")" : "");
	snprintf(db->sqlstate, sizeof(db->sqlstate), "%s", state);
	/* 57P01 admin_shutdown, 57P02 crash_shutdown, 57P05 idle_session_timeout, 25P03
	 * idle_in_transaction_session_timeout, class 08: connection. */
	if (PQstatus(db->conn) == CONNECTION_BAD || strncmp(state, "57P", 3) == 0 ||
	    strncmp(state, "08", 2) == 0 || strcmp(state, "25P03") == 0 || is_stale(db, state)) {
		db_close(db);
		return DB_LOST;
	}
	return DB_REFUSED;
}

/* ---- waiting ---- */

enum db_result db_wait(struct db *db, short events, int64_t deadline_ms, const char *doing)
{
	for (;;) {
		if (!pump_turn(db->pump)) {
			db_say(db, "stopped while %s", doing);
			db_close(db);
			return DB_STOPPED;
		}
		int left = clock_left_ms(deadline_ms);
		struct pollfd fd = {.fd = PQsocket(db->conn), .events = events};
		int count = poll(&fd, 1, left < SLICE_MS ? left : SLICE_MS);
		if (count > 0)
			return DB_OK;
		if (count < 0 && errno != EINTR)
			return db_lose(db, doing);
		if (left == 0)
			return run_out(db, doing);
	}
}

static enum db_result flush_output(struct db *db, int64_t deadline_ms, const char *doing)
{
	for (;;) {
		int pending = PQflush(db->conn);
		if (pending == 0)
			return DB_OK;
		if (pending < 0)
			return db_lose(db, doing);
		enum db_result waited = db_wait(db, POLLIN | POLLOUT, deadline_ms, doing);
		if (waited != DB_OK)
			return waited;
		if (PQconsumeInput(db->conn) == 0)
			return db_lose(db, doing);
	}
}

/* The next result, which is NULL at the end of a statement's. */
static enum db_result next_result(struct db *db, PGresult **result, int64_t deadline_ms,
                                  const char *doing)
{
	while (PQisBusy(db->conn)) {
		enum db_result waited = db_wait(db, POLLIN, deadline_ms, doing);
		if (waited != DB_OK)
			return waited;
		if (PQconsumeInput(db->conn) == 0)
			return db_lose(db, doing);
	}
	*result = PQgetResult(db->conn);
	return DB_OK;
}

static bool result_is_good(const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

enum db_result db_collect(struct db *db, const char *title, PGresult **result, int64_t deadline_ms)
{
	enum db_result answer = flush_output(db, deadline_ms, title);
	PGresult *last = NULL;

	while (answer == DB_OK || answer == DB_REFUSED) {
		PGresult *one = NULL;
		enum db_result got = next_result(db, &one, deadline_ms, title);
		if (got != DB_OK) {
			answer = got;
			break;
		}
		if (one == NULL)
			break;
		if (!result_is_good(one)) {
			answer = refuse(db, title, one);
			PQclear(one);
			continue;
		}
		PQclear(last);
		last = one;
	}
	if (answer == DB_OK && last == NULL)
		answer = db_lose(db, title);
	if (answer == DB_OK && result != NULL)
		*result = last;
	else
		PQclear(last);
	return answer;
}

bool db_is_alive(struct db *db)
{
	if (!db->ready)
		return false;
	struct pollfd fd = {.fd = PQsocket(db->conn), .events = POLLIN};
	if (poll(&fd, 1, 0) > 0 &&
	    (PQconsumeInput(db->conn) == 0 || PQstatus(db->conn) == CONNECTION_BAD)) {
		db_lose(db, "idle");
		return false;
	}
	return true;
}

/* ---- one statement ---- */

enum db_result db_run(struct db *db, const char *statement, int count, const char *const *params,
                      PGresult **result, int64_t deadline_ms)
{
	const char *title = statement_title(db, statement);

	if (!db->ready)
		return db_lose(db, title);
	assert(db->queued == 0);
	if (PQsendQueryPrepared(db->conn, statement, count, params, NULL, NULL, 0) == 0)
		return db_lose(db, title);
	return db_collect(db, title, result, deadline_ms);
}

enum db_result db_command(struct db *db, const char *sql, PGresult **result, int64_t deadline_ms)
{
	if (!db->ready)
		return db_lose(db, sql);
	assert(db->queued == 0);
	if (PQsendQuery(db->conn, sql) == 0)
		return db_lose(db, sql);
	return db_collect(db, sql, result, deadline_ms);
}

/* ---- pipelines ---- */

void db_queue(struct db *db, const char *statement, int count, const char *const *params)
{
	assert(db->queued < DB_QUEUE_MAX);
	db->queue[db->queued++] = statement;
	if (!db->ready || db->queue_failed) {
		db->queue_failed = true;
		return;
	}
	bool sent = PQpipelineStatus(db->conn) != PQ_PIPELINE_OFF || PQenterPipelineMode(db->conn) == 1;
	if (sent && find_statement(db, statement) != NULL)
		sent = PQsendQueryPrepared(db->conn, statement, count, params, NULL, NULL, 0) == 1;
	else if (sent)
		sent = PQsendQueryParams(db->conn, statement, 0, NULL, NULL, NULL, NULL, 0) == 1;
	db->queue_failed = !sent;
}

/* Takes the results of the statement at INDEX: a result, then NULL. */
static enum db_result take_queued(struct db *db, PGresult **result, int64_t deadline_ms)
{
	PGresult *end = NULL;
	enum db_result got = next_result(db, result, deadline_ms, "waiting for a pipeline");

	if (got == DB_OK && *result != NULL)
		got = next_result(db, &end, deadline_ms, "waiting for a pipeline");
	PQclear(end);
	return got;
}

enum db_result db_flush(struct db *db, PGresult **results, int count, int *failed,
                        int64_t deadline_ms)
{
	enum db_result answer = DB_OK;
	PGresult *sync = NULL;

	assert(count == db->queued);
	for (int i = 0; i < count; i++)
		results[i] = NULL;
	if (db->queue_failed || PQpipelineSync(db->conn) == 0)
		return db_lose(db, "sending a pipeline");
	db->queued = 0;
	enum db_result got = flush_output(db, deadline_ms, "sending a pipeline");
	for (int i = 0; got == DB_OK && i < count; i++) {
		got = take_queued(db, &results[i], deadline_ms);
		if (got != DB_OK || answer != DB_OK || result_is_good(results[i]))
			continue;
		answer = refuse(db, statement_title(db, db->queue[i]), results[i]);
		if (failed != NULL)
			*failed = i;
		if (answer == DB_LOST)
			return answer;
	}
	if (got == DB_OK)
		got = next_result(db, &sync, deadline_ms, "waiting for a pipeline");
	if (got != DB_OK)
		return got;
	bool synced = PQresultStatus(sync) == PGRES_PIPELINE_SYNC && PQexitPipelineMode(db->conn) == 1;
	PQclear(sync);
	if (!synced)
		return db_lose(db, "ending a pipeline");
	return answer;
}

/* ---- checks ---- */

static enum db_result complain(struct db *db, const char *title, const char *what)
{
	db_say(db, "%s: %s", title, what);
	db->sqlstate[0] = '\0';
	return DB_REFUSED;
}

/* Whether the generic plan of STATEMENT has a LockRows node. */
static enum db_result check_locks(struct db *db, const char *statement, int params,
                                  int64_t deadline_ms)
{
	char sql[256];
	PGresult *plan = NULL;
	bool locks = false;

	int used = snprintf(sql, sizeof(sql), "EXPLAIN (COSTS OFF) EXECUTE %s", statement);
	for (int i = 0; i < params; i++)
		used += snprintf(sql + used, sizeof(sql) - (size_t)used, "%sNULL", i == 0 ? "(" : ", ");
	if (params > 0)
		snprintf(sql + used, sizeof(sql) - (size_t)used, ")");
	/* With a custom plan for NULL the planner would know that there is no row, and plan no lock. */
	enum db_result result =
		db_command(db, "SET plan_cache_mode = force_generic_plan", NULL, deadline_ms);
	if (result == DB_OK)
		result = db_command(db, sql, &plan, deadline_ms);
	if (result != DB_OK)
		return result;
	for (int row = 0; row < PQntuples(plan); row++)
		locks = locks || strstr(PQgetvalue(plan, row, 0), "LockRows") != NULL;
	PQclear(plan);
	snprintf(sql, sizeof(sql), "SET plan_cache_mode = %s", db_plan_mode(db));
	result = db_command(db, sql, NULL, deadline_ms);
	if (result == DB_OK && !locks)
		return complain(db, statement_title(db, statement),
		                "the statement locks no row; end it with FOR NO KEY UPDATE (gateway) or "
		                "FOR SHARE (worker)");
	return result;
}

enum db_result db_check(struct db *db, const char *statement, int params, int columns, bool locks,
                        int64_t deadline_ms)
{
	const char *title = statement_title(db, statement);
	PGresult *description = NULL;
	char what[128];

	if (!db->ready || PQsendDescribePrepared(db->conn, statement) == 0)
		return db_lose(db, title);
	enum db_result result = db_collect(db, title, &description, deadline_ms);
	if (result != DB_OK)
		return result;
	int got_params = PQnparams(description), got_columns = PQnfields(description);
	PQclear(description);
	if (got_params != params) {
		snprintf(what, sizeof(what), "the statement takes %d parameter%s, it must take %d",
		         got_params, got_params == 1 ? "" : "s", params);
		return complain(db, title, what);
	}
	if (columns >= 0 && got_columns != columns) {
		snprintf(what, sizeof(what), "the statement returns %d column%s, it must return %d",
		         got_columns, got_columns == 1 ? "" : "s", columns);
		return complain(db, title, what);
	}
	return locks ? check_locks(db, statement, params, deadline_ms) : DB_OK;
}
