/* Where an answer of the store sends a request, and where it may go. */
#include <string.h>

#include "lib/s3/s3_region.h"
#include "tests/unit/unit.h"

#define BUCKET "media"

/* What the answer comes to for the configured endpoint and region, in one line: `follow HOST
 * REGION`. */
static const char *read_at(const char *configured, const char *region, struct s3_hint hint)
{
	static const char *const words[] = {"none", "for now", "follow", "refused"};
	static char line[512];
	struct s3_endpoint endpoint;
	struct s3_place asked = {.host = ""}, place;
	enum s3_redirect redirect;

	s3_endpoint_split(configured, &endpoint);
	snprintf(asked.host, sizeof(asked.host), "%s", endpoint.host);
	snprintf(asked.region, sizeof(asked.region), "%s", region);
	for (size_t i = 0; i < 5; i++) {
		const char **texts[] = {&hint.code, &hint.region, &hint.endpoint, &hint.bucket_region,
		                        &hint.location};

		if (*texts[i] == NULL)
			*texts[i] = "";
	}
	redirect = s3_region_read(&endpoint, region, BUCKET, &asked, &hint, &place);
	snprintf(line, sizeof(line), "%s %s %s", words[redirect], place.host, place.region);
	return line;
}

#define READ(configured, region, ...) read_at(configured, region, (struct s3_hint){__VA_ARGS__})
#define AWS "https://s3.eu-central-1.amazonaws.com"

static void as_amazon_answers(void)
{
	CU_ASSERT_STRING_EQUAL(READ(AWS, "eu-central-1", .status = 301, .code = "PermanentRedirect",
	                            .endpoint = BUCKET ".s3.eu-west-1.amazonaws.com",
	                            .bucket_region = "eu-west-1"),
	                       "follow s3.eu-west-1.amazonaws.com eu-west-1");
	CU_ASSERT_STRING_EQUAL(READ(AWS, "eu-central-1", .status = 301, .code = "PermanentRedirect",
	                            .endpoint = "s3-eu-west-1.amazonaws.com"),
	                       "follow s3-eu-west-1.amazonaws.com eu-west-1");
	CU_ASSERT_STRING_EQUAL(READ(AWS, "eu-central-1", .status = 301, .bucket_region = "eu-west-1"),
	                       "follow s3.eu-west-1.amazonaws.com eu-west-1");
	CU_ASSERT_STRING_EQUAL(
		READ("https://s3.amazonaws.com", "us-east-1", .status = 301, .bucket_region = "eu-west-1"),
		"follow s3.eu-west-1.amazonaws.com eu-west-1");
	CU_ASSERT_STRING_EQUAL(READ("https://s3.dualstack.us-west-2.amazonaws.com", "us-west-2",
	                            .status = 301, .bucket_region = "eu-west-1"),
	                       "follow s3.dualstack.eu-west-1.amazonaws.com eu-west-1");
	CU_ASSERT_STRING_EQUAL(READ("https://s3.amazonaws.com", "us-east-1", .status = 307,
	                            .code = "TemporaryRedirect",
	                            .endpoint = BUCKET ".s3-us-west-2.amazonaws.com",
	                            .location = "https://" BUCKET ".s3-us-west-2.amazonaws.com/k"),
	                       "for now s3-us-west-2.amazonaws.com us-west-2");
	CU_ASSERT_STRING_EQUAL(READ("https://s3.amazonaws.com", "us-east-1", .status = 307,
	                            .location = "https://" BUCKET ".s3.us-west-2.amazonaws.com/k?x"),
	                       "for now s3.us-west-2.amazonaws.com us-west-2");
	CU_ASSERT_STRING_EQUAL(READ("https://s3.cn-north-1.amazonaws.com.cn", "cn-north-1",
	                            .status = 301, .bucket_region = "cn-northwest-1",
	                            .endpoint = "s3.cn-northwest-1.amazonaws.com.cn"),
	                       "follow s3.cn-northwest-1.amazonaws.com.cn cn-northwest-1");
}

/* The host is right, the signature was not. */
static void signed_for_the_wrong_region(void)
{
	CU_ASSERT_STRING_EQUAL(READ("http://minio:9000", "us-east-1", .status = 400,
	                            .code = "AuthorizationHeaderMalformed", .region = "eu-1"),
	                       "follow minio eu-1");
	CU_ASSERT_STRING_EQUAL(READ("http://127.0.0.1:9000", "us-east-1", .status = 400,
	                            .code = "AuthorizationHeaderMalformed", .region = "eu-1"),
	                       "follow 127.0.0.1 eu-1");
	CU_ASSERT_STRING_EQUAL(READ(AWS, "eu-central-1", .status = 400, .bucket_region = "eu-west-1"),
	                       "follow s3.eu-central-1.amazonaws.com eu-west-1");
	CU_ASSERT_STRING_EQUAL(READ(AWS, "eu-central-1", .status = 400,
	                            .code = "AuthorizationHeaderMalformed", .region = "eu-central-1"),
	                       "none s3.eu-central-1.amazonaws.com eu-central-1");
	CU_ASSERT_STRING_EQUAL(READ(AWS, "eu-central-1", .status = 400,
	                            .code = "AuthorizationHeaderMalformed", .region = "x y"),
	                       "none s3.eu-central-1.amazonaws.com eu-central-1");
	CU_ASSERT_STRING_EQUAL(READ(AWS, "eu-central-1", .status = 400, .code = "MalformedXML",
	                            .bucket_region = "eu-west-1"),
	                       "none s3.eu-central-1.amazonaws.com eu-central-1");
}

static void answers_that_name_no_place(void)
{
	static const long statuses[] = {200, 204, 301, 307, 400, 403, 404, 500, 503};

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		CU_ASSERT_STRING_EQUAL(READ(AWS, "eu-central-1", .status = statuses[i]),
		                       "none s3.eu-central-1.amazonaws.com eu-central-1");
	CU_ASSERT_STRING_EQUAL(READ(AWS, "eu-central-1", .status = 301,
	                            .endpoint = BUCKET ".s3.eu-central-1.amazonaws.com"),
	                       "none s3.eu-central-1.amazonaws.com eu-central-1");
	CU_ASSERT_STRING_EQUAL(READ(AWS, "eu-central-1", .status = 403, .code = "AccessDenied",
	                            .bucket_region = "eu-west-1"),
	                       "none s3.eu-central-1.amazonaws.com eu-central-1");
	CU_ASSERT_STRING_EQUAL(
		READ(AWS, "eu-central-1", .status = 200, .location = "https://s3.eu-west-1.amazonaws.com/"),
		"none s3.eu-central-1.amazonaws.com eu-central-1");
}

static bool refused(const char *configured, const char *endpoint)
{
	const char *line = READ(configured, "us-east-1", .status = 301, .endpoint = endpoint);

	if (strncmp(line, "refused ", 8) != 0)
		fprintf(stderr, "%s to %s: %s\n", configured, endpoint, line);
	return strncmp(line, "refused ", 8) == 0;
}

static bool followed(const char *configured, const char *endpoint)
{
	const char *line = READ(configured, "us-east-1", .status = 301, .endpoint = endpoint);

	if (strncmp(line, "follow ", 7) != 0)
		fprintf(stderr, "%s to %s: %s\n", configured, endpoint, line);
	return strncmp(line, "follow ", 7) == 0;
}

static void within_the_domain(void)
{
	CU_ASSERT(followed("https://rgw-us.example.com", "rgw-eu.example.com"));
	CU_ASSERT(followed("https://rgw-us.example.com:8443", "rgw-eu.example.com:8443"));
	CU_ASSERT(followed("https://rgw-us.example.com:8443", "rgw-eu.example.com"));
	CU_ASSERT(followed("https://RGW-us.example.com", "rgw-EU.Example.com"));
	CU_ASSERT(followed("https://store.example.co.uk", "other.example.co.uk"));
	CU_ASSERT(followed("https://example.co.uk", "a.example.co.uk"));

	CU_ASSERT(refused(AWS, "s3.eu-west-1.amazonaws.com.evil.example"));
	CU_ASSERT(refused(AWS, "evil.example"));
	CU_ASSERT(refused(AWS, "s3.eu-west-1.evilamazonaws.com"));
	CU_ASSERT(refused(AWS, "com"));
	CU_ASSERT(refused("https://store.example.com", "example.org"));
	CU_ASSERT(refused("https://example.co.uk", "evil.co.uk"));
	CU_ASSERT(refused("https://example.com", "evil.com"));
	CU_ASSERT(refused("https://rgw-us.example.com:8443", "rgw-eu.example.com:443"));
	CU_ASSERT(refused("https://rgw-us.example.com", "rgw-eu.example.com:8080"));
	CU_ASSERT(refused("http://minio:9000", "other:9000"));
	/* never to an address */
	CU_ASSERT(refused(AWS, "10.0.0.1"));
	CU_ASSERT(refused("https://10.0.0.2", "10.0.0.1"));
	CU_ASSERT(refused("https://10.0.0.2", "1.10.0.0.2"));
	CU_ASSERT(refused("https://[::1]:8000", "[::2]:8000"));
	CU_ASSERT(refused("https://10.0.0.2", "store.example.com"));
	CU_ASSERT(refused("https://store.example.com", "-x.example.com"));
	CU_ASSERT(refused("https://store.example.com", "a..example.com"));
	CU_ASSERT(refused("https://store.example.com", "user@evil.example.com"));
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"as Amazon answers", as_amazon_answers},
		{"signed for the wrong region", signed_for_the_wrong_region},
		{"answers that name no place", answers_that_name_no_place},
		{"within the domain", within_the_domain},
		{NULL, NULL},
	};

	return unit_main("s3_region", tests);
}
