/* Who may: tokens, signed here with OpenSSL and not with the library under test. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "fcgi/auth.h"
#include "lib/config/conf.h"
#include "tests/unit/unit.h"

#define NOW 1700000000
#define HS256 "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define SOON "\"exp\":1700000060"
#define UUID "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"

static char key[] = "a key for the unit tests that is long enough for any of the three algorithms";
static char role[] = "role", admin[] = "admin", empty[] = "";

static const struct conf jwt_conf = {
	.common = {.id_format = ID_INTEGER},
	.gateway = {.auth = AUTH_JWT,
                .jwt_algorithm = JWT_HS256,
                .jwt_key = {.value = key},
                .jwt_admin_claim = role,
                .jwt_admin_value = admin},
};

static struct auth_caller caller;

/* Appends TEXT in base64url (RFC 7515) to TO. */
static void append(char *to, const void *data, size_t length)
{
	unsigned char coded[16384];
	int size = EVP_EncodeBlock(coded, data, (int)length);
	size_t used = strlen(to);

	for (int i = 0; i < size && coded[i] != '='; i++)
		to[used++] = (char)(coded[i] == '+' ? '-' : coded[i] == '/' ? '_' : coded[i]);
	to[used] = '\0';
}

/* "Bearer " and a token of HEADER and CLAIMS, signed by HASH (NULL: not at all) with SECRET. */
static const char *bearer(const char *header, const char *claims, const EVP_MD *hash,
                          const char *secret)
{
	static char text[32768];
	unsigned char signature[EVP_MAX_MD_SIZE];
	unsigned length = 0;

	strcpy(text, "Bearer ");
	append(text, header, strlen(header));
	strcat(text, ".");
	append(text, claims, strlen(claims));
	if (hash != NULL)
		HMAC(hash, secret, (int)strlen(secret), (unsigned char *)text + 7, strlen(text + 7),
		     signature, &length);
	strcat(text, ".");
	append(text, signature, length);
	return text;
}

static enum auth_result check(const struct conf *conf, const char *authorization)
{
	char why[128] = "";
	enum auth_result result = auth_check(conf, authorization, NOW, &caller, why, sizeof(why));

	CU_ASSERT((result == AUTH_GOOD) == (why[0] == '\0'));
	return result;
}

/* A token with these claims and nothing else wrong with it. */
static enum auth_result check_claims(const char *claims)
{
	return check(&jwt_conf, bearer(HS256, claims, EVP_sha256(), key));
}

static void takes_a_good_token(void)
{
	CU_ASSERT_EQUAL(check_claims("{\"sub\":\"42\"," SOON "}"), AUTH_GOOD);
	CU_ASSERT_STRING_EQUAL(caller.subject, "42");
	CU_ASSERT_TRUE(auth_may(&caller, "42"));
	CU_ASSERT_FALSE(auth_may(&caller, "43"));
	CU_ASSERT_FALSE(auth_may(&caller, "4"));
	CU_ASSERT_FALSE(auth_may(&caller, ""));
}

static void knows_absent_from_invalid(void)
{
	CU_ASSERT_EQUAL(check(&jwt_conf, NULL), AUTH_ABSENT);
	CU_ASSERT_EQUAL(check(&jwt_conf, ""), AUTH_ABSENT);
	CU_ASSERT_EQUAL(check(&jwt_conf, "Basic NDI6"), AUTH_ABSENT);
	CU_ASSERT_EQUAL(check(&jwt_conf, "Bearer"), AUTH_ABSENT);
	CU_ASSERT_EQUAL(check(&jwt_conf, "Bearerx.y.z"), AUTH_ABSENT);
	CU_ASSERT_EQUAL(check(&jwt_conf, "Bearer "), AUTH_INVALID);
	CU_ASSERT_EQUAL(check(&jwt_conf, "Bearer x"), AUTH_INVALID);
	CU_ASSERT_EQUAL(check(&jwt_conf, "Bearer a.b.c"), AUTH_INVALID);
	CU_ASSERT_EQUAL(check(&jwt_conf, "Bearer ..."), AUTH_INVALID);
}

/* What libjwt must not be given; valgrind sees it if it is. */
static void insists_on_three_segments(void)
{
	static const char *const bad[] = {
		"Bearer ..",
		"Bearer .eyJ9.x",
		"Bearer eyJhbGciOiJIUzI1NiJ9..x",
		"Bearer eyJhbGciOiJIUzI1NiJ9.e30.",
		"Bearer eyJhbGciOiJIUzI1NiJ9.e30",
		"Bearer eyJhbGciOiJIUzI1NiJ9.e30.x.y",
		"Bearer eyJhbGciOiJIUzI1NiJ9.e30=.x",
		"Bearer eyJhbGciOiJIUzI1NiJ9.e30.x y",
		"Bearer \xff.\xff.\xff",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(check(&jwt_conf, bad[i]), AUTH_INVALID);
	CU_ASSERT_EQUAL(check_claims(""), AUTH_INVALID);
}

static void takes_any_case_of_bearer(void)
{
	char text[1024];

	snprintf(text, sizeof(text), "bEARER   %s",
	         bearer(HS256, "{\"sub\":\"42\"," SOON "}", EVP_sha256(), key) + 7);
	CU_ASSERT_EQUAL(check(&jwt_conf, text), AUTH_GOOD);
}

static void insists_on_the_algorithm(void)
{
	static const char claims[] = "{\"sub\":\"42\"," SOON "}";

	CU_ASSERT_EQUAL(check(&jwt_conf, bearer("{\"alg\":\"HS384\"}", claims, EVP_sha384(), key)),
	                AUTH_INVALID);
	CU_ASSERT_EQUAL(check(&jwt_conf, bearer("{\"alg\":\"HS512\"}", claims, EVP_sha512(), key)),
	                AUTH_INVALID);
	CU_ASSERT_EQUAL(check(&jwt_conf, bearer("{\"alg\":\"none\"}", claims, NULL, NULL)),
	                AUTH_INVALID);
	CU_ASSERT_EQUAL(check(&jwt_conf, bearer("{\"alg\":\"none\"}", claims, EVP_sha256(), key)),
	                AUTH_INVALID);
	CU_ASSERT_EQUAL(check(&jwt_conf, bearer("{\"alg\":\"RS256\"}", claims, EVP_sha256(), key)),
	                AUTH_INVALID);
	CU_ASSERT_EQUAL(check(&jwt_conf, bearer("{}", claims, EVP_sha256(), key)), AUTH_INVALID);
	struct conf conf = jwt_conf;
	conf.gateway.jwt_algorithm = JWT_HS512;
	CU_ASSERT_EQUAL(check(&conf, bearer("{\"alg\":\"HS512\"}", claims, EVP_sha512(), key)),
	                AUTH_GOOD);
	CU_ASSERT_EQUAL(check(&conf, bearer(HS256, claims, EVP_sha256(), key)), AUTH_INVALID);
	conf.gateway.jwt_algorithm = JWT_HS384;
	CU_ASSERT_EQUAL(check(&conf, bearer("{\"alg\":\"HS384\"}", claims, EVP_sha384(), key)),
	                AUTH_GOOD);
}

static void insists_on_the_signature(void)
{
	static const char claims[] = "{\"sub\":\"42\"," SOON "}";
	char text[1024];

	CU_ASSERT_EQUAL(check(&jwt_conf, bearer(HS256, claims, EVP_sha256(),
	                                        "another key that is as long as it has to be")),
	                AUTH_INVALID);
	CU_ASSERT_EQUAL(check(&jwt_conf, bearer(HS256, claims, NULL, NULL)), AUTH_INVALID);
	snprintf(text, sizeof(text), "%s", bearer(HS256, claims, EVP_sha256(), key));
	for (size_t i = 7; i < strlen(text) - 1; i++) {
		char kept = text[i];
		text[i] = kept == 'x' ? 'y' : 'x';
		CU_ASSERT_NOT_EQUAL(check(&jwt_conf, text), AUTH_GOOD);
		text[i] = kept;
	}
	CU_ASSERT_EQUAL(check(&jwt_conf, text), AUTH_GOOD);
}

static void refuses_critical_extensions(void)
{
	CU_ASSERT_EQUAL(check(&jwt_conf, bearer("{\"alg\":\"HS256\",\"crit\":[\"exp\"]}",
	                                        "{\"sub\":\"42\"," SOON "}", EVP_sha256(), key)),
	                AUTH_INVALID);
}

static void keeps_the_time(void)
{
	CU_ASSERT_EQUAL(check_claims("{\"sub\":\"42\",\"exp\":1700000001}"), AUTH_GOOD);
	CU_ASSERT_EQUAL(check_claims("{\"sub\":\"42\",\"exp\":1700000000}"), AUTH_INVALID);
	CU_ASSERT_EQUAL(check_claims("{\"sub\":\"42\",\"exp\":1699999999}"), AUTH_INVALID);
	CU_ASSERT_EQUAL(check_claims("{\"sub\":\"42\",\"exp\":1700000000.5}"), AUTH_GOOD);
	CU_ASSERT_EQUAL(check_claims("{\"sub\":\"42\",\"exp\":1699999999.5}"), AUTH_INVALID);
	CU_ASSERT_EQUAL(check_claims("{\"sub\":\"42\"}"), AUTH_INVALID);
	CU_ASSERT_EQUAL(check_claims("{\"sub\":\"42\",\"exp\":null}"), AUTH_INVALID);
	CU_ASSERT_EQUAL(check_claims("{\"sub\":\"42\",\"exp\":\"1700000060\"}"), AUTH_INVALID);
	CU_ASSERT_EQUAL(check_claims("{\"sub\":\"42\",\"exp\":true}"), AUTH_INVALID);
	CU_ASSERT_EQUAL(check_claims("{\"sub\":\"42\",\"nbf\":1700000000," SOON "}"), AUTH_GOOD);
	CU_ASSERT_EQUAL(check_claims("{\"sub\":\"42\",\"nbf\":1700000001," SOON "}"), AUTH_INVALID);
	CU_ASSERT_EQUAL(check_claims("{\"sub\":\"42\",\"nbf\":\"0\"," SOON "}"), AUTH_INVALID);
	CU_ASSERT_EQUAL(check_claims("{\"sub\":\"42\",\"nbf\":null," SOON "}"), AUTH_INVALID);
}

static void reads_the_subject(void)
{
	CU_ASSERT_EQUAL(check_claims("{\"sub\":42," SOON "}"), AUTH_GOOD);
	CU_ASSERT_TRUE(auth_may(&caller, "42"));
	CU_ASSERT_EQUAL(check_claims("{\"sub\":42.0," SOON "}"), AUTH_GOOD);
	CU_ASSERT_FALSE(auth_may(&caller, "42"));
	CU_ASSERT_EQUAL(check_claims("{\"sub\":[\"42\"]," SOON "}"), AUTH_GOOD);
	CU_ASSERT_FALSE(auth_may(&caller, "42"));
	CU_ASSERT_EQUAL(check_claims("{\"sub\":\"\"," SOON "}"), AUTH_GOOD);
	CU_ASSERT_FALSE(auth_may(&caller, ""));
	CU_ASSERT_EQUAL(check_claims("{" SOON "}"), AUTH_GOOD);
	CU_ASSERT_FALSE(auth_may(&caller, ""));
	CU_ASSERT_EQUAL(check_claims("{\"sub\":\"042\"," SOON "}"), AUTH_GOOD);
	CU_ASSERT_FALSE(auth_may(&caller, "42"));
}

static void cuts_no_subject(void)
{
	char claims[1024], sub[ID_SIZE + 1];

	memset(sub, '4', sizeof(sub) - 1);
	sub[sizeof(sub) - 1] = '\0';
	snprintf(claims, sizeof(claims), "{\"sub\":\"%s\"," SOON "}", sub);
	CU_ASSERT_EQUAL(check_claims(claims), AUTH_GOOD);
	CU_ASSERT_STRING_EQUAL(caller.subject, "");
	sub[sizeof(sub) - 2] = '\0';
	CU_ASSERT_FALSE(auth_may(&caller, sub));
	snprintf(claims, sizeof(claims), "{\"sub\":\"%s\"," SOON "}", sub);
	CU_ASSERT_EQUAL(check_claims(claims), AUTH_GOOD);
	CU_ASSERT_TRUE(auth_may(&caller, sub));
}

static void compares_uuids_in_lower_case(void)
{
	struct conf conf = jwt_conf;

	conf.common.id_format = ID_UUID;
	CU_ASSERT_EQUAL(
		check(&conf, bearer(HS256, "{\"sub\":\"F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6\"," SOON "}",
	                        EVP_sha256(), key)),
		AUTH_GOOD);
	CU_ASSERT_TRUE(auth_may(&caller, UUID));
}

static void knows_administrators(void)
{
	CU_ASSERT_EQUAL(check_claims("{\"sub\":\"1\",\"role\":\"admin\"," SOON "}"), AUTH_GOOD);
	CU_ASSERT_TRUE(auth_may(&caller, "42"));
	CU_ASSERT_EQUAL(check_claims("{\"role\":[\"user\",\"admin\"]," SOON "}"), AUTH_GOOD);
	CU_ASSERT_TRUE(auth_may(&caller, "42"));
	static const char *const others[] = {"\"administrator\"",
	                                     "\"Admin\"",
	                                     "\"admin\\u0000\"",
	                                     "[]",
	                                     "[\"user\",[\"admin\"],{\"admin\":\"admin\"}]",
	                                     "{\"admin\":true}",
	                                     "true",
	                                     "null",
	                                     "\"\"",
	                                     "[null]"};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		char claims[256];
		snprintf(claims, sizeof(claims), "{\"sub\":\"1\",\"role\":%s," SOON "}", others[i]);
		(void)check_claims(claims);
		CU_ASSERT_FALSE(auth_may(&caller, "42"));
	}
}

static void has_no_administrators_without_a_name_for_them(void)
{
	struct conf conf = jwt_conf;

	conf.gateway.jwt_admin_claim = empty;
	CU_ASSERT_EQUAL(check(&conf, bearer(HS256, "{\"\":\"admin\",\"role\":\"admin\"," SOON "}",
	                                    EVP_sha256(), key)),
	                AUTH_GOOD);
	CU_ASSERT_FALSE(auth_may(&caller, "42"));
	conf = jwt_conf;
	conf.gateway.jwt_admin_value = empty;
	CU_ASSERT_EQUAL(check(&conf, bearer(HS256, "{\"role\":\"\"," SOON "}", EVP_sha256(), key)),
	                AUTH_GOOD);
	CU_ASSERT_FALSE(auth_may(&caller, "42"));
}

static void bounds_the_token(void)
{
	char claims[10000], name[9000];

	memset(name, 'n', sizeof(name));
	name[5000] = '\0';
	snprintf(claims, sizeof(claims), "{\"sub\":\"42\",\"name\":\"%s\"," SOON "}", name);
	CU_ASSERT_EQUAL(check_claims(claims), AUTH_GOOD);
	name[5000] = 'n';
	name[6500] = '\0';
	snprintf(claims, sizeof(claims), "{\"sub\":\"42\",\"name\":\"%s\"," SOON "}", name);
	CU_ASSERT_EQUAL(check_claims(claims), AUTH_INVALID);
}

static void claims_must_be_an_object(void)
{
	CU_ASSERT_EQUAL(check_claims("[1]"), AUTH_INVALID);
	CU_ASSERT_EQUAL(check_claims("\"sub\""), AUTH_INVALID);
	CU_ASSERT_EQUAL(check_claims("{"), AUTH_INVALID);
	CU_ASSERT_EQUAL(check_claims(""), AUTH_INVALID);
}

static void asks_nobody_with_auth_none(void)
{
	const struct conf conf = {.gateway = {.auth = AUTH_NONE}};

	CU_ASSERT_EQUAL(check(&conf, NULL), AUTH_GOOD);
	CU_ASSERT_TRUE(auth_may(&caller, "42"));
	CU_ASSERT_STRING_EQUAL(caller.subject, "");
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"takes a good token", takes_a_good_token},
		{"knows absent from invalid", knows_absent_from_invalid},
		{"insists on three segments", insists_on_three_segments},
		{"takes any case of Bearer", takes_any_case_of_bearer},
		{"insists on the algorithm", insists_on_the_algorithm},
		{"insists on the signature", insists_on_the_signature},
		{"refuses critical extensions", refuses_critical_extensions},
		{"keeps the time", keeps_the_time},
		{"reads the subject", reads_the_subject},
		{"cuts no subject", cuts_no_subject},
		{"compares UUIDs in lower case", compares_uuids_in_lower_case},
		{"knows administrators", knows_administrators},
		{"has no administrators without a name for them",
	     has_no_administrators_without_a_name_for_them},
		{"bounds the token", bounds_the_token},
		{"claims must be an object", claims_must_be_an_object},
		{"asks nobody with auth none", asks_nobody_with_auth_none},
		{NULL, NULL},
	};

	return unit_main("auth", tests);
}
