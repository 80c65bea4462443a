#include "workerd/worker.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"

#define BACK_OFF_LONGEST_MS 30000

/* ---- pumps ---- */

static bool pump_sessions(void *arg)
{
	struct worker *worker = arg;

	if (worker->child != NULL)
		child_look(worker->child);
	if (worker->consumer != NULL && mq_is_open(worker->consumer) &&
	    mq_pump(worker->consumer) != MQ_OK) {
		log_warning("the message in hand will come again: %s", mq_why(worker->consumer));
		worker->broker_lost = true;
	}
	return true;
}

static bool pump_work(void *arg)
{
	struct worker *worker = arg;

	pump_sessions(worker);
	return !worker->broker_lost && (worker->child == NULL || !child_hurry(worker->child));
}

/* ---- opening ---- */

static void set_broker_options(struct worker *worker)
{
	const struct conf_sessions *sessions = &worker->conf->worker.sessions;

	worker->consumer_options = (struct mq_options){
		.url = sessions->broker,
		.password = sessions->broker_password.value,
		.connect_timeout_ms = sessions->connect_timeout_ms,
		.heartbeat_ms = sessions->broker_heartbeat_ms,
		.name = "farewell-workerd consumer",
	};
	worker->publisher_options = worker->consumer_options;
	worker->publisher_options.name = "farewell-workerd publisher";
}

static void set_database_options(struct worker *worker)
{
	const struct conf_sessions *sessions = &worker->conf->worker.sessions;

	statements_users(worker->conf, worker->users_statements);
	statements_ledger(worker->conf, worker->ledger_statements);
	worker->users_options = (struct db_options){
		.name = "worker.user_db",
		.conninfo = sessions->user_db,
		.password = sessions->user_db_password.value,
		.application_name = "farewell-workerd",
		.connect_timeout_ms = sessions->connect_timeout_ms,
		.lock_timeout_ms = sessions->lock_timeout_ms,
		.statement_timeout_ms = sessions->statement_timeout_ms,
		.idle_in_transaction_timeout_ms = sessions->statement_timeout_ms,
		.statements = worker->users_statements,
	};
	worker->ledger_options = worker->users_options;
	worker->ledger_options.name = "worker.worker_db";
	worker->ledger_options.conninfo = worker->conf->worker.worker_db;
	worker->ledger_options.password = worker->conf->worker.worker_db_password.value;
	worker->ledger_options.custom_plans = true;
	worker->ledger_options.statements = worker->ledger_statements;
}

static bool open_stores(struct worker *worker)
{
	const struct conf *conf = worker->conf;
	char why[WHY_SIZE];
	struct s3_options s3 = {
		.endpoint = conf->worker.s3_endpoint,
		.region = conf->worker.s3_region,
		.access_key = conf->worker.s3_access_key,
		.secret_key = conf->worker.s3_secret_key.value,
		.virtual_hosts = conf->worker.s3_addressing == ADDRESSING_VIRTUAL,
		.ca_file = conf->worker.s3_ca_file,
		.connect_timeout_ms = conf->worker.sessions.connect_timeout_ms,
		.timeout_ms = conf->worker.s3_timeout_ms,
		.batch_keys = (size_t)conf->worker.s3_batch_keys,
		.batch_bytes = (size_t)conf->worker.s3_batch_bytes,
		.user_agent = "farewell",
	};
	struct mail_options mail = {
		.smtp_url = conf->worker.smtp_url,
		.starttls = conf->worker.smtp_starttls,
		.ca_file = conf->worker.smtp_ca_file,
		.user = conf->worker.smtp_user,
		.password = conf->worker.smtp_password.value,
		.connect_timeout_ms = conf->worker.sessions.connect_timeout_ms,
		.timeout_ms = conf->worker.smtp_timeout_ms,
		.from = conf->worker.mail_from,
		.templates = conf->worker.mail_templates,
		.locale = conf->worker.mail_locale,
	};

	worker->s3 = s3_open(&s3, &worker->work_pump, why, sizeof(why));
	if (worker->s3 != NULL)
		worker->mailer = mailer_open(&mail, &worker->work_pump, why, sizeof(why));
	if (worker->s3 == NULL || worker->mailer == NULL)
		log_error("%s", why);
	return worker->s3 != NULL && worker->mailer != NULL;
}

bool worker_init(struct worker *worker, struct child *child, const struct conf *conf,
                 bool with_stores)
{
	memset(worker, 0, sizeof(*worker));
	worker->child = child;
	worker->conf = conf;
	srandom((unsigned)getpid()); /* or the jitter of all children would be the same */
	worker->pump = (struct pump){.turn = pump_sessions, .arg = worker};
	worker->work_pump = (struct pump){.turn = pump_work, .arg = worker};
	set_broker_options(worker);
	set_database_options(worker);
	worker->consumer = mq_new(&worker->consumer_options, NULL);
	worker->publisher = mq_new(&worker->publisher_options, &worker->pump);
	worker->users = db_new(&worker->users_options, &worker->pump);
	worker->ledger = db_new(&worker->ledger_options, &worker->pump);
	if (worker->consumer == NULL || worker->publisher == NULL || worker->users == NULL ||
	    worker->ledger == NULL) {
		log_error("out of memory");
		return false;
	}
	return !with_stores || open_stores(worker);
}

void worker_free(struct worker *worker)
{
	mq_free(worker->consumer);
	mq_free(worker->publisher);
	db_free(worker->users);
	db_free(worker->ledger);
	if (worker->s3 != NULL)
		s3_close(worker->s3);
	if (worker->mailer != NULL)
		mailer_close(worker->mailer);
	memset(worker, 0, sizeof(*worker));
}

int64_t worker_db_deadline(const struct worker *worker)
{
	/* The server's own time-out comes first, and says what it was. */
	return clock_now_ms() + worker->conf->worker.sessions.statement_timeout_ms + 1000;
}

int64_t worker_mq_deadline(const struct worker *worker)
{
	return clock_now_ms() + 2 * worker->conf->worker.sessions.connect_timeout_ms;
}

/* ---- connecting ---- */

/* What doesn't pass, no waiting mends: a wrong password, no such database, a statement that doesn't
 * prepare or doesn't fit. */
static enum worker_state judge_refusal(const struct db *db, enum db_result result)
{
	log_error("%s", db_why(db));
	return result == DB_REFUSED && !db_may_pass(db) ? WORKER_MISCONFIGURED : WORKER_AWAY;
}

static enum worker_state connect_database(struct worker *worker, struct db *db)
{
	if (db_is_open(db) && db_is_alive(db))
		return WORKER_READY;
	enum db_result result = db_open(db, worker_db_deadline(worker));
	return result == DB_OK ? WORKER_READY : judge_refusal(db, result);
}

enum worker_state worker_connect_databases(struct worker *worker)
{
	enum worker_state state = connect_database(worker, worker->users);

	return state != WORKER_READY ? state : connect_database(worker, worker->ledger);
}

enum worker_state worker_check_statements(struct worker *worker)
{
	enum db_result result = statements_check_users(worker->users, worker_db_deadline(worker));

	if (result != DB_OK)
		return judge_refusal(worker->users, result);
	result = statements_check_ledger(worker->ledger, worker_db_deadline(worker));
	return result == DB_OK ? WORKER_READY : judge_refusal(worker->ledger, result);
}

void worker_back_off(struct worker *worker, int *pause_ms)
{
	int64_t until_ms = clock_now_ms() + *pause_ms + random() % (*pause_ms / 2 + 1);

	while (clock_left_ms(until_ms) > 0 && !child_stopping(worker->child)) {
		int left = clock_left_ms(until_ms);
		child_step(worker->child, "waiting for a server"); /* not hanging */
		child_wait(worker->child, -1, 0, left < 1000 ? left : 1000);
		pump_turn(&worker->pump);
	}
	*pause_ms = *pause_ms * 2 < BACK_OFF_LONGEST_MS ? *pause_ms * 2 : BACK_OFF_LONGEST_MS;
}
