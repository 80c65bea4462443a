#include <ctype.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/config/conf.h"
#include "lib/config/conf_load.h"
#include "tests/unit/unit.h"

/* What each program needs, each on one line, so that what a test adds begins on line 2. */
#define GATEWAY "gateway { user_db = x broker = 'amqp://h' auth = none }\n"
#define WORKER                                                                                     \
	"worker { user_db = x broker = 'amqp://h' worker_db = x s3_endpoint = 'http://h' "             \
	"s3_access_key = a "                                                                           \
	"smtp_url = 'smtp://h' mail_from = 'a@b' s3_secret_key_file = '%s' }\n"

static char directory[] = "/tmp/farewell-conf-XXXXXX";
static char conf_file[128], log_file[128], secret_file[128];
static char said[256 * 1024];

/* ---- helpers ---- */

static void put_file(const char *name, const void *bytes, size_t length, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_FATAL(write(fd, bytes, length) == (ssize_t)length && fchmod(fd, mode) == 0);
	close(fd);
}

static void put_secret(const char *text, mode_t mode)
{
	put_file(secret_file, text, strlen(text), mode);
}

static char *read_file(const char *name)
{
	FILE *in = fopen(name, "r");
	char *text = calloc(1, sizeof(said));

	CU_ASSERT_FATAL(in != NULL && text != NULL);
	CU_ASSERT_FATAL(fread(text, 1, sizeof(said) - 1, in) < sizeof(said) - 1);
	fclose(in);
	return text;
}

/* Loads TEXT; what was logged is in SAID. */
static struct conf *load_bytes(enum conf_program program, const char *text, size_t length)
{
	char *log;

	put_file(conf_file, text, length, 0600);
	unlink(log_file);
	CU_ASSERT_FATAL(log_open("unit", log_file, LOG_WARNING));
	struct conf *conf = conf_load(conf_file, program);
	log_open("unit", NULL, LOG_WARNING);
	log = read_file(log_file);
	snprintf(said, sizeof(said), "%s", log);
	free(log);
	return conf;
}

__attribute__((format(printf, 2, 3))) static struct conf *load(enum conf_program program,
                                                               const char *format, ...)
{
	static char text[64 * 1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return load_bytes(program, text, strlen(text));
}

/* Whether SAID has a line that ends in ` error unit[…]: FILE:LINE: SENTENCE`, SENTENCE being its
 * beginning. LINE 0: FILE alone. */
static bool complained(int line, const char *sentence)
{
	char wanted[1024];

	if (line > 0)
		snprintf(wanted, sizeof(wanted), "]: %s:%d: %s", conf_file, line, sentence);
	else
		snprintf(wanted, sizeof(wanted), "]: %s: %s", conf_file, sentence);
	if (strstr(said, wanted) != NULL)
		return true;
	fprintf(stderr, "wanted: %s\nsaid: %s\n", wanted, said);
	return false;
}

static int count_errors(void)
{
	int count = 0;

	for (const char *at = said; (at = strstr(at, " error unit[")) != NULL; at++)
		count++;
	return count;
}

/* The gateway's configuration with MORE in line 2 is refused, with just this error in that line. */
static void refused(const char *more, const char *sentence)
{
	struct conf *conf = load(CONF_GATEWAY, GATEWAY "%s\n", more);

	CU_ASSERT_PTR_NULL(conf);
	CU_ASSERT(complained(2, sentence));
	CU_ASSERT_EQUAL(count_errors(), 1);
	conf_free(conf);
}

static void accepted(const char *more)
{
	struct conf *conf = load(CONF_GATEWAY, GATEWAY "%s\n", more);

	if (conf == NULL)
		fprintf(stderr, "%s: %s\n", more, said);
	CU_ASSERT_PTR_NOT_NULL(conf);
	conf_free(conf);
}

/* ---- values ---- */

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
	CU_ASSERT_EQUAL(conf->common.retry_delay_count, 4);
	CU_ASSERT_EQUAL(conf->common.retry_delay_ms[3], 3600000);
	CU_ASSERT_STRING_EQUAL(conf->common.retry_delay_text[1], "1m");
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
	CU_ASSERT_EQUAL(conf->common.retry_delay_count, 2);
	CU_ASSERT_EQUAL(conf->common.retry_delay_ms[1], 1500 * 60000);
	CU_ASSERT_STRING_EQUAL(conf->common.retry_delay_text[1], "1500m");
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
		         "worker.s3_timeout: \"%s\" is no duration; write 500ms, 10s, 5m, 1h or 7d\n",
		         durations[i]);
		refused(more, sentence);
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		snprintf(more, sizeof(more), "worker { max_child_rss = '%s' }", sizes[i]);
		snprintf(sentence, sizeof(sentence),
		         "worker.max_child_rss: \"%s\" is no size; write 4096, 64k, 8M or 1G\n", sizes[i]);
		refused(more, sentence);
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		snprintf(more, sizeof(more), "gateway { backlog = '%s' }", numbers[i]);
		snprintf(sentence, sizeof(sentence), "gateway.backlog: \"%s\" is no whole number\n",
		         numbers[i]);
		refused(more, sentence);
	}
	refused("gateway { socket_mode = 0680 }",
	        "gateway.socket_mode: \"0680\" is no file mode; write it in octal, such as 0660\n");
	refused("gateway { socket_mode = rw }", "gateway.socket_mode: \"rw\" is no file mode");
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

/* ---- the file ---- */

static void unknown_names(void)
{
	refused("worker { s3_timout = 1s }",
	        "there is no setting s3_timout in the section worker; did you mean s3_timeout?\n");
	refused(
		"worker { lock_user_sqll = 1s }",
		"there is no setting lock_user_sqll in the section worker; did you mean lock_user_sql?\n");
	refused("gateway { queue = q }",
	        "there is no setting queue in the section gateway; it belongs into common\n");
	refused("common { colour = red }", "there is no setting colour in the section common; a value "
	                                   "with spaces in it needs quotes\n");
	refused(
		"common { retry_delays = 1s 5s }",
		"there is no setting 5s in the section common; a value with spaces in it needs quotes\n");
	refused("gatway { auth = jwt }", "there is no section gatway; did you mean gateway?\n");
	refused("database { a = 1 }",
	        "there is no section database; there are common, gateway and worker\n");
	refused("queue = q", "queue belongs into a section: common { queue = … }\n");
	refused("common|queue = q",
	        "a setting belongs into a section: common { … } gateway { … } worker { … }\n");
	refused("common { gateway { } }", "there is no setting gateway in the section common");
}

/* One go shows all there is. */
static void many_errors(void)
{
	struct conf *conf = load(CONF_GATEWAY, "common {\n\tqueu = q\n\tlog_level = loud\n}\n"
	                                       "gateway {\n\tbacklog = 0\n\tauht = jwt\n\tlock_timeout "
	                                       "= 8s\n\tsocket_mode = x\n\tcolour = red\n}\n"
	                                       "worker {\n\ts3_timeout = 10x\n}\n");

	CU_ASSERT_PTR_NULL(conf);
	CU_ASSERT(complained(2, "there is no setting queu "));
	CU_ASSERT(complained(3, "common.log_level: "));
	CU_ASSERT(complained(6, "gateway.backlog: "));
	CU_ASSERT(complained(7, "there is no setting auht "));
	CU_ASSERT(complained(8, "gateway.lock_timeout: 8s must be less than "));
	CU_ASSERT(complained(9, "gateway.socket_mode: "));
	CU_ASSERT(complained(10, "there is no setting colour "));
	CU_ASSERT(complained(13, "worker.s3_timeout: "));
	CU_ASSERT(complained(0, "gateway.user_db: must be set, in the section gateway of the file\n"));
	CU_ASSERT(complained(0, "gateway.auth: must be set"));
	CU_ASSERT_EQUAL(count_errors(), 11);
}

static void set_twice(void)
{
	struct conf *conf;

	refused("gateway { user_db = y }", "gateway.user_db: set twice, first in line 1\n");
	CU_ASSERT_PTR_NULL(
		load(CONF_GATEWAY, GATEWAY "common { queue = a }\n\ncommon { queue = a }\n"));
	CU_ASSERT(complained(4, "common.queue: set twice, first in line 2\n"));
	conf = load(CONF_GATEWAY, GATEWAY "gateway { backlog = 5 }\ngateway { retry_after = 9s }\n");
	CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
	CU_ASSERT_EQUAL(conf->gateway.backlog, 5);
	CU_ASSERT_EQUAL(conf->gateway.retry_after_ms, 9000);
	CU_ASSERT_STRING_EQUAL(conf->gateway.sessions.user_db, "x");
	conf_free(conf);
}

/* libconfuse's own count is wrong after comments. */
static void lines_are_right(void)
{
	struct conf *conf =
		load(CONF_GATEWAY,
	         "# one\n// two\n/* three\n four */ /* */\n\n" GATEWAY
	         "common { # seven # \" '\n\trun_dir = '/a#b//c/*d*/' // eight\n\tqueue = "
	         "\"a\\\n9\\\"#\"\n\trouting_key = a//b\n\tlog_file = 'x\n\n'\n\tlog_level = x\n}\n");

	CU_ASSERT_PTR_NULL(conf);
	CU_ASSERT(complained(12, "common.log_file: has a control character"));
	CU_ASSERT(complained(15, "common.log_level: "));
	CU_ASSERT_EQUAL(count_errors(), 2);
	conf = load(CONF_GATEWAY, GATEWAY "common { run_dir = '/a#b//c/*d*/' // eight\n\tqueue = "
	                                  "\"a\\\n9\\\"#\"\n\trouting_key = a//b\n}\n");
	CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
	CU_ASSERT_STRING_EQUAL(conf->common.run_dir, "/a#b//c/*d*/");
	CU_ASSERT_STRING_EQUAL(conf->common.queue, "a9\"#");
	CU_ASSERT_STRING_EQUAL(conf->common.routing_key, "a//b");
	CU_ASSERT_STRING_EQUAL(strrchr(conf_origin(conf, "common", "routing_key"), ':'), ":5");
	conf_free(conf);
}

static void crlf(void)
{
	struct conf *conf =
		load(CONF_GATEWAY, GATEWAY "common {\r\n\tqueue = q # x\r\n\tid_format = uuid\r\n}\r\n");

	CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
	CU_ASSERT_STRING_EQUAL(conf->common.queue, "q");
	conf_free(conf);
}

static void bad_syntax(void)
{
	static const char nul[] = GATEWAY "common { queue = a\0b }\n";

	refused("common { queue = 'abc }\n\n",
	        "this string has no end; the closing quote is missing\n");
	accepted(""); /* and the next file does not begin inside that string */
	refused("common { queue = \"abc }\n\n",
	        "this string has no end; the closing quote is missing\n");
	accepted("");
	refused("/* abc\n\n", "this comment has no end\n");
	accepted("");
	refused("common { queue = \"\\x41\" }", "characters can't be given by number");
	refused("common { queue = \"\\777\" }", "characters can't be given by number");
	accepted("");
	refused("common { queue = a+b }", "a value with + in it needs quotes\n");
	refused("common { run_dir = /a* }", "a value with * in it needs quotes\n");
	refused("common { queue abc }", "missing equal sign after option 'queue'\n");
	refused("common { queue = }", "unexpected token '}'\n");
	refused("common { queue = q } }", "unexpected closing brace\n");
	refused("common queue = q", "missing opening brace for section 'common'\n");
	refused("common { queue = \xff }", "is not valid UTF-8\n");
	CU_ASSERT_PTR_NULL(load(CONF_GATEWAY, GATEWAY "common {\n\tqueue = q\n"));
	CU_ASSERT(complained(2, "this section has no end; the closing brace is missing\n"));
	CU_ASSERT_PTR_NULL(load(CONF_GATEWAY, GATEWAY "common"));
	CU_ASSERT(complained(3, "premature end of file\n"));
	CU_ASSERT_PTR_NULL(load_bytes(CONF_GATEWAY, nul, sizeof(nul) - 1));
	CU_ASSERT(complained(2, "has a NUL byte in it"));
	CU_ASSERT_PTR_NULL(load(CONF_GATEWAY, "%s", ""));
	CU_ASSERT(complained(0, "gateway.user_db: must be set"));
}

static void bad_files(void)
{
	char *large = malloc(2 << 20);

	CU_ASSERT_PTR_NOT_NULL_FATAL(large);
	memset(large, '\n', 2 << 20);
	CU_ASSERT_PTR_NULL(load_bytes(CONF_GATEWAY, large, 2 << 20));
	CU_ASSERT(complained(0, "can't be read: longer than 1 MiB\n"));
	free(large);
	unlink(log_file);
	log_open("unit", log_file, LOG_WARNING);
	CU_ASSERT_PTR_NULL(conf_load("/nonexistent/x.conf", CONF_GATEWAY));
	CU_ASSERT_PTR_NULL(conf_load(directory, CONF_GATEWAY));
	log_open("unit", NULL, LOG_WARNING);
	char *log = read_file(log_file);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(log, "]: /nonexistent/x.conf: can't be opened: No such file or directory\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(log, ": is a directory\n"));
	free(log);
}

/* ---- the environment ---- */

static void environment_overrides(void)
{
	setenv("FAREWELL_GATEWAY_BACKLOG", "9", 1);
	setenv("FAREWELL_COMMON_LOG_FILE", "", 1);
	struct conf *conf =
		load(CONF_GATEWAY,
	         GATEWAY "gateway { backlog = 5 retry_after = 6s }\ncommon { log_file = /x }\n");
	unsetenv("FAREWELL_GATEWAY_BACKLOG");
	unsetenv("FAREWELL_COMMON_LOG_FILE");
	CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
	CU_ASSERT_EQUAL(conf->gateway.backlog, 9);
	CU_ASSERT_STRING_EQUAL(conf->common.log_file, "");
	CU_ASSERT_STRING_EQUAL(conf_origin(conf, "gateway", "backlog"),
	                       "environment variable FAREWELL_GATEWAY_BACKLOG");
	CU_ASSERT_STRING_EQUAL(conf_origin(conf, "gateway", "socket"), "default");
	CU_ASSERT_STRING_EQUAL(conf_origin(conf, "worker", "mail_from"), "not set");
	char origin[256];
	snprintf(origin, sizeof(origin), "%s:2", conf_file);
	CU_ASSERT_STRING_EQUAL(conf_origin(conf, "gateway", "retry_after"), origin);
	conf_free(conf);
}

static void environment_is_enough(void)
{
	setenv("FAREWELL_GATEWAY_USER_DB", "x", 1);
	setenv("FAREWELL_GATEWAY_BROKER", "amqp://h", 1);
	setenv("FAREWELL_GATEWAY_AUTH", "none", 1);
	struct conf *conf = load(CONF_GATEWAY, "%s", "");
	unsetenv("FAREWELL_GATEWAY_USER_DB");
	unsetenv("FAREWELL_GATEWAY_BROKER");
	unsetenv("FAREWELL_GATEWAY_AUTH");
	CU_ASSERT_PTR_NOT_NULL(conf);
	conf_free(conf);
}

static void bad_environment(void)
{
	setenv("FAREWELL_WORKER_S3_TIMEOUT", "10x", 1);
	setenv("FAREWELL_WORKER_S3_TIMOUT", "10s", 1);
	setenv("FAREWELL_GATEWAY_COLOUR", "red", 1);
	setenv("FAREWELL_GATEWAY_SOFT_TIMEOUT", "5s", 1);
	struct conf *conf = load(CONF_GATEWAY, GATEWAY);
	unsetenv("FAREWELL_WORKER_S3_TIMEOUT");
	unsetenv("FAREWELL_WORKER_S3_TIMOUT");
	unsetenv("FAREWELL_GATEWAY_COLOUR");
	unsetenv("FAREWELL_GATEWAY_SOFT_TIMEOUT");
	CU_ASSERT_PTR_NULL(conf);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "]: environment variable FAREWELL_WORKER_S3_TIMEOUT: "
	                                    "worker.s3_timeout: \"10x\" is no duration; "));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(said, "]: environment variable FAREWELL_WORKER_S3_TIMOUT: there is no such setting; "
	                 "did you mean FAREWELL_WORKER_S3_TIMEOUT?\n"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(said, "]: environment variable FAREWELL_GATEWAY_COLOUR: there is no such setting"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(said, "]: environment variable FAREWELL_GATEWAY_SOFT_TIMEOUT: gateway.soft_timeout: "
	                 "5s must be more than gateway.request_timeout, "
	                 "which is 10s (default): "));
	CU_ASSERT_EQUAL(count_errors(), 4);
}

static void other_environment(void)
{
	static const char *const names[] = {"FAREWELL_GATEWAY_SERVICE_HOST",
	                                    "FAREWELL_GATEWAY_SERVICE_PORT_HTTP",
	                                    "FAREWELL_WORKER_PORT",
	                                    "FAREWELL_GATEWAY_PORT_80_TCP_ADDR",
	                                    "FAREWELL_CRASH",
	                                    "FAREWELL_",
	                                    "FAREWELL_GATEWAYS_X"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		setenv(names[i], "x", 1);
	accepted("");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
}

static void variables_in_the_file(void)
{
	setenv("UNIT_NAME", "q", 1);
	unsetenv("UNIT_NONE");
	struct conf *conf =
		load(CONF_GATEWAY,
	         GATEWAY "common { queue = \"${UNIT_NAME}/1\" parked_queue = '${UNIT_NONE}' exchange = "
	                 "${UNIT_NAME} routing_key = \"${UNIT_NONE:-d}\" } # ${UNIT_NONE}\n");
	CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
	CU_ASSERT_STRING_EQUAL(conf->common.queue, "q/1");
	CU_ASSERT_STRING_EQUAL(conf->common.parked_queue, "${UNIT_NONE}");
	CU_ASSERT_STRING_EQUAL(conf->common.exchange, "q");
	CU_ASSERT_STRING_EQUAL(conf->common.routing_key, "d");
	conf_free(conf);
	refused("common { queue = \"${UNIT_NONE}\" }",
	        "there is no environment variable UNIT_NONE; set it, give a default as in "
	        "${UNIT_NONE:-default}, or use");
	refused("common { queue = ${UNIT_NONE} }", "there is no environment variable UNIT_NONE;");
	unsetenv("UNIT_NAME");
}

/* ---- secrets ---- */

static struct conf *load_secret(void)
{
	return load(CONF_WORKER, WORKER, secret_file);
}

static void secret_is_refused(const char *because)
{
	char sentence[512];

	CU_ASSERT_PTR_NULL(load_secret());
	snprintf(sentence, sizeof(sentence), "worker.s3_secret_key_file: %s: %s", secret_file, because);
	CU_ASSERT(complained(1, sentence));
	CU_ASSERT_EQUAL(count_errors(), 1);
}

static void secrets(void)
{
	static const char *const contents[] = {"s3cret", "s3cret\n", "s3cret\r\n",
	                                       "s3cret\nsecond line\n"};
	char *large = calloc(1, 64 * 1024 + 2);

	CU_ASSERT_PTR_NOT_NULL_FATAL(large);
	for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
		put_secret(contents[i], i % 2 == 0 ? 0600 : 0640);
		struct conf *conf = load_secret();
		CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
		CU_ASSERT_STRING_EQUAL(conf->worker.s3_secret_key.value, "s3cret");
		CU_ASSERT_STRING_EQUAL(conf->worker.s3_secret_key.file, secret_file);
		CU_ASSERT_PTR_NULL(conf->worker.smtp_password.value);
		conf_free(conf);
	}
	memset(large, 'x', 64 * 1024);
	put_secret(large, 0600);
	struct conf *conf = load_secret();
	CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
	CU_ASSERT_EQUAL(strlen(conf->worker.s3_secret_key.value), 64 * 1024);
	conf_free(conf);
	large[64 * 1024] = 'x';
	put_secret(large, 0600);
	secret_is_refused("longer than 64 KiB\n");
	free(large);
}

static int open_descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void bad_secrets(void)
{
	int before = open_descriptors();

	put_secret("", 0600);
	secret_is_refused("empty\n");
	put_secret("\nx", 0600);
	secret_is_refused("its first line is empty\n");
	put_file(secret_file, "a\0b\n", 4, 0600);
	secret_is_refused("has a NUL byte in it; secrets are text\n");
	put_secret("x", 0644);
	secret_is_refused("open to everybody (mode 0644); chmod 640 it ");
	put_secret("x", 0602);
	secret_is_refused("open to everybody (mode 0602); chmod 640 it ");
	unlink(secret_file);
	secret_is_refused("No such file or directory\n");
	CU_ASSERT_FATAL(mkdir(secret_file, 0700) == 0);
	secret_is_refused("not a regular file\n");
	CU_ASSERT_FATAL(rmdir(secret_file) == 0 && mkfifo(secret_file, 0600) == 0);
	secret_is_refused("not a regular file\n");
	unlink(secret_file);
	CU_ASSERT_EQUAL(open_descriptors(), before);
}

/* Root may read everything: tried as somebody else, in a process of its own. */
static void unreadable_secret(void)
{
	put_secret("x", 0000);
	if (geteuid() == 0) {
		CU_ASSERT_FATAL(chmod(directory, 0755) == 0 && seteuid(65534) == 0);
		struct conf_secret secret = {.file = secret_file};
		char why[CONF_WHY_SIZE];
		bool read = conf_secret_read(&secret, why);
		CU_ASSERT_FATAL(seteuid(0) == 0);
		CU_ASSERT_FALSE(read);
		CU_ASSERT_PTR_NOT_NULL(strstr(why, ": Permission denied"));
	} else {
		secret_is_refused("Permission denied\n");
	}
	unlink(secret_file);
}

/* Neither the gateway's host nor its memory holds what is the worker's. */
static void secrets_of_the_other(void)
{
	struct conf *conf;

	unlink(secret_file);
	conf = load(CONF_GATEWAY, GATEWAY WORKER, secret_file);
	CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
	CU_ASSERT_PTR_NULL(conf->worker.s3_secret_key.value);
	CU_ASSERT_STRING_EQUAL(conf->worker.s3_secret_key.file, secret_file);
	conf_free(conf);
	put_secret("x", 0600);
	conf = load(
		CONF_WORKER,
		WORKER
		"gateway { auth = jwt jwt_key_file = /nonexistent user_db_password_file = /nonexistent }\n",
		secret_file);
	CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
	CU_ASSERT_PTR_NULL(conf->gateway.jwt_key.value);
	CU_ASSERT_EQUAL(conf->gateway.auth, AUTH_JWT);
	conf_free(conf);
	unlink(secret_file);
}

static void required(void)
{
	static const char *const keys[] = {"user_db",     "broker",        "worker_db",
	                                   "s3_endpoint", "s3_access_key", "s3_secret_key_file",
	                                   "smtp_url",    "mail_from"};
	char sentence[256];

	CU_ASSERT_PTR_NULL(load(CONF_WORKER, GATEWAY));
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		snprintf(sentence, sizeof(sentence),
		         "worker.%s: must be set, in the section worker of the file\n", keys[i]);
		CU_ASSERT(complained(0, sentence));
	}
	CU_ASSERT_EQUAL(count_errors(), (int)(sizeof(keys) / sizeof(keys[0])));
	CU_ASSERT_PTR_NULL(load(CONF_GATEWAY, "gateway { user_db = x broker = 'amqp://h' }"));
	CU_ASSERT(complained(0, "gateway.auth: must be set"));
	CU_ASSERT_EQUAL(count_errors(), 1);
	CU_ASSERT_PTR_NULL(
		load(CONF_GATEWAY, "gateway {\n user_db = x broker = 'amqp://h'\n auth = '' }"));
	CU_ASSERT(complained(3, "gateway.auth: \"\" is not possible; write jwt or none\n"));
}

static void jwt_keys(void)
{
	static const struct {
		const char *algorithm;
		size_t least;
	} algorithms[] = {{"HS256", 32}, {"HS384", 48}, {"HS512", 64}};
	static const char text[] = "gateway {\n user_db = x broker = 'amqp://h'\n auth = jwt\n "
							   "jwt_algorithm = %s\n jwt_key_file = '%s'\n}\n";
	char key[65], sentence[512];

	CU_ASSERT_PTR_NULL(
		load(CONF_GATEWAY, "gateway {\n user_db = x broker = 'amqp://h'\n auth = jwt }"));
	snprintf(sentence, sizeof(sentence),
	         "gateway.jwt_key_file: must be set when gateway.auth is jwt (%s:3)\n", conf_file);
	CU_ASSERT(complained(0, sentence));
	for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
		size_t least = algorithms[i].least;
		memset(key, 'k', sizeof(key));
		key[least] = '\0';
		put_secret(key, 0600);
		struct conf *conf = load(CONF_GATEWAY, text, algorithms[i].algorithm, secret_file);
		CU_ASSERT_PTR_NOT_NULL(conf);
		conf_free(conf);
		key[least - 1] = '\0';
		put_secret(key, 0600);
		CU_ASSERT_PTR_NULL(load(CONF_GATEWAY, text, algorithms[i].algorithm, secret_file));
		snprintf(sentence, sizeof(sentence),
		         "gateway.jwt_key_file: %s: the key has %zu bytes, but %s (%s:4) needs at least "
		         "%zu (RFC 7518, 3.2); make one with: ",
		         secret_file, least - 1, algorithms[i].algorithm, conf_file, least);
		CU_ASSERT(complained(5, sentence));
		CU_ASSERT_PTR_NULL(strstr(said, key));
	}
	unlink(secret_file);
}

/* ---- what settings say about each other ---- */

static void orders(void)
{
	static const struct {
		const char *more, *sentence;
	} cases[] = {
		{"gateway { confirm_timeout = 5s }", "gateway.confirm_timeout: 5s must be less than "
	                                         "gateway.lock_timeout, which is 5s (default): "},
		{"gateway { lock_timeout = 3s }", "gateway.lock_timeout: 3s must be more than "
	                                      "gateway.confirm_timeout, which is 3s (default): "},
		{"gateway { lock_timeout = 6s }", "gateway.lock_timeout: 6s must be less than "
	                                      "gateway.statement_timeout, which is 6s (default): "},
		{"gateway { statement_timeout = 10001ms }",
	     "gateway.statement_timeout: 10001ms must not be more than gateway.request_timeout, which "
	     "is 10s (default): "},
		{"gateway { nginx_read_timeout = 10s }",
	     "gateway.nginx_read_timeout: 10s must be more than gateway.request_timeout, which is 10s "
	     "(default): "},
		{"gateway { soft_timeout = 10s }", "gateway.soft_timeout: 10s must be more than "
	                                       "gateway.request_timeout, which is 10s (default): "},
		{"gateway { soft_timeout = 20s }", "gateway.soft_timeout: 20s must be less than "
	                                       "gateway.hard_timeout, which is 20s (default): "},
		{"worker { lock_timeout = 30s }", "worker.lock_timeout: 30s must be less than "
	                                      "worker.statement_timeout, which is 30s (default): "},
		{"worker { handover_after = 12m }", "worker.handover_after: 12m must be less than "
	                                        "worker.soft_timeout, which is 12m (default): "},
		{"worker { soft_timeout = 20m }", "worker.soft_timeout: 20m must be less than "
	                                      "worker.hard_timeout, which is 20m (default): "},
		{"worker { hard_timeout = 30m }",
	     "worker.hard_timeout: 30m must be less than worker.broker_consumer_timeout, which is 30m "
	     "(default): "},
		{"worker { broker_consumer_timeout = 20m }",
	     "worker.broker_consumer_timeout: 20m must be more than worker.hard_timeout, which is 20m "
	     "(default): "},
		{"worker { s3_timeout = 20m }",
	     "worker.s3_timeout: 20m must be less than worker.hard_timeout, which is 20m (default): "},
		{"worker { smtp_timeout = 20m }", "worker.smtp_timeout: 20m must be less than "
	                                      "worker.hard_timeout, which is 20m (default): "},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		refused(cases[i].more, cases[i].sentence);
	accepted("gateway { statement_timeout = 10s }");
}

static void both_places(void)
{
	char sentence[512];

	CU_ASSERT_PTR_NULL(
		load(CONF_GATEWAY, GATEWAY
	         "gateway {\n\tlock_timeout = 7s\n\tconfirm_timeout = 8s statement_timeout = 8s }"));
	snprintf(sentence, sizeof(sentence),
	         "gateway.confirm_timeout: 8s must be less than gateway.lock_timeout, which is 7s "
	         "(%s:3): a second DELETE waits for the first one's confirm\n",
	         conf_file);
	CU_ASSERT(complained(4, sentence));
	CU_ASSERT_EQUAL(count_errors(), 1);
	/* No talk about a value that is none. */
	CU_ASSERT_PTR_NULL(
		load(CONF_GATEWAY, GATEWAY "gateway {\n\tlock_timeout = x\n\tconfirm_timeout = 8s }"));
	CU_ASSERT_EQUAL(count_errors(), 1);
}

static void pools(void)
{
	refused("gateway { children = 0 min_spare = 9 }",
	        "gateway.min_spare: 9 must not be more than gateway.max_spare, which is 8 (default): ");
	refused(
		"worker { children = 0 max_spare = 33 }",
		"worker.max_spare: 33 must not be more than worker.max_children, which is 32 (default): ");
	refused("worker { children = 0 start_children = 33 }",
	        "worker.start_children: 33 must not be more than worker.max_children, which is 32 "
	        "(default): ");
	refused(
		"worker { children = 0 max_children = 7 }",
		"worker.max_children: 7 must not be less than worker.max_spare, which is 8 (default): ");
	accepted("gateway { children = 0 min_spare = 8 max_children = 8 }");
	CU_ASSERT_STRING_EQUAL(said, "");
	accepted("gateway { min_spare = 9 }");
	CU_ASSERT_PTR_NOT_NULL(strstr(
		said, ":2: gateway.min_spare: has no effect while gateway.children is 16 (default); "));
}

static void retry_delays(void)
{
	refused("common { retry_delays = '' }", "common.retry_delays: must have at least one delay");
	refused("common { retry_delays = '10s 1x' }",
	        "common.retry_delays: \"1x\" is no duration; write the delays as in ");
	refused("common { retry_delays = '10s,1m' }", "common.retry_delays: \"10s,1m\" is no duration");
	refused("common { retry_delays = '10s 10s' }",
	        "common.retry_delays: \"10s\" is not longer than the one before it");
	refused("common { retry_delays = '1m 60s' }",
	        "common.retry_delays: \"60s\" is not longer than the one before it");
	refused("common { retry_delays = '999ms' }",
	        "common.retry_delays: \"999ms\" is out of range; a delay may be from 1s to 7d");
	refused("common { retry_delays = '8d' }", "common.retry_delays: \"8d\" is out of range");
	refused("common { retry_delays = '1s 2s 3s 4s 5s 6s 7s 8s 9s' }",
	        "common.retry_delays: \"9s\" at most 8 delays");
	accepted("common { retry_delays = '1s 2s 3s 4s 5s 6s 7s 7d' }");
}

static void names_at_the_broker(void)
{
	char name[257], more[512];

	refused("common { queue = '' }", "common.queue: must not be empty\n");
	refused("common { exchange = amq.direct }",
	        "common.exchange: names that begin with amq. belong to the broker\n");
	refused("common { queue = farewell.parked }", "common.queue: common.queue (");
	refused("common { parked_queue = farewell.retry.10s }",
	        "common.parked_queue: is the name of a retry queue too; see common.retry_queue_prefix "
	        "(default)\n");
	memset(name, 'q', sizeof(name));
	name[255] = '\0';
	snprintf(more, sizeof(more), "common { queue = %s }", name);
	accepted(more);
	snprintf(more, sizeof(more), "common { queue = %sq }", name);
	refused(more, "common.queue: is too long");
	snprintf(more, sizeof(more), "common { retry_queue_prefix = %s }", name + 4);
	accepted(more);
	snprintf(more, sizeof(more), "common { retry_queue_prefix = %s }", name + 3);
	refused(more, "common.retry_queue_prefix: is too long");
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
		{"worker { broker = 'amqp://u@' }", "worker.broker: has no host, or a port that is none"},
		{"worker { broker = 'amqp://h:port' }",
	     "worker.broker: has no host, or a port that is none"},
		{"worker { broker = 'amqp://h:70000' }",
	     "worker.broker: has no host, or a port that is none"},
		{"worker { broker = 'amqp://h:' }", "worker.broker: has no host, or a port that is none"},
		{"worker { s3_endpoint = 's3://bucket' }", "worker.s3_endpoint: has a scheme"},
		{"worker { s3_endpoint = 'http://h/bucket' }",
	     "worker.s3_endpoint: must not have anything behind host and port"},
		{"worker { s3_endpoint = 'http://h/' }",
	     "worker.s3_endpoint: must not have anything behind host and port"},
		{"worker { s3_endpoint = 'http://h?x' }",
	     "worker.s3_endpoint: must not have anything behind host and port"},
		{"worker { s3_endpoint = 'http://u:p@h' }",
	     "worker.s3_endpoint: must not have a user or a password in it"},
		{"worker { s3_endpoint = 'http://' }", "worker.s3_endpoint: has no host"},
		{"worker { s3_endpoint = 'http://[::1' }", "worker.s3_endpoint: has no host"},
		{"worker { s3_endpoint = 'http://a b' }", "worker.s3_endpoint: has no host"},
		{"worker { smtp_url = 'mail:25' }", "worker.smtp_url: has a scheme"},
		{"worker { smtp_url = 'smtp://h/helo' }",
	     "worker.smtp_url: must not have anything behind host and port"},
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		accepted(good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused(bad[i].more, bad[i].sentence);
	/* A password may stand in it. */
	refused("worker { broker = 'amqps://u:hunter2@h' }", "worker.broker: ");
	CU_ASSERT_PTR_NULL(strstr(said, "hunter2"));
}

static void the_rest(void)
{
	char more[256], path[120];

	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[107] = '\0';
	snprintf(more, sizeof(more), "gateway { socket = %s }", path);
	accepted(more);
	snprintf(more, sizeof(more), "gateway { socket = %sa }", path);
	refused(more, "gateway.socket: is too long; the path of a socket has at most 107 bytes\n");

	put_secret("x", 0600);
	CU_ASSERT_PTR_NULL(load(CONF_WORKER, WORKER "worker { smtp_user = u }\n", secret_file));
	CU_ASSERT(complained(2, "worker.smtp_user: needs worker.smtp_password_file as well\n"));
	CU_ASSERT_PTR_NULL(load(CONF_WORKER, WORKER "worker { smtp_password_file = '%s' }\n",
	                        secret_file, secret_file));
	CU_ASSERT(complained(2, "worker.smtp_password_file: needs worker.smtp_user as well\n"));
	unlink(secret_file);
}

/* ---- table, sample and manual ---- */

static char *read_source(const char *name)
{
	const char *source = getenv("srcdir");
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s", source != NULL ? source : ".", name);
	return read_file(path);
}

/* Each setting of the table that was met. */
static bool *met;

static void meet(const char *section, const char *key)
{
	int index = conf_find(section, key);

	if (index < 0 || met[index])
		fprintf(stderr, "%s.%s: %s\n", section, key, index < 0 ? "not in the table" : "twice");
	CU_ASSERT_FATAL(index >= 0);
	CU_ASSERT_FALSE(met[index]);
	met[index] = true;
}

static void begin_meeting(void)
{
	size_t length = 0;

	while (conf_table[length].key != NULL)
		length++;
	met = calloc(length, sizeof(*met));
	CU_ASSERT_PTR_NOT_NULL_FATAL(met);
}

static void end_meeting(void)
{
	for (int i = 0; conf_table[i].key != NULL; i++) {
		if (!met[i])
			fprintf(stderr, "%s.%s: missing\n", conf_table[i].section, conf_table[i].key);
		CU_ASSERT(met[i]);
	}
	free(met);
}

/* Blanks of all kinds become one, so that line breaks don't matter. */
static void squeeze(char *text)
{
	char *out = text;

	for (; *text != '\0'; text++)
		if (!isspace((unsigned char)*text))
			*out++ = *text;
		else if (text[1] == '#' && text[2] == ' ')
			text++; /* the next line of a comment */
		else if (!isspace((unsigned char)text[1]))
			*out++ = ' ';
	*out = '\0';
}

/* `	key = value` or `	#key = value`: KEY and whether it is commented out. */
static bool is_setting(const char *line, char *key, bool *off)
{
	if (*line++ != '\t')
		return false;
	*off = *line == '#';
	line += *off;
	size_t length = strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789_");
	if (length == 0 || length >= 64 || strncmp(line + length, " = ", 3) != 0)
		return false;
	memcpy(key, line, length);
	key[length] = '\0';
	return true;
}

static void sample_line(const char *section, const char *key, bool off, char *comment)
{
	char range[256], wanted[300];

	meet(section, key);
	const struct conf_setting *setting = &conf_table[conf_find(section, key)];
	/* What must be set stands there with an example, or it is needed with one. */
	CU_ASSERT_EQUAL(off, setting->fallback != NULL && strcmp(key, "jwt_key_file") != 0);
	CU_ASSERT(strlen(comment) > 20);
	squeeze(comment);
	conf_value_range(setting, range, sizeof(range));
	snprintf(wanted, sizeof(wanted), " [%s] ", range);
	if (range[0] != '\0' && strstr(comment, wanted) == NULL)
		fprintf(stderr, "%s.%s: no \"%s\" in: %s\n", section, key, wanted, comment);
	CU_ASSERT(range[0] == '\0' || strstr(comment, wanted) != NULL);
}

static void sample_has_all(void)
{
	char *text = read_source("conf/farewell.conf"), *rest = text, *line, section[64] = "", key[64],
		 comment[4096] = "";
	bool off;

	begin_meeting();
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (islower((unsigned char)line[0])) {
			snprintf(section, sizeof(section), "%.*s", (int)strcspn(line, " "), line);
			CU_ASSERT_STRING_EQUAL(line + strlen(section), " {");
		} else if (line[0] == '\0') {
			comment[0] = '\0';
		} else if (is_setting(line, key, &off)) {
			strncat(comment, " ", sizeof(comment) - strlen(comment) - 1);
			sample_line(section, key, off, comment);
			comment[0] = '\0';
		} else {
			size_t length = strlen(comment);
			snprintf(comment + length, sizeof(comment) - length, " %s", line);
		}
	}
	end_meeting();
	free(text);
}

/* The sample with every secret at SECRET_FILE; EVERYTHING: with all that is commented out switched
 * on. */
static char *rewrite_sample(const char *sample, bool everything)
{
	char *copy = strdup(sample), *rest = copy, *line, *text = NULL, key[64];
	size_t size;
	FILE *out = open_memstream(&text, &size);
	bool off;

	CU_ASSERT_FATAL(copy != NULL && out != NULL);
	while ((line = strsep(&rest, "\n")) != NULL) {
		bool setting = is_setting(line, key, &off);
		bool secret = setting && strlen(key) > 5 && strcmp(key + strlen(key) - 5, "_file") == 0 &&
		              strcmp(key, "log_file") != 0 && strstr(key, "_ca_") == NULL;
		if (secret && !off)
			fprintf(out, "\t%s = '%s'\n", key, secret_file);
		else if (setting && off && everything)
			fprintf(out, "\t%s\n", line + 2);
		else
			fprintf(out, "%s\n", line);
	}
	fclose(out);
	free(copy);
	return text;
}

static void same_value(const struct conf *a, const struct conf *b,
                       const struct conf_setting *setting)
{
	const char *left = (const char *)a + setting->place, *right = (const char *)b + setting->place;

	switch (setting->type) {
	case CONF_STRING:
	case CONF_SQL:
		/* Where the data are is told by configure. */
		if (strcmp(setting->key, "mail_templates") != 0)
			CU_ASSERT_STRING_EQUAL(*(char *const *)(const void *)left,
			                       *(char *const *)(const void *)right);
		break;
	case CONF_SECRET:
		CU_ASSERT_STRING_EQUAL(((const struct conf_secret *)(const void *)left)->file,
		                       ((const struct conf_secret *)(const void *)right)->file);
		break;
	case CONF_BOOL: CU_ASSERT_EQUAL(*(const bool *)left, *(const bool *)right); break;
	case CONF_ENUM:
		CU_ASSERT_EQUAL(*(const int *)(const void *)left, *(const int *)(const void *)right);
		break;
	default:
		CU_ASSERT_EQUAL(*(const int64_t *)(const void *)left,
		                *(const int64_t *)(const void *)right);
	}
}

/* As it is, and with all that is commented out: that shows the defaults, so it must come to the
 * same. */
static void sample_loads(void)
{
	char *sample = read_source("conf/farewell.conf"), *plain = rewrite_sample(sample, false),
		 *full = rewrite_sample(sample, true);

	put_secret("0123456789abcdef0123456789abcdef", 0600);
	for (int program = CONF_GATEWAY; program <= CONF_WORKER; program++) {
		struct conf *a = load_bytes((enum conf_program)program, plain, strlen(plain));
		CU_ASSERT_STRING_EQUAL(said, "");
		struct conf *b = load_bytes((enum conf_program)program, full, strlen(full));
		if (b == NULL)
			fprintf(stderr, "%s\n", said);
		CU_ASSERT_FATAL(a != NULL && b != NULL);
		for (const struct conf_setting *s = conf_table; s->key != NULL; s++)
			same_value(a, b, s);
		conf_free(a);
		conf_free(b);
	}
	unlink(secret_file);
	free(sample);
	free(plain);
	free(full);
}

/* What the manual says about one setting of SECTION, or of both. */
static void manual_item(const char *section, const char *key, const char *text, size_t length)
{
	char item[8192], range[256], wanted[600];
	const struct conf_setting *setting = &conf_table[conf_find(section, key)];

	snprintf(item, sizeof(item), "%.*s", (int)length, text);
	squeeze(item);
	conf_value_range(setting, range, sizeof(range));
	if (strstr(item, range) == NULL)
		fprintf(stderr, "%s.%s: no \"%s\" in the manual\n", section, key, range);
	CU_ASSERT_PTR_NOT_NULL(strstr(item, range));
	if (setting->fallback == NULL)
		snprintf(wanted, sizeof(wanted), "must be set)");
	else if (setting->fallback[0] == '\0')
		snprintf(wanted, sizeof(wanted), "default: empty)");
	else
		snprintf(wanted, sizeof(wanted), "%s", setting->fallback);
	if (strcmp(key, "mail_templates") == 0)
		return;
	if (strstr(item, wanted) == NULL)
		fprintf(stderr, "%s.%s: no \"%s\" in: %s\n", section, key, wanted, item);
	CU_ASSERT_PTR_NOT_NULL(strstr(item, wanted));
}

static void manual_has_all(void)
{
	char *text = read_source("doc/farewell.conf.5"), *rest = strstr(text, "\n.Sh SETTINGS\n"),
		 *line, section[64] = "", key[64];

	begin_meeting();
	CU_ASSERT_PTR_NOT_NULL(rest);
	while (rest != NULL && (line = strsep(&rest, "\n")) != NULL) {
		if (strncmp(line, ".Sh ", 4) == 0 && strcmp(line, ".Sh SETTINGS") != 0)
			break;
		if (sscanf(line, ".Ss %63[a-z ]", section) == 1 || sscanf(line, ".It Ic %63s", key) != 1)
			continue;
		size_t length = 0;
		while (rest[length] != '\0' && strncmp(rest + length, ".It ", 4) != 0 &&
		       strncmp(rest + length, ".El\n", 4) != 0)
			length += strcspn(rest + length, "\n") + 1;
		bool both = strcmp(section, "gateway and worker") == 0;
		meet(both ? "gateway" : section, key);
		manual_item(both ? "gateway" : section, key, rest, length);
		if (both) {
			meet("worker", key);
			manual_item("worker", key, rest, length);
		}
	}
	end_meeting();
	free(text);
}

/* The table against itself: defaults are values that would be taken, and the environment's names
 * fit. */
static void table_is_sound(void)
{
	for (int i = 0; conf_table[i].key != NULL; i++) {
		CU_ASSERT_EQUAL(conf_find(conf_table[i].section, conf_table[i].key), i);
		CU_ASSERT(strlen(conf_table[i].section) + strlen(conf_table[i].key) + sizeof "FAREWELL__" <=
		          64);
		CU_ASSERT(strncmp(conf_table[i].key, "service_", 8) != 0 &&
		          strncmp(conf_table[i].key, "port", 4) != 0);
	}
	conf_free(NULL);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"defaults", defaults},
		{"every type", every_type},
		{"wrong values", wrong_values},
		{"values out of range", out_of_range},
		{"unknown names", unknown_names},
		{"many errors in one go", many_errors},
		{"set twice", set_twice},
		{"lines are right", lines_are_right},
		{"CR LF", crlf},
		{"bad syntax", bad_syntax},
		{"bad files", bad_files},
		{"the environment overrides", environment_overrides},
		{"the environment is enough", environment_is_enough},
		{"bad environment", bad_environment},
		{"other environment", other_environment},
		{"variables in the file", variables_in_the_file},
		{"secrets", secrets},
		{"bad secrets", bad_secrets},
		{"unreadable secret", unreadable_secret},
		{"secrets of the other program", secrets_of_the_other},
		{"what must be set", required},
		{"keys for JWT", jwt_keys},
		{"orders", orders},
		{"both places are named", both_places},
		{"pools", pools},
		{"retry delays", retry_delays},
		{"names at the broker", names_at_the_broker},
		{"addresses", urls},
		{"the rest", the_rest},
		{"the sample has all", sample_has_all},
		{"the sample loads", sample_loads},
		{"the manual has all", manual_has_all},
		{"the table is sound", table_is_sound},
		{NULL, NULL},
	};
	int code;

	if (mkdtemp(directory) == NULL)
		return EXIT_FAILURE;
	snprintf(conf_file, sizeof(conf_file), "%s/farewell.conf", directory);
	snprintf(log_file, sizeof(log_file), "%s/log", directory);
	snprintf(secret_file, sizeof(secret_file), "%s/secret", directory);
	code = unit_main("conf", tests);
	unlink(conf_file);
	unlink(log_file);
	rmdir(directory);
	return code;
}
