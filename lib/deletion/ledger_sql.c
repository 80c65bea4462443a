/* The SQL of the ledger, and the table of statements of the worker database's session. */
#include "lib/deletion/ledger_sql.h"

#include <string.h>

#include "lib/deletion/pairing.h"

/* In the order of enum state_column. */
#define STATE                                                                                      \
	"deletion_id, status, mail, files_deleted, attempts, last_error, next_attempt_at,"             \
	" finished_at, version, versions_left"
/* In milliseconds. */
#define AGE_OF "COALESCE(extract(epoch FROM now() - "
#define UNTIL_NOW ") * 1000, 0)::bigint"
/* A mail that was marked before migration 0002 noted when: long ago. */
#define SENDING_SINCE "CASE WHEN mail = 'sending' THEN COALESCE(sending_since, to_timestamp(0)) END"

static const char lease_sql[] =
	"SELECT pg_try_advisory_lock(hashtextextended('farewell.deletion ' || $1, 0))";
static const char release_sql[] =
	"SELECT pg_advisory_unlock(hashtextextended('farewell.deletion ' || $1, 0))";

/* A key of 64 bits is shown in two halves, with objsubid 1. */
static const char holder_sql[] =
	"SELECT 'pid ' || l.pid || COALESCE(' of ' || NULLIF(a.application_name, ''), '')"
	" || COALESCE(' from ' || host(a.client_addr), '') || COALESCE(' as ' || a.usename, '')"
	" || COALESCE(' since ' || date_trunc('second', a.backend_start), '')"
	" || '; to end it: SELECT pg_terminate_backend(' || l.pid || ')'"
	" FROM hashtextextended('farewell.deletion ' || $1, 0) AS key"
	" JOIN pg_locks l ON l.classid = ((key >> 32) & 4294967295)::oid"
	"   AND l.objid = (key & 4294967295)::oid AND l.objsubid = 1"
	" LEFT JOIN pg_stat_activity a ON a.pid = l.pid"
	" WHERE l.locktype = 'advisory' AND l.granted"
	" AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
	" AND l.pid <> pg_backend_pid() LIMIT 1";

static const char look_sql[] =
	"SELECT " STATE ", turn, next_attempt_at > now(), cause, cause_attempts,"
	" " AGE_OF "failing_since" UNTIL_NOW ", " AGE_OF "cause_since" UNTIL_NOW ","
	" " AGE_OF "turned_at" UNTIL_NOW ", " AGE_OF "GREATEST(turned_at, next_attempt_at)" UNTIL_NOW
	" FROM farewell.deletion WHERE deletion_id = $1";

/* A turn that is not over: the one of the ledger or a later one. A message of the ledger's own turn
 * while it is parked was moved back by a person, and whatever it came to before is forgotten. */
#define FENCE " WHERE d.finished_at IS NULL AND d.turn <= $3"
#define IF_PARKED " CASE WHEN d.status = 'parked' THEN "

/* Counts a start. */
static const char begin_sql[] =
	"INSERT INTO farewell.deletion AS d (deletion_id, user_id, status, turn, starts)"
	" VALUES ($1, $2, 'running', $3, 1)"
	" ON CONFLICT (deletion_id) DO UPDATE SET status = 'running', turn = $3,"
	" version = d.version + 1, next_attempt_at = NULL, updated_at = now(),"
	" starts =" IF_PARKED "1 ELSE d.starts + 1 END,"
	" attempts =" IF_PARKED "0 ELSE d.attempts END,"
	" failing_since =" IF_PARKED "NULL ELSE d.failing_since END,"
	" cause =" IF_PARKED "NULL ELSE d.cause END,"
	" cause_attempts =" IF_PARKED "0 ELSE d.cause_attempts END,"
	" passed_at =" IF_PARKED "NULL ELSE d.passed_at END" FENCE
	" RETURNING attempts, starts, files_deleted, mail, mails, cause, cause_attempts,"
	" " AGE_OF "failing_since" UNTIL_NOW ", " AGE_OF "cause_since" UNTIL_NOW ","
	" " AGE_OF SENDING_SINCE UNTIL_NOW ", " AGE_OF "passed_at" UNTIL_NOW ", versions_left";

/* What is written in the course of a job is fenced by its turn, and by its end: whose user was
 * restored meanwhile stops at the next step. A file that is gone is progress, and ends a series of
 * failures. $4: so ends a whole pass. $5: of so many older versions remain. */
static const char progress_sql[] =
	"UPDATE farewell.deletion SET files_deleted = files_deleted + $3, version = version + 1,"
	" attempts = 0, failing_since = NULL, cause = NULL, cause_attempts = 0,"
	" versions_left = versions_left + $5,"
	" passed_at = CASE WHEN $4::boolean THEN COALESCE(passed_at, now()) ELSE passed_at END,"
	" updated_at = now() WHERE deletion_id = $1 AND turn = $2 AND finished_at IS NULL"
	" RETURNING " STATE ", " AGE_OF "passed_at" UNTIL_NOW;

static const char sending_sql[] =
	"UPDATE farewell.deletion SET mail = 'sending', mails = mails + 1, sending_since = now(),"
	" passed_at = COALESCE(passed_at, now()), updated_at = now()"
	" WHERE deletion_id = $1 AND turn = $2 AND finished_at IS NULL"
	" AND mail IN ('pending', 'sending') RETURNING deletion_id";

/* The mail that was marked was certainly not sent. */
static const char not_sent_sql[] =
	"UPDATE farewell.deletion SET mail = 'pending', mails = GREATEST(mails - 1, 0),"
	" updated_at = now()"
	" WHERE deletion_id = $1 AND turn = $2 AND mail = 'sending' AND finished_at IS NULL";

static const char unanswered_sql[] =
	"UPDATE farewell.deletion SET sending_since = to_timestamp(0), updated_at = now()"
	" WHERE deletion_id = $1 AND turn = $2 AND mail = 'sending' AND finished_at IS NULL";

/* A fact is not fenced: it was sent, whoever has the lease by now. */
static const char sent_sql[] =
	"UPDATE farewell.deletion SET mail = 'sent', mailed_at = COALESCE(mailed_at, now()),"
	" version = version + 1, updated_at = now() WHERE deletion_id = $1 AND mail = 'sending'";

static const char complete_sql[] =
	"UPDATE farewell.deletion SET status = 'completed', mail = $3, last_error = $4,"
	" next_attempt_at = NULL, starts = 0, version = version + 1, updated_at = now(),"
	" finished_at = now(), sweep_at = now() + make_interval(secs => $5::float8),"
	" mailed_at = CASE WHEN $3 = 'sent' THEN COALESCE(mailed_at, now()) END"
	" WHERE deletion_id = $1 AND turn = $2 AND finished_at IS NULL RETURNING " STATE;

/* A retry or a continuation: the turn passes on. $4 failures to count, $5 error or null, $6 delay
 * in seconds or null, $7 the failure's cause or null, $8 whether it heals. The guard may fail
 * before there is a row. */
static const char pass_on_sql[] =
	"INSERT INTO farewell.deletion AS d (deletion_id, user_id, status, turn, attempts, last_error,"
	" next_attempt_at, failing_since, cause, cause_attempts, cause_since, heals, turned_at)"
	" VALUES ($1, $2, CASE WHEN $6::float8 IS NULL THEN 'running' ELSE 'retrying' END, $3::int + 1,"
	" $4::int, $5, now() + make_interval(secs => $6::float8), now(), $7, $4::int, now(),"
	" $8::boolean, now())"
	" ON CONFLICT (deletion_id) DO UPDATE SET status = EXCLUDED.status, turn = EXCLUDED.turn,"
	" starts = 0, last_error = COALESCE($5, d.last_error), version = d.version + 1,"
	" next_attempt_at = EXCLUDED.next_attempt_at, updated_at = now(), turned_at = now(),"
	" heals = EXCLUDED.heals, attempts =" IF_PARKED "0 ELSE d.attempts END + $4::int,"
	" failing_since = CASE WHEN $4::int > 0 AND d.status <> 'parked'"
	"   THEN COALESCE(d.failing_since, now()) WHEN $4::int > 0 THEN now() END,"
	" cause_attempts = CASE WHEN $7 = d.cause THEN d.cause_attempts + $4::int ELSE $4::int END,"
	" cause_since = CASE WHEN $7 = d.cause THEN d.cause_since ELSE now() END,"
	" cause = $7" FENCE " RETURNING " STATE;

/* Parking is a turn too, so that an echo of the message that was parked is superseded, and the
 * parked copy, moved back, is not. $4 failures to count, $5 reason. */
static const char park_sql[] =
	"INSERT INTO farewell.deletion AS d (deletion_id, user_id, status, turn, attempts, last_error,"
	" turned_at) VALUES ($1, $2, 'parked', $3::int + 1, $4::int, $5, now())"
	" ON CONFLICT (deletion_id) DO UPDATE SET status = 'parked', turn = EXCLUDED.turn, starts = 0,"
	" last_error = $5, next_attempt_at = NULL, version = d.version + 1, updated_at = now(),"
	" turned_at = now(), attempts =" IF_PARKED "0 ELSE d.attempts END + $4::int" FENCE
	" RETURNING " STATE;

static const char cancel_sql[] =
	"INSERT INTO farewell.deletion AS d (deletion_id, user_id, status, mail, finished_at)"
	" VALUES ($1, $2, 'cancelled', 'none', now())"
	" ON CONFLICT (deletion_id) DO UPDATE SET status = 'cancelled', next_attempt_at = NULL,"
	" version = d.version + 1, updated_at = now(), finished_at = now()"
	" WHERE d.finished_at IS NULL RETURNING " STATE;

/* The start that was counted for a job that was given up because a server went away. */
static const char uncount_sql[] =
	"UPDATE farewell.deletion SET starts = starts - 1"
	" WHERE deletion_id = $1 AND turn = $2 AND starts = $3 AND starts > 0 AND finished_at IS NULL";

static const char hand_back_sql[] =
	"UPDATE farewell.deletion SET starts = starts - 1, status = 'retrying', last_error = $4,"
	" next_attempt_at = now() + make_interval(secs => $5::float8), version = version + 1,"
	" updated_at = now() WHERE deletion_id = $1 AND turn = $2 AND starts = $3 AND starts > 0"
	" AND finished_at IS NULL RETURNING " STATE;

static const char reported_sql[] = "UPDATE farewell.deletion SET reported = $2::bigint"
								   " WHERE deletion_id = $1 AND reported < $2::bigint";

/* The row is behind its request, which has heard of version $3; unless it is not the version $2 any
 * more: then somebody else's report is late, and not the row. */
static const char catch_up_sql[] =
	"UPDATE farewell.deletion SET version = $3::bigint + 1, reported = LEAST(reported, $3::bigint)"
	" WHERE deletion_id = $1 AND version = $2::bigint AND version <= $3::bigint RETURNING " STATE;

/* Likewise, and the request is finished: the row takes over how. $3 the request's version, $4
 * status, $5 mail, $6 files deleted, $7 finished. A sweep looks at once whether the files' rows are
 * behind, too. */
static const char follow_sql[] =
	"UPDATE farewell.deletion SET status = $4, files_deleted = GREATEST(files_deleted, $6::bigint),"
	" mail = CASE WHEN mail IN ('pending', 'sending') THEN $5 ELSE mail END,"
	" mailed_at = CASE WHEN $5 = 'sent' THEN COALESCE(mailed_at, $7::timestamptz) END,"
	" finished_at = $7::timestamptz, next_attempt_at = NULL, heals = false, starts = 0,"
	" sweep_at = CASE WHEN $4 = 'completed' THEN now() END, swept = 0, updated_at = now(),"
	" version = GREATEST(version, $3::bigint) + 1, reported = GREATEST(version, $3::bigint) + 1"
	" WHERE deletion_id = $1 AND version = $2::bigint AND finished_at IS NULL"
	" RETURNING deletion_id";

/* What it says is known not to be what its request says. */
static const char untold_sql[] =
	"UPDATE farewell.deletion SET reported = version - 1 WHERE deletion_id = ANY ($1::uuid[])"
	" AND finished_at IS NULL AND reported >= version";

static const char unreported_sql[] =
	"SELECT " STATE " FROM farewell.deletion WHERE reported < version"
	" AND updated_at < now() - make_interval(secs => $1::float8) ORDER BY updated_at LIMIT $2";

static const char next_turn_sql[] =
	"INSERT INTO farewell.deletion AS d (deletion_id, user_id, turn, turned_at)"
	" VALUES ($1, $2, 2, now()) ON CONFLICT (deletion_id)"
	" DO UPDATE SET turn = d.turn + 1, updated_at = now(), turned_at = now()"
	" WHERE d.finished_at IS NULL AND d.status <> 'parked' RETURNING turn, attempts";

/* $1 seconds. The reconciler publishes the next turn, wherever the message of this one is. */
static const char bring_forward_sql[] =
	"UPDATE farewell.deletion SET next_attempt_at = NULL, turned_at = NULL"
	" WHERE deletion_id IN (SELECT deletion_id FROM farewell.deletion WHERE heals"
	"   AND next_attempt_at > now() + make_interval(secs => $1::float8)"
	"   AND status = 'retrying' AND finished_at IS NULL ORDER BY next_attempt_at LIMIT $2)"
	" AND status = 'retrying' AND finished_at IS NULL RETURNING deletion_id";

/* One row of a page of the ledger; each page is as many rows of an index, whatever they are. */
#define PAGE(of_them)                                                                              \
	"SELECT array_agg(deletion_id) FILTER (WHERE " of_them ")::text,"                              \
	" (array_agg(deletion_id ORDER BY deletion_id DESC))[1] FROM ("                                \
	"SELECT deletion_id, status, updated_at, finished_at, vanished_at FROM farewell.deletion"      \
	" WHERE deletion_id > $1"
#define PAGE_END " ORDER BY deletion_id LIMIT $2) AS page"

static const char unfinished_sql[] =
	PAGE("vanished_at IS NULL") " AND finished_at IS NULL" PAGE_END;
static const char changed_sql[] =
	PAGE("vanished_at IS NULL AND status <> 'cancelled' AND (finished_at IS NULL OR updated_at >="
         " (SELECT seen_at - interval '1 day' FROM farewell.lineage))") PAGE_END;

/* A turn as any parking is: what is at work on it stops. A deletion that is completed stays so. */
static const char vanish_sql[] =
	"UPDATE farewell.deletion d SET vanished_at = now(), sweep_at = NULL, heals = false,"
	" last_error = CASE WHEN old.stops THEN $2 ELSE d.last_error END,"
	" status = CASE WHEN old.stops THEN 'parked' ELSE d.status END,"
	" turn = d.turn + old.stops::int, starts = 0, version = d.version + 1,"
	" turned_at = now(), updated_at = now(), next_attempt_at = NULL"
	" FROM (SELECT deletion_id, status, updated_at,"
	"     finished_at IS NULL AND status <> 'parked' AS stops"
	"   FROM farewell.deletion WHERE deletion_id = ANY ($1::uuid[]) FOR UPDATE) AS old"
	" WHERE d.deletion_id = old.deletion_id AND d.vanished_at IS NULL"
	" RETURNING d.deletion_id, d.user_id, old.status, old.updated_at,"
	" d.finished_at IS NOT NULL";

static const char vanished_sql[] = PAGE("true") " AND vanished_at IS NOT NULL" PAGE_END;

/* As a replay: the reconciler publishes the turn. $3: the beginning of the reason for which
 * vanish_sql has parked it. */
static const char found_sql[] =
	"UPDATE farewell.deletion d SET vanished_at = NULL, version = d.version + 1,"
	" status = CASE WHEN old.stopped THEN 'retrying' ELSE d.status END,"
	" turn = d.turn + old.stopped::int, updated_at = now(),"
	" last_error = CASE WHEN old.stopped THEN 'its request was missing from the user database,"
	" and is there again' ELSE d.last_error END,"
	" attempts = CASE WHEN old.stopped THEN 0 ELSE d.attempts END,"
	" failing_since = CASE WHEN old.stopped THEN NULL ELSE d.failing_since END,"
	" cause = CASE WHEN old.stopped THEN NULL ELSE d.cause END,"
	" turned_at = CASE WHEN old.stopped THEN NULL ELSE d.turned_at END,"
	" sweep_at = CASE WHEN d.status = 'completed' THEN now() ELSE d.sweep_at END"
	" FROM (SELECT deletion_id, finished_at IS NULL AND status = 'parked'"
	"     AND starts_with(last_error, $3) IS TRUE AS stopped"
	"   FROM farewell.deletion WHERE deletion_id = ANY ($1::uuid[])"
	"     AND NOT deletion_id = ANY ($2::uuid[]) FOR UPDATE) AS old"
	" WHERE d.deletion_id = old.deletion_id AND d.vanished_at IS NOT NULL"
	" RETURNING d.deletion_id, d.user_id, d.status";

/* $2: the store in which it is by the settings of who asks; it is written for who asks first. No
 * row: somebody else has just written one. */
static const char bucket_sql[] =
	"WITH known AS (SELECT store, proven_at FROM farewell.bucket WHERE bucket = $1),"
	" made AS (INSERT INTO farewell.bucket (bucket, store) SELECT $1, $2"
	"   WHERE NOT EXISTS (SELECT FROM known) ON CONFLICT (bucket) DO NOTHING"
	"   RETURNING store, proven_at)"
	" SELECT store, proven_at IS NOT NULL FROM known"
	" UNION ALL SELECT store, proven_at IS NOT NULL FROM made";
static const char bucket_proven_sql[] = "UPDATE farewell.bucket SET proven_at = now()"
										" WHERE bucket = $1 AND store = $2 AND proven_at IS NULL";
static const char bucket_missing_sql[] =
	"DELETE FROM farewell.bucket WHERE bucket = $1 AND store = $2 AND proven_at IS NULL";
static const char buckets_sql[] =
	"SELECT bucket, store FROM farewell.bucket ORDER BY seen_at DESC LIMIT 1000";

static const char knows_sql[] =
	"SELECT EXISTS (SELECT FROM farewell.deletion WHERE deletion_id = ANY ($1::uuid[]))";

static const char lineage_first_sql[] =
	"INSERT INTO farewell.lineage (lineage) VALUES ($1) ON CONFLICT (only_one) DO NOTHING";
static const char lineage_seen_sql[] = "SELECT lineage FROM farewell.lineage";
/* $2: what was read before the comparison. Another one was written meanwhile, by a person who asks
 * for a comparison: it stays. */
static const char lineage_store_sql[] =
	"INSERT INTO farewell.lineage AS l (lineage) VALUES ($1) ON CONFLICT (only_one)"
	" DO UPDATE SET lineage = EXCLUDED.lineage, seen_at = now() WHERE l.lineage = $2"
	" AND (l.lineage <> EXCLUDED.lineage OR l.seen_at < now() - interval '1 minute')";

/* Completed deletions whose files are to be looked for once more. */
static const char sweeps_sql[] =
	"SELECT deletion_id, user_id, swept FROM farewell.deletion WHERE sweep_at <= now()"
	" ORDER BY sweep_at LIMIT $1";

/* $2 seconds until the next one, or null: that was the last. $3: 1, or 0: it could not be made. */
static const char swept_sql[] = "UPDATE farewell.deletion SET swept = swept + $3::int,"
								" sweep_at = now() + make_interval(secs => $2::float8)"
								" WHERE deletion_id = $1 AND status = 'completed'";

/* The mail's state is final and stays. */
static const char reopen_sql[] =
	"UPDATE farewell.deletion SET status = 'accepted', finished_at = NULL, turn = turn + 1,"
	" version = version + 1, starts = 0, attempts = 0, failing_since = NULL, cause = NULL,"
	" passed_at = NULL, sweep_at = NULL, swept = 0, updated_at = now(), turned_at = now()"
	" WHERE deletion_id = $1 AND status = 'completed' RETURNING turn";

void ledger_statements(const struct conf *conf, struct db_statement table[WORKER_DB_STATEMENTS])
{
	const char *page = conf->worker.files_sql, *done = conf->worker.files_done_sql;
	const char *prefixes = conf->worker.prefixes_sql[0] != '\0' ? conf->worker.prefixes_sql : NULL;
	const struct db_statement all[WORKER_DB_STATEMENTS] = {
		[FILES_PAGE] = {"files", "worker.files_sql", page, 3, FILE_COLUMNS, DB_LOCK_NONE, 0},
		[FILES_DONE] = {"files_done", "worker.files_done_sql", done, 2, -1, DB_LOCK_NONE, 0},
		[FILES_PREFIXES] = {"prefixes", "worker.prefixes_sql", prefixes, 1, 1, DB_LOCK_NONE, 0},
		[LEDGER_LEASE] = {.name = "lease", .sql = lease_sql, .params = 1},
		[LEDGER_RELEASE] = {.name = "release", .sql = release_sql, .params = 1},
		[LEDGER_HOLDER] = {.name = "lease_holder", .sql = holder_sql, .params = 1},
		[LEDGER_LOOK] = {.name = "look", .sql = look_sql, .params = 1},
		[LEDGER_BEGIN] = {.name = "begin_job", .sql = begin_sql, .params = 3},
		[LEDGER_PROGRESS] = {.name = "progress", .sql = progress_sql, .params = 5},
		[LEDGER_SENDING] = {.name = "sending", .sql = sending_sql, .params = 2},
		[LEDGER_NOT_SENT] = {.name = "not_sent", .sql = not_sent_sql, .params = 2},
		[LEDGER_SENT] = {.name = "sent", .sql = sent_sql, .params = 1},
		[LEDGER_UNANSWERED] = {.name = "unanswered", .sql = unanswered_sql, .params = 2},
		[LEDGER_COMPLETE] = {.name = "complete", .sql = complete_sql, .params = 5, .prose = 4},
		[LEDGER_PASS_ON] = {.name = "pass_on", .sql = pass_on_sql, .params = 8, .prose = 5},
		[LEDGER_PARK] = {.name = "park", .sql = park_sql, .params = 5, .prose = 5},
		[LEDGER_CANCEL] = {.name = "cancel", .sql = cancel_sql, .params = 2},
		[LEDGER_UNCOUNT] = {.name = "uncount", .sql = uncount_sql, .params = 3},
		[LEDGER_HAND_BACK] = {.name = "hand_back", .sql = hand_back_sql, .params = 5, .prose = 4},
		[LEDGER_REPORTED] = {.name = "reported", .sql = reported_sql, .params = 2},
		[LEDGER_CATCH_UP] = {.name = "catch_up", .sql = catch_up_sql, .params = 3},
		[LEDGER_FOLLOW] = {.name = "follow", .sql = follow_sql, .params = 7},
		[LEDGER_UNTOLD] = {.name = "untold", .sql = untold_sql, .params = 1},
		[LEDGER_UNREPORTED] = {.name = "unreported", .sql = unreported_sql, .params = 2},
		[LEDGER_SWEEPS] = {.name = "sweeps", .sql = sweeps_sql, .params = 1},
		[LEDGER_SWEPT] = {.name = "ledger_swept", .sql = swept_sql, .params = 3},
		[LEDGER_REOPEN] = {.name = "ledger_reopen", .sql = reopen_sql, .params = 1},
		[LEDGER_NEXT_TURN] = {.name = "next_turn", .sql = next_turn_sql, .params = 2},
		[LEDGER_BRING_FORWARD] = {.name = "forward", .sql = bring_forward_sql, .params = 2},
		[LEDGER_UNFINISHED] = {.name = "unfinished", .sql = unfinished_sql, .params = 2},
		[LEDGER_CHANGED] = {.name = "changed", .sql = changed_sql, .params = 2},
		[LEDGER_VANISH] = {.name = "vanish", .sql = vanish_sql, .params = 2},
		[LEDGER_VANISHED] = {.name = "vanished", .sql = vanished_sql, .params = 2},
		[LEDGER_FOUND] = {.name = "found", .sql = found_sql, .params = 3},
		[LEDGER_KNOWS] = {.name = "knows", .sql = knows_sql, .params = 1},
		[LEDGER_BUCKET] = {.name = "bucket", .sql = bucket_sql, .params = 2},
		[LEDGER_BUCKET_PROVEN] = {.name = "bucket_proven", .sql = bucket_proven_sql, .params = 2},
		[LEDGER_BUCKET_MISSING] = {.name = "bucket_missing",
	                               .sql = bucket_missing_sql,
	                               .params = 2},
		[LEDGER_BUCKETS] = {.name = "buckets", .sql = buckets_sql},
		[LINEAGE_FIRST] = {.name = "lineage_first", .sql = lineage_first_sql, .params = 1},
		[PAIRING_OWN] = {.name = "ledger_id", .sql = pairing_ledger_sql},
		[LINEAGE_SEEN] = {.name = "lineage_seen", .sql = lineage_seen_sql},
		[LINEAGE_STORE] = {.name = "lineage_store", .sql = lineage_store_sql, .params = 2},
	};

	memcpy(table, all, sizeof(all));
}
