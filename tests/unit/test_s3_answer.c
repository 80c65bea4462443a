/* The XML that goes to S3 and comes back, and what its errors mean. */
#include <stdlib.h>
#include <string.h>

#include "lib/s3/s3_answer.h"
#include "lib/s3/s3_body.h"
#include "lib/s3/s3_fault.h"
#include "lib/s3/s3_request.h"
#include "tests/unit/unit.h"

#define RESULT(inside)                                                                             \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DeleteResult "                                   \
	"xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" inside "</DeleteResult>"

/* What was mentioned: `key;`, `key@version!Code;`, `key+marker=its version;`. */
static char seen[8192];

static void note(void *arg, const struct s3_answer_entry *entry)
{
	const char *parts[][2] = {{"@", entry->version_id},
	                          {"!", entry->code},
	                          {"", entry->marker ? "+marker" : NULL},
	                          {"=", entry->marker_version_id}};
	size_t used = strlen(seen);

	(void)arg;
	used += (size_t)snprintf(seen + used, sizeof(seen) - used, "%s", entry->key);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (parts[i][1] != NULL)
			used += (size_t)snprintf(seen + used, sizeof(seen) - used, "%s%s", parts[i][0],
			                         parts[i][1]);
	snprintf(seen + used, sizeof(seen) - used, ";");
}

static struct s3_answer answer_of(const char *body)
{
	seen[0] = '\0';
	return s3_answer_read(body, strlen(body), note, NULL);
}

static void test_deleted(void)
{
	CU_ASSERT_EQUAL(answer_of(RESULT("<Deleted><Key>a</Key></Deleted>\n "
	                                 "<Deleted><Size>1</Size><Key>b/c d</Key></Deleted>"))
	                    .kind,
	                S3_ANSWER_DELETED);
	CU_ASSERT_STRING_EQUAL(seen, "a;b/c d;");
	CU_ASSERT_EQUAL(answer_of("<DeleteResult/>").kind, S3_ANSWER_DELETED);
	CU_ASSERT_STRING_EQUAL(seen, "");
	answer_of(
		"<x:DeleteResult xmlns:x=\"u\"><x:Deleted><x:Key>p</x:Key></x:Deleted></x:DeleteResult>");
	CU_ASSERT_STRING_EQUAL(seen, "p;");
}

static void test_versions(void)
{
	answer_of(RESULT("<Deleted><Key>a</Key><VersionId>1 &lt;</VersionId></Deleted>"
	                 "<Deleted><DeleteMarker>true</DeleteMarker><Key>b</Key>"
	                 "<DeleteMarkerVersionId>m</DeleteMarkerVersionId></Deleted>"
	                 "<Deleted><Key>c</Key><DeleteMarker>false</DeleteMarker></Deleted>"
	                 "<Deleted><Key>d</Key><VersionId>m</VersionId><DeleteMarker>true"
	                 "</DeleteMarker><DeleteMarkerVersionId>m</DeleteMarkerVersionId></Deleted>"
	                 "<Error><Key>e</Key><VersionId>v</VersionId><Code>AccessDenied</Code></Error>"
	                 "<Error><Key>f</Key><VersionId></VersionId><Code>SlowDown</Code></Error>"));
	CU_ASSERT_STRING_EQUAL(seen, "a@1 <;b+marker=m;c;d@m+marker=m;e@v!AccessDenied;f!SlowDown;");
}

/* Cut to what fits it might be another version's. */
static void test_long_version(void)
{
	char body[4096], id[S3_KEY_BYTES + 2] = {0};

	memset(id, 'v', S3_KEY_BYTES + 1);
	snprintf(body, sizeof(body),
	         RESULT("<Deleted><Key>a</Key><VersionId>%s</VersionId></Deleted><Deleted><Key>b</Key>"
	                "<DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>%s"
	                "</DeleteMarkerVersionId></Deleted>"),
	         id, id);
	answer_of(body);
	CU_ASSERT_STRING_EQUAL(seen, "b+marker;");
}

static void test_errors_inside(void)
{
	answer_of(
		RESULT("<Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>AccessDenied</"
	           "Code><Message>no b</Message></Error>"
	           "<Error><Code>InternalError</Code><Key>c</Key></Error><Error><Key>d</Key></Error>"));
	CU_ASSERT_STRING_EQUAL(seen, "a;b!AccessDenied;c!InternalError;d!unreadable;");
}

/* Nothing but a Key in a Deleted or Error directly under the root counts. */
static void test_only_the_right_place(void)
{
	answer_of(RESULT(
		"<Key>a</Key><Deleted><Inner><Key>b</Key></Inner></Deleted><Other><Key>c</Key></Other>"
		"<Wrap><Deleted><Key>d</Key></Deleted></Wrap><Deleted><VersionId>e</VersionId></"
		"Deleted><Deleted/>"));
	CU_ASSERT_STRING_EQUAL(seen, "");
	answer_of("<Other><Deleted><Key>a</Key></Deleted></Other>");
	CU_ASSERT_STRING_EQUAL(seen, "");
	answer_of(RESULT("<Deleted><Key>a</Key></Deleted><Deleted></Deleted>"));
	CU_ASSERT_STRING_EQUAL(seen, "a;");
}

static void test_keys_byte_for_byte(void)
{
	answer_of(RESULT(
		"<Deleted><Key>&lt;a&gt; "
		"&amp;&quot;&apos;+%20//&#xD55C;&#13;</Key></Deleted><Deleted><Key>\uAE00</Key></Deleted>"
		"<Deleted><Key> <![CDATA[<x>]]> </Key></Deleted>"));
	CU_ASSERT_STRING_EQUAL(seen, "<a> &\"'+%20//\uD55C\r;\uAE00; <x> ;");
}

static void test_long_key(void)
{
	char body[2048], key[S3_KEY_BYTES + 2] = {0};

	memset(key, 'k', S3_KEY_BYTES);
	snprintf(body, sizeof(body), RESULT("<Deleted><Key>%s</Key></Deleted>"), key);
	answer_of(body);
	CU_ASSERT_EQUAL(strlen(seen), S3_KEY_BYTES + 1);
	key[S3_KEY_BYTES] = 'k';
	snprintf(body, sizeof(body),
	         RESULT("<Deleted><Key>%s</Key></Deleted><Deleted><Key>next</Key></Deleted>"), key);
	CU_ASSERT_EQUAL(answer_of(body).kind, S3_ANSWER_DELETED);
	CU_ASSERT_STRING_EQUAL(seen, "next;");
}

static void test_error_document(void)
{
	struct s3_answer a = answer_of(
		"<?xml "
		"version=\"1.0\"?><Error><Code>AuthorizationHeaderMalformed</Code><Message>x</Message>"
		"<Region>eu-west-1</Region><Key>k</Key></Error>");

	CU_ASSERT_EQUAL(a.kind, S3_ANSWER_ERROR);
	CU_ASSERT_STRING_EQUAL(a.code, "AuthorizationHeaderMalformed");
	CU_ASSERT_STRING_EQUAL(a.region, "eu-west-1");
	CU_ASSERT_STRING_EQUAL(seen, "");
	CU_ASSERT_STRING_EQUAL(answer_of("<Error><Code>bad\ncode</Code></Error>").code, "unreadable");
	CU_ASSERT_STRING_EQUAL(
		answer_of("<Error><Code>0123456789012345678901234567890123456789012345678901234567890</"
	              "Code></Error>")
			.code,
		"unreadable");
	CU_ASSERT_STRING_EQUAL(answer_of("<Error><Detail><Code>Inner</Code></Detail></Error>").code,
	                       "");
	CU_ASSERT_EQUAL(answer_of("<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>").kind,
	                S3_ANSWER_BUCKETS);
	CU_ASSERT_EQUAL(answer_of("<html><body>hello</body></html>").kind, S3_ANSWER_OTHER);
}

static void test_broken(void)
{
	static const char whole[] = RESULT("<Deleted><Key>a</Key></Deleted>");

	CU_ASSERT_EQUAL(answer_of(whole).kind, S3_ANSWER_DELETED);
	for (size_t length = 0; length < sizeof(whole) - 1; length++)
		CU_ASSERT_EQUAL(s3_answer_read(whole, length, NULL, NULL).kind, S3_ANSWER_BROKEN);
	CU_ASSERT_EQUAL(answer_of("{\"Code\": 1}").kind, S3_ANSWER_BROKEN);
	CU_ASSERT_EQUAL(answer_of(RESULT("<Deleted><Key>a</Deleted>")).kind, S3_ANSWER_BROKEN);
	CU_ASSERT_EQUAL(answer_of(RESULT("<Deleted><Key>\x01</Key></Deleted>")).kind, S3_ANSWER_BROKEN);
	CU_ASSERT_EQUAL(answer_of(RESULT("<Deleted><Key>\xff</Key></Deleted>")).kind, S3_ANSWER_BROKEN);
	CU_ASSERT_EQUAL(answer_of(RESULT("") "<more/>").kind, S3_ANSWER_BROKEN);
	CU_ASSERT_EQUAL(s3_answer_read("<DeleteResult>\0</DeleteResult>", 30, NULL, NULL).kind,
	                S3_ANSWER_BROKEN);
}

static void test_refused(void)
{
	CU_ASSERT_EQUAL(answer_of("<!DOCTYPE DeleteResult><DeleteResult/>").kind, S3_ANSWER_BROKEN);
	CU_ASSERT_EQUAL(
		answer_of("<!DOCTYPE d [<!ENTITY a "
	              "\"x\">]><DeleteResult><Deleted><Key>&a;</Key></Deleted></DeleteResult>")
			.kind,
		S3_ANSWER_BROKEN);
	CU_ASSERT_STRING_EQUAL(seen, "");
	CU_ASSERT_EQUAL(answer_of("<DeleteResult>&undefined;</DeleteResult>").kind, S3_ANSWER_BROKEN);
	char deep[4096] = "";
	for (int i = 0; i < 17; i++)
		strcat(deep, "<a>");
	for (int i = 0; i < 17; i++)
		strcat(deep, "</a>");
	CU_ASSERT_EQUAL(answer_of(deep).kind, S3_ANSWER_BROKEN);
	deep[strlen(deep) - 4] = '\0';
	CU_ASSERT_EQUAL(answer_of(deep + 3).kind, S3_ANSWER_OTHER);
}

/* What is written must be read back the same: the body's own XML through the reader of answers. */
static void test_body(void)
{
	static const char *const keys[] = {"&amp;", "a", "a", "b<>\"'&c", "\uD55C\uAE00 %+//"};
	struct s3_object objects[5] = {0}, *list[5];

	for (size_t i = 0; i < 5; i++) {
		objects[i].key = keys[i];
		list[i] = &objects[i];
	}
	size_t length = 0, cost = s3_body_frame_bytes();
	char *body = s3_body_write(list, 5, &length);
	CU_ASSERT_PTR_NOT_NULL_FATAL(body);
	CU_ASSERT_EQUAL(length, strlen(body));
	CU_ASSERT_PTR_NOT_NULL(strstr(
		body,
		"<Quiet>false</Quiet><Object><Key>&amp;amp;</Key></Object><Object><Key>a</Key></Object>"
		"<Object><Key>b&lt;&gt;&quot;&apos;&amp;c</Key></Object><Object><Key>\uD55C\uAE00 "
		"%+//</Key></Object></Delete>"));
	for (size_t i = 0; i < 5; i++)
		cost += i == 2 ? 0 : s3_body_object_bytes(&objects[i]);
	CU_ASSERT_EQUAL(length, cost);
	free(body);
}

static void test_body_of_versions(void)
{
	struct s3_object objects[] = {{.key = "a"},
	                              {.key = "a", .version_id = "1&"},
	                              {.key = "a", .version_id = "1&"},
	                              {.key = "a", .version_id = "2"},
	                              {.key = "b", .version_id = "1"}};
	struct s3_object *list[5];
	size_t length = 0, cost = s3_body_frame_bytes();

	for (size_t i = 0; i < 5; i++) {
		list[i] = &objects[i];
		cost += i == 2 ? 0 : s3_body_object_bytes(&objects[i]);
		CU_ASSERT_TRUE(i == 0 || s3_body_compare(&objects[i - 1], &objects[i]) <= 0);
		CU_ASSERT_TRUE(i == 0 || s3_body_compare(&objects[i], &objects[i - 1]) >= 0);
	}
	char *body = s3_body_write(list, 5, &length);
	CU_ASSERT_PTR_NOT_NULL_FATAL(body);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(body, "<Object><Key>a</Key></Object>"
	                 "<Object><Key>a</Key><VersionId>1&amp;</VersionId></Object>"
	                 "<Object><Key>a</Key><VersionId>2</VersionId></Object>"
	                 "<Object><Key>b</Key><VersionId>1</VersionId></Object></Delete>"));
	CU_ASSERT_EQUAL(length, cost);
	free(body);
}

static bool can_name(const char *key, const char *version_id)
{
	return s3_body_can_name(&(struct s3_object){.key = key, .version_id = version_id});
}

static void test_can_name(void)
{
	static const char *const good[] = {"a",         "a b",        "/",      "//",
	                                   "a/../b",    "<&>\"'",     "\uD55C", "\uFFFD",
	                                   "\xC2\x85z", "\U0001F600", "a.",     "%00"};
	static const char *const bad[] = {"",     " a",   "a ",    " ",    "\n",      "a\tb",
	                                  "a\rb", "\x01", "a\x1f", "\x7f", "a\uFFFE", "\uFFFF"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CU_ASSERT_TRUE(can_name(good[i], NULL));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_FALSE(can_name(bad[i], NULL));
	CU_ASSERT_TRUE(can_name("a", "3/L4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY"));
	CU_ASSERT_FALSE(can_name("a", ""));
	CU_ASSERT_FALSE(can_name("a", "\x01"));
}

static void test_fault_of_object(void)
{
	static const struct {
		const char *code;
		enum s3_result result;
	} wanted[] = {
		{"NoSuchKey", S3_DELETED},
		{"NoSuchVersion", S3_DELETED},
		{"AccessDenied", S3_OPERATOR},
		{"NoSuchBucket", S3_OPERATOR},
		{"InvalidAccessKeyId", S3_OPERATOR},
		{"SignatureDoesNotMatch", S3_OPERATOR},
		{"InvalidBucketName", S3_OPERATOR},
		{"MethodNotAllowed", S3_OPERATOR},
		{"InternalError", S3_RETRY},
		{"SlowDown", S3_RETRY},
		{"unreadable", S3_RETRY},
	};
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		char why[160];

		CU_ASSERT_EQUAL(s3_fault_of_object(wanted[i].code, why, sizeof(why)), wanted[i].result);
		CU_ASSERT_PTR_NOT_NULL(strstr(why, wanted[i].code));
	}
}

static void test_fault_of_request(void)
{
	static const struct {
		long status;
		const char *code;
		bool batch;
		enum s3_result result;
		bool whole, no_batches;
		const char *word;
	} wanted[] = {
		{301, "PermanentRedirect", true, S3_OPERATOR, true, false, "s3_region"},
		{307, "", true, S3_OPERATOR, true, false, "s3_endpoint"},
		{400, "AuthorizationHeaderMalformed", true, S3_OPERATOR, true, false, "s3_region"},
		{400, "MalformedXML", true, S3_PENDING, false, false, "MalformedXML"},
		{400, "RequestTimeout", true, S3_RETRY, true, false, "RequestTimeout"},
		{400, "SomethingNew", false, S3_RETRY, false, false, "SomethingNew"},
		{403, "AccessDenied", true, S3_OPERATOR, true, false, "s3:DeleteObject"},
		{403, "AccessDenied", false, S3_OPERATOR, false, false, "s3:DeleteObject"},
		{403, "InvalidAccessKeyId", false, S3_OPERATOR, true, false, "s3_access_key"},
		{403, "SignatureDoesNotMatch", true, S3_OPERATOR, true, false, "s3_secret_key_file"},
		{403, "RequestTimeTooSkewed", true, S3_RETRY, true, false, "clock"},
		{403, "", true, S3_OPERATOR, true, false, "403"},
		{404, "NoSuchBucket", true, S3_OPERATOR, true, false, "NoSuchBucket"},
		{404, "NoSuchKey", false, S3_DELETED, false, false, ""},
		{404, "NoSuchKey", true, S3_PENDING, false, false, ""},
		{404, "", false, S3_RETRY, false, false, "s3_endpoint"},
		{405, "MethodNotAllowed", true, S3_PENDING, false, true, "405"},
		{405, "MethodNotAllowed", false, S3_OPERATOR, false, false, "405"},
		{501, "NotImplemented", true, S3_PENDING, false, true, "501"},
		{400, "NotImplemented", true, S3_PENDING, false, true, "400"},
		{429, "", true, S3_RETRY, true, false, "429"},
		{500, "InternalError", true, S3_RETRY, true, false, "InternalError"},
		{500, "InternalError", false, S3_RETRY, false, false, "InternalError"},
		{503, "SlowDown", false, S3_RETRY, true, false, "SlowDown"},
		{502, "", true, S3_RETRY, true, false, "502"},
		{200, "InternalError", true, S3_RETRY, true, false, "200 InternalError"},
		{200, "", true, S3_RETRY, true, false, "cut short"},
	};
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		struct s3_answer answer = {.kind = S3_ANSWER_ERROR};

		snprintf(answer.code, sizeof(answer.code), "%s", wanted[i].code);
		struct s3_fault fault = s3_fault_of_request(wanted[i].status, &answer, wanted[i].batch);
		if (fault.result != wanted[i].result || fault.whole != wanted[i].whole ||
		    strstr(fault.why, wanted[i].word) == NULL)
			fprintf(stderr, "row %zu: %d %d %s\n", i, (int)fault.result, fault.whole, fault.why);
		CU_ASSERT_EQUAL(fault.result, wanted[i].result);
		CU_ASSERT_EQUAL(fault.whole, wanted[i].whole);
		CU_ASSERT_EQUAL(fault.no_batches, wanted[i].no_batches);
		CU_ASSERT_PTR_NOT_NULL(strstr(fault.why, wanted[i].word));
	}
}

static void test_blame(void)
{
	static const struct {
		long status;
		const char *code;
		bool batch;
		enum s3_blame blame;
	} wanted[] = {
		{403, "InvalidAccessKeyId", true, S3_BLAME_STORE},
		{403, "SignatureDoesNotMatch", true, S3_BLAME_STORE},
		{403, "SignatureDoesNotMatch", false, S3_BLAME_DOUBT},
		{403, "RequestTimeTooSkewed", false, S3_BLAME_STORE},
		{403, "AccessDenied", true, S3_BLAME_DOUBT},
		{403, "AccessDenied", false, S3_BLAME_DOUBT},
		{403, "", true, S3_BLAME_DOUBT},
		{301, "PermanentRedirect", true, S3_BLAME_DOUBT},
		{503, "SlowDown", true, S3_BLAME_DOUBT},
		{503, "", true, S3_BLAME_DOUBT},
		{500, "InternalError", false, S3_BLAME_DOUBT},
		{200, "", true, S3_BLAME_DOUBT},
		{404, "NoSuchBucket", true, S3_BLAME_NONE},
		{404, "NoSuchKey", false, S3_BLAME_NONE},
		{405, "MethodNotAllowed", true, S3_BLAME_NONE},
		{405, "MethodNotAllowed", false, S3_BLAME_NONE},
		{400, "SomethingNew", false, S3_BLAME_NONE},
		{400, "MalformedXML", true, S3_BLAME_NONE},
	};
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		struct s3_answer answer = {.kind = S3_ANSWER_ERROR};

		snprintf(answer.code, sizeof(answer.code), "%s", wanted[i].code);
		struct s3_fault fault = s3_fault_of_request(wanted[i].status, &answer, wanted[i].batch);
		if (fault.blame != wanted[i].blame)
			fprintf(stderr, "row %zu: %d\n", i, (int)fault.blame);
		CU_ASSERT_EQUAL(fault.blame, wanted[i].blame);
	}
	CU_ASSERT_EQUAL(s3_blame_of_object("AccessDenied"), S3_BLAME_DOUBT);
	CU_ASSERT_EQUAL(s3_blame_of_object("InternalError"), S3_BLAME_DOUBT);
	CU_ASSERT_EQUAL(s3_blame_of_object("MethodNotAllowed"), S3_BLAME_NONE);
	CU_ASSERT_EQUAL(s3_blame_of_object("unreadable"), S3_BLAME_NONE);
}

static void test_region_is_told(void)
{
	struct s3_answer answer = {S3_ANSWER_ERROR, "AuthorizationHeaderMalformed", "ap-northeast-2"};

	CU_ASSERT_PTR_NOT_NULL(
		strstr(s3_fault_of_request(400, &answer, true).why, "the bucket is in ap-northeast-2"));
}

static void test_endpoint(void)
{
	static const struct {
		const char *text, *host, *port;
		bool tls;
	} good[] = {
		{"http://127.0.0.1:7480", "127.0.0.1", ":7480", false},
		{"https://s3.eu-west-1.amazonaws.com", "s3.eu-west-1.amazonaws.com", "", true},
		{"https://S3.Example.com:443/", "s3.example.com", "", true},
		{"http://store:80", "store", "", false},
		{"http://store:443", "store", ":443", false},
		{"http://[::1]:8080", "[::1]", ":8080", false},
		{"HTTPS://[::1]", "[::1]", "", true},
		{"https://store:00000008443", "store", ":8443", true},
	};
	struct s3_endpoint endpoint;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		s3_endpoint_split(good[i].text, &endpoint);
		CU_ASSERT_STRING_EQUAL(endpoint.host, good[i].host);
		CU_ASSERT_STRING_EQUAL(endpoint.port, good[i].port);
		CU_ASSERT_EQUAL(endpoint.tls, good[i].tls);
	}
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"what was deleted", test_deleted},
		{"versions and delete markers", test_versions},
		{"a version id that is too long is left out", test_long_version},
		{"errors inside a 200", test_errors_inside},
		{"only the right elements count", test_only_the_right_place},
		{"keys are read byte for byte", test_keys_byte_for_byte},
		{"a key that is too long is left out", test_long_key},
		{"error documents", test_error_document},
		{"cut and malformed answers", test_broken},
		{"DOCTYPE, entities and depth are refused", test_refused},
		{"the body of a multi-object delete", test_body},
		{"the body of a delete of versions", test_body_of_versions},
		{"keys that XML can't name", test_can_name},
		{"an object's error", test_fault_of_object},
		{"whose fault", test_blame},
		{"a request's error", test_fault_of_request},
		{"the right region is told", test_region_is_told},
		{"the endpoint", test_endpoint},
		{NULL, NULL},
	};

	return unit_main("s3_answer", tests);
}
