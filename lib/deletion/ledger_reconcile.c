/* The calls on the ledger that return many rows: what the reconciler looks for. */
#include <stdio.h>

#include "lib/deletion/ledger.h"
#include "lib/deletion/ledger_sql.h"

static enum ledger_answer ledger_run_rows(struct ledger *ledger, enum worker_db_statement statement,
                                          const char *const *params, PGresult **rows)
{
	enum db_result result = db_run(ledger->db, statement, params, rows, db_deadline(ledger->db));

	return result == DB_OK ? LEDGER_OK : ledger_failed(ledger, result);
}

/* The statement's parameters are a time and how many rows at the most. */
static enum ledger_answer rows_within(struct ledger *ledger, enum worker_db_statement statement,
                                      int64_t time_ms, int64_t limit, PGresult **rows)
{
	char seconds[32], most[24];

	ledger_seconds_text(time_ms, seconds, sizeof(seconds));
	snprintf(most, sizeof(most), "%lld", (long long)limit);
	const char *params[] = {seconds, most};
	return ledger_run_rows(ledger, statement, params, rows);
}

enum ledger_answer ledger_unreported(struct ledger *ledger, int64_t after_ms, int64_t limit,
                                     PGresult **rows)
{
	return rows_within(ledger, LEDGER_UNREPORTED, after_ms, limit, rows);
}

enum ledger_answer ledger_sweeps(struct ledger *ledger, int64_t limit, PGresult **rows)
{
	char most[24];

	snprintf(most, sizeof(most), "%lld", (long long)limit);
	const char *params[] = {most};
	return ledger_run_rows(ledger, LEDGER_SWEEPS, params, rows);
}

enum ledger_answer ledger_bring_forward(struct ledger *ledger, int64_t beyond_ms, int64_t limit,
                                        PGresult **rows)
{
	return rows_within(ledger, LEDGER_BRING_FORWARD, beyond_ms, limit, rows);
}

enum ledger_answer ledger_lineage_seen(struct ledger *ledger, char *lineage, size_t size)
{
	PGresult *row = NULL;
	enum ledger_answer answer = ledger_run_rows(ledger, LINEAGE_SEEN, NULL, &row);

	lineage[0] = '\0';
	if (answer == LEDGER_OK && PQntuples(row) > 0)
		db_copy(row, 0, 0, lineage, size);
	PQclear(row);
	return answer;
}

enum ledger_answer ledger_lineage_store(struct ledger *ledger, const char *lineage,
                                        const char *seen)
{
	const char *params[] = {lineage, seen};

	return ledger_run_rows(ledger, LINEAGE_STORE, params, NULL);
}

enum ledger_answer ledger_lineage_first(struct ledger *ledger, const char *lineage)
{
	return ledger_run_rows(ledger, LINEAGE_FIRST, &lineage, NULL);
}

enum ledger_answer ledger_knows(struct ledger *ledger, const char *ids, bool *knows)
{
	PGresult *row = NULL;
	enum ledger_answer answer = ledger_run_rows(ledger, LEDGER_KNOWS, &ids, &row);

	*knows = answer == LEDGER_OK && db_is_true(row, 0, 0);
	PQclear(row);
	return answer;
}

/* A page of STATEMENT. */
static enum ledger_answer page_of(struct ledger *ledger, enum worker_db_statement statement,
                                  const char *after, int limit, PGresult **row)
{
	char most[24];

	snprintf(most, sizeof(most), "%d", limit);
	const char *params[] = {after, most};
	return ledger_run_rows(ledger, statement, params, row);
}

enum ledger_answer ledger_page(struct ledger *ledger, bool all, const char *after, int limit,
                               PGresult **row)
{
	return page_of(ledger, all ? LEDGER_CHANGED : LEDGER_UNFINISHED, after, limit, row);
}

enum ledger_answer ledger_vanished(struct ledger *ledger, const char *after, int limit,
                                   PGresult **row)
{
	return page_of(ledger, LEDGER_VANISHED, after, limit, row);
}

enum ledger_answer ledger_vanish(struct ledger *ledger, const char *ids, const char *why,
                                 PGresult **rows)
{
	const char *params[] = {ids, why};

	return ledger_run_rows(ledger, LEDGER_VANISH, params, rows);
}

enum ledger_answer ledger_found(struct ledger *ledger, const char *ids, const char *missing,
                                const char *why, PGresult **rows)
{
	const char *params[] = {ids, missing, why};

	return ledger_run_rows(ledger, LEDGER_FOUND, params, rows);
}

/* ---- a ledger that is behind its requests ---- */

enum ledger_answer ledger_catch_up(struct ledger *ledger, const struct deletion_state *state,
                                   int64_t heard, struct deletion_state *raised)
{
	char version[24], known[24];
	PGresult *row = NULL;

	snprintf(version, sizeof(version), "%lld", (long long)state->version);
	snprintf(known, sizeof(known), "%lld", (long long)heard);
	const char *params[] = {state->deletion_id, version, known};
	enum ledger_answer answer = ledger_run_rows(ledger, LEDGER_CATCH_UP, params, &row);
	if (answer == LEDGER_OK && PQntuples(row) == 0)
		answer = LEDGER_SUPERSEDED;
	else if (answer == LEDGER_OK)
		ledger_read_state(row, 0, raised);
	PQclear(row);
	return answer;
}

enum ledger_answer ledger_follow(struct ledger *ledger, const struct deletion_state *state,
                                 const struct deletion_state *finished)
{
	char version[24], known[24], files[24];
	PGresult *row = NULL;

	snprintf(version, sizeof(version), "%lld", (long long)state->version);
	snprintf(known, sizeof(known), "%lld", (long long)finished->version);
	snprintf(files, sizeof(files), "%lld", (long long)finished->files_deleted);
	const char *params[] = {state->deletion_id,   version,        known,
	                        finished->status,     finished->mail, files,
	                        finished->finished_at};
	enum ledger_answer answer = ledger_run_rows(ledger, LEDGER_FOLLOW, params, &row);
	if (answer == LEDGER_OK && PQntuples(row) == 0)
		answer = LEDGER_SUPERSEDED;
	PQclear(row);
	return answer;
}

enum ledger_answer ledger_untold(struct ledger *ledger, const char *ids)
{
	return ledger_run_rows(ledger, LEDGER_UNTOLD, &ids, NULL);
}
