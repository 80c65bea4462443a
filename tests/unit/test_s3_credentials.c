/* Where credentials come from, in which order, and when they are taken anew. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/s3/credentials.h"
#include "lib/s3/credentials_provider.h"
#include "tests/unit/unit.h"

static const char *const variables[] = {
	"AWS_ACCESS_KEY_ID",
	"AWS_SECRET_ACCESS_KEY",
	"AWS_SESSION_TOKEN",
	"AWS_WEB_IDENTITY_TOKEN_FILE",
	"AWS_ROLE_ARN",
	"AWS_REGION",
	"AWS_DEFAULT_REGION",
	"AWS_ENDPOINT_URL_STS",
	"AWS_STS_REGIONAL_ENDPOINTS",
	"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
	"AWS_CONTAINER_CREDENTIALS_FULL_URI",
	"AWS_EC2_METADATA_DISABLED",
	"AWS_EC2_METADATA_SERVICE_ENDPOINT",
	"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
};

static char directory[] = "/tmp/credentials-XXXXXX", key_file[64], secret_file[64], token_file[64];
static char why[S3_CREDENTIALS_WHY_SIZE];

static void environment_clear(void)
{
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		unsetenv(variables[i]);
}

/* Where a source with these options gets its credentials; or why there can be none. */
static const char *whence(const struct s3_credential_options *options)
{
	static char text[S3_CREDENTIALS_WHY_SIZE];
	struct s3_credential_source *source =
		s3_credential_source_new(options, NULL, text, sizeof(text));

	if (source != NULL)
		s3_credentials_describe(source, text, sizeof(text));
	s3_credential_source_free(source);
	return text;
}

static bool begins(const char *text, const char *wanted)
{
	if (strncmp(text, wanted, strlen(wanted)) == 0)
		return true;
	fprintf(stderr, "wanted: %s\nis: %s\n", wanted, text);
	return false;
}

static bool mentions(const char *text, const char *wanted)
{
	if (strstr(text, wanted) != NULL)
		return true;
	fprintf(stderr, "wanted: %s\nis: %s\n", wanted, text);
	return false;
}

/* Everything is there, and one after the other is taken away. */
static void test_order(void)
{
	struct s3_credential_options options = {.access_key = "a",
	                                        .access_key_file = key_file,
	                                        .secret_key_file = secret_file,
	                                        .region = "eu-west-1"};

	environment_clear();
	setenv("AWS_ACCESS_KEY_ID", "e", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "e", 1);
	setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/t", 1);
	setenv("AWS_ROLE_ARN", "arn:x", 1);
	setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/r", 1);
	setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/f", 1);
	CU_ASSERT(begins(whence(&options), "from the settings (s3_access_key a)"));
	options.access_key = "";
	CU_ASSERT(begins(whence(&options), "from the files (s3_access_key_file /tmp/"));
	options.access_key_file = options.secret_key_file = NULL;
	CU_ASSERT(begins(whence(&options), "from the environment (AWS_ACCESS_KEY_ID e)"));
	setenv("AWS_ACCESS_KEY_ID", "", 1); /* empty is as good as absent */
	setenv("AWS_SECRET_ACCESS_KEY", "", 1);
	CU_ASSERT(begins(whence(&options), "from the web identity token (AWS_WEB_IDENTITY_TOKEN_FILE) "
	                                   "by https://sts.eu-west-1.amazonaws.com/"));
	unsetenv("AWS_WEB_IDENTITY_TOKEN_FILE");
	CU_ASSERT(begins(whence(&options), "from the container endpoint http://169.254.170.2"));
	unsetenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	CU_ASSERT(begins(whence(&options), "from the container endpoint http://127.0.0.1:1"));
	unsetenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	CU_ASSERT(begins(whence(&options), "from the instance metadata at http://169.254.169.254"));
	setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6", 1);
	CU_ASSERT(begins(whence(&options), "from the instance metadata at http://[fd00:ec2::254]"));
	setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:2/", 1);
	CU_ASSERT(begins(whence(&options), "from the instance metadata at http://127.0.0.1:2"));
}

static void test_nothing_at_all(void)
{
	static const char *const ways[] = {
		"worker.s3_access_key",
		"s3_access_key_file",
		"AWS_ACCESS_KEY_ID",
		"AWS_WEB_IDENTITY_TOKEN_FILE",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
		"_FULL_URI",
		"AWS_EC2_METADATA_DISABLED is true",
	};

	environment_clear();
	setenv("AWS_EC2_METADATA_DISABLED", "TRUE", 1);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		CU_ASSERT(mentions(whence(&(struct s3_credential_options){0}), ways[i]));
}

/* Half of one way is a mistake, not a reason to try the next. */
static void test_halves(void)
{
	static const struct {
		const char *name, *value, *wanted;
	} cases[] = {
		{"AWS_ACCESS_KEY_ID", "a", "AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not"},
		{"AWS_SECRET_ACCESS_KEY", "s",
	     "AWS_SECRET_ACCESS_KEY is set, but AWS_ACCESS_KEY_ID is not"},
		{"AWS_WEB_IDENTITY_TOKEN_FILE", "/t",
	     "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not"},
		{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "r", "does not begin with a slash"},
		{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.org/", "use https://"},
		{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "169.254.169.254", "is not an http:// or https://"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		environment_clear();
		setenv(cases[i].name, cases[i].value, 1);
		CU_ASSERT(mentions(whence(&(struct s3_credential_options){0}), cases[i].wanted));
	}
	environment_clear();
	CU_ASSERT(mentions(whence(&(struct s3_credential_options){.access_key = "a"}),
	                   "s3_access_key is set, but s3_secret_key_file is not"));
	CU_ASSERT(mentions(whence(&(struct s3_credential_options){.access_key_file = "/a"}),
	                   "s3_access_key_file is set, but s3_secret_key_file is not"));
}

/* A source that is named is the only one. */
static void test_pinned(void)
{
	static const struct {
		enum s3_credentials_from from;
		const char *wanted;
	} cases[] = {
		{S3_FROM_SETTINGS, "s3_access_key is not set"},
		{S3_FROM_FILES, "s3_access_key_file is not set"},
		{S3_FROM_WEB_IDENTITY, "AWS_WEB_IDENTITY_TOKEN_FILE is not set"},
		{S3_FROM_CONTAINER, "neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor "},
		{S3_FROM_INSTANCE, "AWS_EC2_METADATA_DISABLED is true"},
		{S3_FROM_ENVIRONMENT, "from the environment (AWS_ACCESS_KEY_ID e)"},
	};

	environment_clear();
	setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	setenv("AWS_ACCESS_KEY_ID", "e", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "e", 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CU_ASSERT(mentions(whence(&(struct s3_credential_options){.from = cases[i].from}),
		                   cases[i].wanted));
}

static void test_sts(void)
{
	struct s3_credential_options options = {.region = "us-east-1"};

	environment_clear();
	setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/t", 1);
	setenv("AWS_ROLE_ARN", "arn:x", 1);
	setenv("AWS_DEFAULT_REGION", "ap-northeast-2", 1);
	CU_ASSERT(mentions(whence(&options), "https://sts.ap-northeast-2.amazonaws.com/"));
	setenv("AWS_REGION", "cn-north-1", 1);
	CU_ASSERT(mentions(whence(&options), "https://sts.cn-north-1.amazonaws.com.cn/"));
	setenv("AWS_REGION", "x.evil.example/", 1);
	CU_ASSERT(mentions(whence(&options), "not a region's name"));
	setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy", 1);
	CU_ASSERT(mentions(whence(&options), "https://sts.amazonaws.com/"));
	setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9", 1);
	CU_ASSERT(mentions(whence(&options), " by http://127.0.0.1:9/"));
	setenv("AWS_ENDPOINT_URL_STS", "http://u@127.0.0.1:9", 1);
	CU_ASSERT(mentions(whence(&options), "AWS_ENDPOINT_URL_STS is not an http:// or"));
}

static void test_refresh(void)
{
	static const struct {
		time_t expires, now, at;
	} cases[] = {
		{0, 1000, 0},       /* never */
		{4600, 1000, 4300}, /* an hour: five minutes before */
		{1601, 1000, 1301}, /* ten minutes and a second */
		{1600, 1000, 1300}, /* ten minutes: half way is the same */
		{1200, 1000, 1100}, /* less: half way */
		{1001, 1000, 1001}, /* a second */
		{1795850755, 1000, 1795850455},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CU_ASSERT_EQUAL(s3_credentials_refresh_at(cases[i].expires, cases[i].now), cases[i].at);
}

static void file_put(const char *name, const char *text, mode_t mode)
{
	char aside[80];
	FILE *file;

	snprintf(aside, sizeof(aside), "%s.new", name);
	file = fopen(aside, "w");
	if (file == NULL) {
		CU_FAIL_FATAL("a file can't be written");
		return;
	}
	fputs(text, file);
	CU_ASSERT_FATAL(fclose(file) == 0 && chmod(aside, mode) == 0 && rename(aside, name) == 0);
}

static void test_environment(void)
{
	struct s3_credential_source *source;
	const struct s3_credentials *got = NULL;

	environment_clear();
	setenv("AWS_ACCESS_KEY_ID", "e", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
	source = s3_credential_source_new(&(struct s3_credential_options){0}, NULL, why, sizeof(why));
	CU_ASSERT_PTR_NOT_NULL_FATAL(source);
	CU_ASSERT_EQUAL(s3_credentials_get(source, &got, why, sizeof(why)), S3_CREDENTIALS_READY);
	CU_ASSERT_STRING_EQUAL(got->secret_key, "secret");
	CU_ASSERT_PTR_NULL(got->session_token);
	CU_ASSERT_FALSE(s3_credentials_renew(source)); /* the same again are not worth a try */
	setenv("AWS_SESSION_TOKEN", "t", 1);
	CU_ASSERT(s3_credentials_renew(source));
	CU_ASSERT_EQUAL(s3_credentials_get(source, &got, why, sizeof(why)), S3_CREDENTIALS_READY);
	CU_ASSERT_STRING_EQUAL(got->session_token, "t");
	s3_credential_source_free(source);
	setenv("AWS_SECRET_ACCESS_KEY", "two\nlines", 1);
	source = s3_credential_source_new(&(struct s3_credential_options){0}, NULL, why, sizeof(why));
	CU_ASSERT_PTR_NOT_NULL_FATAL(source);
	CU_ASSERT_EQUAL(s3_credentials_get(source, &got, why, sizeof(why)), S3_CREDENTIALS_FAILED);
	CU_ASSERT(mentions(why, "no S3 credentials from the environment: the "
	                        "secret key is "));
	CU_ASSERT_PTR_NULL(strstr(why, "two"));
	s3_credential_source_free(source);
}

static const struct s3_credentials *files_get(struct s3_credential_source *source,
                                              enum s3_credentials_result wanted)
{
	const struct s3_credentials *got = NULL;

	CU_ASSERT_EQUAL(s3_credentials_get(source, &got, why, sizeof(why)), wanted);
	return got;
}

/* Each of the three is read again when it changes; what can't be read leaves the old ones. */
static void test_files(void)
{
	struct s3_credential_options options = {.access_key_file = key_file,
	                                        .secret_key_file = secret_file,
	                                        .session_token_file = token_file};
	struct s3_credential_source *source;
	const struct s3_credentials *got;

	environment_clear();
	file_put(key_file, "k1\n", 0600);
	file_put(secret_file, "s1\nsecond line\n", 0640);
	source = s3_credential_source_new(&options, NULL, why, sizeof(why));
	CU_ASSERT_PTR_NOT_NULL_FATAL(source);
	files_get(source, S3_CREDENTIALS_FAILED);
	CU_ASSERT(mentions(why, token_file) && mentions(why, "No such file or directory"));
	file_put(token_file, "t1", 0604);
	files_get(source, S3_CREDENTIALS_FAILED);
	CU_ASSERT(mentions(why, "open to everybody (mode 0604)"));
	chmod(token_file, 0600);
	got = files_get(source, S3_CREDENTIALS_READY);
	CU_ASSERT_FATAL(got != NULL && got->session_token != NULL);
	CU_ASSERT(strcmp(got->access_key, "k1") == 0 && strcmp(got->secret_key, "s1") == 0 &&
	          strcmp(got->session_token, "t1") == 0);
	file_put(token_file, "t2", 0600);
	CU_ASSERT_STRING_EQUAL(files_get(source, S3_CREDENTIALS_READY)->session_token, "t2");
	file_put(secret_file, "s2", 0600);
	CU_ASSERT_STRING_EQUAL(files_get(source, S3_CREDENTIALS_READY)->secret_key, "s2");
	file_put(key_file, "k2", 0600);
	CU_ASSERT_STRING_EQUAL(files_get(source, S3_CREDENTIALS_READY)->access_key, "k2");
	unlink(secret_file);
	CU_ASSERT_STRING_EQUAL(files_get(source, S3_CREDENTIALS_READY)->secret_key, "s2");
	file_put(secret_file, "", 0600);
	CU_ASSERT_STRING_EQUAL(files_get(source, S3_CREDENTIALS_READY)->secret_key, "s2");
	file_put(secret_file, "s3", 0600);
	CU_ASSERT_STRING_EQUAL(files_get(source, S3_CREDENTIALS_READY)->secret_key, "s3");
	s3_credential_source_free(source);
	unlink(token_file);
}

static void test_settings(void)
{
	struct s3_credential_options options = {.access_key = "set", .secret_key_file = secret_file};
	struct s3_credential_source *source;

	file_put(secret_file, "s1", 0600);
	source = s3_credential_source_new(&options, NULL, why, sizeof(why));
	CU_ASSERT_PTR_NOT_NULL_FATAL(source);
	CU_ASSERT_STRING_EQUAL(files_get(source, S3_CREDENTIALS_READY)->access_key, "set");
	file_put(secret_file, "s2", 0600);
	CU_ASSERT_STRING_EQUAL(files_get(source, S3_CREDENTIALS_READY)->secret_key, "s2");
	CU_ASSERT_PTR_NULL(files_get(source, S3_CREDENTIALS_READY)->session_token);
	s3_credential_source_free(source);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"order", test_order},
		{"nothing at all", test_nothing_at_all},
		{"halves", test_halves},
		{"one that is named", test_pinned},
		{"which STS", test_sts},
		{"when to refresh", test_refresh},
		{"environment", test_environment},
		{"files", test_files},
		{"settings", test_settings},
		{NULL, NULL},
	};
	int code;

	if (mkdtemp(directory) == NULL)
		return EXIT_FAILURE;
	snprintf(key_file, sizeof(key_file), "%s/key", directory);
	snprintf(secret_file, sizeof(secret_file), "%s/secret", directory);
	snprintf(token_file, sizeof(token_file), "%s/token", directory);
	log_open("unit", "/dev/null", LOG_ERROR);
	code = unit_main("s3_credentials", tests);
	unlink(key_file);
	unlink(secret_file);
	unlink(token_file);
	rmdir(directory);
	return code;
}
