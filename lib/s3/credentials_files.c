/* Credentials of which the access key is in a file, too, for whoever renews all of them there; and
 * how files are read. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/config/conf_secret.h"
#include "lib/s3/credentials_provider.h"

#define TOKEN_BYTES_MAX (64 * 1024)

/* ---- reading ---- */

static void secret_done(struct conf_secret *secret)
{
	if (secret->file != NULL)
		conf_secret_wipe(secret);
}

/* FILE NULL or empty: nothing to be read. */
static bool secret_take(const char *file, struct conf_secret *secret, char *why)
{
	if (!s3_option_is_set(file))
		return true;
	secret->file = strdup(file);
	if (secret->file != NULL)
		return conf_secret_read(secret, why, S3_CREDENTIALS_WHY_SIZE);
	snprintf(why, S3_CREDENTIALS_WHY_SIZE, "out of memory");
	return false;
}

enum s3_credentials_result s3_credentials_read_files(const struct s3_fetch *fetch,
                                                     struct s3_credentials *credentials,
                                                     const char *access_key)
{
	const struct s3_credential_options *options = fetch->options;
	struct conf_secret key = {0}, secret = {0}, token = {0};
	enum s3_credentials_result result = S3_CREDENTIALS_FAILED;

	if ((access_key != NULL || secret_take(options->access_key_file, &key, fetch->why)) &&
	    secret_take(options->secret_key_file, &secret, fetch->why) &&
	    secret_take(options->session_token_file, &token, fetch->why))
		result =
			s3_credentials_take(fetch, credentials, access_key != NULL ? access_key : key.value,
		                        secret.value, token.value);
	secret_done(&key);
	secret_done(&secret);
	secret_done(&token);
	return result;
}

/* Reads until the end or SIZE bytes; -1 with errno. */
static ssize_t token_read_all(int fd, char *buffer, size_t size)
{
	size_t length = 0;

	while (length < size) {
		ssize_t got = read(fd, buffer + length, size - length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		length += (size_t)got;
	}
	return (ssize_t)length;
}

/* NULL, or what is wrong with the text, from which the space at its end is cut. */
static const char *token_fault(char *text, size_t length)
{
	if (length > TOKEN_BYTES_MAX)
		return "longer than 64 KiB";
	while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL)
		length--;
	text[length] = '\0';
	if (length == 0)
		return "empty";
	for (size_t i = 0; i < length; i++)
		if (text[i] < ' ' || text[i] > '~')
			return "not a line of ASCII";
	return NULL;
}

char *s3_credentials_read_token(const char *file, const char *variable, char *why)
{
	/* O_NONBLOCK: a named pipe must not hold up the child. */
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char *text = fd < 0 ? NULL : calloc(1, TOKEN_BYTES_MAX + 2);
	ssize_t length = text == NULL ? -1 : token_read_all(fd, text, TOKEN_BYTES_MAX + 1);
	const char *fault = length < 0 ? strerror(errno) : token_fault(text, (size_t)length);

	if (fd >= 0)
		close(fd);
	if (fault == NULL)
		return text;
	snprintf(why, S3_CREDENTIALS_WHY_SIZE, "%s: %s: %.200s", variable, fault, file);
	if (text != NULL)
		explicit_bzero(text, TOKEN_BYTES_MAX + 2);
	free(text);
	return NULL;
}

/* ---- the provider ---- */

static enum s3_applies files_apply(const struct s3_credential_options *options, char *why)
{
	if (!s3_option_is_set(options->access_key_file)) {
		snprintf(why, S3_CREDENTIALS_WHY_SIZE, "s3_access_key_file is not set");
		return S3_APPLIES_NOT;
	}
	if (s3_option_is_set(options->secret_key_file))
		return S3_APPLIES;
	snprintf(why, S3_CREDENTIALS_WHY_SIZE,
	         "s3_access_key_file is set, but s3_secret_key_file is not");
	return S3_APPLIES_NEARLY;
}

static enum s3_credentials_result files_fetch(const struct s3_fetch *fetch,
                                              struct s3_credentials *credentials)
{
	return s3_credentials_read_files(fetch, credentials, NULL);
}

static void files_describe(const struct s3_credential_options *options, char *text, size_t size)
{
	snprintf(text, size, "the files (s3_access_key_file %.200s)", options->access_key_file);
}

static const char *files_file(const struct s3_credential_options *options, size_t index)
{
	const char *const files[] = {options->access_key_file, options->secret_key_file,
	                             options->session_token_file};

	return index < sizeof(files) / sizeof(files[0]) ? files[index] : NULL;
}

const struct s3_provider s3_provider_files = {
	.name = "the files",
	.applies = files_apply,
	.fetch = files_fetch,
	.describe = files_describe,
	.file = files_file,
};
