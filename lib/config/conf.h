/* The configuration: one file, three sections and perhaps stores, a table of settings for each
 * kind.
 *
 * Every setting is one row (settings_*.h): key, type, place in struct conf, default, range, and
 * what it means in plain words. The sample file and the manual are made from the table
 * (conf_print.c). */
#ifndef FAREWELL_CONF_H
#define FAREWELL_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/ids.h"

#define CONF_DELAYS_MAX 8
#define CONF_STORES_MAX 24
#define CONF_STORE_NAME_BYTES 24

enum conf_program { CONF_GATEWAY, CONF_WORKER };

/* A secret is named by a *_file setting; only the program whose section it is in opens the file,
 * and takes its first line. */
struct conf_secret {
	char *file;
	char *value; /* NULL when no file is set, or it belongs to the other program */
};

/* Durations that grow. */
struct conf_durations {
	struct {
		int64_t ms;
		char *text; /* as written: 10s */
	} item[CONF_DELAYS_MAX];
	int count; /* at least 1 after conf_load */
};

enum conf_log_level { LOG_ERROR_LEVEL, LOG_WARNING_LEVEL, LOG_INFO_LEVEL, LOG_DEBUG_LEVEL };
enum conf_auth { AUTH_UNSET, AUTH_JWT, AUTH_NONE };
enum conf_topology { TOPOLOGY_DECLARE, TOPOLOGY_CHECK };
enum conf_when_unknown { WHEN_UNKNOWN_RESEND, WHEN_UNKNOWN_HOLD };
enum conf_absent_user { ABSENT_USER_PARK, ABSENT_USER_CONTINUE };
enum conf_touched_mark { TOUCHED_MARK_PARK, TOUCHED_MARK_ADOPT };
enum conf_versions { VERSIONS_ALL, VERSIONS_CURRENT };
enum conf_addressing { ADDRESSING_PATH, ADDRESSING_VIRTUAL };
enum conf_payer { PAYER_NO, PAYER_REQUESTER };
enum conf_s3_credentials {
	CREDENTIALS_AUTO,
	CREDENTIALS_SETTINGS,
	CREDENTIALS_FILES,
	CREDENTIALS_ENVIRONMENT,
	CREDENTIALS_WEB_IDENTITY,
	CREDENTIALS_CONTAINER,
	CREDENTIALS_INSTANCE
};
enum conf_smtp_auth {
	SMTP_AUTH_AUTO,
	SMTP_AUTH_PLAIN,
	SMTP_AUTH_LOGIN,
	SMTP_AUTH_CRAM_MD5,
	SMTP_AUTH_DIGEST_MD5
};
enum conf_starttls { STARTTLS_NEVER, STARTTLS_OFFERED, STARTTLS_REQUIRED };
enum conf_jwt_algorithm { JWT_HS256, JWT_HS384, JWT_HS512 };

/* What both programs have, each in its own section: sessions and the pool of children. */
struct conf_sessions {
	char *user_db; /* libpq connection string */
	struct conf_secret user_db_password;
	char *broker; /* amqp://user@host:port/vhost */
	struct conf_secret broker_password;
	int64_t connect_timeout_ms; /* for one attempt, any server */
	int64_t broker_heartbeat_ms;
	int64_t lock_timeout_ms;
	int64_t statement_timeout_ms;
};

struct conf_pool {
	int64_t children; /* 0: use the four below */
	int64_t start_children, min_spare, max_spare, max_children;
	int64_t max_jobs_per_child;    /* 0: no limit; jittered by up to a tenth */
	int64_t max_child_rss;         /* bytes; 0: no limit */
	int64_t max_child_lifetime_ms; /* 0: no limit */
	int64_t slow_job_ms;           /* 0: off */
	int64_t soft_timeout_ms, hard_timeout_ms;
	int64_t stop_timeout_ms;
};

/* An object store beside the default one, which the worker's s3_* settings are: `store "NAME" { …
 * }`.
 */
struct conf_store {
	char *name; /* of [a-z0-9-] */
	char *endpoint, *region;
	int addressing;  /* enum conf_addressing */
	int credentials; /* enum conf_s3_credentials */
	char *access_key;
	struct conf_secret access_key_secret, secret_key, session_token;
	char *ca_file;
	char *buckets;  /* names and patterns with one `*`, separated by spaces */
	char *origin;   /* where the block begins, as conf_origin has it */
	char **origins; /* of its settings, in the table's order */
};

struct conf {
	struct {
		int id_format; /* enum id_format */
		int64_t id_max_length;
		char *run_dir;
		char *log_file; /* empty: standard error */
		int log_level;  /* enum conf_log_level */
		bool allow_root;
		char *exchange, *routing_key;
		char *queue, *parked_queue, *retry_queue_prefix;
		struct conf_durations retry_delays; /* the text ends a queue's name: farewell.retry.10s */
	} common;

	struct {
		struct conf_sessions sessions;
		struct conf_pool pool;
		char *socket;
		int64_t socket_mode;
		char *socket_group;
		int64_t backlog;
		int64_t confirm_timeout_ms, request_timeout_ms, nginx_read_timeout_ms;
		int64_t retry_after_ms;
		int auth;          /* enum conf_auth */
		int jwt_algorithm; /* enum conf_jwt_algorithm */
		struct conf_secret jwt_key;
		char *jwt_admin_claim, *jwt_admin_value;
		char *lock_user_sql, *mark_user_sql;
	} gateway;

	struct {
		struct conf_sessions sessions;
		struct conf_pool pool;
		char *worker_db;
		struct conf_secret worker_db_password;
		int topology; /* enum conf_topology */
		char *lock_user_sql, *user_contact_sql;
		char *files_sql, *files_done_sql;
		char *prefixes_sql; /* empty: none */
		int64_t files_page;
		char *s3_endpoint, *s3_region;
		int s3_addressing;    /* enum conf_addressing */
		int s3_request_payer; /* enum conf_payer */
		int s3_credentials;   /* enum conf_s3_credentials */
		char *s3_access_key;
		struct conf_secret s3_access_key_secret, s3_secret_key, s3_session_token;
		char *s3_ca_file;
		char *s3_allow;  /* empty: everything */
		int s3_versions; /* enum conf_versions */
		bool s3_verify;
		int64_t s3_timeout_ms;
		int64_t s3_batch_keys, s3_batch_bytes;
		char *smtp_url;
		int smtp_starttls; /* enum conf_starttls */
		char *smtp_ca_file;
		char *smtp_helo;
		char *smtp_user;
		struct conf_secret smtp_password;
		int smtp_auth; /* enum conf_smtp_auth */
		int64_t smtp_timeout_ms, smtp_answer_timeout_ms;
		char *mail_from, *mail_templates, *mail_locale;
		int when_unknown; /* enum conf_when_unknown */
		int64_t max_starts;
		int64_t operator_attempts;
		int absent_user;  /* enum conf_absent_user */
		int touched_mark; /* enum conf_touched_mark */
		int64_t park_after_ms;
		int64_t handover_after_ms;
		int64_t broker_consumer_timeout_ms;
		int64_t foreign_grace_ms;
		bool reconciler;
		int64_t reconcile_after_ms, reconcile_every_ms;
		int64_t reconcile_batch, reconcile_queue_limit;
		struct conf_durations sweep_after;
	} worker;

	/* The worker's, in the file's order. Without any, or where s3_endpoint is not empty, there is a
	 * default store as well. */
	struct {
		struct conf_store item[CONF_STORES_MAX];
		int count;
	} stores;

	char **origins; /* for conf_origin, in the table's order */
};

/* Reads FILE for PROGRAM: parses every section, opens only the secrets of the program's own section
 * (and of common), applies environment variables FAREWELL_<SECTION>_<KEY> (upper case), checks what
 * contradicts itself. On failure returns NULL; every error found has been written to the log's
 * sink as `FILE:LINE: setting: what is wrong; what to do`. Free with conf_free (which wipes the
 * secrets). */
struct conf *conf_load(const char *file, enum conf_program program);
void conf_free(struct conf *);

/* For messages after loading: where a setting came from, such as `/etc/farewell.conf:12`,
 * "environment variable X" or "default". The pointer lives as long as the conf. */
const char *conf_origin(const struct conf *, const char *section, const char *key);
/* The same of a store's setting. */
const char *conf_store_origin(const struct conf_store *, const char *key);

#endif
