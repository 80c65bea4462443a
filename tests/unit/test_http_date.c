/* What an HTTP answer's header says: its fields, Date and Retry-After. */
#include <string.h>

#include "lib/session/http.h"
#include "lib/session/http_date.h"
#include "tests/unit/unit.h"

#define HEAD "HTTP/1.1 503 Slow Down\r\n"
#define NOON "Sun, 06 Nov 1994 12:00:00 GMT"
#define NOON_S 784123200

static struct http_client_answer answer_of(const char *headers)
{
	return (struct http_client_answer){.headers = (char *)headers};
}

static const char *field(const char *headers, const char *name)
{
	static char value[16];
	struct http_client_answer answer = answer_of(headers);

	memset(value, '?', sizeof(value));
	return http_client_header(&answer, name, value, sizeof(value)) ? value : NULL;
}

static void test_field(void)
{
	CU_ASSERT_STRING_EQUAL(field(HEAD "Date: now\r\nRetry-After: 7\r\n\r\n", "retry-after"), "7");
	CU_ASSERT_STRING_EQUAL(field(HEAD "RETRY-AFTER:7\r\n\r\n", "Retry-After"), "7");
	CU_ASSERT_STRING_EQUAL(field(HEAD "a: \t b c \t\r\n\r\n", "a"), "b c");
	CU_ASSERT_STRING_EQUAL(field(HEAD "a:\r\nb: 1\r\n\r\n", "a"), "");
	CU_ASSERT_STRING_EQUAL(field(HEAD "a:   \r\n\r\n", "a"), "");
	CU_ASSERT_STRING_EQUAL(field(HEAD "a: 1\r\na: 2\r\n\r\n", "a"), "1");
	CU_ASSERT_STRING_EQUAL(field(HEAD "a: 1\nb: 2\n", "b"), "2");
	CU_ASSERT_STRING_EQUAL(field(HEAD "ab: 1\r\na: 2\r\n\r\n", "a"), "2");
	CU_ASSERT_STRING_EQUAL(field(HEAD "x: a: 1\r\na: 2\r\n\r\n", "a"), "2");
	CU_ASSERT_STRING_EQUAL(field(HEAD "a: 123456789012345\r\n\r\n", "a"), "123456789012345");
}

static void test_no_field(void)
{
	char value[8] = "before";
	struct http_client_answer none = {0}, is = answer_of(HEAD "a: 12345678\r\n\r\n");

	CU_ASSERT_FALSE(http_client_header(&none, "a", value, sizeof(value)));
	CU_ASSERT_STRING_EQUAL(value, "");
	CU_ASSERT_PTR_NULL(field(HEAD "b: a: 1\r\n\r\n", "a"));
	CU_ASSERT_PTR_NULL(field(HEAD "a : 1\r\n\r\n", "a"));
	CU_ASSERT_PTR_NULL(field(HEAD "\r\n", "a"));
	CU_ASSERT_PTR_NULL(field("", "a"));
	CU_ASSERT_FALSE(http_client_header(&is, "a", value, sizeof(value)));
	CU_ASSERT_STRING_EQUAL(value, "");
}

static void test_date(void)
{
	static const char *const bad[] = {
		"",
		"now",
		"Sun, 06 Nov 1994 12:00:00",
		"Sun, 06 Nov 1994 12:00:00 GMT+1",
		"Sun, 06 Nov 1994 12:00:00 UTC",
		"Sun, 06 Növ 1994 12:00:00 GMT",
		"Sun, 06 No 1994 12:00:00 GMT",
		"Sun, 06 nov 1994 12:00:00 GMT",
		"Sun, 00 Nov 1994 12:00:00 GMT",
		"Sun, 32 Nov 1994 12:00:00 GMT",
		"Sun, 06 Nov 1969 12:00:00 GMT",
		"Sun, 06 Nov 1994 24:00:00 GMT",
		"Sun, 06 Nov 1994 12:60:00 GMT",
		"Sunday, 06-Nov-94 08:49:37 GMT",
		"Sun Nov  6 08:49:37 1994",
	};
	time_t when = 0;

	CU_ASSERT_TRUE(http_date_read(NOON, &when));
	CU_ASSERT_EQUAL(when, NOON_S);
	CU_ASSERT_TRUE(http_date_read("Thu, 01 Jan 1970 00:00:01 GMT", &when));
	CU_ASSERT_EQUAL(when, 1);
	CU_ASSERT_TRUE(http_date_read("Thu, 29 Feb 2024 23:59:60 GMT", &when));
	CU_ASSERT_EQUAL(when, 1709251200);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_FALSE(http_date_read(bad[i], &when));
}

static int64_t retry_after(const char *headers)
{
	struct http_client_answer answer = answer_of(headers);

	return http_retry_after_ms(&answer, NOON_S);
}

static void test_retry_after(void)
{
	CU_ASSERT_EQUAL(retry_after(HEAD "\r\n"), 0);
	CU_ASSERT_EQUAL(retry_after(HEAD "Retry-After: 0\r\n"), 0);
	CU_ASSERT_EQUAL(retry_after(HEAD "Retry-After: 120\r\n"), 120000);
	CU_ASSERT_EQUAL(retry_after(HEAD "Retry-After: 86400\r\n"), HTTP_RETRY_AFTER_MAX_MS);
	CU_ASSERT_EQUAL(retry_after(HEAD "Retry-After: 99999999999999999999999999999999999999\r\n"),
	                HTTP_RETRY_AFTER_MAX_MS);
	CU_ASSERT_EQUAL(retry_after(HEAD "Retry-After: -5\r\n"), 0);
	CU_ASSERT_EQUAL(retry_after(HEAD "Retry-After: 1.5\r\n"), 0);
	CU_ASSERT_EQUAL(retry_after(HEAD "Retry-After: soon\r\n"), 0);
	CU_ASSERT_EQUAL(retry_after(HEAD "Retry-After:\r\n"), 0);
	CU_ASSERT_EQUAL(retry_after(HEAD "Retry-After: Sun, 06 Nov 1994 12:00:30 GMT\r\n"), 30000);
	CU_ASSERT_EQUAL(retry_after(HEAD "Retry-After: Sun, 06 Nov 1994 11:59:59 GMT\r\n"), 0);
	CU_ASSERT_EQUAL(retry_after(HEAD "Retry-After: Sun, 06 Nov 2094 12:00:00 GMT\r\n"),
	                HTTP_RETRY_AFTER_MAX_MS);
}

/* A time is meant by the clock of who said it. */
static void test_retry_after_by_its_clock(void)
{
	CU_ASSERT_EQUAL(retry_after(HEAD "Date: Sun, 06 Nov 1994 14:00:00 GMT\r\n"
	                                 "Retry-After: Sun, 06 Nov 1994 14:00:05 GMT\r\n"),
	                5000);
	CU_ASSERT_EQUAL(retry_after(HEAD "Date: nonsense\r\n"
	                                 "Retry-After: Sun, 06 Nov 1994 12:00:05 GMT\r\n"),
	                5000);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"a field of the header", test_field},
		{"no such field, or too long a one", test_no_field},
		{"dates", test_date},
		{"Retry-After", test_retry_after},
		{"Retry-After by the clock of the server", test_retry_after_by_its_clock},
		{NULL, NULL},
	};

	return unit_main("http_date", tests);
}
