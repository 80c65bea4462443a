/* One PostgreSQL session: running statements and pipelines, and what their errors mean. */
#include "lib/session/db_session.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/text.h"

#define SLICE_MS 1000  /* the longest the pump waits for its turn */
#define ANSWER_MS 1000 /* for the server to say that its own time-out is over */

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

const char *db_why(const struct db *db)
{
	return db->why;
}

const char *db_sqlstate(const struct db *db)
{
	return db->sqlstate;
}

const char *db_refused_title(const struct db *db)
{
	return db->refused;
}

enum sqlstate_kind db_kind(const struct db *db)
{
	return sqlstate_kind(db->sqlstate);
}

const char *db_sql(const struct db *db, int statement)
{
	return db->options->statements[statement].sql;
}

const char *db_warning(const struct db *db)
{
	return db->warning;
}

unsigned int db_session(const struct db *db)
{
	return db->session;
}

bool db_may_pass(const struct db *db)
{
	enum sqlstate_kind kind = db_kind(db);

	return kind == SQLSTATE_BUSY || kind == SQLSTATE_PASSING || kind == SQLSTATE_STALE ||
	       kind == SQLSTATE_ENDED;
}

int64_t db_deadline(const struct db *db)
{
	return clock_now_ms() + db->options->statement_timeout_ms + ANSWER_MS;
}

/* ---- errors ---- */

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

enum db_result db_refuse(struct db *db, const char *what)
{
	return db_refuse_as(db, "", what);
}

enum db_result db_refuse_as(struct db *db, const char *sqlstate, const char *what)
{
	db_say(db, "%s", what);
	snprintf(db->sqlstate, sizeof(db->sqlstate), "%s", sqlstate);
	return DB_REFUSED;
}

const char *db_title(const struct db *db, int statement)
{
	const struct db_statement *row = &db->options->statements[statement];

	return row->setting != NULL ? row->setting : row->name;
}

enum db_result db_lose(struct db *db, const char *doing)
{
	const char *text = db->conn != NULL ? PQerrorMessage(db->conn) : "";

	db_say(db, "connection lost while %s%s%s", doing, *text != '\0' ? ": " : "", text);
	db->sqlstate[0] = '\0';
	db_close(db);
	return DB_LOST;
}

static enum db_result db_time_out(struct db *db, const char *doing)
{
	db_say(db, "no answer in time while %s", doing);
	db->sqlstate[0] = '\0';
	db_close(db);
	return DB_TIMEOUT;
}

/* What to do about a refusal of which only the server's documentation knows that; or "". The
 * function is named because its message may be in any language. */
static const char *db_advice(const char *state, const PGresult *result)
{
	const char *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);

	if (strcmp(state, "42501") != 0 || function == NULL ||
	    strcmp(function, "check_enable_rls") != 0)
		return "";
	return "; row-level security would hide rows, and what is hidden would never be deleted: let "
		   "this role see all of them with ALTER ROLE … BYPASSRLS, or by a view that the table's "
		   "owner has; a policy for it is not enough (doc/ADOPT.md)";
}

/* Keeps what the server said in db->why and db->sqlstate. An error after which the session can't be
 * used any more counts as a lost connection. */
static enum db_result db_take_refusal(struct db *db, const char *title, const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	if (state == NULL)
		state = "";
	db_say(db, "%s: %s%s%s%s%s", title, message != NULL ? message : PQresultErrorMessage(result),
	       *state != '\0' ? " (SQLSTATE " : "", state, *state != '\0' ? ")" : "",
	       db_advice(state, result));
	snprintf(db->sqlstate, sizeof(db->sqlstate), "%s", state);
	snprintf(db->refused, sizeof(db->refused), "%s", title);
	enum sqlstate_kind kind = db_kind(db);
	if (PQstatus(db->conn) == CONNECTION_BAD || kind == SQLSTATE_ENDED ||
	    (db->ready && kind == SQLSTATE_STALE)) {
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
			return db_time_out(db, doing);
	}
}

static enum db_result db_flush_output(struct db *db, int64_t deadline_ms, const char *doing)
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
static enum db_result db_next_result(struct db *db, PGresult **result, int64_t deadline_ms,
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
	enum db_result answer = db_flush_output(db, deadline_ms, title);
	PGresult *last = NULL;

	while (answer == DB_OK || answer == DB_REFUSED) {
		PGresult *one = NULL;
		enum db_result got = db_next_result(db, &one, deadline_ms, title);

		if (got != DB_OK) {
			answer = got;
			break;
		}
		if (one == NULL)
			break;
		if (!result_is_good(one)) {
			answer = db_take_refusal(db, title, one);
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

enum db_result db_run(struct db *db, int statement, const char *const *params, PGresult **result,
                      int64_t deadline_ms)
{
	const struct db_statement *row = &db->options->statements[statement];
	const char *title = db_title(db, statement);
	struct db_params room;

	if (!db->ready)
		return db_lose(db, title);
	assert(db->queued == 0 && row->sql != NULL);
	params = db_storable(db, row, params, &room);
	db->warning[0] = '\0';
	if (PQsendQueryPrepared(db->conn, row->name, row->params, params, NULL, NULL, 0) == 0)
		return db_lose(db, title);
	return db_collect(db, title, result, deadline_ms);
}

enum db_result db_run_sql(struct db *db, const char *sql, PGresult **result, int64_t deadline_ms)
{
	if (!db->ready)
		return db_lose(db, sql);
	assert(db->queued == 0);
	db->warning[0] = '\0';
	if (PQsendQuery(db->conn, sql) == 0)
		return db_lose(db, sql);
	return db_collect(db, sql, result, deadline_ms);
}

/* ---- pipelines ---- */

/* Notes what comes next in the pipeline, which is begun with the first. False: nothing can be
 * sent any more. */
static bool db_queue_next(struct db *db, const char *title)
{
	assert(db->queued < DB_QUEUE_MAX);
	db->queue[db->queued++] = title;
	if (db->ready && !db->queue_failed && PQpipelineStatus(db->conn) == PQ_PIPELINE_OFF)
		db->queue_failed = PQenterPipelineMode(db->conn) != 1;
	db->queue_failed = db->queue_failed || !db->ready;
	return !db->queue_failed;
}

void db_queue_prepared(struct db *db, const char *title, const char *name, int count,
                       const char *const *params)
{
	if (db_queue_next(db, title))
		db->queue_failed = PQsendQueryPrepared(db->conn, name, count, params, NULL, NULL, 0) != 1;
}

void db_queue(struct db *db, int statement, const char *const *params)
{
	const struct db_statement *row = &db->options->statements[statement];
	struct db_params room;

	assert(row->sql != NULL);
	params = db_storable(db, row, params, &room);
	db_queue_prepared(db, db_title(db, statement), row->name, row->params, params);
}

void db_queue_sql(struct db *db, const char *sql)
{
	if (db_queue_next(db, sql))
		db->queue_failed = PQsendQueryParams(db->conn, sql, 0, NULL, NULL, NULL, NULL, 0) != 1;
}

/* Takes the results of the next queued statement: one, then NULL. */
static enum db_result db_take_queued(struct db *db, PGresult **result, int64_t deadline_ms)
{
	PGresult *end = NULL;
	enum db_result got = db_next_result(db, result, deadline_ms, "waiting for a pipeline");

	if (got == DB_OK && *result != NULL)
		got = db_next_result(db, &end, deadline_ms, "waiting for a pipeline");
	PQclear(end);
	return got;
}

enum db_result db_flush(struct db *db, PGresult **results, int count, int *failed,
                        int64_t deadline_ms)
{
	enum db_result answer = DB_OK;
	PGresult *sync = NULL;

	assert(count == db->queued);
	db->warning[0] = '\0';
	for (int i = 0; i < count; i++)
		results[i] = NULL;
	if (db->queue_failed || PQpipelineSync(db->conn) == 0)
		return db_lose(db, "sending a pipeline");
	db->queued = 0;
	enum db_result got = db_flush_output(db, deadline_ms, "sending a pipeline");
	for (int i = 0; got == DB_OK && i < count; i++) {
		got = db_take_queued(db, &results[i], deadline_ms);
		if (got != DB_OK || answer != DB_OK || result_is_good(results[i]))
			continue;
		answer = db_take_refusal(db, db->queue[i], results[i]);
		if (failed != NULL)
			*failed = i;
		if (answer == DB_LOST)
			return answer;
	}
	if (got == DB_OK)
		got = db_next_result(db, &sync, deadline_ms, "waiting for a pipeline");
	if (got != DB_OK)
		return got;
	bool synced = PQresultStatus(sync) == PGRES_PIPELINE_SYNC && PQexitPipelineMode(db->conn) == 1;
	PQclear(sync);
	if (!synced)
		return db_lose(db, "ending a pipeline");
	return answer;
}

void db_roll_back(struct db *db)
{
	if (db->ready && db_run_sql(db, "ROLLBACK", NULL, db_deadline(db)) != DB_OK)
		db_close(db);
}

/* ---- results ---- */

bool db_copy(const PGresult *result, int row, int column, char *text, size_t size)
{
	const char *value = PQgetvalue(result, row, column);
	size_t length = text_utf8_fit(value, size - 1);

	memcpy(text, value, length);
	text[length] = '\0';
	return !PQgetisnull(result, row, column) && value[length] == '\0';
}

bool db_is_true(const PGresult *result, int row, int column)
{
	return strcmp(PQgetvalue(result, row, column), "t") == 0;
}

int64_t db_number(const PGresult *result, int row, int column)
{
	return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

void db_clear(PGresult **results, int count)
{
	for (int i = 0; i < count; i++)
		PQclear(results[i]);
}
