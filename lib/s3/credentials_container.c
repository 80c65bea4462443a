/* Credentials of a task's role (ECS) or of a pod's (EKS Pod Identity), from the agent beside it.
 *
 * AWS SDKs and Tools Reference Guide, "Container credential provider". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/s3/credentials_provider.h"
#include "lib/s3/credentials_url.h"

#define RELATIVE_URI "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
#define FULL_URI "AWS_CONTAINER_CREDENTIALS_FULL_URI"
#define TOKEN "AWS_CONTAINER_AUTHORIZATION_TOKEN"
#define TOKEN_FILE "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
#define URL_SIZE 1024

/* False: WHY says what is wrong. */
static bool container_url(char url[URL_SIZE], char *why)
{
	const char *relative = s3_credentials_variable(RELATIVE_URI),
			   *full = s3_credentials_variable(FULL_URI), *fault;

	if (relative != NULL && relative[0] != '/')
		fault = "does not begin with a slash";
	else if (snprintf(url, URL_SIZE, "%s%s", relative != NULL ? "http://169.254.170.2" : "",
	                  relative != NULL ? relative : full) >= URL_SIZE)
		fault = "is too long";
	else
		fault = s3_credentials_url_fault(url);
	if (fault != NULL)
		snprintf(why, S3_CREDENTIALS_WHY_SIZE, "%s %s", relative != NULL ? RELATIVE_URI : FULL_URI,
		         fault);
	return fault == NULL;
}

static enum s3_applies container_applies(const struct s3_credential_options *options, char *why)
{
	char url[URL_SIZE];

	(void)options;
	if (s3_credentials_variable(RELATIVE_URI) == NULL &&
	    s3_credentials_variable(FULL_URI) == NULL) {
		snprintf(why, S3_CREDENTIALS_WHY_SIZE, "neither " RELATIVE_URI " nor " FULL_URI " is set");
		return S3_APPLIES_NOT;
	}
	return container_url(url, why) ? S3_APPLIES : S3_APPLIES_NEARLY;
}

/* The file is read every time: EKS writes a new token into it. False: fetch->why says what is
 * wrong. */
static bool token_read(const struct s3_fetch *fetch, char **token)
{
	const char *file = s3_credentials_variable(TOKEN_FILE), *value = s3_credentials_variable(TOKEN);

	*token = NULL;
	if (file != NULL) {
		*token = s3_credentials_read_token(file, TOKEN_FILE, fetch->why);
		return *token != NULL;
	}
	if (value == NULL)
		return true;
	if (strpbrk(value, "\r\n") != NULL)
		s3_credentials_fail(fetch, TOKEN " has a line's end in it");
	else if ((*token = strdup(value)) == NULL)
		s3_credentials_fail(fetch, "out of memory");
	return *token != NULL;
}

static enum s3_credentials_result container_read(const struct s3_fetch *fetch,
                                                 const struct http_client_answer *answer,
                                                 struct s3_credentials *credentials)
{
	struct s3_credentials_answer read;
	bool readable = s3_credentials_read_json(answer->body, answer->length, &read);

	if (answer->status == 200 && readable)
		return s3_credentials_take_answer(fetch, credentials, &read);
	if (answer->status == 200)
		return s3_credentials_fail(fetch, "it answered 200, but not with JSON as is documented");
	return s3_credentials_fail(fetch,
	                           "it answered %ld%s%s; does the task or the service account have a "
	                           "role, and is " TOKEN "_FILE right?",
	                           answer->status, readable && read.code[0] != '\0' ? " " : "",
	                           readable ? read.code : "");
}

static enum s3_credentials_result container_fetch(const struct s3_fetch *fetch,
                                                  struct s3_credentials *credentials)
{
	char url[URL_SIZE], *token = NULL;
	enum s3_credentials_result result = S3_CREDENTIALS_FAILED;
	struct http_client_answer answer = {0};
	struct http_pair headers[2] = {{"accept", "application/json"}};

	if (!container_url(url, fetch->why) || !token_read(fetch, &token))
		return result;
	headers[1] = (struct http_pair){"authorization", token};
	result = s3_credentials_ask(
		fetch,
		&(struct http_client_request){
			.method = "GET", .url = url, .headers = headers, .header_count = token == NULL ? 1 : 2},
		&answer);
	if (result == S3_CREDENTIALS_READY)
		result = container_read(fetch, &answer, credentials);
	s3_answer_wipe(&answer);
	s3_secret_free(token);
	return result;
}

static void container_describe(const struct s3_credential_options *options, char *text, size_t size)
{
	char url[URL_SIZE] = "", why[S3_CREDENTIALS_WHY_SIZE];

	(void)options;
	container_url(url, why);
	snprintf(text, size, "the container endpoint %.*s", (int)strcspn(url + 8, "/?") + 8, url);
}

const struct s3_provider s3_provider_container = {
	.name = "the container endpoint",
	.connect_timeout_ms = 2000,
	.timeout_ms = 5000,
	.applies = container_applies,
	.fetch = container_fetch,
	.describe = container_describe,
};
