/* Credentials of a role that STS gives for a web identity token, such as a service account's on
 * EKS (IRSA).
 *
 * AWS STS API Reference, AssumeRoleWithWebIdentity; AWS SDKs and Tools Reference Guide, "Assume
 * role with web identity" and "AWS STS Regional endpoints". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/s3/credentials_provider.h"
#include "lib/s3/credentials_url.h"
#include "lib/s3/s3_sign.h"

#define TOKEN_FILE "AWS_WEB_IDENTITY_TOKEN_FILE"
#define ROLE_ARN "AWS_ROLE_ARN"
#define ENDPOINT "AWS_ENDPOINT_URL_STS"
#define URL_SIZE 512

static const char *sts_region(const struct s3_credential_options *options)
{
	const char *region = s3_credentials_variable("AWS_REGION");

	if (region == NULL)
		region = s3_credentials_variable("AWS_DEFAULT_REGION");
	return region != NULL ? region : options->region;
}

static bool region_is_valid(const char *region)
{
	return s3_option_is_set(region) && strlen(region) < 64 &&
	       region[strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

/* False: WHY says what is wrong. */
static bool sts_url(const struct s3_credential_options *options, char url[URL_SIZE], char *why)
{
	const char *endpoint = s3_credentials_variable(ENDPOINT), *region = sts_region(options),
			   *which = s3_credentials_variable("AWS_STS_REGIONAL_ENDPOINTS");

	if (endpoint != NULL) {
		if (s3_credentials_url_valid(endpoint) && strlen(endpoint) < URL_SIZE - 1) {
			snprintf(url, URL_SIZE, "%s%s", endpoint, strchr(endpoint + 8, '/') == NULL ? "/" : "");
			return true;
		}
		snprintf(why, S3_CREDENTIALS_WHY_SIZE, ENDPOINT " is not an http:// or https:// address");
		return false;
	}
	if (which != NULL && strcmp(which, "legacy") == 0) {
		snprintf(url, URL_SIZE, "https://sts.amazonaws.com/");
		return true;
	}
	if (!region_is_valid(region)) {
		snprintf(why, S3_CREDENTIALS_WHY_SIZE,
		         "no region to ask STS in: AWS_REGION or worker.s3_region is not a region's name");
		return false;
	}
	snprintf(url, URL_SIZE, "https://sts.%s.amazonaws.com%s/", region,
	         strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
	return true;
}

static enum s3_applies web_identity_applies(const struct s3_credential_options *options, char *why)
{
	char url[URL_SIZE];

	if (s3_credentials_variable(TOKEN_FILE) == NULL) {
		snprintf(why, S3_CREDENTIALS_WHY_SIZE, TOKEN_FILE " is not set");
		return S3_APPLIES_NOT;
	}
	if (s3_credentials_variable(ROLE_ARN) == NULL) {
		snprintf(why, S3_CREDENTIALS_WHY_SIZE, TOKEN_FILE " is set, but " ROLE_ARN " is not");
		return S3_APPLIES_NEARLY;
	}
	return sts_url(options, url, why) ? S3_APPLIES : S3_APPLIES_NEARLY;
}

/* As a form, so that the token is in no URL. For s3_secret_free(); NULL without memory. */
static char *form_write(const char *token)
{
	const char *session = s3_credentials_variable("AWS_ROLE_SESSION_NAME");
	const struct http_pair fields[] = {
		{"Action", "AssumeRoleWithWebIdentity"},
		{"Version", "2011-06-15"},
		{"RoleArn", s3_credentials_variable(ROLE_ARN)},
		{"RoleSessionName", session == NULL ? "farewell" : session},
		{"WebIdentityToken", token},
	};

	return s3_encode_query(fields, sizeof(fields) / sizeof(fields[0]));
}

static enum s3_credentials_result web_identity_read(const struct s3_fetch *fetch,
                                                    const struct http_client_answer *answer,
                                                    struct s3_credentials *credentials)
{
	struct s3_credentials_answer read;
	bool readable = s3_credentials_read_xml(answer->body, answer->length, &read);

	if (answer->status == 200 && readable)
		return s3_credentials_take_answer(fetch, credentials, &read);
	if (answer->status == 200)
		return s3_credentials_fail(fetch, "STS answered 200, but not as STS does");
	return s3_credentials_fail(fetch,
	                           "STS answered %ld%s%s; " ROLE_ARN " must name a role whose trust "
	                           "policy takes the token of " TOKEN_FILE,
	                           answer->status, readable && read.code[0] != '\0' ? " " : "",
	                           readable ? read.code : "");
}

static enum s3_credentials_result web_identity_fetch(const struct s3_fetch *fetch,
                                                     struct s3_credentials *credentials)
{
	static const struct http_pair headers[] = {
		{"content-type", "application/x-www-form-urlencoded"},
		{"accept", "application/xml"},
	};
	char url[URL_SIZE],
		*token =
			s3_credentials_read_token(s3_credentials_variable(TOKEN_FILE), TOKEN_FILE, fetch->why),
		*form = NULL;
	enum s3_credentials_result result = S3_CREDENTIALS_FAILED;
	struct http_client_answer answer = {0};

	if (token == NULL || !sts_url(fetch->options, url, fetch->why))
		goto out;
	form = form_write(token);
	if (form == NULL) {
		s3_credentials_fail(fetch, "out of memory");
		goto out;
	}
	result = s3_credentials_ask(
		fetch,
		&(struct http_client_request){.method = "POST",
	                                  .url = url,
	                                  .headers = headers,
	                                  .header_count = sizeof(headers) / sizeof(headers[0]),
	                                  .body = form,
	                                  .body_length = strlen(form)},
		&answer);
	if (result == S3_CREDENTIALS_READY)
		result = web_identity_read(fetch, &answer, credentials);
out:
	s3_answer_wipe(&answer);
	s3_secret_free(form);
	s3_secret_free(token);
	return result;
}

static void web_identity_describe(const struct s3_credential_options *options, char *text,
                                  size_t size)
{
	char url[URL_SIZE] = "", why[S3_CREDENTIALS_WHY_SIZE];

	sts_url(options, url, why);
	snprintf(text, size, "the web identity token (%s) by %.96s", TOKEN_FILE, url);
}

const struct s3_provider s3_provider_web_identity = {
	.name = "the web identity",
	.connect_timeout_ms = 3000,
	.timeout_ms = 10000,
	.applies = web_identity_applies,
	.fetch = web_identity_fetch,
	.describe = web_identity_describe,
};
