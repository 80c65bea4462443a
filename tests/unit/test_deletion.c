/* lib/deletion in a program that has no worker: its statements, and its sessions without servers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/deletion/guard.h"
#include "lib/deletion/sessions.h"
#include "tests/unit/unit.h"

static char nowhere[] = "host=/nonexistent dbname=none", no_broker[] = "amqp://none@127.0.0.1:1/";
static char lock_sql[] = "SELECT id, deleted_at FROM users WHERE id = $1 FOR SHARE";
static char contact_sql[] = "SELECT a, b, c FROM users WHERE id = $1";
static char mark_sql[] = "UPDATE users SET deleted_at = now() WHERE id = $1 RETURNING deleted_at; ";
static char page_sql[] = "SELECT id, path FROM f WHERE u = $1 AND id > $2 LIMIT $3";
static char done_sql[] = "DELETE FROM f WHERE u = $1 AND id = ANY ($2)";
static char prefixes_sql[] = "SELECT 's3://bucket/' || $1 || '/'";

static const struct conf conf = {
	.gateway = {.lock_user_sql = lock_sql, .mark_user_sql = mark_sql},
	.worker = {.sessions = {.user_db = nowhere, .broker = no_broker, .connect_timeout_ms = 200},
               .worker_db = nowhere,
               .lock_user_sql = lock_sql,
               .user_contact_sql = contact_sql,
               .files_sql = page_sql,
               .files_done_sql = done_sql,
               .prefixes_sql = prefixes_sql},
};

/* The highest $n in SQL. */
static int highest_parameter(const char *sql)
{
	int highest = 0;

	while ((sql = strchr(sql, '$')) != NULL) {
		int number = atoi(++sql);
		highest = number > highest ? number : highest;
	}
	return highest;
}

/* Every row that is prepared has a name of its own, and says how many parameters its text takes. */
static int check_table(const struct db_statement *table, int count)
{
	int prepared = 0;

	for (int i = 0; i < count; i++) {
		if (table[i].sql == NULL)
			continue;
		prepared++;
		CU_ASSERT_EQUAL(highest_parameter(table[i].sql), table[i].params);
		for (int j = 0; j < i; j++)
			CU_ASSERT(table[j].sql == NULL || strcmp(table[i].name, table[j].name) != 0);
	}
	return prepared;
}

static void statements_fit_their_rows(void)
{
	struct db_statement users[USER_DB_STATEMENTS], ledger[WORKER_DB_STATEMENTS];
	struct request_texts texts;

	request_worker_statements(&conf, users);
	ledger_statements(&conf, ledger);
	CU_ASSERT(check_table(users, USER_DB_STATEMENTS) >= 10);
	CU_ASSERT_EQUAL(check_table(ledger, WORKER_DB_STATEMENTS), WORKER_DB_STATEMENTS);
	CU_ASSERT(request_gateway_statements(&conf, users, &texts));
	CU_ASSERT(check_table(users, USER_DB_STATEMENTS) >= 5);
	CU_ASSERT_PTR_NOT_NULL(strstr(texts.mark, "RETURNING deleted_at\n) SELECT"));
	CU_ASSERT_PTR_NOT_NULL(strstr(texts.insert_seen, "FOR SHARE\n) INSERT INTO"));
	request_free_texts(&texts);
}

static void says_what_is_away(void)
{
	struct sessions sessions;
	struct message message = {.user_id = "1", .turn = 1};
	struct guard_answer answer;
	const struct guard_question question = {.conf = &conf};
	struct ledger_row row;

	CU_ASSERT_FATAL(sessions_new(&sessions, &conf, "test", NULL, NULL));
	CU_ASSERT_EQUAL(sessions_connect_databases(&sessions), SESSIONS_AWAY);
	CU_ASSERT_PTR_NOT_NULL(strstr(db_why(sessions.users), "worker.user_db: can't connect"));
	CU_ASSERT_EQUAL(guard_judge(sessions.users, &message, &question, &answer), GUARD_LOST);
	CU_ASSERT_EQUAL(ledger_lease(&sessions.ledger, "x", &row), LEDGER_LOST);
	sessions_free(&sessions);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"statements fit their rows", statements_fit_their_rows},
		{"says what is away", says_what_is_away},
		{NULL, NULL},
	};

	log_open("test_deletion", "/dev/null", LOG_ERROR);
	return unit_main("deletion", tests);
}
