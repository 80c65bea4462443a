/* Making, connecting and checking the sessions of the configuration. */
#include "lib/deletion/sessions.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/log.h"

static void sessions_set_options(struct sessions *s, const char *program)
{
	const struct conf_sessions *common = &s->conf->worker.sessions;

	request_worker_statements(s->conf, s->users_statements);
	ledger_statements(s->conf, s->ledger_statements);
	s->users_options = (struct db_options){
		.name = "worker.user_db",
		.conninfo = common->user_db,
		.password = common->user_db_password.value,
		.application_name = program,
		.connect_timeout_ms = common->connect_timeout_ms,
		.lock_timeout_ms = common->lock_timeout_ms,
		.statement_timeout_ms = common->statement_timeout_ms,
		.idle_in_transaction_timeout_ms = common->statement_timeout_ms,
		.statements = s->users_statements,
		.statement_count = USER_DB_STATEMENTS,
	};
	s->ledger_options = s->users_options;
	s->ledger_options.name = "worker.worker_db";
	s->ledger_options.conninfo = s->conf->worker.worker_db;
	s->ledger_options.password = s->conf->worker.worker_db_password.value;
	s->ledger_options.custom_plans = true;
	s->ledger_options.whole_tables = true;
	s->ledger_options.statements = s->ledger_statements;
	s->ledger_options.statement_count = WORKER_DB_STATEMENTS;
	snprintf(s->publisher_name, sizeof(s->publisher_name), "%s publisher", program);
	s->publisher_options = (struct mq_options){
		.url = common->broker,
		.password = common->broker_password.value,
		.connect_timeout_ms = common->connect_timeout_ms,
		.heartbeat_ms = common->broker_heartbeat_ms,
		.name = s->publisher_name,
	};
}

bool sessions_new(struct sessions *s, const struct conf *conf, const char *program,
                  const struct pump *pump, const struct pump *dispatch_pump)
{
	memset(s, 0, sizeof(*s));
	s->conf = conf;
	sessions_set_options(s, program);
	s->users = db_new(&s->users_options, pump);
	s->ledger.db = db_new(&s->ledger_options, pump);
	s->publisher = mq_new(&s->publisher_options, pump);
	s->dispatch = (struct dispatch){.conf = conf, .mq = s->publisher, .pump = dispatch_pump};
	if (s->users != NULL && s->ledger.db != NULL && s->publisher != NULL)
		return true;
	log_error("out of memory");
	return false;
}

void sessions_free(struct sessions *s)
{
	mq_free(s->publisher);
	db_free(s->users);
	db_free(s->ledger.db);
	memset(s, 0, sizeof(*s));
}

/* A table or a column of ours that is missing. */
static bool sessions_lack_migration(const struct db *db)
{
	const char *state = db_sqlstate(db);
	bool ours = strncmp(db_refused_title(db), "worker.", strlen("worker.")) != 0;

	return ours && (strcmp(state, "42P01") == 0 || strcmp(state, "3F000") == 0 ||
	                strcmp(state, "42703") == 0);
}

/* Misconfigured is what neither passes nor may come, whatever one waits for: a statement that is
 * not SQL, or that doesn't fit. */
static enum sessions_state sessions_state_of(const struct db *db, enum db_result result)
{
	if (result == DB_OK)
		return SESSIONS_READY;
	log_error("%s%s", db_why(db),
	          sessions_lack_migration(db) ? "; have the migrations been applied?" : "");
	bool fixed = result == DB_REFUSED && !db_may_pass(db) && !sqlstate_may_come(db_sqlstate(db));
	return fixed ? SESSIONS_MISCONFIGURED : SESSIONS_AWAY;
}

static enum sessions_state sessions_connect_one(struct db *db)
{
	if (db_is_open(db) && !db_settings_intact(db)) {
		log_warning("a new session: %s", db_why(db));
		db_close(db);
	}
	if (db_is_open(db) && db_is_alive(db))
		return SESSIONS_READY;
	return sessions_state_of(db, db_open(db, db_deadline(db)));
}

/* Closed is what failed, so that it is looked at anew and the caller sees which it was. Nothing of
 * it is for good: a person may pair the two, or grant a right, with the settings as they are. */
static enum sessions_state sessions_pair(struct sessions *s, bool take)
{
	enum pairing_answer answer = pairing_check(&s->pairing, s->users, &s->ledger, take);

	if (answer == PAIRING_GOOD)
		return SESSIONS_READY;
	if (answer == PAIRING_USERS_FAILED)
		sessions_state_of(s->users, DB_REFUSED);
	if (answer == PAIRING_LEDGER_FAILED)
		sessions_state_of(s->ledger.db, DB_REFUSED);
	if (answer != PAIRING_LEDGER_FAILED)
		db_close(s->users);
	if (answer != PAIRING_USERS_FAILED)
		db_close(s->ledger.db);
	return SESSIONS_AWAY;
}

enum sessions_state sessions_connect_databases(struct sessions *s)
{
	s->pairing.why = NULL;
	enum sessions_state state = sessions_connect_one(s->users);
	if (state == SESSIONS_READY)
		state = sessions_connect_one(s->ledger.db);
	return state == SESSIONS_READY ? sessions_pair(s, true) : state;
}

/* Goes on after a statement that does not fit, so that all are logged. */
static enum sessions_state sessions_check_one(struct db *db, int first, int second)
{
	enum sessions_state state = sessions_connect_one(db);

	if (state != SESSIONS_READY)
		return state;
	state = sessions_state_of(db, db_check(db, first, db_deadline(db)));
	enum sessions_state other = sessions_state_of(db, db_check(db, second, db_deadline(db)));
	return other > state ? other : state;
}

enum sessions_state sessions_check_user_db(struct sessions *s)
{
	return sessions_check_one(s->users, USERS_LOCK, USERS_CONTACT);
}

enum sessions_state sessions_check_worker_db(struct sessions *s)
{
	enum sessions_state state = sessions_check_one(s->ledger.db, FILES_PAGE, FILES_DONE);

	if (s->conf->worker.prefixes_sql[0] == '\0' || state == SESSIONS_AWAY)
		return state;
	enum sessions_state other = sessions_state_of(
		s->ledger.db, db_check(s->ledger.db, FILES_PREFIXES, db_deadline(s->ledger.db)));
	return other > state ? other : state;
}

/* Ids of digits and hyphens are the same in every encoding. */
enum sessions_state sessions_check_encodings(struct sessions *s)
{
	if (s->conf->common.id_format != ID_TEXT || db_open(s->users, db_deadline(s->users)) != DB_OK ||
	    db_open(s->ledger.db, db_deadline(s->ledger.db)) != DB_OK)
		return SESSIONS_READY;
	const char *users = db_encoding(s->users), *ledger = db_encoding(s->ledger.db);
	if (strcmp(users, ledger) == 0)
		return SESSIONS_READY;
	/* Whatever has characters at all can be stored in UTF-8; SQL_ASCII has bytes. */
	if (strcmp(ledger, "UTF8") == 0 && strcmp(users, "SQL_ASCII") != 0)
		return SESSIONS_READY;
	log_error("worker.worker_db has the encoding %s, worker.user_db %s: with common.id_format = "
	          "text an id may have characters that the ledger can't store; make the database of "
	          "worker.worker_db one in UTF8",
	          ledger, users);
	return SESSIONS_MISCONFIGURED;
}

enum sessions_state sessions_check_pairing(struct sessions *s)
{
	if (db_open(s->users, db_deadline(s->users)) != DB_OK ||
	    db_open(s->ledger.db, db_deadline(s->ledger.db)) != DB_OK)
		return SESSIONS_READY;
	return sessions_pair(s, false);
}
