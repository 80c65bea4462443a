/* The environment variables that override the file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/config/conf.h"
#include "tests/unit/conf_unit.h"

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
	                                    "worker.s3_timeout: \"10x\" is not a duration; "));
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

int main(void)
{
	static const struct unit_test tests[] = {
		{"it overrides", environment_overrides},
		{"it is enough", environment_is_enough},
		{"wrong and unknown variables", bad_environment},
		{"other programs' variables", other_environment},
		{NULL, NULL},
	};

	return conf_unit_main("conf_environment", tests);
}
