/* worker.s3_allow: what an account's rows may name, byte for byte, and what they may not. */
#include <stdio.h>
#include <string.h>

#include "lib/config/conf_load.h"
#include "lib/s3/s3_allow.h"
#include "tests/unit/unit.h"

#define USERS "s3://media/users/{id}/"

static bool ask(const char *allowed, const char *user_id, const char *path, char *why, size_t size)
{
	struct s3_path parsed;

	CU_ASSERT_PTR_NULL(conf_allow_fault(allowed));
	why[0] = '\0';
	CU_ASSERT_FATAL(s3_path_read(path, &parsed, why, size));
	return s3_allow_path(allowed, user_id, &parsed, why, size);
}

static void allows(const char *allowed, const char *user_id, const char *path)
{
	char why[192];
	bool allowed_it = ask(allowed, user_id, path, why, sizeof(why));

	if (!allowed_it)
		fprintf(stderr, "refused: %s for %s: %s: %s\n", path, user_id, allowed, why);
	CU_ASSERT(allowed_it);
}

static void refuses(const char *allowed, const char *user_id, const char *path)
{
	char why[192];
	bool allowed_it = ask(allowed, user_id, path, why, sizeof(why));

	if (allowed_it)
		fprintf(stderr, "allowed: %s for %s: %s\n", path, user_id, allowed);
	CU_ASSERT_FALSE(allowed_it);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "worker.s3_allow"));
}

static void test_unset(void)
{
	allows("", "42", "s3://any-bucket/any/key");
	allows("", "a/b", "s3://any-bucket/../x");
	allows("", "", "s3://any-bucket/x");
}

static void test_prefix(void)
{
	allows(USERS, "42", "s3://media/users/42/a");
	allows(USERS, "42", "s3://media/users/42/a/b//c");
	allows(USERS, "42", "s3://media/users/42/"); /* the prefix itself: a folder's object */
	allows(USERS, "42", "s3://media/users/42//a");
	refuses(USERS, "42", "s3://media/users/42");
	refuses(USERS, "42", "s3://media/users/421/a");
	refuses(USERS, "421", "s3://media/users/42/a");
	refuses(USERS, "42", "s3://media/users/4/2/a");
	refuses(USERS, "42", "s3://media/users/43/a");
	refuses(USERS, "42", "s3://media/users/42x/a");
	refuses(USERS, "42", "s3://media/users//42/a");
	refuses(USERS, "42", "s3://media//users/42/a");
	refuses(USERS, "42", "s3://media/users");
	refuses(USERS, "42", "s3://media/Users/42/a");
	refuses(USERS, "42", "s3://media/x/users/42/a");
	refuses(USERS, "42", "s3://media2/users/42/a");
	refuses(USERS, "42", "s3://other/users/42/a");
	refuses(USERS, "42", "s3://medi/a/users/42/a");
}

static void test_end_of_segment(void)
{
	allows("s3://avatars/{id}", "42", "s3://avatars/42");
	allows("s3://avatars/{id}", "42", "s3://avatars/42/a");
	allows("s3://avatars/{id}", "42", "s3://avatars/42/");
	refuses("s3://avatars/{id}", "42", "s3://avatars/421");
	refuses("s3://avatars/{id}", "42", "s3://avatars/42.jpg");
	refuses("s3://avatars/{id}", "42", "s3://avatars/4");
	allows("s3://avatars/u{id}", "42", "s3://avatars/u42/a");
	refuses("s3://avatars/u{id}", "42", "s3://avatars/u421/a");
	refuses("s3://avatars/u{id}", "42", "s3://avatars/42/a");
	allows("s3://a-bucket/shared", "42", "s3://a-bucket/shared");
	allows("s3://a-bucket/shared", "42", "s3://a-bucket/shared/x");
	refuses("s3://a-bucket/shared", "42", "s3://a-bucket/shared-with-others/x");
}

static void test_bucket(void)
{
	allows("s3://media", "42", "s3://media/x");
	allows("s3://media/", "42", "s3://media/users/43/x");
	refuses("s3://media", "42", "s3://media-of-others/x");
	refuses("s3://media-of-others", "42", "s3://media/x");
	allows("s3://user-{id}", "42", "s3://user-42/x");
	allows("s3://user-{id}/files/", "42", "s3://user-42/files/x");
	refuses("s3://user-{id}/files/", "42", "s3://user-42/x");
	refuses("s3://user-{id}", "42", "s3://user-421/x");
	refuses("s3://user-{id}", "421", "s3://user-42/1/x");
	refuses("s3://user-{id}", "42", "s3://user-4/2");
	refuses("s3://user-{id}", "ABC", "s3://user-abc/x");
	allows("s3://{id}/{id}/", "abc", "s3://abc/abc/x");
	refuses("s3://{id}/{id}/", "abc", "s3://abc/abd/x");
}

static void test_several(void)
{
	static const char several[] = "  s3://media/users/{id}/   s3://avatars/{id} s3://user-{id} ";

	allows(several, "42", "s3://media/users/42/x");
	allows(several, "42", "s3://avatars/42");
	allows(several, "42", "s3://user-42/x");
	refuses(several, "42", "s3://avatars/43");
	refuses(several, "42", "s3://media/42");
	refuses(several, "42", "s3://others/42/x");
}

/* Nothing in an id has a meaning, and nothing in a key is decoded. */
static void test_bytes(void)
{
	allows(USERS, ".*", "s3://media/users/.*/x");
	refuses(USERS, ".*", "s3://media/users/42/x");
	refuses(USERS, "*", "s3://media/users/42/x");
	refuses(USERS, "?", "s3://media/users/4/x");
	refuses(USERS, "[0-9]", "s3://media/users/4/x");
	allows(USERS, "{id}", "s3://media/users/{id}/x");
	refuses(USERS, "{id}", "s3://media/users/42/x");
	refuses(USERS, "42", "s3://media/users/{id}/x");
	allows(USERS, "%s%n", "s3://media/users/%s%n/x");
	allows(USERS, "a b", "s3://media/users/a b/x");
	refuses(USERS, "a b", "s3://media/users/a%20b/x");
	refuses(USERS, "42", "s3://media/users%2F42/x");
	refuses(USERS, "42", "s3://media/users/%34%32/x");
	allows(USERS, "42", "s3://media/users/42/%2E%2E/43/x"); /* of 42, as it is written */
	allows(USERS, "a%2Fb", "s3://media/users/a%2Fb/x");
	refuses(USERS, "a%2Fb", "s3://media/users/a/b/x");
	allows(USERS, "...", "s3://media/users/.../x");
	allows(USERS, "\uD55C", "s3://media/users/\uD55C/x");
	refuses(USERS, "\uD55C", "s3://media/users/\u1112\u1161\u11AB/x");
	refuses(USERS, "Bob", "s3://media/users/bob/x");
}

static void test_ids(void)
{
	static const char *const odd[] = {"", ".", "..", "a/b", "/", "42/", "/42", "../43", "42/../43"};

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		refuses(USERS, odd[i], "s3://media/users/43/x");
		refuses(USERS, odd[i], "s3://media/users//x");
		refuses(USERS, odd[i], "s3://media/users/a/b/x");
		refuses(USERS " s3://shared-files", odd[i], "s3://shared-files/x");
		allows("s3://shared-files", odd[i], "s3://shared-files/x");
	}
}

static void test_dots(void)
{
	static const char *const keys[] = {"s3://media/users/42/../43/x", "s3://media/users/42/..",
	                                   "s3://media/users/42/./x",     "s3://media/./users/42/x",
	                                   "s3://media/../media/x",       "s3://media/users/42/a/."};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		refuses(USERS, "42", keys[i]);
		refuses("s3://media", "42", keys[i]);
	}
	allows(USERS, "42", "s3://media/users/42/.hidden");
	allows(USERS, "42", "s3://media/users/42/..x/x.");
	allows(USERS, "42", "s3://media/users/42/a..b/...");
}

/* The sentence has the bucket and the setting, and never the key. */
static void test_sentence(void)
{
	char why[192];

	CU_ASSERT_FALSE(ask(USERS, "42", "s3://others/a-secret-name", why, sizeof(why)));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "bucket others"));
	CU_ASSERT_PTR_NULL(strstr(why, "secret"));
	CU_ASSERT_FALSE(ask(USERS, "42", "s3://others/../a-secret-name", why, sizeof(why)));
	CU_ASSERT_PTR_NULL(strstr(why, "secret"));
}

static void test_malformed(void)
{
	static const char *const wrong[] = {
		"media",
		"s3:/media",
		"S3://media",
		"s3://",
		"s3:///",
		"s3:///users/{id}/",
		"s3://media users/{id}/",
		"s3://media,s3://avatars",
		"s3://Media",
		"s3://media_files",
		"s3://media:80/x",
		"s3://media/*",
		"s3://*",
		"s3://media/users/*/x",
		"s3://media/{ID}/",
		"s3://media/{Id}/",
		"s3://media/{user}/",
		"s3://media/{}/",
		"s3://media/{id",
		"s3://media/{id /",
		"s3://media/id}/",
		"s3://media/{{id}}/",
		"s3://media/{id}{id}/",
		"s3://media/{id}.jpg",
		"s3://media/{id}-x/",
		"s3://user-{id}-files",
		"s3://user-{ID}",
		"s3://media/../x",
		"s3://media/./x",
		"s3://media/users/..",
		"s3://media/users/{id}/ s3://",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (conf_allow_fault(wrong[i]) == NULL)
			fprintf(stderr, "taken: %s\n", wrong[i]);
		CU_ASSERT_PTR_NOT_NULL(conf_allow_fault(wrong[i]));
	}
	CU_ASSERT_PTR_NULL(conf_allow_fault("s3://a.b-c/x/.../..y"));
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"not set, everything is allowed", test_unset},
		{"a prefix with the id", test_prefix},
		{"what ends without a slash ends a segment", test_end_of_segment},
		{"buckets", test_bucket},
		{"several entries", test_several},
		{"byte for byte", test_bytes},
		{"ids that can't stand in a path", test_ids},
		{"keys with segments of dots", test_dots},
		{"the sentence", test_sentence},
		{"malformed entries", test_malformed},
		{NULL, NULL},
	};

	return unit_main("s3_allow", tests);
}
