/* Every setting there is. A new one goes here, into struct conf, the sample file and the manual
 * page; the tests fail when one of the four is missing. */
#include "lib/config/conf.h"

#define AT(member) offsetof(struct conf, member)
#define MINUTE (60 * 1000)
#define HOUR (60 * MINUTE)
#define DAY (24LL * HOUR)

static const char *const id_formats[] = {"integer", "uuid", "text", NULL};
static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL};
static const char *const auth_kinds[] = {"", "jwt", "none", NULL};
static const char *const jwt_algorithms[] = {"HS256", "HS384", "HS512", NULL};
static const char *const topologies[] = {"declare", "check", NULL};
static const char *const when_unknowns[] = {"resend", "hold", NULL};
static const char *const addressings[] = {"path", "virtual", NULL};
static const char *const starttls_kinds[] = {"never", "offered", "required", NULL};

/* What both programs have in their own section. */
#define SESSIONS(section)                                                                          \
	{#section, "user_db", CONF_STRING, AT(section.sessions.user_db), NULL, 0, 0, NULL},            \
		{#section,    "user_db_password_file",                                                     \
	     CONF_SECRET, AT(section.sessions.user_db_password),                                       \
	     "",          0,                                                                           \
	     0,           NULL},                                                                       \
		{#section, "broker", CONF_STRING, AT(section.sessions.broker), NULL, 0, 0, NULL},          \
		{#section,    "broker_password_file",                                                      \
	     CONF_SECRET, AT(section.sessions.broker_password),                                        \
	     "",          0,                                                                           \
	     0,           NULL},                                                                       \
		{#section,      "broker_heartbeat",                                                        \
	     CONF_DURATION, AT(section.sessions.broker_heartbeat_ms),                                  \
	     "30s",         2000,                                                                      \
	     10 * MINUTE,   NULL},                                                                     \
	{                                                                                              \
		#section, "connect_timeout", CONF_DURATION, AT(section.sessions.connect_timeout_ms), "3s", \
			100, 5 * MINUTE, NULL                                                                  \
	}

#define POOL(section, how_many, soft, hard, stop)                                                    \
	{#section, "children", CONF_INT, AT(section.pool.children), how_many, 0, 1000, NULL},            \
		{#section, "start_children", CONF_INT, AT(section.pool.start_children), "4", 1, 1000, NULL}, \
		{#section, "min_spare", CONF_INT, AT(section.pool.min_spare), "2", 1, 1000, NULL},           \
		{#section, "max_spare", CONF_INT, AT(section.pool.max_spare), "8", 1, 1000, NULL},           \
		{#section, "max_children", CONF_INT, AT(section.pool.max_children), "32", 1, 1000, NULL},    \
		{#section,  "max_jobs_per_child",                                                            \
	     CONF_INT,  AT(section.pool.max_jobs_per_child),                                             \
	     "10000",   0,                                                                               \
	     INT32_MAX, NULL},                                                                           \
		{#section, "max_child_rss", CONF_SIZE, AT(section.pool.max_child_rss), "0",                  \
	     0,        INT64_MAX,       NULL},                                                           \
		{#section,      "max_child_lifetime",                                                        \
	     CONF_DURATION, AT(section.pool.max_child_lifetime_ms),                                      \
	     "0s",          0,                                                                           \
	     30 * DAY,      NULL},                                                                       \
		{#section, "slow_job", CONF_DURATION, AT(section.pool.slow_job_ms), "0s", 0, DAY, NULL},     \
		{#section, "soft_timeout", CONF_DURATION, AT(section.pool.soft_timeout_ms), soft, 100, DAY,  \
	     NULL},                                                                                      \
		{#section, "hard_timeout", CONF_DURATION, AT(section.pool.hard_timeout_ms), hard, 200, DAY,  \
	     NULL},                                                                                      \
	{                                                                                                \
		#section, "stop_timeout", CONF_DURATION, AT(section.pool.stop_timeout_ms), stop, 100, DAY,   \
			NULL                                                                                     \
	}

const struct conf_setting conf_table[] = {
	{"common", "id_format", CONF_ENUM, AT(common.id_format), "integer", 0, 0, id_formats},
	{"common", "id_max_length", CONF_INT, AT(common.id_max_length), "128", 1, 255, NULL},
	{"common", "run_dir", CONF_STRING, AT(common.run_dir), "/run/farewell", 0, 0, NULL},
	{"common", "log_file", CONF_STRING, AT(common.log_file), "", 0, 0, NULL},
	{"common", "log_level", CONF_ENUM, AT(common.log_level), "info", 0, 0, log_levels},
	{"common", "allow_root", CONF_BOOL, AT(common.allow_root), "no", 0, 0, NULL},
	{"common", "exchange", CONF_STRING, AT(common.exchange), "farewell", 0, 0, NULL},
	{"common", "routing_key", CONF_STRING, AT(common.routing_key), "UserDeleted", 0, 0, NULL},
	{"common", "queue", CONF_STRING, AT(common.queue), "farewell.deletions", 0, 0, NULL},
	{"common", "parked_queue", CONF_STRING, AT(common.parked_queue), "farewell.parked", 0, 0, NULL},
	{"common", "retry_queue_prefix", CONF_STRING, AT(common.retry_queue_prefix), "farewell.retry",
     0, 0, NULL},
	{"common", "retry_delays", CONF_STRING, AT(common.retry_delays), "10s 1m 10m 1h", 0, 0, NULL},

	SESSIONS(gateway),
	{"gateway", "lock_timeout", CONF_DURATION, AT(gateway.sessions.lock_timeout_ms), "5s", 100,
     5 * MINUTE, NULL},
	{"gateway", "statement_timeout", CONF_DURATION, AT(gateway.sessions.statement_timeout_ms), "6s",
     100, 5 * MINUTE, NULL},
	{"gateway", "confirm_timeout", CONF_DURATION, AT(gateway.confirm_timeout_ms), "3s", 50,
     5 * MINUTE, NULL},
	{"gateway", "request_timeout", CONF_DURATION, AT(gateway.request_timeout_ms), "10s", 200,
     10 * MINUTE, NULL},
	{"gateway", "nginx_read_timeout", CONF_DURATION, AT(gateway.nginx_read_timeout_ms), "15s", 200,
     10 * MINUTE, NULL},
	{"gateway", "retry_after", CONF_DURATION, AT(gateway.retry_after_ms), "5s", 1000, HOUR, NULL},
	{"gateway", "socket", CONF_STRING, AT(gateway.socket), "/run/farewell/gateway.sock", 0, 0,
     NULL},
	{"gateway", "socket_mode", CONF_MODE, AT(gateway.socket_mode), "0660", 0, 0777, NULL},
	{"gateway", "socket_group", CONF_STRING, AT(gateway.socket_group), "", 0, 0, NULL},
	{"gateway", "backlog", CONF_INT, AT(gateway.backlog), "511", 1, 65535, NULL},
	{"gateway", "auth", CONF_ENUM, AT(gateway.auth), NULL, 0, 0, auth_kinds},
	{"gateway", "jwt_algorithm", CONF_ENUM, AT(gateway.jwt_algorithm), "HS256", 0, 0,
     jwt_algorithms},
	{"gateway", "jwt_key_file", CONF_SECRET, AT(gateway.jwt_key), "", 0, 0, NULL},
	{"gateway", "jwt_admin_claim", CONF_STRING, AT(gateway.jwt_admin_claim), "role", 0, 0, NULL},
	{"gateway", "jwt_admin_value", CONF_STRING, AT(gateway.jwt_admin_value), "admin", 0, 0, NULL},
	{"gateway", "lock_user_sql", CONF_SQL, AT(gateway.lock_user_sql),
     "SELECT id::text, deleted_at::text FROM users WHERE id = $1 FOR NO KEY UPDATE", 0, 0, NULL},
	{"gateway", "mark_user_sql", CONF_SQL, AT(gateway.mark_user_sql),
     "UPDATE users SET deleted_at = now() WHERE id = $1 AND deleted_at IS NULL RETURNING "
     "deleted_at::text",
     0, 0, NULL},
	POOL(gateway, "16", "12s", "20s", "15s"),

	SESSIONS(worker),
	{"worker", "lock_timeout", CONF_DURATION, AT(worker.sessions.lock_timeout_ms), "15s", 100,
     5 * MINUTE, NULL},
	{"worker", "statement_timeout", CONF_DURATION, AT(worker.sessions.statement_timeout_ms), "30s",
     100, HOUR, NULL},
	{"worker", "worker_db", CONF_STRING, AT(worker.worker_db), NULL, 0, 0, NULL},
	{"worker", "worker_db_password_file", CONF_SECRET, AT(worker.worker_db_password), "", 0, 0,
     NULL},
	{"worker", "topology", CONF_ENUM, AT(worker.topology), "declare", 0, 0, topologies},
	{"worker", "lock_user_sql", CONF_SQL, AT(worker.lock_user_sql),
     "SELECT id::text, deleted_at::text FROM users WHERE id = $1 FOR SHARE", 0, 0, NULL},
	{"worker", "user_contact_sql", CONF_SQL, AT(worker.user_contact_sql),
     "SELECT email, name, locale FROM users WHERE id = $1", 0, 0, NULL},
	{"worker", "files_sql", CONF_SQL, AT(worker.files_sql),
     "SELECT id::text, file_path FROM user_files WHERE user_id = $1 AND deleted_at IS NULL"
     " AND ($2::bigint IS NULL OR id > $2::bigint) ORDER BY user_files.id LIMIT $3",
     0, 0, NULL},
	{"worker", "files_done_sql", CONF_SQL, AT(worker.files_done_sql),
     "UPDATE user_files SET deleted_at = now() WHERE user_id = $1 AND id = ANY ($2::bigint[])", 0,
     0, NULL},
	{"worker", "files_page", CONF_INT, AT(worker.files_page), "1000", 1, 10000, NULL},
	{"worker", "s3_endpoint", CONF_STRING, AT(worker.s3_endpoint), NULL, 0, 0, NULL},
	{"worker", "s3_region", CONF_STRING, AT(worker.s3_region), "us-east-1", 0, 0, NULL},
	{"worker", "s3_addressing", CONF_ENUM, AT(worker.s3_addressing), "path", 0, 0, addressings},
	{"worker", "s3_access_key", CONF_STRING, AT(worker.s3_access_key), NULL, 0, 0, NULL},
	{"worker", "s3_secret_key_file", CONF_SECRET, AT(worker.s3_secret_key), NULL, 0, 0, NULL},
	{"worker", "s3_ca_file", CONF_STRING, AT(worker.s3_ca_file), "", 0, 0, NULL},
	{"worker", "s3_timeout", CONF_DURATION, AT(worker.s3_timeout_ms), "60s", 100, HOUR, NULL},
	{"worker", "s3_batch_keys", CONF_INT, AT(worker.s3_batch_keys), "1000", 1, 1000, NULL},
	{"worker", "s3_batch_bytes", CONF_SIZE, AT(worker.s3_batch_bytes), "1000000", 4096, 1000000,
     NULL},
	{"worker", "smtp_url", CONF_STRING, AT(worker.smtp_url), NULL, 0, 0, NULL},
	{"worker", "smtp_starttls", CONF_ENUM, AT(worker.smtp_starttls), "required", 0, 0,
     starttls_kinds},
	{"worker", "smtp_ca_file", CONF_STRING, AT(worker.smtp_ca_file), "", 0, 0, NULL},
	{"worker", "smtp_user", CONF_STRING, AT(worker.smtp_user), "", 0, 0, NULL},
	{"worker", "smtp_password_file", CONF_SECRET, AT(worker.smtp_password), "", 0, 0, NULL},
	{"worker", "smtp_timeout", CONF_DURATION, AT(worker.smtp_timeout_ms), "60s", 100, HOUR, NULL},
	{"worker", "mail_from", CONF_STRING, AT(worker.mail_from), NULL, 0, 0, NULL},
	{"worker", "mail_templates", CONF_STRING, AT(worker.mail_templates), FAREWELL_DATADIR "/mail",
     0, 0, NULL},
	{"worker", "mail_locale", CONF_STRING, AT(worker.mail_locale), "en", 0, 0, NULL},
	{"worker", "when_unknown", CONF_ENUM, AT(worker.when_unknown), "resend", 0, 0, when_unknowns},
	{"worker", "max_starts", CONF_INT, AT(worker.max_starts), "5", 1, 1000, NULL},
	{"worker", "park_after", CONF_DURATION, AT(worker.park_after_ms), "7d", 1000, 365 * DAY, NULL},
	{"worker", "handover_after", CONF_DURATION, AT(worker.handover_after_ms), "10m", 100, DAY,
     NULL},
	{"worker", "broker_consumer_timeout", CONF_DURATION, AT(worker.broker_consumer_timeout_ms),
     "30m", 1000, 7 * DAY, NULL},
	{"worker", "foreign_grace", CONF_DURATION, AT(worker.foreign_grace_ms), "15m", 0, 7 * DAY,
     NULL},
	{"worker", "reconciler", CONF_BOOL, AT(worker.reconciler), "yes", 0, 0, NULL},
	{"worker", "reconcile_after", CONF_DURATION, AT(worker.reconcile_after_ms), "15m", 1000,
     7 * DAY, NULL},
	{"worker", "reconcile_every", CONF_DURATION, AT(worker.reconcile_every_ms), "1m", 200, DAY,
     NULL},
	{"worker", "reconcile_batch", CONF_INT, AT(worker.reconcile_batch), "100", 1, 10000, NULL},
	{"worker", "reconcile_queue_limit", CONF_INT, AT(worker.reconcile_queue_limit), "1000", 0,
     INT32_MAX, NULL},
	POOL(worker, "4", "12m", "20m", "1m"),

	{NULL, NULL, CONF_STRING, 0, NULL, 0, 0, NULL},
};
