/* Checks of a prepared statement against what its row in the table says. */
#include <stdio.h>
#include <string.h>

#include "lib/session/db_session.h"
#include "lib/session/sql_text.h"

static enum db_result db_complain(struct db *db, const char *title, const char *what)
{
	db_say(db, "%s: %s", title, what);
	db->sqlstate[0] = '\0';
	return DB_REFUSED;
}

/* The words of a lock clause; EXPLAIN shows nothing of what they ask for. */
static const char *lock_fault(const char *sql, enum db_lock lock)
{
	bool change = sql_has_words(sql, "FOR NO KEY UPDATE") || sql_has_words(sql, "FOR UPDATE");

	if (sql_has_words(sql, "SKIP LOCKED"))
		return "SKIP LOCKED takes a row that somebody changes for one that is not there; leave it "
			   "out";
	if (sql_has_words(sql, "NOWAIT"))
		return "NOWAIT does not wait for who changes the row; leave it out";
	if (sql_has_words(sql, "FOR KEY SHARE"))
		return "FOR KEY SHARE does not wait for who changes the row; end it with FOR SHARE "
			   "(worker) or FOR NO KEY UPDATE (gateway)";
	if (lock == DB_LOCK_CHANGE && !change)
		return "the statement locks no row, or not for a change; end it with FOR NO KEY UPDATE";
	if (!change && !sql_has_words(sql, "FOR SHARE"))
		return "the statement locks no row; end it with FOR SHARE";
	return NULL;
}

/* The condition on a line of a plan, or NULL. */
static const char *plan_condition(const char *line)
{
	static const char *const kinds[] = {
		"Filter: ",       "One-Time Filter: ", "Join Filter: ", "Index Cond: ",
		"Recheck Cond: ", "Hash Cond: ",       "Merge Cond: ",  "TID Cond: "};

	line += strspn(line, " ");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strncmp(line, kinds[i], strlen(kinds[i])) == 0)
			return line + strlen(kinds[i]);
	return NULL;
}

/* After a wait for the lock PostgreSQL looks again at the row, and leaves it out if a condition is
 * no longer met: so "no row" would not mean that there is no user. The only condition is one on $1.
 */
static bool condition_is_key(const char *condition)
{
	return strstr(condition, "$1") != NULL && !sql_has_words(condition, "AND") &&
	       !sql_has_words(condition, "OR") && !sql_has_words(condition, "IS") &&
	       !sql_has_words(condition, "CASE");
}

static enum db_result db_judge_plan(struct db *db, const char *title, const PGresult *plan)
{
	bool locks = false, keyed = false;
	char what[DB_WHY_SIZE];

	for (int line = 0; line < PQntuples(plan); line++) {
		const char *text = PQgetvalue(plan, line, 0), *condition = plan_condition(text);

		locks = locks || strstr(text, "LockRows") != NULL;
		if (condition == NULL)
			continue;
		keyed = true;
		if (condition_is_key(condition))
			continue;
		snprintf(
			what, sizeof(what),
			"the condition %.200s is on more than the key: who is restored or deleted while the "
			"lock is waited for would seem not to exist; find the row by the key ($1) alone",
			condition);
		return db_complain(db, title, what);
	}
	if (!locks)
		return db_complain(db, title, "the statement locks no row");
	if (!keyed)
		return db_complain(db, title, "the statement does not find the row by its key ($1)");
	return DB_OK;
}

/* Judges the generic plan of a statement that locks: with a custom one for NULL the planner would
 * know that there is no row. Without indexes, as a condition that an index has in it is not shown
 * otherwise. A prepared statement of its own, for its plan is kept. */
static enum db_result db_check_plan(struct db *db, int statement, int64_t deadline_ms)
{
	const char *title = db_title(db, statement);
	PGresult *plan = NULL;

	if (PQsendPrepare(db->conn, "checked_plan", db_sql(db, statement), 0, NULL) == 0)
		return db_lose(db, title);
	enum db_result result = db_collect(db, title, NULL, deadline_ms);
	bool prepared = result == DB_OK;
	if (prepared)
		result =
			db_run_sql(db,
		               "BEGIN; SET LOCAL plan_cache_mode = force_generic_plan;"
		               " SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off;"
		               " SET LOCAL enable_bitmapscan = off; SET LOCAL enable_tidscan = off",
		               NULL, deadline_ms);
	if (result == DB_OK)
		result =
			db_run_sql(db, "EXPLAIN (COSTS OFF) EXECUTE checked_plan(NULL)", &plan, deadline_ms);
	if (db->ready)
		db_roll_back(db);
	/* After a refusal too: the check may be made again in this session. */
	if (prepared && db->ready &&
	    db_run_sql(db, "DEALLOCATE checked_plan", NULL, deadline_ms) != DB_OK)
		return DB_LOST;
	if (result == DB_OK)
		result = db_judge_plan(db, title, plan);
	PQclear(plan);
	return result;
}

static enum db_result db_check_lock(struct db *db, int statement, int64_t deadline_ms)
{
	const struct db_statement *row = &db->options->statements[statement];
	const char *fault = lock_fault(row->sql, row->lock);

	if (fault != NULL)
		return db_complain(db, db_title(db, statement), fault);
	return db_check_plan(db, statement, deadline_ms);
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
	return row->lock != DB_LOCK_NONE ? db_check_lock(db, statement, deadline_ms) : DB_OK;
}
