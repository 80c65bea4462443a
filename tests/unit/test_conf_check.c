/* What must hold between settings. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/config/conf.h"
#include "tests/unit/conf_unit.h"

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
		{"worker { smtp_timeout = 12m }", "worker.smtp_timeout: 12m must be less than "
	                                      "worker.soft_timeout, which is 12m (default): "},
		{"worker { smtp_answer_timeout = 12m }",
	     "worker.smtp_answer_timeout: 12m must be less than worker.soft_timeout, which is 12m "
	     "(default): "},
		{"worker { smtp_answer_timeout = 11m }",
	     "worker.smtp_answer_timeout: smtp_timeout (60s) and smtp_answer_timeout (11m) together "
	     "must be less than worker.soft_timeout, which is 12m (default): "},
		{"worker { smtp_timeout = 2m }",
	     "worker.smtp_timeout: smtp_timeout (2m) and smtp_answer_timeout (10m) together must be "
	     "less than worker.soft_timeout, which is 12m (default): "},
		{"worker { soft_timeout = 11m handover_after = 5m }",
	     "worker.soft_timeout: smtp_timeout (60s) and smtp_answer_timeout (10m) together must be "
	     "less than worker.soft_timeout, which is 11m ("},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		refused(cases[i].more, cases[i].sentence);
	accepted("gateway { statement_timeout = 10s }");
	accepted("worker { smtp_answer_timeout = 659s }");
	accepted("worker { soft_timeout = 10s handover_after = 5s smtp_timeout = 5s "
	         "smtp_answer_timeout = 4s }");
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
	/* A value that was refused is not compared with others. */
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

static void names_at_the_broker(void)
{
	char name[257], more[512];

	refused("common { queue = '' }",
	        "common.queue: must not be empty; it may have 1 to 255 bytes\n");
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

/* What goes together; each in line 2 after a worker without any. */
static void s3_credentials(void)
{
	static const char bare[] =
		"worker { user_db = x broker = 'amqp://h' worker_db = x s3_endpoint = 'http://h' "
		"smtp_url = 'smtp://h' mail_from = 'a@b' }\nworker { %s }\n";
	static const struct {
		const char *more, *sentence; /* NULL: good */
	} cases[] = {
		{"", NULL},
		{"s3_credentials = instance", NULL},
		{"s3_access_key = a s3_secret_key_file = FILE", NULL},
		{"s3_access_key = a s3_secret_key_file = FILE s3_credentials = settings", NULL},
		{"s3_access_key_file = FILE s3_secret_key_file = FILE s3_session_token_file = FILE", NULL},
		{"s3_access_key = a s3_secret_key_file = FILE s3_credentials = environment", NULL},
		{"s3_access_key = a", "worker.s3_access_key: needs worker.s3_secret_key_file as well\n"},
		{"s3_access_key_file = FILE",
	     "worker.s3_access_key_file: needs worker.s3_secret_key_file as well\n"},
		{"s3_secret_key_file = FILE",
	     "worker.s3_secret_key_file: needs worker.s3_access_key or worker.s3_access_key_file"},
		{"s3_session_token_file = FILE",
	     "worker.s3_session_token_file: needs worker.s3_secret_key_file as well\n"},
		{"s3_access_key = a s3_access_key_file = FILE s3_secret_key_file = FILE",
	     "worker.s3_access_key_file: must not be set beside worker.s3_access_key ("},
		{"s3_credentials = settings",
	     "worker.s3_credentials: settings needs worker.s3_access_key\n"},
		{"s3_access_key = a s3_secret_key_file = FILE s3_credentials = files",
	     "worker.s3_credentials: files needs worker.s3_access_key_file\n"},
		{"s3_credentials = imds", "worker.s3_credentials: \"imds\" is not possible; "},
	};

	put_secret("x", 0600);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char more[1024] = "";

		for (const char *at = cases[i].more; *at != '\0';) {
			size_t length = strlen(more), word = strcspn(at, " "), gap = strspn(at + word, " ");
			bool file = strncmp(at, "FILE", 4) == 0;

			snprintf(more + length, sizeof(more) - length, "%.*s ", (int)(file ? 256 : word),
			         file ? secret_file : at);
			at += word + gap;
		}
		struct conf *conf = load(CONF_WORKER, bare, more);

		CU_ASSERT_EQUAL(conf != NULL, cases[i].sentence == NULL);
		CU_ASSERT_EQUAL(count_errors(), cases[i].sentence != NULL);
		if (cases[i].sentence != NULL)
			CU_ASSERT(complained(2, cases[i].sentence));
		conf_free(conf);
	}
	unlink(secret_file);
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
	refused(more, "gateway.socket: is too long; it may have 1 to 107 bytes\n");

	refused("gateway { socket = a/b }", "gateway.socket: \"a/b\" is not an absolute path\n");

	put_secret("x", 0600);
	CU_ASSERT_PTR_NULL(load(CONF_WORKER, WORKER "worker { smtp_user = u }\n", secret_file));
	CU_ASSERT(complained(2, "worker.smtp_user: needs worker.smtp_password_file as well\n"));
	CU_ASSERT_PTR_NULL(load(CONF_WORKER, WORKER "worker { smtp_password_file = '%s' }\n",
	                        secret_file, secret_file));
	CU_ASSERT(complained(2, "worker.smtp_password_file: needs worker.smtp_user as well\n"));
	unlink(secret_file);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"orders", orders},         {"both places are named", both_places},
		{"pools", pools},           {"names at the broker", names_at_the_broker},
		{"keys for JWT", jwt_keys}, {"credentials for S3", s3_credentials},
		{"the rest", the_rest},     {NULL, NULL},
	};

	return conf_unit_main("conf_check", tests);
}
