/* What the providers of credentials share: taking values, asking by HTTP, failing, wiping. */
#include "lib/s3/credentials_provider.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/text.h"

#define ACCESS_KEY_BYTES_MAX 256
#define SECRET_KEY_BYTES_MAX (64 * 1024)
#define SESSION_TOKEN_BYTES_MAX (16 * 1024)

enum s3_credentials_result s3_credentials_fail(const struct s3_fetch *fetch, const char *format,
                                               ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(fetch->why, S3_CREDENTIALS_WHY_SIZE, format, arguments);
	va_end(arguments);
	return S3_CREDENTIALS_FAILED;
}

void s3_secret_free(char *text)
{
	if (text != NULL)
		OPENSSL_cleanse(text, strlen(text));
	free(text);
}

void s3_credentials_wipe(struct s3_credentials *credentials)
{
	s3_secret_free(credentials->access_key);
	s3_secret_free(credentials->secret_key);
	s3_secret_free(credentials->session_token);
	*credentials = (struct s3_credentials){0};
}

/* What stands in a header must be visible ASCII; a secret is signed with, and may be any text. */
static bool value_is_good(const char *value, size_t bytes_max, bool in_header)
{
	size_t length = value == NULL ? 0 : strlen(value);

	if (!in_header)
		return length > 0 && length <= bytes_max && !text_has_control(value, length);

	for (size_t i = 0; i < length; i++)
		if (value[i] <= ' ' || value[i] > '~')
			return false;
	return length > 0 && length <= bytes_max;
}

enum s3_credentials_result s3_credentials_take(const struct s3_fetch *fetch,
                                               struct s3_credentials *credentials,
                                               const char *access_key, const char *secret_key,
                                               const char *session_token)
{
	const char *wrong = NULL;

	if (!value_is_good(access_key, ACCESS_KEY_BYTES_MAX, true))
		wrong = "access key";
	else if (!value_is_good(secret_key, SECRET_KEY_BYTES_MAX, false))
		wrong = "secret key";
	else if (session_token != NULL && !value_is_good(session_token, SESSION_TOKEN_BYTES_MAX, true))
		wrong = "session token";
	if (wrong != NULL)
		return s3_credentials_fail(
			fetch, "the %s is empty, too long, or has a character in it that it can't have", wrong);
	credentials->access_key = strdup(access_key);
	credentials->secret_key = strdup(secret_key);
	credentials->session_token = session_token == NULL ? NULL : strdup(session_token);
	if (credentials->access_key == NULL || credentials->secret_key == NULL ||
	    (session_token != NULL && credentials->session_token == NULL))
		return s3_credentials_fail(fetch, "out of memory");
	return S3_CREDENTIALS_READY;
}

enum s3_credentials_result s3_credentials_ask(const struct s3_fetch *fetch,
                                              const struct http_client_request *request,
                                              struct http_client_answer *answer)
{
	*answer = http_client_send(fetch->http, request);
	if (answer->outcome == HTTP_STOPPED)
		return S3_CREDENTIALS_STOPPED;
	if (answer->outcome == HTTP_FAILED)
		return s3_credentials_fail(fetch, "no answer: %s", answer->why);
	return S3_CREDENTIALS_READY;
}

void s3_answer_wipe(struct http_client_answer *answer)
{
	if (answer->body != NULL)
		OPENSSL_cleanse(answer->body, answer->length);
	http_client_answer_free(answer);
}

enum s3_credentials_result s3_credentials_take_answer(const struct s3_fetch *fetch,
                                                      struct s3_credentials *credentials,
                                                      struct s3_credentials_answer *answer)
{
	enum s3_credentials_result result = S3_CREDENTIALS_FAILED;

	if (answer->access_key[0] == '\0')
		s3_credentials_fail(fetch, "the answer has no AccessKeyId");
	else if (answer->secret_key[0] == '\0')
		s3_credentials_fail(fetch, "the answer has no SecretAccessKey");
	else if (answer->session_token[0] == '\0')
		s3_credentials_fail(fetch, "the answer has no Token, which temporary credentials need");
	else if (!s3_credentials_read_time(answer->expires, &credentials->expires))
		s3_credentials_fail(fetch, "the answer does not say when they expire");
	else
		result = s3_credentials_take(fetch, credentials, answer->access_key, answer->secret_key,
		                             answer->session_token);
	OPENSSL_cleanse(answer, sizeof(*answer));
	return result;
}
