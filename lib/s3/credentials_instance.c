/* Credentials of an instance's role, from its metadata service: version 2 only, which answers
 * nobody who can be made to fetch a URL but can't send a PUT first.
 *
 * Amazon EC2 User Guide, "Use the Instance Metadata Service to access instance metadata". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/s3/credentials_provider.h"
#include "lib/s3/credentials_url.h"

#define DISABLED "AWS_EC2_METADATA_DISABLED"
#define ENDPOINT "AWS_EC2_METADATA_SERVICE_ENDPOINT"
#define MODE "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"
#define TOKEN_PATH "/latest/api/token"
#define ROLE_PATH "/latest/meta-data/iam/security-credentials/"
#define URL_SIZE 512
#define NAME_SIZE 129 /* of a role: 64 by IAM's rules */

/* Without a slash at its end. False: WHY says what is wrong. */
static bool instance_endpoint(char url[URL_SIZE], char *why)
{
	const char *endpoint = s3_credentials_variable(ENDPOINT), *mode = s3_credentials_variable(MODE);
	size_t length;

	if (endpoint == NULL)
		endpoint = mode != NULL && strcasecmp(mode, "IPv6") == 0 ? "http://[fd00:ec2::254]" :
		                                                           "http://169.254.169.254";
	length = strlen(endpoint);
	if (!s3_credentials_url_valid(endpoint) || length >= URL_SIZE - 256) {
		snprintf(why, S3_CREDENTIALS_WHY_SIZE, ENDPOINT " is not an http:// or https:// address");
		return false;
	}
	length -= endpoint[length - 1] == '/';
	snprintf(url, URL_SIZE, "%.*s", (int)length, endpoint);
	return true;
}

static enum s3_applies instance_applies(const struct s3_credential_options *options, char *why)
{
	const char *disabled = s3_credentials_variable(DISABLED);
	char url[URL_SIZE];

	(void)options;
	if (disabled != NULL && strcasecmp(disabled, "true") == 0) {
		snprintf(why, S3_CREDENTIALS_WHY_SIZE, DISABLED " is true");
		return S3_APPLIES_NOT;
	}
	return instance_endpoint(url, why) ? S3_APPLIES : S3_APPLIES_NEARLY;
}

/* One request, whose answer must be 200. ANSWER is for s3_answer_wipe(). */
static enum s3_credentials_result instance_ask(const struct s3_fetch *fetch, const char *method,
                                               const char *path, const char *name,
                                               const struct http_pair *header, const char *advice,
                                               struct http_client_answer *answer)
{
	char url[URL_SIZE + NAME_SIZE];
	enum s3_credentials_result result;

	if (!instance_endpoint(url, fetch->why))
		return S3_CREDENTIALS_FAILED;
	snprintf(url + strlen(url), sizeof(url) - strlen(url), "%s%s", path, name);
	result =
		s3_credentials_ask(fetch,
	                       &(struct http_client_request){
							   .method = method, .url = url, .headers = header, .header_count = 1},
	                       answer);
	if (result == S3_CREDENTIALS_READY && answer->status != 200)
		return s3_credentials_fail(fetch, "it answered %ld to %s %s%s", answer->status, method,
		                           path, advice);
	return result;
}

/* What was answered as text, if it is one line of visible ASCII. NULL: it isn't. */
static char *answer_line(const struct http_client_answer *answer)
{
	char *text = answer->body == NULL ? NULL : strndup(answer->body, answer->length);
	size_t length = text == NULL ? 0 : strcspn(text, "\r\n");

	if (text != NULL)
		text[length] = '\0';
	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] > '~')
			length = 0;
	if (length > 0)
		return text;
	s3_secret_free(text);
	return NULL;
}

/* The token of version 2, for s3_secret_free(). */
static enum s3_credentials_result token_fetch(const struct s3_fetch *fetch, char **token)
{
	static const struct http_pair lifetime = {"x-aws-ec2-metadata-token-ttl-seconds", "300"};
	struct http_client_answer answer = {0};
	enum s3_credentials_result result =
		instance_ask(fetch, "PUT", TOKEN_PATH, "", &lifetime,
	                 "; it must be turned on for this instance, with IMDSv2", &answer);

	size_t length = strlen(fetch->why);

	/* The answer to the PUT, and no other, may not travel further than the hop limit. */
	if (result == S3_CREDENTIALS_FAILED && answer.outcome == HTTP_FAILED)
		snprintf(fetch->why + length, S3_CREDENTIALS_WHY_SIZE - length,
		         "; in a container the instance's hop limit must be 2");
	if (result == S3_CREDENTIALS_READY && (*token = answer_line(&answer)) == NULL)
		result =
			s3_credentials_fail(fetch, "it answered to PUT %s, but not with a token", TOKEN_PATH);
	s3_answer_wipe(&answer);
	return result;
}

static enum s3_credentials_result role_fetch(const struct s3_fetch *fetch,
                                             const struct http_pair *header, char role[NAME_SIZE])
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+=,.@-";
	struct http_client_answer answer = {0};
	enum s3_credentials_result result = instance_ask(
		fetch, "GET", ROLE_PATH, "", header, "; attach an instance profile with a role", &answer);
	char *line = result == S3_CREDENTIALS_READY ? answer_line(&answer) : NULL;

	if (result == S3_CREDENTIALS_READY) {
		if (line == NULL || strlen(line) >= NAME_SIZE || line[strspn(line, letters)] != '\0')
			result =
				s3_credentials_fail(fetch, "it names no role; attach an instance profile with one");
		else
			snprintf(role, NAME_SIZE, "%s", line);
	}
	free(line);
	s3_answer_wipe(&answer);
	return result;
}

static enum s3_credentials_result role_credentials(const struct s3_fetch *fetch,
                                                   const struct http_pair *header, const char *role,
                                                   struct s3_credentials *credentials)
{
	struct http_client_answer answer = {0};
	struct s3_credentials_answer read;
	enum s3_credentials_result result =
		instance_ask(fetch, "GET", ROLE_PATH, role, header, "", &answer);

	if (result != S3_CREDENTIALS_READY)
		goto out;
	if (!s3_credentials_read_json(answer.body, answer.length, &read))
		result = s3_credentials_fail(fetch, "it answered 200, but not with JSON as is documented");
	else if (strcmp(read.code, "Success") != 0)
		result = s3_credentials_fail(fetch,
		                             "it has none for the role: %s; check the role's trust policy",
		                             read.code[0] == '\0' ? "no Code in the answer" : read.code);
	else
		result = s3_credentials_take_answer(fetch, credentials, &read);
out:
	s3_answer_wipe(&answer);
	return result;
}

static enum s3_credentials_result instance_fetch(const struct s3_fetch *fetch,
                                                 struct s3_credentials *credentials)
{
	char *token = NULL, role[NAME_SIZE] = "";
	struct http_pair header;
	enum s3_credentials_result result = token_fetch(fetch, &token);

	if (result != S3_CREDENTIALS_READY)
		return result;
	header = (struct http_pair){"x-aws-ec2-metadata-token", token};
	result = role_fetch(fetch, &header, role);
	if (result == S3_CREDENTIALS_READY)
		result = role_credentials(fetch, &header, role, credentials);
	s3_secret_free(token);
	return result;
}

static void instance_describe(const struct s3_credential_options *options, char *text, size_t size)
{
	char url[URL_SIZE] = "", why[S3_CREDENTIALS_WHY_SIZE];

	(void)options;
	instance_endpoint(url, why);
	snprintf(text, size, "the instance metadata at %.96s", url);
}

const struct s3_provider s3_provider_instance = {
	.name = "the instance metadata",
	.connect_timeout_ms = 2000,
	.timeout_ms = 5000,
	.applies = instance_applies,
	.fetch = instance_fetch,
	.describe = instance_describe,
};
