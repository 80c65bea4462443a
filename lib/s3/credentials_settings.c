/* Credentials from worker.s3_access_key and the file with the secret key. */
#include <stdio.h>
#include <string.h>

#include "lib/s3/credentials_provider.h"

static enum s3_applies settings_apply(const struct s3_credential_options *options, char *why)
{
	if (!s3_option_is_set(options->access_key)) {
		snprintf(why, S3_CREDENTIALS_WHY_SIZE, "s3_access_key is not set");
		return S3_APPLIES_NOT;
	}
	if (s3_option_is_set(options->secret_key_file))
		return S3_APPLIES;
	snprintf(why, S3_CREDENTIALS_WHY_SIZE, "s3_access_key is set, but s3_secret_key_file is not");
	return S3_APPLIES_NEARLY;
}

static enum s3_credentials_result settings_fetch(const struct s3_fetch *fetch,
                                                 struct s3_credentials *credentials)
{
	return s3_credentials_read_files(fetch, credentials, fetch->options->access_key);
}

static void settings_describe(const struct s3_credential_options *options, char *text, size_t size)
{
	snprintf(text, size, "the settings (s3_access_key %.128s)", options->access_key);
}

static const char *settings_file(const struct s3_credential_options *options, size_t index)
{
	const char *const files[] = {options->secret_key_file, options->session_token_file};

	return index < sizeof(files) / sizeof(files[0]) ? files[index] : NULL;
}

const struct s3_provider s3_provider_settings = {
	.name = "worker.s3_access_key",
	.applies = settings_apply,
	.fetch = settings_fetch,
	.describe = settings_describe,
	.file = settings_file,
};
