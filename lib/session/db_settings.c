/* What a session is set to, and keeping it so: a trigger or a function may change any of it. */
#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/session/db_session.h"

#define SETTINGS_SIZE 2048
#define RESTORE_SIZE 4096
#define RESTORE_NAME "session_settings"

const char *db_plan_mode(const struct db *db)
{
	return db->options->custom_plans ? "force_custom_plan" : "auto";
}

static enum db_result settings_run(struct db *db, const char *sql, PGresult **row,
                                   int64_t deadline_ms)
{
	if (PQsendQuery(db->conn, sql) == 0)
		return db_lose(db, "setting up the session");
	return db_collect(db, "setting up the session", row, deadline_ms);
}

/* In a message of its own, and again if it fails by that: the role may come with a time-out that is
 * too short for all the rest. */
static enum db_result settings_set_timeout(struct db *db, int64_t deadline_ms)
{
	char sql[64];
	enum db_result result;

	snprintf(sql, sizeof(sql), "SET statement_timeout = %lld",
	         (long long)db->options->statement_timeout_ms);
	do
		result = settings_run(db, sql, NULL, deadline_ms);
	while (result == DB_REFUSED && strcmp(db->sqlstate, "57014") == 0 &&
	       clock_left_ms(deadline_ms) > 0);
	return result;
}

/* What this version of the server does not know is left out. */
static enum db_result settings_set(struct db *db, int64_t deadline_ms)
{
	const struct db_options *o = db->options;
	char sql[SETTINGS_SIZE];

	snprintf(sql, sizeof(sql),
	         "SELECT set_config(name, value, false) FROM (VALUES"
	         /* The mark of a deletion is a timestamp as text: the same in every session only with
	            the same zone and style. */
	         " ('timezone', 'UTC'), ('datestyle', 'ISO, YMD'), ('extra_float_digits', '1'),"
	         " ('default_transaction_isolation', 'read committed'),"
	         " ('default_transaction_read_only', 'off'), ('plan_cache_mode', '%s'),"
	         /* That a COMMIT was not replicated is a warning. */
	         " ('client_min_messages', 'warning'),"
	         /* The server's side too: a lease or a row of a host that vanished must not be held for
	            hours, nor by a statement whose client has gone. */
	         " ('tcp_keepalives_idle', '15'), ('tcp_keepalives_interval', '5'),"
	         " ('tcp_keepalives_count', '3'), ('tcp_user_timeout', '30000'),"
	         " ('client_connection_check_interval', '2s'),"
	         " ('idle_session_timeout', '0'), ('transaction_timeout', '0'),%s"
	         " ('lock_timeout', '%lld'), ('idle_in_transaction_session_timeout', '%lld')"
	         ") AS wanted(name, value) WHERE current_setting(name, true) IS NOT NULL"
	         /* Elsewhere it may not be supported, and is refused. */
	         " AND (name <> 'client_connection_check_interval' OR version() LIKE '%%linux%%');"
	         " SELECT set_config('synchronous_commit', 'on', false)"
	         " WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')",
	         db_plan_mode(db), o->whole_tables ? " ('row_security', 'off')," : "",
	         (long long)o->lock_timeout_ms, (long long)o->idle_in_transaction_timeout_ms);
	return settings_run(db, sql, NULL, deadline_ms);
}

/* The server writes the statement that puts back what was changed since: rows of its names. */
static const char write_restore_sql[] =
	"SELECT 'SELECT name, pg_catalog.set_config(name, value, false) FROM (VALUES '"
	" || string_agg(format('(%L, %L)', name, current_setting(name)), ', ')"
	" || ') AS kept(name, value) WHERE pg_catalog.current_setting(name) <> value'"
	" FROM unnest(ARRAY['timezone', 'datestyle', 'intervalstyle', 'extra_float_digits',"
	" 'bytea_output', 'client_encoding', 'standard_conforming_strings', 'search_path', 'role',"
	" 'row_security', 'default_transaction_isolation', 'default_transaction_read_only',"
	" 'plan_cache_mode', 'client_min_messages', 'synchronous_commit', 'idle_session_timeout',"
	" 'transaction_timeout', 'statement_timeout', 'lock_timeout',"
	" 'idle_in_transaction_session_timeout']) AS name WHERE current_setting(name, true) IS NOT "
	"NULL";

static enum db_result settings_prepare_restore(struct db *db, int64_t deadline_ms)
{
	PGresult *row = NULL;
	char sql[RESTORE_SIZE];
	enum db_result result = settings_run(db, write_restore_sql, &row, deadline_ms);

	if (result != DB_OK)
		return result;
	bool whole = PQntuples(row) == 1 && db_copy(row, 0, 0, sql, sizeof(sql));
	PQclear(row);
	if (!whole)
		return db_refuse(db, "setting up the session: its settings are longer than expected");
	if (PQsendPrepare(db->conn, RESTORE_NAME, sql, 0, NULL) == 0)
		return db_lose(db, "setting up the session");
	return db_collect(db, "setting up the session", NULL, deadline_ms);
}

/* What the server reports by itself whenever it changes. */
static const char *const reported[DB_REPORTED] = {"TimeZone", "DateStyle", "client_encoding",
                                                  "standard_conforming_strings"};

static const char *settings_reported(const struct db *db, int which)
{
	const char *value = PQparameterStatus(db->conn, reported[which]);

	return value != NULL ? value : "";
}

enum db_result db_set_up(struct db *db, int64_t deadline_ms)
{
	enum db_result result = settings_set_timeout(db, deadline_ms);

	if (result == DB_OK)
		result = settings_set(db, deadline_ms);
	if (result == DB_OK)
		result = settings_prepare_restore(db, deadline_ms);
	for (int i = 0; result == DB_OK && i < DB_REPORTED; i++)
		snprintf(db->reported[i], sizeof(db->reported[i]), "%s", settings_reported(db, i));
	db->settings_said = false;
	return result;
}

bool db_settings_intact(struct db *db)
{
	for (int i = 0; db->ready && i < DB_REPORTED; i++) {
		if (strncmp(settings_reported(db, i), db->reported[i], sizeof(db->reported[i]) - 1) == 0)
			continue;
		db_say(db,
		       "the session's %s is %s instead of %s: a trigger or a function that a statement "
		       "called has changed it (set_config or SET without LOCAL)",
		       reported[i], settings_reported(db, i), db->reported[i]);
		db->sqlstate[0] = '\0';
		return false;
	}
	return true;
}

void db_queue_settings(struct db *db)
{
	db_queue_prepared(db, "the session's settings", RESTORE_NAME, 0, NULL);
}

void db_note_settings(struct db *db, const PGresult *changed)
{
	char names[128] = "";

	if (db->settings_said || changed == NULL || PQntuples(changed) == 0)
		return;
	db->settings_said = true;
	for (int row = 0; row < PQntuples(changed); row++) {
		size_t used = strlen(names);

		snprintf(names + used, sizeof(names) - used, "%s%s", row > 0 ? ", " : "",
		         PQgetvalue(changed, row, 0));
	}
	log_warning("%s: a trigger or a function that a statement called has changed the session's %s; "
	            "put back, and not said again of this session",
	            db->options->name, names);
}
