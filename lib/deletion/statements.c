#include "lib/deletion/statements.h"

#include <string.h>

/* ---- user database ---- */

static const char read_request[] = "SELECT user_id, mark, status, finished_at IS NOT NULL,"
								   " to_char(requested_at, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
								   " FROM farewell.request WHERE deletion_id = $1";

static const char adopt_request[] = "INSERT INTO farewell.request (deletion_id, user_id, mark, "
									"request_id, published_at) VALUES ($1, $2, $3, $4, now())"
									" ON CONFLICT (user_id, mark) DO NOTHING";

static const char find_request[] =
	"SELECT deletion_id FROM farewell.request WHERE user_id = $1 AND mark = $2";

static const char stamp_start[] =
	"UPDATE farewell.request SET started_at = COALESCE(started_at, now()) WHERE deletion_id = $1";

/* What the ledger says, carried to the request; columns as ledger_copy lists them. A request that
 * is finished stays as it is. */
static const char report[] = "UPDATE farewell.request SET status = $2, mail = $3, files_deleted = "
							 "$4, attempts = $5, last_error = $6,"
							 " next_attempt_at = $7, finished_at = $8, reconcile_at = "
							 "GREATEST(reconcile_at, COALESCE($7, now()))"
							 " WHERE deletion_id = $1 AND finished_at IS NULL";

static const char claim[] = "UPDATE farewell.request SET reconciled = reconciled + 1,"
							" reconcile_at = now() + make_interval(secs => $1::float8) * (2 ^ "
							"LEAST(reconciled + 1, 10) - 1)"
							" WHERE deletion_id IN (SELECT deletion_id FROM farewell.request WHERE "
							"finished_at IS NULL AND status <> 'parked'"
							"   AND reconcile_at <= now() - make_interval(secs => $1::float8) "
							"ORDER BY reconcile_at LIMIT $2 FOR UPDATE SKIP LOCKED)"
							" RETURNING deletion_id, user_id, to_char(requested_at, "
							"'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), request_id";

static const char note_published[] =
	"UPDATE farewell.request SET published_at = now() WHERE deletion_id = $1";

static const char lead[] =
	"SELECT pg_try_advisory_lock(hashtextextended('farewell.reconciler', 0))";

void statements_users(const struct conf *conf, struct db_statement table[STATEMENTS_MAX])
{
	const struct db_statement all[] = {
		{"lock_user", "worker.lock_user_sql", conf->worker.lock_user_sql},
		{"user_contact", "worker.user_contact_sql", conf->worker.user_contact_sql},
		{"read_request", NULL, read_request},
		{"adopt_request", NULL, adopt_request},
		{"find_request", NULL, find_request},
		{"stamp_start", NULL, stamp_start},
		{"report", NULL, report},
		{"claim", NULL, claim},
		{"note_published", NULL, note_published},
		{"lead", NULL, lead},
		{NULL, NULL, NULL},
	};

	memcpy(table, all, sizeof(all));
}

/* ---- worker database ---- */

/* What is carried to the request, in the order of its parameters. */
#define COPY                                                                                       \
	"deletion_id, status, mail, files_deleted, attempts, last_error, next_attempt_at, finished_at"

static const char lease[] =
	"SELECT pg_try_advisory_lock(hashtextextended('farewell.deletion ' || $1, 0))";
static const char release[] =
	"SELECT pg_advisory_unlock(hashtextextended('farewell.deletion ' || $1, 0))";

/* Counts a start. No row: the job is finished, or this message's turn is over, or it is parked and
 * this delivery is only the echo of what was parked. A message that somebody moved back from the
 * parked queue starts afresh. */
static const char begin[] =
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

static const char look[] =
	"SELECT " COPY ", turn, next_attempt_at > now() FROM farewell.deletion WHERE deletion_id = $1";

/* What is written in the course of a job is fenced by its turn, and by its end: whose user was
 * restored meanwhile stops at the next step. */
static const char progress[] =
	"UPDATE farewell.deletion SET files_deleted = files_deleted + $3, updated_at = now()"
	" WHERE deletion_id = $1 AND turn = $2 AND finished_at IS NULL RETURNING " COPY;

static const char sending[] =
	"UPDATE farewell.deletion SET mail = 'sending', updated_at = now()"
	" WHERE deletion_id = $1 AND turn = $2 AND finished_at IS NULL RETURNING deletion_id";

static const char complete[] =
	"UPDATE farewell.deletion SET status = 'completed', mail = $3, last_error = $4, "
	"next_attempt_at = NULL, starts = 0,"
	" updated_at = now(), finished_at = now(), mailed_at = CASE WHEN $3 = 'sent' THEN "
	"COALESCE(mailed_at, now()) END"
	" WHERE deletion_id = $1 AND turn = $2 AND finished_at IS NULL RETURNING " COPY;

/* A retry or a continuation: the turn passes on. $3 failures to count, $4 mail, $5 error or null,
 * $6 delay in seconds or null. */
static const char pass_on[] =
	"UPDATE farewell.deletion SET status = CASE WHEN $6::float8 IS NULL THEN 'running' ELSE "
	"'retrying' END, turn = turn + 1, starts = 0,"
	" attempts = attempts + $3, mail = $4, last_error = COALESCE($5, last_error),"
	" next_attempt_at = now() + make_interval(secs => $6::float8),"
	" failing_since = CASE WHEN $3 > 0 THEN COALESCE(failing_since, now()) END, updated_at = now()"
	" WHERE deletion_id = $1 AND turn = $2 AND finished_at IS NULL RETURNING " COPY;

static const char park[] = "UPDATE farewell.deletion SET status = 'parked', starts = 0, attempts = "
						   "attempts + $3, mail = $4, last_error = $5, next_attempt_at = NULL,"
						   " updated_at = now() WHERE deletion_id = $1 AND turn = $2 AND "
						   "finished_at IS NULL RETURNING " COPY;

static const char cancel[] = "INSERT INTO farewell.deletion AS d (deletion_id, user_id, status, "
							 "mail, finished_at) VALUES ($1, $2, 'cancelled', 'none', now())"
							 " ON CONFLICT (deletion_id) DO UPDATE SET status = 'cancelled', "
							 "next_attempt_at = NULL, updated_at = now(), finished_at = now()"
							 " WHERE d.finished_at IS NULL RETURNING " COPY;

/* The start that was counted for a job that was given up because a database or the broker went
 * away; $3: what became of its mail. */
static const char uncount[] =
	"UPDATE farewell.deletion SET starts = GREATEST(starts - 1, 0), mail = CASE WHEN mail = "
	"'sending' THEN COALESCE($3, mail) ELSE mail END,"
	" mailed_at = CASE WHEN $3 = 'sent' THEN COALESCE(mailed_at, now()) ELSE mailed_at END"
	" WHERE deletion_id = $1 AND turn = $2 AND finished_at IS NULL";

static const char next_turn[] =
	"INSERT INTO farewell.deletion AS d (deletion_id, user_id, turn) VALUES ($1, $2, 2)"
	" ON CONFLICT (deletion_id) DO UPDATE SET turn = d.turn + 1, updated_at = now()"
	" WHERE d.finished_at IS NULL AND d.status <> 'parked' RETURNING turn, attempts";

void statements_ledger(const struct conf *conf, struct db_statement table[STATEMENTS_MAX])
{
	const struct db_statement all[] = {
		{"files", "worker.files_sql", conf->worker.files_sql},
		{"files_done", "worker.files_done_sql", conf->worker.files_done_sql},
		{"lease", NULL, lease},
		{"release", NULL, release},
		{"begin_job", NULL, begin},
		{"look", NULL, look},
		{"progress", NULL, progress},
		{"sending", NULL, sending},
		{"complete", NULL, complete},
		{"pass_on", NULL, pass_on},
		{"park", NULL, park},
		{"cancel", NULL, cancel},
		{"uncount", NULL, uncount},
		{"next_turn", NULL, next_turn},
		{NULL, NULL, NULL},
	};

	memcpy(table, all, sizeof(all));
}

/* ---- checks ---- */

enum db_result statements_check_users(struct db *db, int64_t deadline_ms)
{
	enum db_result result = db_check(db, "lock_user", 1, 2, true, deadline_ms);

	return result != DB_OK ? result : db_check(db, "user_contact", 1, 3, false, deadline_ms);
}

enum db_result statements_check_ledger(struct db *db, int64_t deadline_ms)
{
	enum db_result result = db_check(db, "files", 3, 2, false, deadline_ms);

	return result != DB_OK ? result : db_check(db, "files_done", 2, -1, false, deadline_ms);
}
