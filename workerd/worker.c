/* Making and ending what a worker child holds, and its pumps. */
#include "workerd/worker.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "workerd/away.h"

#define PROGRAM "farewell-workerd"
#define BACK_OFF_LONGEST_MS 30000

/* ---- pumps ---- */

static bool pump_sessions(void *arg)
{
	struct worker *worker = arg;

	if (worker->child != NULL)
		child_look(worker->child);
	away_update(worker);
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

static bool open_stores(struct worker *worker)
{
	static const enum smtp_starttls starttls[] = {
		[STARTTLS_NEVER] = SMTP_STARTTLS_NEVER,
		[STARTTLS_OFFERED] = SMTP_STARTTLS_OFFERED,
		[STARTTLS_REQUIRED] = SMTP_STARTTLS_REQUIRED,
	};
	static const enum s3_credentials_from froms[] = {
		[CREDENTIALS_AUTO] = S3_FROM_AUTO,
		[CREDENTIALS_SETTINGS] = S3_FROM_SETTINGS,
		[CREDENTIALS_FILES] = S3_FROM_FILES,
		[CREDENTIALS_ENVIRONMENT] = S3_FROM_ENVIRONMENT,
		[CREDENTIALS_WEB_IDENTITY] = S3_FROM_WEB_IDENTITY,
		[CREDENTIALS_CONTAINER] = S3_FROM_CONTAINER,
		[CREDENTIALS_INSTANCE] = S3_FROM_INSTANCE,
	};
	static const char *const mechanisms[] = {
		[SMTP_AUTH_AUTO] = NULL,
		[SMTP_AUTH_PLAIN] = "PLAIN",
		[SMTP_AUTH_LOGIN] = "LOGIN",
		[SMTP_AUTH_CRAM_MD5] = "CRAM-MD5",
		[SMTP_AUTH_DIGEST_MD5] = "DIGEST-MD5",
	};
	const struct conf *conf = worker->conf;
	char why[WHY_SIZE];
	struct s3_options s3 = {
		.endpoint = conf->worker.s3_endpoint,
		.region = conf->worker.s3_region,
		.credentials = {.from = froms[conf->worker.s3_credentials],
	                    .access_key = conf->worker.s3_access_key,
	                    .access_key_file = conf->worker.s3_access_key_secret.file,
	                    .secret_key_file = conf->worker.s3_secret_key.file,
	                    .session_token_file = conf->worker.s3_session_token.file,
	                    .region = conf->worker.s3_region,
	                    .user_agent = "farewell"},
		.virtual_hosts = conf->worker.s3_addressing == ADDRESSING_VIRTUAL,
		.ca_file = conf->worker.s3_ca_file,
		.connect_timeout_ms = conf->worker.sessions.connect_timeout_ms,
		.timeout_ms = conf->worker.s3_timeout_ms,
		.batch_keys = (size_t)conf->worker.s3_batch_keys,
		.batch_bytes = (size_t)conf->worker.s3_batch_bytes,
		.user_agent = "farewell",
	};
	struct mail_options mail = {
		.smtp = {.url = conf->worker.smtp_url,
	             .starttls = starttls[conf->worker.smtp_starttls],
	             .helo = conf->worker.smtp_helo,
	             .ca_file = conf->worker.smtp_ca_file,
	             .user = conf->worker.smtp_user,
	             .password = conf->worker.smtp_password.value,
	             .mechanism = mechanisms[conf->worker.smtp_auth],
	             .connect_timeout_ms = conf->worker.sessions.connect_timeout_ms,
	             .timeout_ms = conf->worker.smtp_timeout_ms,
	             .answer_timeout_ms = conf->worker.smtp_answer_timeout_ms},
		.from = conf->worker.mail_from,
		.templates = conf->worker.mail_templates,
		.locale = conf->worker.mail_locale,
	};

	worker->s3 = s3_new(&s3, &worker->work_pump, why, sizeof(why));
	if (worker->s3 != NULL)
		worker->mailer = mailer_new(&mail, &worker->work_pump, why, sizeof(why));
	if (worker->s3 == NULL || worker->mailer == NULL)
		log_error("%s", why);
	return worker->s3 != NULL && worker->mailer != NULL;
}

bool worker_init(struct worker *worker, struct child *child, const struct conf *conf)
{
	const struct conf_sessions *broker = &conf->worker.sessions;

	memset(worker, 0, sizeof(*worker));
	worker->child = child;
	worker->conf = conf;
	worker->pump = (struct pump){.turn = pump_sessions, .arg = worker};
	worker->work_pump = (struct pump){.turn = pump_work, .arg = worker};
	worker->consumer_options = (struct mq_options){
		.url = broker->broker,
		.password = broker->broker_password.value,
		.connect_timeout_ms = broker->connect_timeout_ms,
		.heartbeat_ms = broker->broker_heartbeat_ms,
		.name = PROGRAM " consumer",
	};
	worker->consumer = mq_new(&worker->consumer_options, NULL);
	if (worker->consumer == NULL) {
		log_error("out of memory");
		return false;
	}
	return sessions_new(&worker->sessions, conf, PROGRAM, &worker->pump, &worker->work_pump) &&
	       open_stores(worker);
}

void worker_free(struct worker *worker)
{
	mq_free(worker->consumer);
	sessions_free(&worker->sessions);
	if (worker->s3 != NULL)
		s3_free(worker->s3);
	if (worker->mailer != NULL)
		mailer_free(worker->mailer);
	memset(worker, 0, sizeof(*worker));
}

int64_t worker_mail_bound_ms(const struct conf *conf)
{
	return conf->worker.sessions.connect_timeout_ms + conf->worker.smtp_timeout_ms +
	       conf->worker.smtp_answer_timeout_ms;
}

void worker_back_off(struct child *child, const struct pump *pump, int *pause_ms)
{
	int64_t until_ms = clock_now_ms() + *pause_ms + arc4random_uniform((uint32_t)*pause_ms / 2 + 1);

	while (clock_left_ms(until_ms) > 0 && !child_stopping(child)) {
		int left = clock_left_ms(until_ms);
		child_step(child, "waiting for a server"); /* not hanging */
		child_wait(child, -1, 0, left < 1000 ? left : 1000);
		pump_turn(pump);
	}
	*pause_ms = *pause_ms * 2 < BACK_OFF_LONGEST_MS ? *pause_ms * 2 : BACK_OFF_LONGEST_MS;
}
