/* Stores: `store "NAME" { … }`, beside the default one and instead of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/config/conf_load.h"
#include "tests/unit/conf_unit.h"

/* A store on one line, with MORE in it. The secret's name is an argument. */
#define STORE(name, more)                                                                          \
	"store " name " { endpoint = 'https://s3.example.com' access_key = k secret_key_file = "       \
	"'%s' " more " }\n"
/* The worker's configuration without a default store, on one line. */
#define NO_DEFAULT                                                                                 \
	"worker { user_db = x broker = 'amqp://h' worker_db = x smtp_url = 'smtp://h' "                \
	"mail_from = 'a@b' }\n"

static void both_kinds(void)
{
	char origin[160];

	put_secret("one\n", 0600);
	struct conf *conf = load(
		CONF_WORKER,
		WORKER STORE("\"eu\"", "region = eu-west-1 addressing = virtual ca_file = c\n"
	                           "\tbuckets = 'media-* avatars'") STORE("other-2", "buckets = b"),
		secret_file, secret_file, secret_file);
	CU_ASSERT_STRING_EQUAL(said, "");
	CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
	CU_ASSERT_STRING_EQUAL(conf->worker.s3_endpoint, "http://h");
	CU_ASSERT_EQUAL_FATAL(conf->stores.count, 2);
	const struct conf_store *eu = &conf->stores.item[0], *other = &conf->stores.item[1];
	CU_ASSERT_STRING_EQUAL(eu->name, "eu");
	CU_ASSERT_STRING_EQUAL(eu->endpoint, "https://s3.example.com");
	CU_ASSERT_STRING_EQUAL(eu->region, "eu-west-1");
	CU_ASSERT_EQUAL(eu->addressing, ADDRESSING_VIRTUAL);
	CU_ASSERT_STRING_EQUAL(eu->access_key, "k");
	CU_ASSERT_STRING_EQUAL(eu->secret_key.value, "one");
	CU_ASSERT_STRING_EQUAL(eu->ca_file, "c");
	CU_ASSERT_STRING_EQUAL(eu->buckets, "media-* avatars");
	snprintf(origin, sizeof(origin), "%s:3", conf_file);
	CU_ASSERT_STRING_EQUAL(conf_store_origin(eu, "buckets"), origin);
	snprintf(origin, sizeof(origin), "%s:2", conf_file);
	CU_ASSERT_STRING_EQUAL(eu->origin, origin);
	CU_ASSERT_STRING_EQUAL(conf_store_origin(eu, "endpoint"), origin);
	CU_ASSERT_STRING_EQUAL(other->name, "other-2");
	CU_ASSERT_STRING_EQUAL(other->region, "us-east-1");
	CU_ASSERT_EQUAL(other->addressing, ADDRESSING_PATH);
	CU_ASSERT_STRING_EQUAL(conf_store_origin(other, "region"), "default");
	conf_free(conf);
	unlink(secret_file);
}

/* The three settings without which there is no default store go together. */
static void instead_of_the_default(void)
{
	put_secret("one\n", 0600);
	struct conf *conf = load(CONF_WORKER, NO_DEFAULT STORE("eu", "buckets = '*'"), secret_file);
	CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
	CU_ASSERT_STRING_EQUAL(said, "");
	CU_ASSERT_STRING_EQUAL(conf->worker.s3_endpoint, "");
	conf_free(conf);
	CU_ASSERT_PTR_NULL(load(CONF_WORKER, NO_DEFAULT));
	CU_ASSERT(complained(0, "worker.s3_endpoint: must be set, in the section worker of the file"));
	CU_ASSERT_PTR_NULL(load(CONF_WORKER,
	                        NO_DEFAULT "worker { s3_access_key = a }\n" STORE("eu", "buckets = b"),
	                        secret_file));
	CU_ASSERT(complained(0, "worker.s3_endpoint: must be set, in the section worker of the file"));
	conf = load(CONF_WORKER, WORKER STORE("eu", "buckets = 'b *'"), secret_file, secret_file);
	CU_ASSERT_PTR_NOT_NULL(conf);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, ":2: store \"eu\" buckets: * leaves no bucket to "
	                                    "worker.s3_endpoint ("));
	conf_free(conf);
	unlink(secret_file);
}

static void the_gateway_opens_no_secret(void)
{
	struct conf *conf = load(CONF_GATEWAY, GATEWAY STORE("eu", "buckets = b"), "/no/such/file");

	CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
	CU_ASSERT_PTR_NULL(conf->stores.item[0].secret_key.value);
	conf_free(conf);
	put_secret("one\n", 0600);
	CU_ASSERT_PTR_NULL(
		load(CONF_WORKER, WORKER STORE("eu", "buckets = b"), secret_file, "/no/such/file"));
	CU_ASSERT(complained(2, "store \"eu\" secret_key_file: /no/such/file: "));
	unlink(secret_file);
}

/* Both programs find every mistake, each in its line. */
static void wrong_values(void)
{
	static const struct {
		const char *more, *sentence;
	} wrong[] = {
		{"buckets = b region = ''",
	     "store \"eu\" region: must not be empty; it may have 1 to 47 bytes\n"},
		{"buckets = b addressing = host",
	     "store \"eu\" addressing: \"host\" is not possible; write path or virtual\n"},
		{"buckets = ''",
	     "store \"eu\" buckets: must not be empty; write it as in media-* avatars\n"},
		{"buckets = '  '", "store \"eu\" buckets: must not be empty; "},
		{"buckets = 'a-*-*'", "store \"eu\" buckets: has a pattern with more than one *; "},
		{"buckets = 'media s3://b/'", "store \"eu\" buckets: names a bucket that can't be one; "},
		{"buckets = 'Media'", "store \"eu\" buckets: names a bucket that can't be one; "},
		{"buckets = a-bucket-whose-name-is-far-too-long-to-be-one-of-any-store-of-all-of-them",
	     "store \"eu\" buckets: has a name that is longer than a bucket's, which is 63 bytes; "},
		{"buckets = b buckets = c", "store \"eu\" buckets: set twice, first in line 2\n"},
		{"buckets = b s3_region = c", "a store has no setting s3_region; did you mean region?\n"},
		{"buckets = b bucket = c", "a store has no setting bucket; did you mean buckets?\n"},
		{"buckets = a b", "a store has no setting b; a value with spaces in it needs quotes\n"},
		{"", "store \"eu\" buckets: must be set, in the store's block\n"},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		CU_ASSERT_PTR_NULL(load(CONF_GATEWAY,
		                        GATEWAY "store eu { endpoint = 'http://h' access_key = k "
		                                "secret_key_file = f %s }\n",
		                        wrong[i].more));
		CU_ASSERT(complained(2, wrong[i].sentence));
		CU_ASSERT_EQUAL(count_errors(), 1);
	}
	refused(
		"store eu { endpoint = 'http://h/path' access_key = k secret_key_file = f buckets = b }",
		"store \"eu\" endpoint: must not have anything after host and port, not even a slash; ");
}

static void wrong_blocks(void)
{
	char many[8192] = "";
	size_t length = 0;

	refused("store { endpoint = 'http://h' }", "a name is missing, as in store \"eu\" { … }\n");
	refused("store eu = x", "an opening brace is missing after the name of the store\n");
	refused("store 'E U' { endpoint = 'http://h' }",
	        "\"E U\" is not a store's name; it has 1 to 24 small letters, digits and hyphens");
	refused("store a_b { }", "\"a_b\" is not a store's name");
	refused("store '-a' { }", "\"-a\" is not a store's name");
	refused("store '' { }", "\"\" is not a store's name");
	refused("store eu { buckets = b", "this section has no end; the closing brace is missing\n");
	refused("stor eu { }", "there is no section stor; did you mean store?\n");
	CU_ASSERT_PTR_NULL(load(CONF_GATEWAY,
	                        GATEWAY STORE("eu", "buckets = b") "\n" STORE("eu", "buckets = c"), "f",
	                        "f"));
	CU_ASSERT(complained(4, "store \"eu\": there are two, the first in line 2\n"));
	CU_ASSERT_EQUAL(count_errors(), 1);
	for (int i = 0; i <= CONF_STORES_MAX; i++)
		length += (size_t)snprintf(many + length, sizeof(many) - length,
		                           "store s%d { endpoint = 'http://h' access_key = k "
		                           "secret_key_file = f buckets = b%d }\n",
		                           i, i);
	CU_ASSERT_PTR_NULL(load(CONF_GATEWAY, GATEWAY "%s", many));
	CU_ASSERT(complained(2 + CONF_STORES_MAX, "store \"s24\": is one too many; there may be 24\n"));
	CU_ASSERT_EQUAL(count_errors(), 1);
}

/* Of two that claim the same, both lines are named. */
static void claimed_twice(void)
{
	char sentence[256];

	CU_ASSERT_PTR_NULL(load(CONF_GATEWAY,
	                        GATEWAY STORE("a", "buckets = 'x media-*'")
	                            STORE("b", "buckets = 'media-* media'") STORE("c", "buckets = x"),
	                        "f", "f", "f"));
	snprintf(sentence, sizeof(sentence),
	         "store \"b\" buckets: media-* is claimed by store \"a\" as well (%s:2)\n", conf_file);
	CU_ASSERT(complained(3, sentence));
	snprintf(sentence, sizeof(sentence),
	         "store \"c\" buckets: x is claimed by store \"a\" as well (%s:2)\n", conf_file);
	CU_ASSERT(complained(4, sentence));
	CU_ASSERT_EQUAL(count_errors(), 2);
}

static void environment(void)
{
	setenv("FAREWELL_STORE_EU_2_ENDPOINT", "https://elsewhere.example.com", 1);
	setenv("FAREWELL_STORE_EU_2_BUCKETS", "c", 1);
	setenv("FAREWELL_STORE_SERVICE_HOST", "x", 1);
	setenv("FAREWELL_STORE_EU_2_PORT_80_TCP", "x", 1);
	setenv("FAREWELL_STORE_EU_2_PORT", "x", 1);
	struct conf *conf = load(CONF_GATEWAY, GATEWAY STORE("eu-2", "buckets = b"), "f");
	CU_ASSERT_STRING_EQUAL(said, "");
	CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
	CU_ASSERT_STRING_EQUAL(conf->stores.item[0].endpoint, "https://elsewhere.example.com");
	CU_ASSERT_STRING_EQUAL(conf->stores.item[0].buckets, "c");
	CU_ASSERT_STRING_EQUAL(conf_store_origin(&conf->stores.item[0], "buckets"),
	                       "environment variable FAREWELL_STORE_EU_2_BUCKETS");
	conf_free(conf);
	setenv("FAREWELL_STORE_EU_2_BUCKET", "c", 1);
	CU_ASSERT_PTR_NULL(load(CONF_GATEWAY, GATEWAY STORE("eu-2", "buckets = b"), "f"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said,
	                              "environment variable FAREWELL_STORE_EU_2_BUCKET: there is no "
	                              "such setting; did you mean FAREWELL_STORE_EU_2_BUCKETS?"));
	unsetenv("FAREWELL_STORE_EU_2_BUCKET");
	unsetenv("FAREWELL_STORE_EU_2_ENDPOINT");
	unsetenv("FAREWELL_STORE_EU_2_BUCKETS");
	unsetenv("FAREWELL_STORE_SERVICE_HOST");
	unsetenv("FAREWELL_STORE_EU_2_PORT_80_TCP");
	unsetenv("FAREWELL_STORE_EU_2_PORT");
}

/* Each row says what it means, and its variable is as short as it must be beside the longest name.
 */
static void table_is_sound(void)
{
	char section[64], name[CONF_NAME_SIZE];

	snprintf(section, sizeof(section), "store_%.*s", CONF_STORE_NAME_BYTES,
	         "abcdefghijklmnopqrstuvwxyz");
	for (size_t i = 0; i < conf_store_table_length; i++) {
		const struct conf_setting *setting = &conf_store_table[i];

		CU_ASSERT_EQUAL(conf_store_find(setting->key), (int)i);
		CU_ASSERT(setting->text != NULL && strlen(setting->text) > 10);
		CU_ASSERT(setting->fallback != NULL || setting->example != NULL);
		CU_ASSERT(conf_variable_name(section, setting->key, name));
	}
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"beside the default one", both_kinds},
		{"instead of the default one", instead_of_the_default},
		{"the gateway opens no secret", the_gateway_opens_no_secret},
		{"wrong values", wrong_values},
		{"wrong blocks", wrong_blocks},
		{"claimed twice", claimed_twice},
		{"environment", environment},
		{"the table", table_is_sound},
		{NULL, NULL},
	};

	return conf_unit_main("conf_store", tests);
}
