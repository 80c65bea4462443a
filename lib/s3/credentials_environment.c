/* Credentials from the environment that the program was started with. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/s3/credentials_provider.h"

#define ACCESS_KEY "AWS_ACCESS_KEY_ID"
#define SECRET_KEY "AWS_SECRET_ACCESS_KEY"
#define SESSION_TOKEN "AWS_SESSION_TOKEN"

const char *s3_credentials_variable(const char *name)
{
	const char *value = getenv(name);

	return s3_option_is_set(value) ? value : NULL;
}

static enum s3_applies environment_applies(const struct s3_credential_options *options, char *why)
{
	bool key = s3_credentials_variable(ACCESS_KEY) != NULL,
		 secret = s3_credentials_variable(SECRET_KEY) != NULL;

	(void)options;
	if (key && secret)
		return S3_APPLIES;
	if (key || secret) {
		snprintf(why, S3_CREDENTIALS_WHY_SIZE, "%s is set, but %s is not",
		         key ? ACCESS_KEY : SECRET_KEY, key ? SECRET_KEY : ACCESS_KEY);
		return S3_APPLIES_NEARLY;
	}
	snprintf(why, S3_CREDENTIALS_WHY_SIZE, "%s is not set", ACCESS_KEY);
	return S3_APPLIES_NOT;
}

static enum s3_credentials_result environment_fetch(const struct s3_fetch *fetch,
                                                    struct s3_credentials *credentials)
{
	return s3_credentials_take(fetch, credentials, s3_credentials_variable(ACCESS_KEY),
	                           s3_credentials_variable(SECRET_KEY),
	                           s3_credentials_variable(SESSION_TOKEN));
}

static void environment_describe(const struct s3_credential_options *options, char *text,
                                 size_t size)
{
	(void)options;
	snprintf(text, size, "the environment (%s %.128s)", ACCESS_KEY,
	         s3_credentials_variable(ACCESS_KEY));
}

const struct s3_provider s3_provider_environment = {
	.name = "the environment",
	.applies = environment_applies,
	.fetch = environment_fetch,
	.describe = environment_describe,
};
