/* The listings of a bucket, single fields of XML, prefixes, and the date of a lock. */
#include <stdio.h>
#include <string.h>

#include "lib/s3/s3_allow.h"
#include "lib/s3/s3_below.h"
#include "lib/s3/s3_list.h"
#include "lib/s3/s3_lock.h"
#include "lib/s3/s3_xml.h"
#include "tests/unit/unit.h"

#define VERSIONS(inside)                                                                           \
	"<?xml version=\"1.0\"?><ListVersionsResult xmlns=\"u\">" inside "</ListVersionsResult>"
#define WHOLE "<IsTruncated>false</IsTruncated>"
#define URL "<EncodingType>url</EncodingType>"
#define VERSION(key, id) "<Version><Key>" key "</Key><VersionId>" id "</VersionId></Version>"

/* What was listed: `key@id;`. */
static char seen[16384];
static int most;

static bool note(void *arg, const struct s3_list_entry *entry)
{
	size_t used = strlen(seen);

	(void)arg;
	snprintf(seen + used, sizeof(seen) - used, "%s@%s;", entry->key,
	         entry->id == NULL ? "-" : entry->id);
	return --most > 0;
}

static bool read_list(enum s3_list_kind kind, const char *body, struct s3_list *list)
{
	seen[0] = '\0';
	most = 1000;
	return s3_list_read(kind, body, strlen(body), note, NULL, list);
}

static bool versions(const char *body)
{
	struct s3_list list;

	return read_list(S3_LIST_VERSIONS, body, &list);
}

static void test_versions(void)
{
	struct s3_list list;

	CU_ASSERT(read_list(
		S3_LIST_VERSIONS,
		VERSIONS("<Name>b</Name><Prefix>p</Prefix><KeyMarker>no</KeyMarker>"
	             "<IsTruncated>true</IsTruncated><NextKeyMarker>n</NextKeyMarker>"
	             "<NextVersionIdMarker>9</NextVersionIdMarker>" VERSION(
					 "a", "1") "<DeleteMarker><VersionId>2</VersionId><Key>a</Key><Owner><ID>o</ID>"
	                           "</Owner></DeleteMarker>" VERSION(
								   "b", "null") "<Version><Key>c</Key></Version>"),
		&list));
	CU_ASSERT_STRING_EQUAL(seen, "a@1;a@2;b@null;c@-;");
	CU_ASSERT(list.truncated);
	CU_ASSERT_STRING_EQUAL(list.next.key, "n");
	CU_ASSERT_STRING_EQUAL(list.next.id, "9");
	CU_ASSERT(read_list(S3_LIST_VERSIONS, VERSIONS(WHOLE), &list));
	CU_ASSERT_FALSE(list.truncated);
}

static void test_uploads_and_objects(void)
{
	struct s3_list list;

	CU_ASSERT(read_list(S3_LIST_UPLOADS,
	                    "<ListMultipartUploadsResult>" WHOLE
	                    "<Upload><Key>a</Key><UploadId>u1</UploadId></Upload>"
	                    "</ListMultipartUploadsResult>",
	                    &list));
	CU_ASSERT_STRING_EQUAL(seen, "a@u1;");
	CU_ASSERT(read_list(S3_LIST_OBJECTS,
	                    "<ListBucketResult>" WHOLE "<Contents><Key>a/b</Key></Contents>"
	                    "<CommonPrefixes><Prefix>x/</Prefix></CommonPrefixes></ListBucketResult>",
	                    &list));
	CU_ASSERT_STRING_EQUAL(seen, "a/b@-;");
	CU_ASSERT_FALSE(read_list(S3_LIST_OBJECTS, VERSIONS(WHOLE), &list));
	CU_ASSERT_FALSE(read_list(S3_LIST_VERSIONS, "<Error><Code>SlowDown</Code></Error>", &list));
}

static void test_encoded_keys(void)
{
	CU_ASSERT(versions(VERSIONS(URL WHOLE VERSION("a%01+b%2Bc%25/%ED%95%9C", "1") VERSION(
		"bad%0", "2") VERSION("nul%00", "3") VERSION("%FF", "4"))));
	CU_ASSERT_STRING_EQUAL(seen, "a\x01 b+c%/\uD55C@1;");
	CU_ASSERT(versions(VERSIONS(WHOLE VERSION("a%01+b&amp;", "1"))));
	CU_ASSERT_STRING_EQUAL(seen, "a%01+b&@1;");
}

static void test_broken_listings(void)
{
	static const char whole[] = VERSIONS(WHOLE VERSION("a", "1"));
	struct s3_list list;

	CU_ASSERT(versions(whole));
	for (size_t length = 0; length + 1 < sizeof(whole) - 1; length++)
		CU_ASSERT_FALSE(s3_list_read(S3_LIST_VERSIONS, whole, length, note, NULL, &list));
	CU_ASSERT_FALSE(versions(VERSIONS(VERSION("does not say if it is all", "1"))));
	CU_ASSERT_FALSE(versions("<!DOCTYPE x [<!ENTITY e \"boom\">]>" VERSIONS(WHOLE)));
	CU_ASSERT_FALSE(versions(VERSIONS(WHOLE VERSION("a\x01", "1"))));
	CU_ASSERT_FALSE(versions("{\"json\": true}"));
}

/* What is nested deeper, or lies beside the entries, is none. */
static void test_only_the_right_place(void)
{
	CU_ASSERT(versions(VERSIONS(WHOLE "<Key>x</Key><Other><Version><Key>y</Key><VersionId>1"
	                                  "</VersionId></Version></Other>")));
	CU_ASSERT_STRING_EQUAL(seen, "");
	CU_ASSERT(versions(VERSIONS(
		WHOLE "<Version><Key>a</Key><VersionId>1</VersionId><X><Key>b</Key></X></Version>")));
	CU_ASSERT_STRING_EQUAL(seen, "a@1;");
}

static void test_long_keys(void)
{
	char body[8192], key[S3_XML_TEXT + 2];
	struct s3_list list;

	for (size_t length = S3_KEY_BYTES; length < sizeof(key); length += S3_KEY_BYTES + 1) {
		memset(key, 'k', length);
		key[length] = '\0';
		snprintf(body, sizeof(body), VERSIONS(WHOLE VERSION("%s", "1") VERSION("z", "2")), key);
		CU_ASSERT(read_list(S3_LIST_VERSIONS, body, &list));
		CU_ASSERT_EQUAL(strlen(seen), length == S3_KEY_BYTES ? S3_KEY_BYTES + 7 : 4);
	}
	memset(key, 'v', S3_KEY_BYTES + 1);
	key[S3_KEY_BYTES + 1] = '\0';
	snprintf(body, sizeof(body), VERSIONS(WHOLE VERSION("a", "%s")), key);
	CU_ASSERT(read_list(S3_LIST_VERSIONS, body, &list));
	CU_ASSERT_STRING_EQUAL(seen, "a@-;");
}

static void test_enough(void)
{
	struct s3_list list;
	const char *body = VERSIONS(VERSION("a", "1") VERSION("b", "2") VERSION("c", "3") WHOLE);

	seen[0] = '\0';
	most = 2;
	CU_ASSERT(s3_list_read(S3_LIST_VERSIONS, body, strlen(body), note, NULL, &list));
	CU_ASSERT_STRING_EQUAL(seen, "a@1;b@2;");
	CU_ASSERT(list.truncated);
}

static void test_field(void)
{
	const char *body = "<V xmlns=\"u\"><Status>Enabled</Status><X><Status>no</Status></X></V>";
	char value[8];

	CU_ASSERT(s3_xml_field(body, strlen(body), "V", "Status", value, sizeof(value)));
	CU_ASSERT_STRING_EQUAL(value, "Enabled");
	CU_ASSERT(s3_xml_field("<V/>", 4, "V", "Status", value, sizeof(value)));
	CU_ASSERT_STRING_EQUAL(value, "");
	CU_ASSERT_FALSE(s3_xml_field("<W/>", 4, "V", "Status", value, sizeof(value)));
	CU_ASSERT_FALSE(s3_xml_field("<V>", 3, "V", "Status", value, sizeof(value)));
	CU_ASSERT_FALSE(s3_xml_field("", 0, "V", "Status", value, sizeof(value)));
}

static void test_lock_date(void)
{
	CU_ASSERT_EQUAL(s3_lock_date("2026-12-01T00:00:00Z"), 1796083200);
	CU_ASSERT_EQUAL(s3_lock_date("2026-12-01T00:00:00.000Z"), 1796083200);
	CU_ASSERT_EQUAL(s3_lock_date("2026-12-01T00:00:00.123456789Z"), 1796083200);
	CU_ASSERT_EQUAL(s3_lock_date("2026-12-01T00:00:00"), -1);
	CU_ASSERT_EQUAL(s3_lock_date("2026-12-01T00:00:00+01:00"), -1);
	CU_ASSERT_EQUAL(s3_lock_date("2026-12-01"), -1);
	CU_ASSERT_EQUAL(s3_lock_date(""), -1);
}

static void test_prefixes(void)
{
	static const char *const good[] = {"s3://media/users/42/", "s3://media/a/", "s3://media/.../",
	                                   "s3://media/a b/..c/"};
	static const char *const bad[] = {"s3://media",
	                                  "s3://media/",
	                                  "s3://media//",
	                                  "s3://media/users/42",
	                                  "s3://media/users//",
	                                  "s3://media/users/../",
	                                  "s3://media/./",
	                                  "s3://media/a/../b/",
	                                  "s3://media//a/",
	                                  "media/users/42/",
	                                  "s3://MEDIA/a/",
	                                  "s3:///a/",
	                                  "",
	                                  "s3://media/a/b"};
	struct s3_path path;
	char why[192];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CU_ASSERT(s3_prefix_read(good[i], &path, why, sizeof(why)));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why[0] = '\0';
		CU_ASSERT_FALSE(s3_prefix_read(bad[i], &path, why, sizeof(why)));
		CU_ASSERT_NOT_EQUAL(why[0], '\0');
	}
}

static bool allowed(const char *allow, const char *user_id, const char *prefix)
{
	struct s3_path path;
	char why[192];

	CU_ASSERT_FATAL(s3_prefix_read(prefix, &path, why, sizeof(why)));
	return s3_allow_prefix(allow, user_id, &path, why, sizeof(why));
}

static void test_allowed_prefixes(void)
{
	CU_ASSERT(allowed("", "42", "s3://media/users/42/"));
	CU_ASSERT(allowed("", "42", "s3://media/42/"));
	CU_ASSERT(allowed("s3://media", "42", "s3://media/tenants/7/users/42/avatars/"));
	CU_ASSERT(allowed("s3://media/users/{id}/", "42", "s3://media/users/42/"));
	CU_ASSERT(allowed("s3://media/users/{id}/", "42", "s3://media/users/42/a/"));
	CU_ASSERT(allowed("s3://media/users/{id}", "42", "s3://media/users/42/"));
	CU_ASSERT(allowed("s3://home-{id}", "42", "s3://home-42/a/"));
	CU_ASSERT_FALSE(allowed("s3://media/users/{id}/", "42", "s3://media/users/421/"));
	CU_ASSERT_FALSE(allowed("s3://media/users/{id}/", "42", "s3://media/users/4/"));
	CU_ASSERT_FALSE(allowed("s3://media/users/{id}/", "42", "s3://media/users/"));
	CU_ASSERT_FALSE(allowed("s3://media/users/{id}/", "42", "s3://other/users/42/"));
	/* What rows may name beside the account's own part is not to be emptied. */
	CU_ASSERT(allowed("s3://shared s3://media/", "42", "s3://shared/42/"));
	CU_ASSERT_FALSE(allowed("s3://shared s3://media/{id}/", "42", "s3://shared/42/"));
	/* What does not name the account may be everybody's. */
	CU_ASSERT_FALSE(allowed("", "42", "s3://media/users/"));
	CU_ASSERT_FALSE(allowed("", "42", "s3://media/users/421/"));
	CU_ASSERT_FALSE(allowed("", "42", "s3://media/users/u42/"));
	CU_ASSERT_FALSE(allowed("s3://media/users/", "42", "s3://media/users/"));
	CU_ASSERT_FALSE(allowed("", "", "s3://media/users/"));
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"versions and delete markers", test_versions},
		{"uploads, objects, and what is no such listing", test_uploads_and_objects},
		{"encoded keys", test_encoded_keys},
		{"cut, malformed, refused", test_broken_listings},
		{"only the right elements count", test_only_the_right_place},
		{"keys and ids that are too long", test_long_keys},
		{"enough is enough", test_enough},
		{"one field", test_field},
		{"the date of a lock", test_lock_date},
		{"prefixes", test_prefixes},
		{"prefixes that s3_allow allows", test_allowed_prefixes},
		{NULL, NULL},
	};

	return unit_main("S3's listings", tests);
}
