/* s3://bucket/key: what is taken, byte for byte, and what is refused without being quoted. */
#include <string.h>

#include "lib/s3/s3.h"
#include "tests/unit/unit.h"

static void takes(const char *path, const char *bucket, const char *key)
{
	struct s3_path parsed;
	char why[160] = "";
	bool read = s3_path_read(path, &parsed, why, sizeof(why));

	if (!read)
		fprintf(stderr, "refused: %s: %s\n", path, why);
	CU_ASSERT_FATAL(read);
	CU_ASSERT_STRING_EQUAL(parsed.bucket, bucket);
	CU_ASSERT_STRING_EQUAL(parsed.key, key);
}

static void refuses(const char *path, const char *word)
{
	struct s3_path parsed;
	char why[160] = "";
	bool read = s3_path_read(path, &parsed, why, sizeof(why));

	if (read || strstr(why, word) == NULL)
		fprintf(stderr, "%s: %s\n", path, read ? "taken" : why);
	CU_ASSERT_FALSE(read);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, word));
}

static void test_plain(void)
{
	takes("s3://bucket/key", "bucket", "key");
	takes("s3://my-bucket.example.com/users/42/photo.jpg", "my-bucket.example.com",
	      "users/42/photo.jpg");
	takes("s3://abc/k", "abc", "k");
	takes("s3://012345678901234567890123456789012345678901234567890123456789012/k",
	      "012345678901234567890123456789012345678901234567890123456789012", "k");
}

static void test_key_byte_for_byte(void)
{
	takes("s3://bucket//", "bucket", "/");
	takes("s3://bucket//lead", "bucket", "/lead");
	takes("s3://bucket/a//b", "bucket", "a//b");
	takes("s3://bucket/a/../b", "bucket", "a/../b");
	takes("s3://bucket/../other/key", "bucket", "../other/key");
	takes("s3://bucket/...", "bucket", "...");
	takes("s3://bucket/.hidden", "bucket", ".hidden");
	takes("s3://bucket/./", "bucket", "./");
	takes("s3://bucket/100%25+a b?x=1#y", "bucket", "100%25+a b?x=1#y");
	takes("s3://bucket/ ", "bucket", " ");
	takes("s3://bucket/\uD55C\uAE00/\U0001F600", "bucket", "\uD55C\uAE00/\U0001F600");
	takes("s3://bucket/line\nfeed\ttab\x01", "bucket", "line\nfeed\ttab\x01");
	takes("s3://bucket/s3://bucket/key", "bucket", "s3://bucket/key");
}

static void test_scheme(void)
{
	refuses("", "s3://");
	refuses("bucket/key", "s3://");
	refuses("/etc/passwd", "s3://");
	refuses("s3:/bucket/key", "s3://");
	refuses("S3://bucket/key", "s3://");
	refuses(" s3://bucket/key", "s3://");
	refuses("https://bucket/key", "s3://");
	refuses("s3a://bucket/key", "s3://");
}

static void test_bucket(void)
{
	refuses("s3://", "bucket");
	refuses("s3:///key", "bucket");
	refuses("s3://ab/key", "bucket");
	refuses("s3://0123456789012345678901234567890123456789012345678901234567890123/k", "bucket");
	refuses("s3://Bucket/key", "bucket");
	refuses("s3://my_bucket/key", "bucket");
	refuses("s3://-bucket/key", "bucket");
	refuses("s3://bucket-/key", "bucket");
	refuses("s3://.bucket/key", "bucket");
	refuses("s3://bucket./key", "bucket");
	refuses("s3://buc..ket/key", "bucket");
	refuses("s3://buc ket/key", "bucket");
	refuses("s3://192.168.5.4/key", "bucket");
	refuses("s3://user@bucket/key", "bucket");
	refuses("s3://bucket:80/key", "bucket");
	refuses("s3://../key", "bucket");
	refuses("s3://buck\xC3\xA9t/key", "bucket");
}

static void test_key(void)
{
	refuses("s3://bucket", "no key");
	refuses("s3://bucket/", "empty");
	refuses("s3://bucket/.", "by hand");
	refuses("s3://bucket/..", "by hand");
	refuses("s3://bucket/\xff", "UTF-8");
	refuses("s3://bucket/cut\xED\x95", "UTF-8");
	refuses("s3://bucket/surrogate\xED\xA0\x80", "UTF-8");
	refuses("s3://bucket/overlong\xC0\xAF", "UTF-8");
}

static void test_length(void)
{
	char path[12 + S3_KEY_BYTES + 2] = "s3://bucket/";

	memset(path + 12, 'k', S3_KEY_BYTES);
	takes(path, "bucket", path + 12);
	path[12 + S3_KEY_BYTES] = 'k';
	refuses(path, "1024");
}

static void test_never_quotes(void)
{
	struct s3_path parsed;
	char why[160], small[8];

	CU_ASSERT_FALSE(s3_path_read("s3://SECRETNAME/key", &parsed, why, sizeof(why)));
	CU_ASSERT_PTR_NULL(strstr(why, "SECRETNAME"));
	CU_ASSERT_FALSE(s3_path_read("SECRETNAME", &parsed, small, sizeof(small)));
	CU_ASSERT_EQUAL(strlen(small), sizeof(small) - 1);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"plain paths", test_plain},
		{"a key is taken byte for byte", test_key_byte_for_byte},
		{"other schemes are refused", test_scheme},
		{"bad buckets are refused", test_bucket},
		{"bad keys are refused", test_key},
		{"1024 bytes are the limit", test_length},
		{"the reason never quotes the path", test_never_quotes},
		{NULL, NULL},
	};

	return unit_main("s3_path", tests);
}
