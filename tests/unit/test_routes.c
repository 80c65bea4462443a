/* From a raw request URI to an endpoint and a user id. */
#include <stdio.h>
#include <string.h>

#include "fcgi/routes.h"
#include "lib/config/conf.h"
#include "tests/unit/unit.h"

#define UUID "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
#define MAX 128

static const struct endpoint *found(const char *uri)
{
	return route_find(uri).endpoint;
}

/* The id that URI leads to in FORMAT, or NULL when it is refused. */
static const char *id_of(int format, const char *uri)
{
	static char id[ID_SIZE];
	char why[128];
	struct route route = route_find(uri);

	CU_ASSERT_PTR_NOT_NULL_FATAL(route.endpoint);
	CU_ASSERT_TRUE_FATAL(route.endpoint->of_user);
	return route_user_id(&route, format, MAX, id, why, sizeof(why)) ? id : NULL;
}

static const char *why_not(int format, const char *uri)
{
	static char why[128];
	char id[ID_SIZE];
	struct route route = route_find(uri);

	return route_user_id(&route, format, MAX, id, why, sizeof(why)) ? "" : why;
}

static void finds_every_endpoint(void)
{
	CU_ASSERT_PTR_EQUAL(found("/users/42"), &delete_endpoint);
	CU_ASSERT_PTR_EQUAL(found("/users/42/deletion"), &deletion_endpoint);
	CU_ASSERT_PTR_EQUAL(found("/healthz"), &healthz_endpoint);
	CU_ASSERT_PTR_EQUAL(found("/readyz"), &readyz_endpoint);
}

static void finds_nothing_elsewhere(void)
{
	static const char *const paths[] = {
		"",
		"/",
		"*",
		"//",
		"/users",
		"/user/42",
		"/users/42/",
		"/users/42/deletion/",
		"/users/42/deletions",
		"/users/42/x",
		"//users/42",
		"/users/../users/42",
		"/Users/42",
		"/users/42/Deletion",
		"/%75sers/42",
		"/healthz/",
		"/healthzz",
		"/readyz/x",
		"users/42",
		"/metrics",
		"?/users/42",
		"/?/users/42",
		"/users?/42",
		"/users/{id}/{id}",
		"x://host/users/42",
		"http://host",
		"http:///",
		"https://host/users",
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (found(paths[i]) != NULL)
			printf("found: %s\n", paths[i]);
		CU_ASSERT_PTR_NULL(found(paths[i]));
	}
}

static void takes_the_absolute_form(void)
{
	CU_ASSERT_PTR_EQUAL(found("http://farewell.example/users/42"), &delete_endpoint);
	CU_ASSERT_PTR_EQUAL(found("HTTPS://farewell.example:8443/users/42/deletion"),
	                    &deletion_endpoint);
	CU_ASSERT_STRING_EQUAL(id_of(ID_INTEGER, "http://farewell.example/users/42"), "42");
}

static void sees_a_query(void)
{
	CU_ASSERT_TRUE(route_find("/users/42?dry_run=1").has_query);
	CU_ASSERT_TRUE(route_find("/users/42/deletion?x").has_query);
	CU_ASSERT_FALSE(route_find("/users/42?").has_query);
	CU_ASSERT_FALSE(route_find("/users/42").has_query);
	CU_ASSERT_PTR_EQUAL(found("/healthz?now"), &healthz_endpoint);
	CU_ASSERT_STRING_EQUAL(id_of(ID_INTEGER, "/users/42?x"), "42");
	CU_ASSERT_STRING_EQUAL(id_of(ID_INTEGER, "/users/42?/deletion"), "42");
}

static void knows_the_methods(void)
{
	CU_ASSERT_TRUE(route_allows(&delete_endpoint, "DELETE"));
	CU_ASSERT_FALSE(route_allows(&delete_endpoint, "GET"));
	CU_ASSERT_TRUE(route_allows(&deletion_endpoint, "GET"));
	CU_ASSERT_TRUE(route_allows(&deletion_endpoint, "HEAD"));
	CU_ASSERT_FALSE(route_allows(&deletion_endpoint, "DELETE"));
	static const char *const odd[] = {"",          "delete", "DELET", "DELETEE", "GET,",
	                                  "GET, HEAD", ",",      " HEAD", "PROPFIND"};
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		CU_ASSERT_FALSE(route_allows(&delete_endpoint, odd[i]));
		CU_ASSERT_FALSE(route_allows(&deletion_endpoint, odd[i]));
	}
}

static void reads_integers(void)
{
	CU_ASSERT_STRING_EQUAL(id_of(ID_INTEGER, "/users/42/deletion"), "42");
	CU_ASSERT_STRING_EQUAL(id_of(ID_INTEGER, "/users/-1"), "-1");
	static const char *const bad[] = {"/users/",      "/users//deletion",
	                                  "/users/x",     "/users/4x",
	                                  "/users/007",   "/users/%34%32",
	                                  "/users/42%20", "/users/+1",
	                                  "/users/4.2",   "/users/..",
	                                  "/users/.",     "/users/42%2f",
	                                  "/users/42#x",  "/users/12345678901234567890"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (id_of(ID_INTEGER, bad[i]) != NULL)
			printf("taken: %s\n", bad[i]);
		CU_ASSERT_PTR_NULL(id_of(ID_INTEGER, bad[i]));
	}
}

static void reads_uuids(void)
{
	CU_ASSERT_STRING_EQUAL(id_of(ID_UUID, "/users/" UUID), UUID);
	CU_ASSERT_STRING_EQUAL(id_of(ID_UUID, "/users/F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6"), UUID);
	CU_ASSERT_PTR_NULL(id_of(ID_UUID, "/users/%66"
	                                  "81d4fae-7dec-11d0-a765-00a0c91e6bf6"));
	CU_ASSERT_PTR_NULL(id_of(ID_UUID, "/users/" UUID "0"));
	CU_ASSERT_PTR_NULL(id_of(ID_UUID, "/users/{" UUID "}"));
	CU_ASSERT_PTR_NULL(id_of(ID_UUID, "/users/42"));
}

static void decodes_text_once(void)
{
	CU_ASSERT_STRING_EQUAL(id_of(ID_TEXT, "/users/minji"), "minji");
	CU_ASSERT_STRING_EQUAL(id_of(ID_TEXT, "/users/kim%20minji"), "kim minji");
	CU_ASSERT_STRING_EQUAL(id_of(ID_TEXT, "/users/%EA%B9%80%eb%af%bc%ec%a7%80"), "김민지");
	CU_ASSERT_STRING_EQUAL(id_of(ID_TEXT, "/users/김민지/deletion"), "김민지");
	CU_ASSERT_STRING_EQUAL(id_of(ID_TEXT, "/users/a+b%40example.org"), "a+b@example.org");
	CU_ASSERT_STRING_EQUAL(id_of(ID_TEXT, "/users/50%2525"), "50%25");
	CU_ASSERT_STRING_EQUAL(id_of(ID_TEXT, "/users/why%3Fnot"), "why?not");
	CU_ASSERT_STRING_EQUAL(id_of(ID_TEXT, "/users/deletion"), "deletion");
	CU_ASSERT_STRING_EQUAL(id_of(ID_TEXT, "/users/..."), "...");
}

static void refuses_bad_text(void)
{
	static const char *const bad[] = {
		"/users/",       "/users/..",   "/users/.",      "/users/%2e%2E",    "/users/.%2e",
		"/users/a%2Fb",  "/users/a%00", "/users/%00",    "/users/a%0Ab",     "/users/%7f",
		"/users/%c2%85", "/users/%",    "/users/a%4",    "/users/a%zz",      "/users/%%34",
		"/users/%ff",    "/users/\xff", "/users/%c0%af", "/users/%ed%a0%80", "/users/%f4%90%80%80",
		"/users/a%c3",   "/users/a#b",  "/users/%u0041",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (id_of(ID_TEXT, bad[i]) != NULL)
			printf("taken: %s\n", bad[i]);
		CU_ASSERT_PTR_NULL(id_of(ID_TEXT, bad[i]));
	}
}

static void keeps_to_the_length(void)
{
	char uri[4096];

	snprintf(uri, sizeof(uri), "/users/%0*d", MAX, 1);
	CU_ASSERT_PTR_NOT_NULL(id_of(ID_TEXT, uri));
	snprintf(uri, sizeof(uri), "/users/%0*d", MAX + 1, 1);
	CU_ASSERT_PTR_NULL(id_of(ID_TEXT, uri));
	for (int length = 200; length < 4000; length += 7) {
		snprintf(uri, sizeof(uri), "/users/%0*d", length, 1);
		CU_ASSERT_STRING_EQUAL(why_not(ID_TEXT, uri), "The user id is too long.");
		CU_ASSERT_PTR_NULL(id_of(ID_INTEGER, uri));
	}
}

static void says_what_is_wrong(void)
{
	CU_ASSERT_STRING_EQUAL(why_not(ID_INTEGER, "/users/"), "The user id is empty.");
	CU_ASSERT_STRING_EQUAL(why_not(ID_INTEGER, "/users/%34"),
	                       "The user id must not be percent-encoded.");
	CU_ASSERT_STRING_EQUAL(why_not(ID_INTEGER, "/users/x"), "The user id is not an integer.");
	CU_ASSERT_STRING_EQUAL(why_not(ID_UUID, "/users/x"), "The user id is not a UUID.");
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"finds every endpoint", finds_every_endpoint},
		{"finds nothing elsewhere", finds_nothing_elsewhere},
		{"takes the absolute form", takes_the_absolute_form},
		{"sees a query", sees_a_query},
		{"knows the methods", knows_the_methods},
		{"reads integers", reads_integers},
		{"reads UUIDs", reads_uuids},
		{"decodes text once", decodes_text_once},
		{"refuses bad text", refuses_bad_text},
		{"keeps to the length", keeps_to_the_length},
		{"says what is wrong", says_what_is_wrong},
		{NULL, NULL},
	};

	return unit_main("routes", tests);
}
