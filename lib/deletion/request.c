/* The SQL of farewell.request, and the calls of it that are a transaction of their own. */
#include "lib/deletion/request.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/deletion/mark.h"
#include "lib/deletion/pairing.h"

/* The newest of one user; only the one of the present mark matters. */
#define ENOUGH_REQUESTS "100"

/* Of to_char: RFC 3339. */
#define SECONDS "'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'"
#define MILLISECONDS "'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'"

/* ---- the gateway's statements ---- */

/* What was cancelled is nobody's deletion any more, even if the users row has its mark again. */
static const char read_live_sql[] =
	"SELECT to_char(clock.now, " MILLISECONDS "), r.deletion_id::text, r.mark, r.status,"
	" to_char(r.requested_at, " MILLISECONDS ")"
	" FROM (SELECT now()) AS clock(now)"
	" LEFT JOIN farewell.request r ON r.user_id = $1 AND r.status <> 'cancelled'"
	" ORDER BY r.requested_at DESC NULLS LAST LIMIT " ENOUGH_REQUESTS;

static const char hold_sql[] =
	"SELECT status, to_char(requested_at, " MILLISECONDS ") FROM farewell.request"
	" WHERE deletion_id = $1::uuid FOR NO KEY UPDATE";

static const char ask_sweep_sql[] =
	"UPDATE farewell.request SET sweep_asked = now() WHERE deletion_id = $1::uuid"
	" AND status = 'completed' AND sweep_asked IS NULL";

#define INSERT                                                                                     \
	"INSERT INTO farewell.request (deletion_id, user_id, mark, requested_by, request_id,"          \
	" published_at, reconcile_at)"
/* The broker has the message: later than that it was not published. */
#define CONFIRMED "clock_timestamp(), clock_timestamp()"
#define INSERTED " RETURNING status, to_char(requested_at, " MILLISECONDS ")"

static const char insert_sql[] =
	INSERT " VALUES ($1::uuid, $2::text, $3::text, $4::text, $5::text, " CONFIRMED ")" INSERTED;

/* The setting's own text stands on lines of its own, so that a comment at its end swallows nothing
 * of ours. Two rows are an error (21000), none is null, and so is a
 * mark of infinity. */
static const char mark_head[] = "WITH marked(mark) AS (\n";
static const char mark_tail[] = "\n) SELECT (SELECT mark FROM marked)";

static const char seen_head[] = "WITH seen(id, mark) AS (\n";
static const char insert_seen_tail[] =
	"\n) " INSERT
	" VALUES ($2::uuid, $3::text, (SELECT mark FROM seen WHERE NOT " MARK_IS_INFINITE_SQL(
		"mark::text") "), $4::text, $5::text, " CONFIRMED ")" INSERTED;

/* A column of whole days, or of yes and no, marks a user who was restored as it did before. */
static const char set_apart_tail[] =
	"\n) UPDATE farewell.request SET mark = mark || ' (before ' || $3::text || ')'"
	" WHERE user_id = $2::text AND mark = (SELECT mark FROM seen) AND status <> 'cancelled'";

static const char newest_sql[] =
	"SELECT user_id, deletion_id::text, status, mail, files_deleted::text, attempts::text,"
	" last_error,"
	" to_char(requested_at, " MILLISECONDS "), to_char(started_at, " MILLISECONDS "),"
	" to_char(finished_at, " MILLISECONDS "), to_char(next_attempt_at, " MILLISECONDS "),"
	" versions_left::text FROM farewell.request WHERE user_id = $1 ORDER BY requested_at DESC "
	"LIMIT 1";

/* The modes that keep out who locks or changes a row. One that only waits for its turn keeps out
 * who comes later, too. */
static const char table_locks_sql[] =
	"SELECT c.oid::regclass::text, l.mode, l.pid::text"
	" FROM pg_locks l JOIN pg_class c ON c.oid = l.relation"
	" JOIN pg_database d ON d.oid = l.database"
	" WHERE l.locktype = 'relation' AND d.datname = current_database()"
	" AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')"
	" AND l.pid <> pg_backend_pid() AND c.relkind IN ('r', 'p')"
	" AND (strpos(lower($1::text), lower(c.relname)) > 0"
	"   OR c.oid = 'farewell.request'::regclass)"
	" ORDER BY l.granted DESC, l.pid LIMIT 1";

/* By the words of the text, so it is no more than a good guess. */
static const char coarse_columns_sql[] =
	"SELECT c.oid::regclass::text, a.attname, format_type(a.atttypid, a.atttypmod)"
	" FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
	" WHERE c.relkind IN ('r', 'p', 'v') AND a.attnum > 0 AND NOT a.attisdropped"
	" AND a.atttypid IN ('date'::regtype, 'boolean'::regtype)"
	" AND c.relnamespace <> 'pg_catalog'::regnamespace"
	" AND pg_table_is_visible(c.oid) AND strpos(lower($1::text), lower(c.relname)) > 0"
	" AND strpos(lower($1::text), lower(a.attname) || '::text') > 0";

/* ---- the worker's statements ---- */

static const char read_sql[] =
	"SELECT user_id, mark, finished_at IS NOT NULL, to_char(requested_at, " SECONDS "),"
	" (extract(epoch FROM now() - requested_at) * 1000)::bigint, status = 'cancelled'"
	" FROM farewell.request WHERE deletion_id = $1";

static const char adopt_sql[] =
	"INSERT INTO farewell.request (deletion_id, user_id, mark, request_id, published_at)"
	" VALUES ($1, $2, $3, $4, now())"
	" ON CONFLICT (user_id, mark) WHERE status <> 'cancelled' DO NOTHING";

static const char find_sql[] = "SELECT deletion_id, finished_at IS NOT NULL FROM farewell.request"
							   " WHERE user_id = $1 AND mark = $2"
							   " AND status <> 'cancelled'";

static const char remark_sql[] =
	"UPDATE farewell.request SET mark = $2 WHERE deletion_id = $1 AND finished_at IS NULL";

static const char start_sql[] =
	"UPDATE farewell.request SET started_at = COALESCE(started_at, now())"
	" WHERE deletion_id = $1 AND finished_at IS NULL AND status <> 'cancelled'";

/* Under the lock of the users row, before the ledger hears of it: from here on no DELETE takes it
 * for its own. */
static const char cancel_sql[] = "UPDATE farewell.request SET status = 'cancelled'"
								 " WHERE deletion_id = $1 AND finished_at IS NULL";

/* A request that is finished stays as it is, and a copy is never replaced by an older one. */
static const char report_sql[] =
	"UPDATE farewell.request SET status = $2, mail = $3, files_deleted = $4, attempts = $5,"
	" last_error = $6, next_attempt_at = $7, finished_at = $8,"
	" reconcile_at = GREATEST(reconcile_at, COALESCE($7, now())), version = $9::bigint,"
	" versions_left = $10"
	" WHERE deletion_id = $1 AND finished_at IS NULL AND version < $9::bigint"
	" AND (status <> 'cancelled' OR $2 = 'cancelled')";

/* In the order of enum known_column. */
static const char state_sql[] =
	"SELECT deletion_id, status, mail, files_deleted, attempts, finished_at, version"
	" FROM farewell.request WHERE deletion_id = $1";

/* Of reconcile_at: whatever the queue may have. */
#define AT_ONCE "now() - interval '1 year'"

/* $1 seconds to wait, doubled each time; $2 seconds that must have passed. Ordered, for an UPDATE
 * returns its rows in any order. */
static const char claim_sql[] =
	"WITH claimed AS (UPDATE farewell.request SET reconciled = reconciled + 1, reconcile_at = now()"
	" + make_interval(secs => $1::float8) * (2 ^ LEAST(reconciled + 1, 10) - 1)"
	" WHERE deletion_id IN (SELECT deletion_id FROM farewell.request"
	"   WHERE finished_at IS NULL AND status <> 'parked'"
	"   AND reconcile_at <= now() - make_interval(secs => $2::float8)"
	"   ORDER BY reconcile_at LIMIT $3 FOR UPDATE SKIP LOCKED)"
	" RETURNING deletion_id, user_id, requested_at, request_id)"
	" SELECT deletion_id, user_id, to_char(requested_at, " SECONDS "), request_id"
	" FROM claimed ORDER BY claimed.requested_at";

static const char unclaim_sql[] =
	"UPDATE farewell.request SET reconciled = GREATEST(reconciled - 1, 0),"
	" reconcile_at = " AT_ONCE " WHERE deletion_id = ANY ($1::uuid[])"
	" AND finished_at IS NULL";

static const char hasten_sql[] =
	"UPDATE farewell.request SET reconcile_at = " AT_ONCE " WHERE deletion_id = ANY ($1::uuid[])"
	" AND finished_at IS NULL";

/* One row: those of an array of ids that are not there, and those that are finished. A standby that
 * lags behind is no witness.
 */
static const char missing_sql[] =
	"SELECT pg_is_in_recovery(), ARRAY(SELECT id FROM unnest($1::uuid[]) AS asked(id)"
	" WHERE NOT EXISTS (SELECT FROM farewell.request r WHERE r.deletion_id = asked.id))::text,"
	" ARRAY(SELECT deletion_id FROM farewell.request WHERE deletion_id = ANY ($1::uuid[])"
	" AND finished_at IS NOT NULL)::text";

/* The version stays, so that a report of the completion that is still under way is not taken. If we
 * die before the ledger is reopened, its finished row finishes the request again. One that was
 * reopened before, or has not heard yet that it is completed, is reopened as well. */
static const char reopen_sql[] =
	"UPDATE farewell.request SET status = 'accepted', finished_at = NULL,"
	" reconciled = 0, reconcile_at = now(), sweep_asked = NULL"
	" WHERE deletion_id = $1 AND mark = $2 AND status <> 'cancelled' RETURNING deletion_id";

static const char asked_sql[] =
	"SELECT deletion_id, user_id, to_char(requested_at, " SECONDS "), request_id"
	" FROM farewell.request WHERE sweep_asked <= now() AND status = 'completed'"
	" ORDER BY sweep_asked LIMIT $1";

/* $2 seconds until it is to be tried again, or null: it was made. */
static const char swept_sql[] =
	"UPDATE farewell.request SET sweep_asked = now() + make_interval(secs => $2::float8)"
	" WHERE deletion_id = $1";

static const char published_sql[] =
	"UPDATE farewell.request SET published_at = now(), reconcile_at = GREATEST(reconcile_at, now())"
	" WHERE deletion_id = $1";

/* Asked once, before the two databases are a pair. */
static const char started_sql[] =
	"SELECT ARRAY(SELECT deletion_id FROM farewell.request WHERE started_at IS NOT NULL"
	" ORDER BY started_at DESC LIMIT 100)::text";

static const char lead_sql[] =
	"SELECT pg_try_advisory_lock(hashtextextended('farewell.reconciler', 0))";
static const char unlead_sql[] =
	"SELECT pg_advisory_unlock(hashtextextended('farewell.reconciler', 0))";

/* ---- the tables of statements ---- */

static char *wrap_setting(const char *head, const char *setting, const char *tail)
{
	size_t length = strlen(setting);

	while (length > 0 &&
	       (isspace((unsigned char)setting[length - 1]) || setting[length - 1] == ';'))
		length--;
	size_t size = strlen(head) + length + strlen(tail) + 1;
	char *sql = malloc(size);
	if (sql != NULL)
		snprintf(sql, size, "%s%.*s%s", head, (int)length, setting, tail);
	return sql;
}

bool request_gateway_statements(const struct conf *conf,
                                struct db_statement table[USER_DB_STATEMENTS],
                                struct request_texts *texts)
{
	const char *lock = conf->gateway.lock_user_sql;

	texts->mark = wrap_setting(mark_head, conf->gateway.mark_user_sql, mark_tail);
	texts->insert_seen = wrap_setting(seen_head, lock, insert_seen_tail);
	texts->set_apart = wrap_setting(seen_head, lock, set_apart_tail);
	memset(table, 0, USER_DB_STATEMENTS * sizeof(table[0]));
	table[USERS_LOCK] = (struct db_statement){"lock_user",   "gateway.lock_user_sql", lock, 1,
	                                          USERS_COLUMNS, DB_LOCK_CHANGE,          0};
	table[USERS_MARK] = (struct db_statement){
		"mark_user", "gateway.mark_user_sql", texts->mark, 1, 1, DB_LOCK_NONE, 0};
	table[REQUEST_SET_APART] =
		(struct db_statement){.name = "set_apart", .sql = texts->set_apart, .params = 3};
	table[REQUEST_INSERT_SEEN] = (struct db_statement){.name = "insert_seen",
	                                                   .sql = texts->insert_seen,
	                                                   .params = 5,
	                                                   .columns = REQUEST_NEW_COLUMNS};
	table[REQUEST_READ_LIVE] =
		(struct db_statement){.name = "read_requests", .sql = read_live_sql, .params = 1};
	table[REQUEST_HOLD] = (struct db_statement){
		.name = "hold_request", .sql = hold_sql, .params = 1, .columns = REQUEST_NEW_COLUMNS};
	table[REQUEST_ASK_SWEEP] =
		(struct db_statement){.name = "ask_sweep", .sql = ask_sweep_sql, .params = 1};
	table[REQUEST_INSERT] = (struct db_statement){
		.name = "insert_request", .sql = insert_sql, .params = 5, .columns = REQUEST_NEW_COLUMNS};
	table[TABLE_LOCKS] = (struct db_statement){
		.name = "table_locks", .sql = table_locks_sql, .params = 1, .columns = LOCK_COLUMNS};
	table[COARSE_COLUMNS] =
		(struct db_statement){.name = "coarse_columns", .sql = coarse_columns_sql, .params = 1};
	table[REQUEST_NEWEST] =
		(struct db_statement){.name = "newest_request", .sql = newest_sql, .params = 1};
	return texts->mark != NULL && texts->insert_seen != NULL && texts->set_apart != NULL;
}

void request_free_texts(struct request_texts *texts)
{
	free(texts->mark);
	free(texts->insert_seen);
	free(texts->set_apart);
	*texts = (struct request_texts){.mark = NULL};
}

void request_worker_statements(const struct conf *conf,
                               struct db_statement table[USER_DB_STATEMENTS])
{
	const char *lock = conf->worker.lock_user_sql, *contact = conf->worker.user_contact_sql;
	const struct db_statement all[USER_DB_STATEMENTS] = {
		[USERS_LOCK] = {"lock_user", "worker.lock_user_sql", lock, 1, USERS_COLUMNS, DB_LOCK_SHARE,
	                    0},
		[USERS_CONTACT] = {"user_contact", "worker.user_contact_sql", contact, 1, CONTACT_COLUMNS,
	                       DB_LOCK_NONE, 0},
		[REQUEST_READ] = {.name = "read_request", .sql = read_sql, .params = 1},
		[REQUEST_ADOPT] = {.name = "adopt_request", .sql = adopt_sql, .params = 4},
		[REQUEST_FIND] = {.name = "find_request", .sql = find_sql, .params = 2},
		[REQUEST_REMARK] = {.name = "remark", .sql = remark_sql, .params = 2},
		[REQUEST_START] = {.name = "stamp_start", .sql = start_sql, .params = 1},
		[REQUEST_CANCEL] = {.name = "cancel", .sql = cancel_sql, .params = 1},
		[REQUEST_REPORT] = {.name = "report", .sql = report_sql, .params = 10, .prose = 6},
		[REQUEST_STATE] = {.name = "known_state", .sql = state_sql, .params = 1},
		[REQUEST_CLAIM] = {.name = "claim", .sql = claim_sql, .params = 3},
		[REQUEST_UNCLAIM] = {.name = "unclaim", .sql = unclaim_sql, .params = 1},
		[REQUEST_HASTEN] = {.name = "hasten", .sql = hasten_sql, .params = 1},
		[REQUEST_MISSING] = {.name = "missing", .sql = missing_sql, .params = 1},
		[REQUEST_REOPEN] = {.name = "reopen", .sql = reopen_sql, .params = 2},
		[REQUEST_ASKED] = {.name = "sweeps_asked", .sql = asked_sql, .params = 1},
		[REQUEST_SWEPT] = {.name = "swept", .sql = swept_sql, .params = 2},
		[REQUEST_PUBLISHED] = {.name = "note_published", .sql = published_sql, .params = 1},
		[REQUEST_STARTED] = {.name = "started", .sql = started_sql},
		[PAIRING_READ] = {.name = "pairing", .sql = pairing_read_sql},
		[PAIRING_TAKE] = {.name = "pairing_take", .sql = pairing_take_sql, .params = 1},
		[REQUEST_LEAD] = {.name = "lead", .sql = lead_sql},
		[REQUEST_UNLEAD] = {.name = "unlead", .sql = unlead_sql},
	};

	memcpy(table, all, sizeof(all));
}

/* ---- calls ---- */

static void request_seconds(int64_t ms, char *text, size_t size)
{
	snprintf(text, size, "%lld.%03d", (long long)(ms / 1000), (int)(ms % 1000));
}

enum db_result request_claim(struct db *db, int64_t after_ms, int64_t passed_ms, int64_t limit,
                             PGresult **rows)
{
	char after[32], passed[32], most[24];

	request_seconds(after_ms, after, sizeof(after));
	request_seconds(passed_ms > after_ms ? passed_ms : after_ms, passed, sizeof(passed));
	snprintf(most, sizeof(most), "%lld", (long long)limit);
	const char *params[] = {after, passed, most};
	return db_run(db, REQUEST_CLAIM, params, rows, db_deadline(db));
}

enum db_result request_note_published(struct db *db, const char *deletion_id)
{
	return db_run(db, REQUEST_PUBLISHED, &deletion_id, NULL, db_deadline(db));
}

enum db_result request_lead(struct db *db, bool *leading)
{
	PGresult *row = NULL;
	enum db_result result = db_run(db, REQUEST_LEAD, NULL, &row, db_deadline(db));

	*leading = result == DB_OK && db_is_true(row, 0, 0);
	PQclear(row);
	return result;
}

enum db_result request_follow(struct db *db)
{
	return db_run(db, REQUEST_UNLEAD, NULL, NULL, db_deadline(db));
}

/* The deletion ids of ROWS from FIRST on as an array literal; free it. NULL: none, or no memory. */
static char *request_id_array(const PGresult *rows, int first)
{
	size_t count = (size_t)(PQntuples(rows) - first), used = 1;
	char *ids = count > 0 ? malloc(count * ID_UUID_SIZE + 2) : NULL;

	if (ids == NULL)
		return NULL;
	ids[0] = '{';
	for (int row = first; row < PQntuples(rows); row++) {
		if (row > first)
			ids[used++] = ',';
		db_copy(rows, row, CLAIM_DELETION_ID, ids + used, ID_UUID_SIZE);
		used += strlen(ids + used);
	}
	ids[used++] = '}';
	ids[used] = '\0';
	return ids;
}

static enum db_result request_run_on(struct db *db, enum user_db_statement statement,
                                     const PGresult *rows, int first)
{
	char *ids = request_id_array(rows, first);
	const char *params[] = {ids};

	if (ids == NULL)
		return PQntuples(rows) > first ? db_refuse(db, "out of memory") : DB_OK;
	enum db_result answer = db_run(db, statement, params, NULL, db_deadline(db));
	free(ids);
	return answer;
}

enum db_result request_give_back(struct db *db, const PGresult *rows, int first)
{
	return request_run_on(db, REQUEST_UNCLAIM, rows, first);
}

enum db_result request_hasten(struct db *db, const PGresult *rows)
{
	return request_run_on(db, REQUEST_HASTEN, rows, 0);
}

/* ---- sweeps ---- */

enum db_result request_sweeps_asked(struct db *db, int64_t limit, PGresult **rows)
{
	char most[24];

	snprintf(most, sizeof(most), "%lld", (long long)limit);
	const char *params[] = {most};
	return db_run(db, REQUEST_ASKED, params, rows, db_deadline(db));
}

enum db_result request_note_swept(struct db *db, const char *deletion_id, int64_t again_ms)
{
	char again[32];

	request_seconds(again_ms, again, sizeof(again));
	const char *params[] = {deletion_id, again_ms < 0 ? NULL : again};
	return db_run(db, REQUEST_SWEPT, params, NULL, db_deadline(db));
}

/* In the open transaction that holds the row's lock. */
static enum db_result reopen_locked(struct db *db, const char *deletion_id, const char *mark,
                                    bool *reopened)
{
	const char *params[] = {deletion_id, mark};
	PGresult *results[2] = {NULL};

	db_queue(db, REQUEST_REOPEN, params);
	db_queue_sql(db, "COMMIT");
	enum db_result result = db_flush(db, results, 2, NULL, db_deadline(db));
	*reopened = result == DB_OK && PQntuples(results[0]) == 1 &&
	            strcmp(PQcmdStatus(results[1]), "COMMIT") == 0;
	db_clear(results, 2);
	return result;
}

enum db_result request_reopen(struct db *db, const char *deletion_id, const char *user_id,
                              bool *reopened)
{
	const char *user[] = {user_id};
	PGresult *results[2] = {NULL};
	char mark[128];

	*reopened = false;
	db_queue_sql(db, "BEGIN");
	db_queue(db, USERS_LOCK, user);
	enum db_result result = db_flush(db, results, 2, NULL, db_deadline(db));
	bool marked = result == DB_OK && PQntuples(results[1]) == 1 &&
	              db_copy(results[1], 0, USERS_DELETED_AT, mark, sizeof(mark));
	db_clear(results, 2);
	if (marked)
		result = reopen_locked(db, deletion_id, mark, reopened);
	if (!*reopened)
		db_roll_back(db);
	return result;
}
