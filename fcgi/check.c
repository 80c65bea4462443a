/* The checks of both servers that tell whether the gateway could serve. */
#include "fcgi/check.h"

#include <stdbool.h>
#include <string.h>

#include "fcgi/gateway.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/config/conf.h"

#define CHECK_MS 10000 /* for each server, beside connect_timeout */

/* Logs what a step came to. A refusal without an SQLSTATE is db_check's own: a statement that does
 * not fit. */
static enum check_result check_result_of(struct db *db, enum db_result result)
{
	const char *state = db_sqlstate(db);

	if (result == DB_OK)
		return CHECK_GOOD;
	bool ours = strstr(db_why(db), "gateway.") == NULL; /* no statement of the settings */
	bool migrated = strcmp(state, "42P01") != 0 && strcmp(state, "3F000") != 0 &&
	                !(ours && strcmp(state, "42703") == 0);
	log_error("%s%s", db_why(db), migrated ? "" : "; have the migrations been applied?");
	if (result != DB_REFUSED || db_may_pass(db))
		return CHECK_AWAY;
	return sqlstate_may_come(state) ? CHECK_REFUSED : CHECK_WRONG;
}

/* The two settings as they were written: in a statement of ours around them, one could take a
 * parameter of ours for its own, or return columns that nobody reads. */
static enum check_result check_settings_alone(struct gateway *gateway, int64_t deadline_ms)
{
	const struct db_statement alone[] = {
		gateway->statements[USERS_LOCK],
		{.name = "mark_user_alone",
	     .setting = "gateway.mark_user_sql",
	     .sql = gateway->conf->gateway.mark_user_sql,
	     .params = 1,
	     .columns = 1},
	};
	const int count = sizeof(alone) / sizeof(alone[0]);
	struct db_options options = gateway->db_options;

	options.statements = alone;
	options.statement_count = count;
	struct db *db = db_new(&options, NULL);
	if (db == NULL)
		return CHECK_AWAY;
	enum db_result result = db_open(db, deadline_ms);
	for (int i = 0; result == DB_OK && i < count; i++)
		result = db_check(db, i, deadline_ms);
	enum check_result found = check_result_of(db, result);
	db_free(db);
	return found;
}

/* What the message carries of the database, and what can't be told of it. */
static enum check_result check_lineage(struct gateway *gateway, int64_t deadline_ms)
{
	enum db_result result = lineage_read(&gateway->lineage, gateway->db, deadline_ms);

	if (result != DB_OK)
		return check_result_of(gateway->db, result);
	const char *gap = lineage_gap(gateway->lineage.text);
	if (gap != NULL)
		log_warning("user_db: the server does not tell %s", gap);
	return CHECK_GOOD;
}

/* Without a synchronous standby a fail-over can lose what was answered with 200. No error: there
 * may be no standby at all. */
static enum check_result check_standby(struct db *db, int64_t deadline_ms)
{
	PGresult *row = NULL;
	enum db_result result = db_run_sql(db, "SHOW synchronous_standby_names", &row, deadline_ms);

	if (result == DB_OK && PQgetvalue(row, 0, 0)[0] == '\0')
		log_warning("user_db: synchronous_standby_names is empty: a fail-over to an asynchronous "
		            "standby can lose deletions that were accepted (doc/GUARANTEES.md)");
	PQclear(row);
	return check_result_of(db, result);
}

static enum check_result check_database(struct gateway *gateway)
{
	int64_t deadline_ms =
		clock_now_ms() + gateway->conf->gateway.sessions.connect_timeout_ms + CHECK_MS;
	enum check_result found = check_settings_alone(gateway, deadline_ms);

	if (found != CHECK_GOOD)
		return found;
	enum db_result result = db_open(gateway->db, deadline_ms);
	if (result == DB_OK)
		result = account_check(gateway->db, deadline_ms);
	found = check_result_of(gateway->db, result);
	if (found == CHECK_GOOD)
		found = check_lineage(gateway, deadline_ms);
	if (found == CHECK_GOOD)
		found = check_result_of(gateway->db, account_warn_of_type(gateway->db, deadline_ms));
	if (found == CHECK_GOOD)
		found = check_standby(gateway->db, deadline_ms);
	return found;
}

static enum check_result check_broker(struct gateway *gateway)
{
	int64_t deadline_ms =
		clock_now_ms() + gateway->conf->gateway.sessions.connect_timeout_ms + CHECK_MS;
	enum mq_result result = mq_open(gateway->mq, deadline_ms);

	if (result != MQ_OK) {
		log_error("%s", mq_why(gateway->mq));
		return result == MQ_REFUSED ? CHECK_REFUSED : CHECK_AWAY;
	}
	result = mq_inspect_exchange(gateway->mq, gateway->conf->common.exchange, deadline_ms);
	if (result == MQ_OK)
		return CHECK_GOOD;
	log_error("%s%s", mq_why(gateway->mq),
	          result == MQ_REFUSED ? "; farewell-workerd declares it when it starts" : "");
	return CHECK_AWAY;
}

enum check_result check_servers(struct gateway *gateway)
{
	enum check_result database = check_database(gateway), broker = check_broker(gateway);

	return database > broker ? database : broker;
}
