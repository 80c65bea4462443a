/* The configuration file: sections, settings, strings, comments, and errors with their line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/config/conf.h"
#include "tests/unit/conf_unit.h"

static void unknown_names(void)
{
	refused("worker { s3_timout = 1s }",
	        "there is no setting s3_timout in the section worker; did you mean s3_timeout?\n");
	refused(
		"worker { lock_user_sqll = 1s }",
		"there is no setting lock_user_sqll in the section worker; did you mean lock_user_sql?\n");
	refused("gateway { queue = q }",
	        "there is no setting queue in the section gateway; it belongs in common\n");
	refused("common { colour = red }", "there is no setting colour in the section common; a value "
	                                   "with spaces in it needs quotes\n");
	refused(
		"common { retry_delays = 1s 5s }",
		"there is no setting 5s in the section common; a value with spaces in it needs quotes\n");
	refused("gatway { auth = jwt }", "there is no section gatway; did you mean gateway?\n");
	refused("database { a = 1 }",
	        "there is no section database; there are common, gateway, worker and store\n");
	refused("queue = q", "queue belongs in a section: common { queue = … }\n");
	refused("common|queue = q",
	        "there is no section common|queue; there are common, gateway, worker and store\n");
	refused("common { gateway { } }", "there is no setting gateway in the section common");
}

/* After a setting that there is not the next one is looked at, and nothing in between. */
static void after_unknown_names(void)
{
	struct conf *conf;

	refused("gateway { colour red green }", "there is no setting colour ");
	refused("gateway { colour = red green backlog = 5 }", "there is no setting colour ");
	refused("gateway { colours = { red { green } } backlog = 5 }", "there is no setting colours ");
	conf = load(CONF_GATEWAY, GATEWAY "gateway {\n\tcolour red\n\tbacklog = 0\n}\n");
	CU_ASSERT_PTR_NULL(conf);
	CU_ASSERT(complained(3, "there is no setting colour "));
	CU_ASSERT(complained(4, "gateway.backlog: "));
	CU_ASSERT_EQUAL(count_errors(), 2);
	CU_ASSERT_PTR_NULL(load(CONF_GATEWAY, GATEWAY "gateway {\n\tcolours = {\n\tred }\n"));
	CU_ASSERT(complained(3, "there is no setting colours "));
	CU_ASSERT(complained(2, "this section has no end"));
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

/* Comments and strings of several lines are counted. */
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
	refused("common { queue abc }", "an equal sign is missing after queue\n");
	refused("common { queue = }", "there is no value for queue\n");
	refused("common { queue = q } }", "unexpected closing brace\n");
	refused("common queue = q", "an opening brace is missing after common\n");
	refused("common { queue = \xff }", "is not valid UTF-8\n");
	CU_ASSERT_PTR_NULL(load(CONF_GATEWAY, GATEWAY "common {\n\tqueue = q\n"));
	CU_ASSERT(complained(2, "this section has no end; the closing brace is missing\n"));
	CU_ASSERT_PTR_NULL(load(CONF_GATEWAY, GATEWAY "common"));
	CU_ASSERT(complained(2, "an opening brace is missing after common\n"));
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

static void required(void)
{
	static const char *const keys[] = {"user_db",     "broker",   "worker_db",
	                                   "s3_endpoint", "smtp_url", "mail_from"};
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

int main(void)
{
	static const struct unit_test tests[] = {
		{"unknown names", unknown_names},
		{"after unknown names", after_unknown_names},
		{"many errors in one go", many_errors},
		{"set twice", set_twice},
		{"lines are right", lines_are_right},
		{"CR LF", crlf},
		{"bad syntax", bad_syntax},
		{"bad files", bad_files},
		{"variables in the file", variables_in_the_file},
		{"what must be set", required},
		{NULL, NULL},
	};

	return conf_unit_main("conf_file", tests);
}
