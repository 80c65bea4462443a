/* Checks of a prepared statement against what its row in the table says. */
#include <stdio.h>
#include <string.h>

#include "lib/session/db_session.h"

static enum db_result db_complain(struct db *db, const char *title, const char *what)
{
	db_say(db, "%s: %s", title, what);
	db->sqlstate[0] = '\0';
	return DB_REFUSED;
}

/* Whether the generic plan of STATEMENT has a LockRows node. */
static enum db_result db_check_locks(struct db *db, int statement, int64_t deadline_ms)
{
	const struct db_statement *row = &db->options->statements[statement];
	char sql[256];
	PGresult *plan = NULL;
	bool locks = false;

	int used = snprintf(sql, sizeof(sql), "EXPLAIN (COSTS OFF) EXECUTE %s", row->name);
	for (int i = 0; i < row->params; i++)
		used += snprintf(sql + used, sizeof(sql) - (size_t)used, "%sNULL", i == 0 ? "(" : ", ");
	if (row->params > 0)
		snprintf(sql + used, sizeof(sql) - (size_t)used, ")");
	/* With a custom plan for NULL the planner would know that there is no row, and plan no lock. */
	enum db_result result =
		db_run_sql(db, "SET plan_cache_mode = force_generic_plan", NULL, deadline_ms);
	if (result == DB_OK)
		result = db_run_sql(db, sql, &plan, deadline_ms);
	if (result != DB_OK)
		return result;
	for (int line = 0; line < PQntuples(plan); line++)
		locks = locks || strstr(PQgetvalue(plan, line, 0), "LockRows") != NULL;
	PQclear(plan);
	snprintf(sql, sizeof(sql), "SET plan_cache_mode = %s", db_plan_mode(db));
	result = db_run_sql(db, sql, NULL, deadline_ms);
	if (result == DB_OK && !locks)
		return db_complain(db, db_title(db, statement),
		                   "the statement locks no row; end it with FOR NO KEY UPDATE (gateway) or "
		                   "FOR SHARE (worker)");
	return result;
}

/* The sentence for a wrong number of THINGS. */
static enum db_result db_complain_count(struct db *db, const char *title, const char *verb,
                                        const char *thing, int got, int wanted)
{
	char what[128];

	snprintf(what, sizeof(what), "the statement %s %d %s%s, it must %.*s %d", verb, got, thing,
	         got == 1 ? "" : "s", (int)strlen(verb) - 1, verb, wanted);
	return db_complain(db, title, what);
}

enum db_result db_check(struct db *db, int statement, int64_t deadline_ms)
{
	const struct db_statement *row = &db->options->statements[statement];
	const char *title = db_title(db, statement);
	PGresult *description = NULL;

	if (!db->ready || PQsendDescribePrepared(db->conn, row->name) == 0)
		return db_lose(db, title);
	enum db_result result = db_collect(db, title, &description, deadline_ms);
	if (result != DB_OK)
		return result;
	int params = PQnparams(description), columns = PQnfields(description);
	PQclear(description);
	if (params != row->params)
		return db_complain_count(db, title, "takes", "parameter", params, row->params);
	if (row->columns >= 0 && columns != row->columns)
		return db_complain_count(db, title, "returns", "column", columns, row->columns);
	return row->locks ? db_check_locks(db, statement, deadline_ms) : DB_OK;
}
