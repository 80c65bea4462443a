/* Problems (RFC 9457) and the small parts of HTTP. */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "fcgi/http.h"
#include "fcgi/problem.h"
#include "tests/unit/unit.h"

static const struct http_request request = {.method = "GET", .uri = "/", .id = "request-1"};

static const char *member(struct json_object *body, const char *name)
{
	struct json_object *value = NULL;

	return json_object_object_get_ex(body, name, &value) ? json_object_get_string(value) :
	                                                       "(absent)";
}

static struct json_object *parse(const struct http_response *response)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *body =
		json_tokener_parse_ex(tokener, response->body, (int)response->length);

	json_tokener_free(tokener);
	return body;
}

static void has_every_member(void)
{
	struct http_response response = {.status = 0};

	problem_set(&response, &request, PROBLEM_UNKNOWN_USER, "There is no \"%s\".", "user\n42");
	CU_ASSERT_EQUAL(response.status, 404);
	CU_ASSERT_STRING_EQUAL(response.content_type, "application/problem+json");
	struct json_object *body = parse(&response);
	CU_ASSERT_PTR_NOT_NULL_FATAL(body);
	CU_ASSERT_STRING_EQUAL(member(body, "type"), "urn:farewell:problem:unknown-user");
	CU_ASSERT_STRING_EQUAL(member(body, "title"), "No such user");
	CU_ASSERT_STRING_EQUAL(member(body, "status"), "404");
	CU_ASSERT_STRING_EQUAL(member(body, "detail"), "There is no \"user\n42\".");
	CU_ASSERT_STRING_EQUAL(member(body, "requestId"), "request-1");
	json_object_put(body);
	http_response_free(&response);
}

static void every_type_is_complete(void)
{
	char types[PROBLEM_COUNT][64];

	for (int i = 0; i < PROBLEM_COUNT; i++) {
		struct http_response response = {.status = 0};

		problem_set(&response, &request, (enum problem)i, "x");
		CU_ASSERT(response.status >= 400 && response.status < 600);
		CU_ASSERT_STRING_NOT_EQUAL(http_reason(response.status), "Unknown");
		struct json_object *body = parse(&response);
		CU_ASSERT_STRING_NOT_EQUAL(member(body, "title"), "(absent)");
		snprintf(types[i], sizeof(types[i]), "%s", member(body, "type"));
		for (int j = 0; j < i; j++)
			CU_ASSERT_STRING_NOT_EQUAL(types[i], types[j]);
		json_object_put(body);
		http_response_free(&response);
	}
}

static void replaces_an_earlier_answer(void)
{
	struct http_response response = {.status = 0};

	problem_set(&response, &request, PROBLEM_NOT_FOUND, "first");
	problem_set(&response, &request, PROBLEM_BAD_ID, "second");
	CU_ASSERT_EQUAL(response.status, 400);
	CU_ASSERT_PTR_NULL(strstr(response.body, "first"));
	http_response_free(&response);
}

static void cuts_a_long_detail(void)
{
	struct http_response response = {.status = 0};

	problem_set(&response, &request, PROBLEM_BAD_ID, "%05000d", 1);
	CU_ASSERT(response.length > 500 && response.length < 1000);
	http_response_free(&response);
}

static void headers_are_lines(void)
{
	struct http_response response = {.status = 200};

	http_header(&response, "Allow", "%s", "GET");
	http_header(&response, "X-Odd", "a%sb", "\r\nSet-Cookie: x");
	CU_ASSERT_STRING_EQUAL(response.headers, "Allow: GET\r\nX-Odd: a  Set-Cookie: xb\r\n");
}

static void headers_have_a_bound(void)
{
	struct http_response response = {.status = 200};

	for (int i = 0; i < 100; i++)
		http_header(&response, "X-Long", "%0300d", i);
	http_header(&response, "X-Longer", "%05000d", 1);
	CU_ASSERT(strlen(response.headers) < sizeof(response.headers));
	CU_ASSERT_STRING_EQUAL(response.headers + strlen(response.headers) - 2, "\r\n");
	CU_ASSERT_PTR_NULL(strstr(response.headers, "X-Longer"));
}

static void takes_only_good_request_ids(void)
{
	struct http_request taken = {.method = ""};
	char long_id[80];

	http_request_id(&taken, "a1-B2_c3.d4");
	CU_ASSERT_STRING_EQUAL(taken.id, "a1-B2_c3.d4");
	memset(long_id, 'a', sizeof(long_id));
	long_id[64] = '\0';
	http_request_id(&taken, long_id);
	CU_ASSERT_STRING_EQUAL(taken.id, long_id);
	long_id[64] = 'a';
	long_id[65] = '\0';
	const char *const bad[] = {NULL, "", "a b", "a\nb", "ä", "a;b", long_id};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		http_request_id(&taken, bad[i]);
		CU_ASSERT_EQUAL(strlen(taken.id), 36);
	}
}

static void encodes_segments(void)
{
	char encoded[64];

	http_encode_segment("Az09-._~", encoded, sizeof(encoded));
	CU_ASSERT_STRING_EQUAL(encoded, "Az09-._~");
	http_encode_segment("a b/%+김", encoded, sizeof(encoded));
	CU_ASSERT_STRING_EQUAL(encoded, "a%20b%2F%25%2B%EA%B9%80");
	http_encode_segment("          ", encoded, 9);
	CU_ASSERT_STRING_EQUAL(encoded, "%20%20");
	http_encode_segment("          ", encoded, 10);
	CU_ASSERT_STRING_EQUAL(encoded, "%20%20%20");
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"has every member", has_every_member},
		{"every type is complete", every_type_is_complete},
		{"replaces an earlier answer", replaces_an_earlier_answer},
		{"cuts a long detail", cuts_a_long_detail},
		{"headers are lines", headers_are_lines},
		{"headers have a bound", headers_have_a_bound},
		{"takes only good request ids", takes_only_good_request_ids},
		{"encodes segments", encodes_segments},
		{NULL, NULL},
	};

	return unit_main("problem", tests);
}
