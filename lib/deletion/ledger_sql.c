/* The SQL of the ledger, and the table of statements of the worker database's session. */
#include "lib/deletion/ledger_sql.h"

#include <string.h>

/* In the order of enum state_column. */
#define STATE                                                                                      \
	"deletion_id, status, mail, files_deleted, attempts, last_error, next_attempt_at, finished_at"

static const char lease_sql[] =
	"SELECT pg_try_advisory_lock(hashtextextended('farewell.deletion ' || $1, 0))";
static const char release_sql[] =
	"SELECT pg_advisory_unlock(hashtextextended('farewell.deletion ' || $1, 0))";

/* Counts a start. No row: the job is finished, or this message's turn is over, or it is parked and
 * this delivery is only the echo of what was parked. A message that somebody moved back from the
 * parked queue starts afresh. */
static const char begin_sql[] =
	"INSERT INTO farewell.deletion AS d (deletion_id, user_id, status, turn, attempts, starts) "
	"VALUES ($1, $2, 'running', $3, $4, 1)"
	" ON CONFLICT (deletion_id) DO UPDATE SET status = 'running', turn = $3,"
	" starts = CASE WHEN d.status = 'parked' THEN 1 ELSE d.starts + 1 END,"
	" attempts = CASE WHEN d.status = 'parked' THEN 0 ELSE GREATEST(d.attempts, $4) END,"
	" failing_since = CASE WHEN d.status = 'parked' THEN NULL ELSE d.failing_since END,"
	" next_attempt_at = NULL, updated_at = now()"
	" WHERE d.finished_at IS NULL AND d.turn <= $3 AND NOT (d.status = 'parked' AND d.turn = $3 "
	"AND $5)"
	" RETURNING attempts, starts, files_deleted, mail,"
	" COALESCE(extract(epoch FROM now() - failing_since) * 1000, 0)::bigint";

static const char look_sql[] =
	"SELECT " STATE ", turn, next_attempt_at > now() FROM farewell.deletion WHERE deletion_id = $1";

/* What is written in the course of a job is fenced by its turn, and by its end: whose user was
 * restored meanwhile stops at the next step. */
static const char progress_sql[] =
	"UPDATE farewell.deletion SET files_deleted = files_deleted + $3, updated_at = now()"
	" WHERE deletion_id = $1 AND turn = $2 AND finished_at IS NULL RETURNING " STATE;

static const char sending_sql[] =
	"UPDATE farewell.deletion SET mail = 'sending', updated_at = now()"
	" WHERE deletion_id = $1 AND turn = $2 AND finished_at IS NULL RETURNING deletion_id";

static const char complete_sql[] =
	"UPDATE farewell.deletion SET status = 'completed', mail = $3, last_error = $4, "
	"next_attempt_at = NULL, starts = 0,"
	" updated_at = now(), finished_at = now(), mailed_at = CASE WHEN $3 = 'sent' THEN "
	"COALESCE(mailed_at, now()) END"
	" WHERE deletion_id = $1 AND turn = $2 AND finished_at IS NULL RETURNING " STATE;

/* A retry or a continuation: the turn passes on. $3 failures to count, $4 mail, $5 error or null,
 * $6 delay in seconds or null. */
static const char pass_on_sql[] =
	"UPDATE farewell.deletion SET status = CASE WHEN $6::float8 IS NULL THEN 'running' ELSE "
	"'retrying' END, turn = turn + 1, starts = 0,"
	" attempts = attempts + $3, mail = $4, last_error = COALESCE($5, last_error),"
	" next_attempt_at = now() + make_interval(secs => $6::float8),"
	" failing_since = CASE WHEN $3 > 0 THEN COALESCE(failing_since, now()) END, updated_at = now()"
	" WHERE deletion_id = $1 AND turn = $2 AND finished_at IS NULL RETURNING " STATE;

static const char park_sql[] =
	"UPDATE farewell.deletion SET status = 'parked', starts = 0, attempts = "
	"attempts + $3, mail = $4, last_error = $5, next_attempt_at = NULL,"
	" updated_at = now() WHERE deletion_id = $1 AND turn = $2 AND "
	"finished_at IS NULL RETURNING " STATE;

static const char cancel_sql[] =
	"INSERT INTO farewell.deletion AS d (deletion_id, user_id, status, "
	"mail, finished_at) VALUES ($1, $2, 'cancelled', 'none', now())"
	" ON CONFLICT (deletion_id) DO UPDATE SET status = 'cancelled', "
	"next_attempt_at = NULL, updated_at = now(), finished_at = now()"
	" WHERE d.finished_at IS NULL RETURNING " STATE;

/* The start that was counted for a job that was given up because a database or the broker went
 * away; $3: what became of its mail. */
static const char uncount_sql[] =
	"UPDATE farewell.deletion SET starts = GREATEST(starts - 1, 0), mail = CASE WHEN mail = "
	"'sending' THEN COALESCE($3, mail) ELSE mail END,"
	" mailed_at = CASE WHEN $3 = 'sent' THEN COALESCE(mailed_at, now()) ELSE mailed_at END"
	" WHERE deletion_id = $1 AND turn = $2 AND finished_at IS NULL";

static const char next_turn_sql[] =
	"INSERT INTO farewell.deletion AS d (deletion_id, user_id, turn) VALUES ($1, $2, 2)"
	" ON CONFLICT (deletion_id) DO UPDATE SET turn = d.turn + 1, updated_at = now()"
	" WHERE d.finished_at IS NULL AND d.status <> 'parked' RETURNING turn, attempts";

void ledger_statements(const struct conf *conf, struct db_statement table[WORKER_DB_STATEMENTS])
{
	const char *page = conf->worker.files_sql, *done = conf->worker.files_done_sql;
	const struct db_statement all[WORKER_DB_STATEMENTS] = {
		[FILES_PAGE] = {"files", "worker.files_sql", page, 3, FILE_COLUMNS, false},
		[FILES_DONE] = {"files_done", "worker.files_done_sql", done, 2, -1, false},
		[LEDGER_LEASE] = {.name = "lease", .sql = lease_sql, .params = 1},
		[LEDGER_RELEASE] = {.name = "release", .sql = release_sql, .params = 1},
		[LEDGER_BEGIN] = {.name = "begin_job", .sql = begin_sql, .params = 5},
		[LEDGER_LOOK] = {.name = "look", .sql = look_sql, .params = 1},
		[LEDGER_PROGRESS] = {.name = "progress", .sql = progress_sql, .params = 3},
		[LEDGER_SENDING] = {.name = "sending", .sql = sending_sql, .params = 2},
		[LEDGER_COMPLETE] = {.name = "complete", .sql = complete_sql, .params = 4},
		[LEDGER_PASS_ON] = {.name = "pass_on", .sql = pass_on_sql, .params = 6},
		[LEDGER_PARK] = {.name = "park", .sql = park_sql, .params = 5},
		[LEDGER_CANCEL] = {.name = "cancel", .sql = cancel_sql, .params = 2},
		[LEDGER_UNCOUNT] = {.name = "uncount", .sql = uncount_sql, .params = 3},
		[LEDGER_NEXT_TURN] = {.name = "next_turn", .sql = next_turn_sql, .params = 2},
	};

	memcpy(table, all, sizeof(all));
}
