/* Opening a PostgreSQL session: the socket, the log-in, the prepared statements. */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/session/db_session.h"

/* Keeps a warning that is not from within a function: those say where they are from. */
static void db_take_notice(void *arg, const PGresult *notice)
{
	struct db *db = arg;
	const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *text = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);

	log_debug("%s: notice: %s", db->options->name, text != NULL ? text : "without a text");
	if (severity != NULL && strcmp(severity, "WARNING") == 0 &&
	    PQresultErrorField(notice, PG_DIAG_CONTEXT) == NULL)
		snprintf(db->warning, sizeof(db->warning), "%s", text != NULL ? text : "without a text");
}

/* The server's SQLSTATE in what libpq says when a connection fails, `FATAL:  28P01: password …`,
 * there is no other way to it; or "". */
static void db_read_sqlstate(const char *text, char state[6])
{
	static const char characters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	state[0] = '\0';
	for (const char *c = text; (c = strstr(c, ":  ")) != NULL; c += 3)
		if (strspn(c + 3, characters) == 5 && c[8] == ':')
			snprintf(state, 6, "%.5s", c + 3);
}

/* Tells a server that is away from one that refuses the login. */
static enum db_result db_fail_to_connect(struct db *db)
{
	const char *text = PQerrorMessage(db->conn), *location = strstr(text, "LOCATION:");

	db_say(db, "can't connect: %.*s", location != NULL ? (int)(location - text) : (int)strlen(text),
	       text);
	db_read_sqlstate(text, db->sqlstate);
	db_close(db);
	enum sqlstate_kind kind = db_kind(db);
	bool refused = db->sqlstate[0] != '\0' &&
	               (kind == SQLSTATE_LOGIN || kind == SQLSTATE_SETTING); /* 42: may not connect */
	return refused ? DB_REFUSED : DB_LOST;
}

static enum db_result db_connect(struct db *db, int64_t deadline_ms)
{
	const struct db_options *o = db->options;
	char user_timeout[24], connect_timeout[24];

	snprintf(user_timeout, sizeof(user_timeout), "%lld", (long long)(o->connect_timeout_ms * 3));
	snprintf(connect_timeout, sizeof(connect_timeout), "%lld",
	         (long long)(o->connect_timeout_ms / 1000 + 2));
	/* What stands before dbname, the connection string may override; what stands after it, not. */
	const char *keys[] = {"target_session_attrs",
	                      "keepalives",
	                      "keepalives_idle",
	                      "keepalives_interval",
	                      "keepalives_count",
	                      "tcp_user_timeout",
	                      "connect_timeout",
	                      "fallback_application_name",
	                      "dbname",
	                      "client_encoding",
	                      o->password != NULL ? "password" : NULL,
	                      NULL};
	const char *values[] = {
		"read-write",        "1",         "15",   "5",         "3", user_timeout, connect_timeout,
		o->application_name, o->conninfo, "UTF8", o->password, NULL};

	db->conn = PQconnectStartParams(keys, values, 1);
	if (db->conn == NULL) {
		db_say(db, "out of memory");
		return DB_LOST;
	}
	PQsetErrorVerbosity(db->conn, PQERRORS_VERBOSE); /* with the SQLSTATE */
	PostgresPollingStatusType state = PGRES_POLLING_WRITING;
	while (PQstatus(db->conn) != CONNECTION_BAD && state != PGRES_POLLING_OK &&
	       state != PGRES_POLLING_FAILED) {
		enum db_result waited = db_wait(db, state == PGRES_POLLING_READING ? POLLIN : POLLOUT,
		                                deadline_ms, "connecting");

		if (waited != DB_OK)
			return waited;
		state = PQconnectPoll(db->conn);
	}
	if (PQstatus(db->conn) != CONNECTION_OK)
		return db_fail_to_connect(db);
	PQsetErrorVerbosity(db->conn, PQERRORS_DEFAULT);
	PQsetnonblocking(db->conn, 1);
	PQsetNoticeReceiver(db->conn, db_take_notice, db);
	return DB_OK;
}

static enum db_result db_prepare_statements(struct db *db, int64_t deadline_ms)
{
	for (int i = 0; i < db->options->statement_count; i++) {
		const struct db_statement *statement = &db->options->statements[i];

		if (statement->sql == NULL)
			continue;
		if (PQsendPrepare(db->conn, statement->name, statement->sql, 0, NULL) == 0)
			return db_lose(db, db_title(db, i));
		enum db_result prepared = db_collect(db, db_title(db, i), NULL, deadline_ms);
		if (prepared != DB_OK)
			return prepared;
	}
	return DB_OK;
}

enum db_result db_open(struct db *db, int64_t deadline_ms)
{
	if (db->ready)
		return DB_OK;
	db_close(db);
	db->sqlstate[0] = '\0';
	int64_t own_deadline_ms = clock_now_ms() + db->options->connect_timeout_ms;
	enum db_result result =
		db_connect(db, own_deadline_ms < deadline_ms ? own_deadline_ms : deadline_ms);
	if (result == DB_OK)
		result = db_set_up(db, deadline_ms);
	if (result == DB_OK)
		result = db_prepare_statements(db, deadline_ms);
	if (result == DB_OK) {
		db->ready = true;
		db->session++;
	} else {
		db_close(db);
	}
	return result;
}
