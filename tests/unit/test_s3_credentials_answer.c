/* What those who hand out credentials answer, and what they must not be taken for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/s3/credentials_answer.h"
#include "lib/s3/credentials_url.h"
#include "tests/unit/unit.h"

static struct s3_credentials_answer answer;

static bool json(const char *text)
{
	return s3_credentials_read_json(text, strlen(text), &answer);
}

static bool xml(const char *text)
{
	return s3_credentials_read_xml(text, strlen(text), &answer);
}

static void test_json(void)
{
	CU_ASSERT(json("{\"Code\": \"Success\", \"LastUpdated\": \"2026-11-28T07:00:00Z\", \"Type\": "
	               "\"AWS-HMAC\", \"AccessKeyId\": \"ASIA\", \"SecretAccessKey\": \"s/+=\", "
	               "\"Token\": \"t==\", \"Expiration\": \"2026-11-28T13:00:00Z\", \"More\": [1]}"));
	CU_ASSERT_STRING_EQUAL(answer.code, "Success");
	CU_ASSERT_STRING_EQUAL(answer.access_key, "ASIA");
	CU_ASSERT_STRING_EQUAL(answer.secret_key, "s/+=");
	CU_ASSERT_STRING_EQUAL(answer.session_token, "t==");
	CU_ASSERT_STRING_EQUAL(answer.expires, "2026-11-28T13:00:00Z");
	CU_ASSERT(json("{\"code\": \"NoRole\", \"message\": \"x\"}"));
	CU_ASSERT_STRING_EQUAL(answer.code, "NoRole");
	CU_ASSERT_STRING_EQUAL(answer.access_key, "");
	CU_ASSERT(json("{\"Code\": \"<b>\\n\"}"));
	CU_ASSERT_STRING_EQUAL(answer.code, "unreadable");
}

static void test_json_that_is_none(void)
{
	static const char *const wrong[] = {
		"",
		"x",
		"[]",
		"\"text\"",
		"null",
		"{\"AccessKeyId\": \"cut",
		"{\"AccessKeyId\": 7}",
		"{\"AccessKeyId\": [\"a\"]}",
		"{\"AccessKeyId\": \"a\\u0000b\"}",
		"{\"a\":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}",
	};
	size_t size = sizeof(answer.session_token) + 64;
	char *large = calloc(1, size);

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (json(wrong[i]))
			fprintf(stderr, "taken: %s\n", wrong[i]);
		CU_ASSERT_FALSE(json(wrong[i]));
	}
	CU_ASSERT_PTR_NOT_NULL_FATAL(large);
	for (size_t extra = 0; extra < 2; extra++) {
		int length = snprintf(large, size, "{\"Token\":\"");

		memset(large + length, 't', sizeof(answer.session_token) - 1 + extra);
		strcpy(large + length + sizeof(answer.session_token) - 1 + extra, "\"}");
		CU_ASSERT_EQUAL(json(large), extra == 0);
	}
	free(large);
}

#define STS "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\""

static void test_xml(void)
{
	CU_ASSERT(xml("<AssumeRoleWithWebIdentityResponse " STS "><AssumeRoleWithWebIdentityResult>"
	              "<SubjectFromWebIdentityToken>x</SubjectFromWebIdentityToken>"
	              "<Credentials><SessionToken>t&amp;=</SessionToken>"
	              "<SecretAccessKey>s</SecretAccessKey><Expiration>2026-11-28T13:00:00Z"
	              "</Expiration><AccessKeyId>ASIA</AccessKeyId></Credentials>"
	              "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"));
	CU_ASSERT_STRING_EQUAL(answer.access_key, "ASIA");
	CU_ASSERT_STRING_EQUAL(answer.secret_key, "s");
	CU_ASSERT_STRING_EQUAL(answer.session_token, "t&=");
	CU_ASSERT_STRING_EQUAL(answer.expires, "2026-11-28T13:00:00Z");
	CU_ASSERT(xml("<ErrorResponse " STS "><Error><Type>Sender</Type><Code>InvalidIdentityToken"
	              "</Code><Message>x</Message></Error></ErrorResponse>"));
	CU_ASSERT_STRING_EQUAL(answer.code, "InvalidIdentityToken");
	CU_ASSERT_STRING_EQUAL(answer.access_key, "");
}

static void test_xml_that_is_none(void)
{
	static const char *const wrong[] = {
		"",
		"x",
		"<html><Credentials><AccessKeyId>a</AccessKeyId></Credentials></html>",
		"<AssumeRoleWithWebIdentityResponse><AccessKeyId>a</AccessKeyId>",
		"<!DOCTYPE x [<!ENTITY e \"v\">]><ErrorResponse><Code>&e;</Code></ErrorResponse>",
		("<ErrorResponse><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a/></a></a></a></a></a></a>"
	     "</a></a></a></a></a></a></a></a></a></ErrorResponse>"),
	};
	size_t size = sizeof(answer.access_key) + 128;
	char *large = calloc(1, size);

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (xml(wrong[i]))
			fprintf(stderr, "taken: %s\n", wrong[i]);
		CU_ASSERT_FALSE(xml(wrong[i]));
	}
	CU_ASSERT_PTR_NOT_NULL_FATAL(large);
	for (size_t extra = 0; extra < 2; extra++) {
		int length = snprintf(large, size, "<ErrorResponse><AccessKeyId>");

		memset(large + length, 'a', sizeof(answer.access_key) - 1 + extra);
		strcpy(large + length + sizeof(answer.access_key) - 1 + extra,
		       "</AccessKeyId></ErrorResponse>");
		CU_ASSERT_EQUAL(xml(large), extra == 0);
	}
	free(large);
}

static void test_times(void)
{
	static const struct {
		const char *text;
		time_t when; /* 0: not a time */
	} cases[] = {
		{"1970-01-01T00:00:01Z", 1},
		{"2026-11-28T07:25:55Z", 1795850755},
		{"2026-11-28T07:25:55.123Z", 1795850755},
		{"2026-11-28T08:25:55+01:00", 1795850755},
		{"2026-11-28T03:55:55-03:30", 1795850755},
		{"2026-02-28T23:59:60Z", 1772323200},
		{"", 0},
		{"2026-11-28", 0},
		{"2026-11-28T07:25:55", 0},
		{"2026-11-28T07:25:55.Z", 0},
		{"2026-11-28T07:25:55Zx", 0},
		{"2026-11-28 07:25:55Z", 0},
		{"2026-13-28T07:25:55Z", 0},
		{"2026-11-28T25:25:55Z", 0},
		{"2026-11-28T07:25:55+0100", 0},
		{"2026-11-28T07:25:55+99:00", 0},
		{" 2026-11-28T07:25:55Z", 0},
		{"+026-11-28T07:25:55Z", 0},
		{"1795850755", 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		time_t when = 0;
		bool read = s3_credentials_read_time(cases[i].text, &when);

		if (read != (cases[i].when != 0) || when != cases[i].when)
			fprintf(stderr, "%s: %d, %lld\n", cases[i].text, read, (long long)when);
		CU_ASSERT_EQUAL(read, cases[i].when != 0);
		CU_ASSERT_EQUAL(when, cases[i].when);
	}
}

/* Whoever reads these addresses otherwise would send the container's token to somebody else. */
static void test_addresses(void)
{
	static const char *const good[] = {
		"http://127.0.0.1/x",         "http://127.200.3.4:81/v2?a=b",
		"http://localhost:8080/",     "http://LOCALHOST",
		"http://[::1]:80/x",          "http://169.254.170.2/v2/x",
		"http://169.254.170.23/",     "http://[fd00:ec2::23]/v1/x",
		"http://[fd00:ec2:0:0::23]/", "https://example.org/x",
		"HTTPS://10.0.0.1:8443/",
	};
	static const char *const bad[] = {
		"",
		"/v2/x",
		"ftp://127.0.0.1/",
		"http://",
		"http:///x",
		"http://10.0.0.1/",
		"http://169.254.169.254/",
		"http://169.254.170.20/",
		"http://169.254.170.2.evil.example/",
		"http://example.org/",
		"http://localhost.evil.example/",
		"http://127.1/",
		"http://2130706433/",
		"http://0177.0.0.1/",
		"http://[::ffff:10.0.0.1]/",
		"http://[fd00:ec2::24]/",
		"http://[::1/",
		"http://[::1]evil.example/",
		"http://127.0.0.1@evil.example/",
		"http://127.0.0.1:80@evil.example/",
		"http://u:p@127.0.0.1/",
		"http://127.0.0.1\\@evil.example/",
		"http://127.0.0.1#@evil.example/",
		"http://127.0.0.1/a b",
		"http://127.0.0.1/a\nb",
		"https://example.org@evil.example/",
		"https://",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (s3_credentials_url_fault(good[i]) != NULL)
			fprintf(stderr, "refused: %s\n", good[i]);
		CU_ASSERT_PTR_NULL(s3_credentials_url_fault(good[i]));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (s3_credentials_url_fault(bad[i]) == NULL)
			fprintf(stderr, "allowed: %s\n", bad[i]);
		CU_ASSERT_PTR_NOT_NULL(s3_credentials_url_fault(bad[i]));
	}
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"JSON", test_json},   {"JSON that is none", test_json_that_is_none},
		{"XML", test_xml},     {"XML that is none", test_xml_that_is_none},
		{"times", test_times}, {"addresses", test_addresses},
		{NULL, NULL},
	};

	return unit_main("s3_credentials_answer", tests);
}
