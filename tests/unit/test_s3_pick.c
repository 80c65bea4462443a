/* Which store a bucket lies in. */
#include <string.h>

#include "lib/s3/s3_pick.h"
#include "lib/s3/s3_stores.h"
#include "tests/unit/unit.h"

static const char *const lists[] = {"media avatars-*", "media-* *-old", " media-eu-* logs ", "*"};
#define LISTS 4

static void names_and_patterns(void)
{
	static const struct {
		const char *bucket;
		int store;
	} cases[] = {
		{"media", 0},          {"avatars-", 0},      {"avatars-1", 0}, {"avatars", 3},
		{"media-1", 1},        {"media-", 1},        {"media-eu-", 2}, {"media-eu-1", 2},
		{"media-eu", 1},       {"logs", 2},          {"log", 3},       {"logs-1", 3},
		{"x-old", 1},          {"-old", 1},          {"old", 3},       {"xmedia-1", 3},
		{"media-eu-1-old", 2}, {"avatars-1-old", 0}, {"MEDIA", 3},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CU_ASSERT_EQUAL(s3_pick(lists, LISTS, cases[i].bucket, NULL), cases[i].store);
	CU_ASSERT_EQUAL(s3_pick(lists, 3, "other", NULL), S3_PICK_NONE);
	CU_ASSERT_EQUAL(s3_pick(lists, 0, "media", NULL), S3_PICK_NONE);
}

/* A pattern whose two ends would have to share characters does not fit. */
static void ends_that_overlap(void)
{
	static const char *const one[] = {"abc*cde"};

	CU_ASSERT_EQUAL(s3_pick(one, 1, "abcde", NULL), S3_PICK_NONE);
	CU_ASSERT_EQUAL(s3_pick(one, 1, "abccde", NULL), 0);
	CU_ASSERT_EQUAL(s3_pick(one, 1, "abc-cde", NULL), 0);
	CU_ASSERT_EQUAL(s3_pick(one, 1, "abc-cdex", NULL), S3_PICK_NONE);
}

/* A bucket that two stores have as good a claim to is nobody's, whatever their order; unless a
 * third has a better one. */
static void equal_claims(void)
{
	static const char *const one[] = {"a-* b", "*-b", "a-b"}, *const two[] = {"x", "*-b", "a-*"};
	int both[2] = {-1, -1};

	CU_ASSERT_EQUAL(s3_pick(one, 2, "a-b", both), S3_PICK_AMBIGUOUS);
	CU_ASSERT(both[0] == 0 && both[1] == 1);
	CU_ASSERT_EQUAL(s3_pick(one, 3, "a-b", NULL), 2);
	CU_ASSERT_EQUAL(s3_pick(two, 3, "a-b", both), S3_PICK_AMBIGUOUS);
	CU_ASSERT(both[0] == 1 && both[1] == 2);
	CU_ASSERT_EQUAL(s3_pick(one, 2, "a-c", NULL), 0);
	/* One store's two patterns are no dispute. */
	CU_ASSERT_EQUAL(s3_pick((const char *const[]){"a-* *-b"}, 1, "a-b", NULL), 0);
}

/* The two stores "eu" and "us", and perhaps the default one. */
static struct conf *make_conf(bool has_default)
{
	/* cppcheck-suppress constVariable ; the settings point to them, whose strings are not const */
	static char empty[] = "", host[] = "http://h", names[][4] = {"eu", "us"};
	static char buckets[][8] = {"a-*", "*-b us"};
	static struct conf conf;

	memset(&conf, 0, sizeof(conf));
	conf.worker.s3_endpoint = has_default ? host : empty;
	conf.worker.s3_region = conf.worker.s3_access_key = conf.worker.s3_ca_file = empty;
	conf.worker.s3_batch_keys = 1000;
	conf.worker.s3_batch_bytes = 4096;
	conf.stores.count = 2;
	for (int i = 0; i < 2; i++)
		conf.stores.item[i] =
			(struct conf_store){.name = names[i], .buckets = buckets[i], .endpoint = host};
	return &conf;
}

/* The default store has what nobody claims; without one, nobody has it. */
static void the_default_store(void)
{
	for (int has_default = 0; has_default <= 1; has_default++) {
		char why[256] = "";
		struct s3_stores *stores =
			s3_stores_new(make_conf(has_default == 1), NULL, why, sizeof(why));

		CU_ASSERT_PTR_NOT_NULL_FATAL(stores);
		CU_ASSERT_EQUAL(s3_stores_count(stores), 2 + has_default);
		int us = s3_stores_of(stores, "us", why, sizeof(why));
		CU_ASSERT_EQUAL(us, 1 + has_default);
		CU_ASSERT_STRING_EQUAL(s3_stores_name(stores, us), "store \"us\"");
		CU_ASSERT_EQUAL(s3_stores_of(stores, "a-b", why, sizeof(why)), -1);
		CU_ASSERT_STRING_EQUAL(why,
		                       "patterns of store \"eu\" and store \"us\" that are equally long "
		                       "fit the bucket a-b; name it in the buckets of one of them");
		int other = s3_stores_of(stores, "other", why, sizeof(why));
		CU_ASSERT_EQUAL(other, has_default ? 0 : -1);
		if (has_default)
			CU_ASSERT_STRING_EQUAL(s3_stores_name(stores, 0), "the store");
		if (!has_default)
			CU_ASSERT_STRING_EQUAL(why,
			                       "no store has the bucket other: name it in the buckets of "
			                       "one, or set worker.s3_endpoint for all that are not named");
		s3_stores_free(stores);
	}
}

/* Advice names the settings of the store that it is about. */
static void whose_setting(void)
{
	static const char why[] = "fix worker.s3_region and s3_endpoint; s3:DeleteObject for "
							  "worker.s3_access_key, worker.s3_timeout, xs3_region, s3_allow";
	struct s3_stores *stores = s3_stores_new(make_conf(true), NULL, (char[64]){0}, 64);
	char out[256], small[16];

	CU_ASSERT_PTR_NOT_NULL_FATAL(stores);
	s3_stores_explain(stores, 0, why, out, sizeof(out));
	CU_ASSERT_STRING_EQUAL(out, why);
	s3_stores_explain(stores, 1, why, out, sizeof(out));
	CU_ASSERT_STRING_EQUAL(out, "fix region of store \"eu\" and endpoint of store \"eu\"; "
	                            "s3:DeleteObject for access_key of store \"eu\", "
	                            "worker.s3_timeout, xs3_region, s3_allow");
	s3_stores_explain(stores, 1, "s3_ca_file can't be read", out, sizeof(out));
	CU_ASSERT_STRING_EQUAL(out, "ca_file of store \"eu\" can't be read");
	s3_stores_explain(stores, 1, why, small, sizeof(small));
	CU_ASSERT_STRING_EQUAL(small, "fix region of s");
	s3_stores_free(stores);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"names and patterns", names_and_patterns},
		{"ends that overlap", ends_that_overlap},
		{"equal claims", equal_claims},
		{"the default store", the_default_store},
		{"whose setting", whose_setting},
		{NULL, NULL},
	};

	return unit_main("s3_pick", tests);
}
