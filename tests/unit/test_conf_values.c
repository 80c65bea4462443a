/* Values of every type: what is taken, what is refused and in which words. */
#include <stdio.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/config/conf.h"
#include "tests/unit/conf_unit.h"

static void defaults(void)
{
	struct conf *conf = load(CONF_GATEWAY, GATEWAY);

	CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
	CU_ASSERT_STRING_EQUAL(said, "");
	CU_ASSERT_EQUAL(conf->common.id_format, ID_INTEGER);
	CU_ASSERT_STRING_EQUAL(conf->common.queue, "farewell.deletions");
	CU_ASSERT_STRING_EQUAL(conf->common.log_file, "");
	CU_ASSERT_EQUAL(conf->common.log_level, LOG_INFO);
	CU_ASSERT_FALSE(conf->common.allow_root);
	CU_ASSERT_EQUAL(conf->gateway.sessions.lock_timeout_ms, 5000);
	CU_ASSERT_EQUAL(conf->gateway.socket_mode, 0660);
	CU_ASSERT_EQUAL(conf->gateway.auth, AUTH_NONE);
	CU_ASSERT_EQUAL(conf->gateway.pool.children, 16);
	CU_ASSERT_EQUAL(conf->worker.pool.children, 4);
	CU_ASSERT_EQUAL(conf->worker.park_after_ms, INT64_C(7) * 24 * 3600 * 1000);
	CU_ASSERT_EQUAL(conf->worker.s3_batch_bytes, 1000000);
	CU_ASSERT(conf->worker.reconciler);
	CU_ASSERT_EQUAL(conf->common.retry_delays.count, 4);
	CU_ASSERT_EQUAL(conf->common.retry_delays.item[3].ms, 3600000);
	CU_ASSERT_STRING_EQUAL(conf->common.retry_delays.item[1].text, "1m");
	CU_ASSERT_STRING_EQUAL(conf->worker.mail_from, "");
	CU_ASSERT_STRING_EQUAL(conf->gateway.jwt_key.file, "");
	CU_ASSERT_PTR_NULL(conf->gateway.jwt_key.value);
	conf_free(conf);
}

static void every_type(void)
{
	struct conf *conf =
		load(CONF_GATEWAY, GATEWAY
	         "common { id_format = uuid allow_root = ON retry_delays = ' 2s  1500m ' log_level = "
	         "debug run_dir = '/a b' }\n"
	         "gateway { socket_mode = 600 backlog = 7 confirm_timeout = 750ms mark_user_sql = "
	         "\"SELECT\n 'x'\" max_child_rss = 64M jwt_algorithm = HS512 }\n"
	         "worker { park_after = 2d foreign_grace = 0s max_child_rss = 2k reconcile_queue_limit "
	         "= 0 reconciler = false stop_timeout = 1h }\n");

	CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
	CU_ASSERT_EQUAL(conf->common.id_format, ID_UUID);
	CU_ASSERT(conf->common.allow_root);
	CU_ASSERT_EQUAL(conf->common.log_level, LOG_DEBUG);
	CU_ASSERT_STRING_EQUAL(conf->common.run_dir, "/a b");
	CU_ASSERT_EQUAL(conf->common.retry_delays.count, 2);
	CU_ASSERT_EQUAL(conf->common.retry_delays.item[1].ms, 1500 * 60000);
	CU_ASSERT_STRING_EQUAL(conf->common.retry_delays.item[1].text, "1500m");
	CU_ASSERT_EQUAL(conf->gateway.socket_mode, 0600);
	CU_ASSERT_EQUAL(conf->gateway.backlog, 7);
	CU_ASSERT_EQUAL(conf->gateway.confirm_timeout_ms, 750);
	CU_ASSERT_STRING_EQUAL(conf->gateway.mark_user_sql, "SELECT\n 'x'");
	CU_ASSERT_EQUAL(conf->gateway.pool.max_child_rss, 64 << 20);
	CU_ASSERT_EQUAL(conf->gateway.jwt_algorithm, JWT_HS512);
	CU_ASSERT_EQUAL(conf->worker.park_after_ms, 2 * 86400000);
	CU_ASSERT_EQUAL(conf->worker.foreign_grace_ms, 0);
	CU_ASSERT_EQUAL(conf->worker.pool.max_child_rss, 2048);
	CU_ASSERT_FALSE(conf->worker.reconciler);
	conf_free(conf);
}

static void wrong_values(void)
{
	static const char *const durations[] = {"10x",
	                                        "10",
	                                        "s",
	                                        "1.5s",
	                                        "-1s",
	                                        "10 s",
	                                        "10S",
	                                        "1h30m",
	                                        "",
	                                        "99999999999999999999s",
	                                        "9999999999999999d"};
	static const char *const sizes[] = {"4x", "-4", "k", "1.5M", "1kB", "9999999999G"};
	static const char *const numbers[] = {"x", "1x", "0x10", "1.0", "99999999999999999999",
	                                      "-", "ten"};
	char more[256], sentence[256];

	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
		snprintf(more, sizeof(more), "worker { s3_timeout = '%s' }", durations[i]);
		snprintf(sentence, sizeof(sentence),
		         "worker.s3_timeout: \"%s\" is not a duration; write 500ms, 10s, 5m, 1h or 7d\n",
		         durations[i]);
		refused(more, sentence);
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		snprintf(more, sizeof(more), "worker { max_child_rss = '%s' }", sizes[i]);
		snprintf(sentence, sizeof(sentence),
		         "worker.max_child_rss: \"%s\" is not a size; write 4096, 64k, 8M or 1G\n",
		         sizes[i]);
		refused(more, sentence);
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		snprintf(more, sizeof(more), "gateway { backlog = '%s' }", numbers[i]);
		snprintf(sentence, sizeof(sentence), "gateway.backlog: \"%s\" is not a whole number\n",
		         numbers[i]);
		refused(more, sentence);
	}
	refused("gateway { socket_mode = 0680 }",
	        "gateway.socket_mode: \"0680\" is not a file mode; write it in octal, such as 0660\n");
	refused("gateway { socket_mode = rw }", "gateway.socket_mode: \"rw\" is not a file mode");
	refused("common { allow_root = maybe }", "common.allow_root: \"maybe\" is neither yes nor no; "
	                                         "write yes, no, on, off, true or false\n");
	refused("common { log_level = loud }",
	        "common.log_level: \"loud\" is not possible; write error, warning, info or debug\n");
	refused("common { log_level = INFO }", "common.log_level: \"INFO\" is not possible");
	refused("gateway { lock_user_sql = ' \n\t' }",
	        "gateway.lock_user_sql: must not be empty; it is one SQL statement\n");
	refused("common { run_dir = 'a\tb' }", "common.run_dir: has a control character in it\n");
	refused("worker { mail_from = 'a@b\nBcc: c@d' }",
	        "worker.mail_from: has a control character in it\n");
	refused("worker { mail_from = '' }", "worker.mail_from: must not be empty\n");
	refused("worker { s3_region = '' }",
	        "worker.s3_region: must not be empty; it may have 1 to 47 bytes\n");
	refused("worker { s3_allow = '' }", "worker.s3_allow: must not be empty; write it as in ");
	refused("worker { s3_allow = ' ' }", "worker.s3_allow: must not be empty; write it as in ");
	refused("worker { s3_allow = 's3://' }",
	        "worker.s3_allow: has an entry without a bucket; write it as in s3://media/users/{id}/ "
	        "s3://avatars/{id}\n");
	refused("worker { s3_allow = 's3://media/{ID}/' }",
	        "worker.s3_allow: has something in braces that is not {id}; ");
	refused("worker { s3_allow = 's3://media/*' }", "worker.s3_allow: has a * in it; ");
	accepted("worker { s3_allow = 's3://media/users/{id}/ s3://user-{id}' }");
}

static void out_of_range(void)
{
	refused("worker { s3_timeout = 50ms }",
	        "worker.s3_timeout: 50ms is out of range; it may be 100ms to 1h\n");
	refused("worker { s3_timeout = 61m }",
	        "worker.s3_timeout: 61m is out of range; it may be 100ms to 1h\n");
	refused("worker { broker_heartbeat = 1999ms }",
	        "worker.broker_heartbeat: 1999ms is out of range; it may be 2s to 10m\n");
	refused("worker { foreign_grace = 8d }",
	        "worker.foreign_grace: 8d is out of range; it may be 0s to 7d\n");
	refused("gateway { backlog = 0 }",
	        "gateway.backlog: 0 is out of range; it may be 1 to 65535\n");
	refused("gateway { backlog = -1 }",
	        "gateway.backlog: -1 is out of range; it may be 1 to 65535\n");
	refused("gateway { socket_mode = 1777 }",
	        "gateway.socket_mode: 1777 is out of range; it may be 0000 to 0777\n");
	refused("worker { s3_batch_bytes = 1M }",
	        "worker.s3_batch_bytes: 1M is out of range; it may be 4k to 1000000\n");
	accepted("worker { s3_timeout = 100ms broker_heartbeat = 2s foreign_grace = 7d } gateway { "
	         "backlog = 65535 socket_mode = 0777 }");
}

static void durations_that_grow(void)
{
	refused("common { retry_delays = '' }",
	        "common.retry_delays: must not be empty; write 1 to 8 durations from 1s to 7d, each "
	        "longer than the one before, as in \"10s 1m 10m 1h\"\n");
	refused("common { retry_delays = '10s 1x' }",
	        "common.retry_delays: \"1x\" is not a duration; write 1 to 8 durations from 1s to 7d, "
	        "each longer than the one before, as in \"10s 1m 10m 1h\"\n");
	refused("common { retry_delays = '10s,1m' }",
	        "common.retry_delays: \"10s,1m\" is not a duration");
	refused("common { retry_delays = '10s 10s' }",
	        "common.retry_delays: \"10s\" is not longer than the one before it");
	refused("common { retry_delays = '1m 60s' }",
	        "common.retry_delays: \"60s\" is not longer than the one before it");
	refused("common { retry_delays = '999ms' }",
	        "common.retry_delays: \"999ms\" is out of range; write 1 to 8 durations from 1s to 7d");
	refused("common { retry_delays = '8d' }", "common.retry_delays: \"8d\" is out of range");
	refused("common { retry_delays = '1s 2s 3s 4s 5s 6s 7s 8s 9s' }",
	        "common.retry_delays: \"9s\" is one too many; write 1 to 8 durations");
	accepted("common { retry_delays = '1s 2s 3s 4s 5s 6s 7s 7d' }");
}

static void urls(void)
{
	static const char *const good[] = {
		"worker { broker = 'amqp://u:p%40w@host:5672/v%2Fhost' }",
		"worker { broker = 'amqp://[::1]:5672' }",
		"worker { s3_endpoint = 'HTTPS://s3.example.com' }",
		"worker { s3_endpoint = 'http://127.0.0.1:7480' }",
		"worker { s3_endpoint = 'http://[fe80::1]' }",
		"worker { smtp_url = 'smtps://mail:465' }",
	};
	static const struct {
		const char *more, *sentence;
	} bad[] = {
		{"worker { broker = localhost }",
	     "worker.broker: has a scheme that is not possible here; write it as in amqp://"},
		{"worker { broker = 'amqps://h' }", "worker.broker: has a scheme"},
		{"worker { broker = 'amqp://u@' }", "worker.broker: has no valid host and port"},
		{"worker { broker = 'amqp://h:port' }", "worker.broker: has no valid host and port"},
		{"worker { broker = 'amqp://h:70000' }", "worker.broker: has no valid host and port"},
		{"worker { broker = 'amqp://h:' }", "worker.broker: has no valid host and port"},
		{"worker { s3_endpoint = 's3://bucket' }", "worker.s3_endpoint: has a scheme"},
		{"worker { s3_endpoint = 'http://h/bucket' }",
	     "worker.s3_endpoint: must not have anything after host and port"},
		{"worker { s3_endpoint = 'http://h/' }",
	     "worker.s3_endpoint: must not have anything after host and port"},
		{"worker { s3_endpoint = 'http://h?x' }",
	     "worker.s3_endpoint: must not have anything after host and port"},
		{"worker { s3_endpoint = 'http://u:p@h' }",
	     "worker.s3_endpoint: must not have a user or a password in it"},
		{"worker { s3_endpoint = 'http://' }", "worker.s3_endpoint: has no valid host and port"},
		{"worker { s3_endpoint = 'http://[::1' }",
	     "worker.s3_endpoint: has no valid host and port"},
		{"worker { s3_endpoint = 'http://a b' }", "worker.s3_endpoint: has no valid host and port"},
		{"worker { smtp_url = 'mail:25' }", "worker.smtp_url: has a scheme"},
		{"worker { smtp_url = 'http://mail' }", "worker.smtp_url: has a scheme"},
		{"worker { smtp_url = 'file:///etc/passwd' }", "worker.smtp_url: has a scheme"},
		{"worker { smtp_url = 'smtp://me:pw@mail' }",
	     "worker.smtp_url: must not have a user or a password in it"},
		{"worker { smtp_url = 'smtp://mail:25?x' }",
	     "worker.smtp_url: must not have anything after host and port"},
		{"worker { s3_endpoint = 'http://[]' }", "worker.s3_endpoint: has no valid host and port"},
		{"worker { s3_endpoint = 'http://h:0' }", "worker.s3_endpoint: has no valid host and port"},
		{"worker { smtp_url = 'smtp://h/helo' }",
	     "worker.smtp_url: must not have anything after host and port"},
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		accepted(good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused(bad[i].more, bad[i].sentence);
	/* A password may stand in it. */
	refused("worker { broker = 'amqps://u:hunter2@h' }", "worker.broker: ");
	CU_ASSERT_PTR_NULL(strstr(said, "hunter2"));
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"defaults", defaults},
		{"every type", every_type},
		{"wrong values", wrong_values},
		{"values out of range", out_of_range},
		{"durations that grow", durations_that_grow},
		{"URLs", urls},
		{NULL, NULL},
	};

	return conf_unit_main("conf_values", tests);
}
