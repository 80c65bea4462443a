/* Reads `s3://bucket/key`, and says what may be a bucket and a key. */
#include "lib/s3/s3.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/text.h"

static bool is_lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Four groups of digits, whatever their values. */
static bool looks_like_address(const char *name, size_t length)
{
	int dots = 0;

	for (size_t i = 0; i < length; i++) {
		if (name[i] == '.')
			dots++;
		else if (!isdigit((unsigned char)name[i]))
			return false;
	}
	return dots == 3;
}

bool s3_bucket_valid(const char *name, size_t length)
{
	if (length < 3 || length > 63 || !is_lower_or_digit(name[0]) ||
	    !is_lower_or_digit(name[length - 1]))
		return false;
	for (size_t i = 0; i < length; i++) {
		if (!is_lower_or_digit(name[i]) && name[i] != '.' && name[i] != '-')
			return false;
		if (name[i] == '.' && name[i + 1] == '.')
			return false;
	}
	return !looks_like_address(name, length);
}

const char *s3_key_fault(const char *key)
{
	size_t length = strlen(key);

	if (length == 0)
		return "the key is empty";
	if (strcmp(key, ".") == 0 || strcmp(key, "..") == 0)
		return "a key of . or .. can't be told from a bucket on its way; delete the object by hand";
	if (length > S3_KEY_BYTES)
		return "the key is longer than S3's 1024 bytes";
	if (!text_utf8_valid(key, length))
		return "the key is not UTF-8";
	return NULL;
}

bool s3_path_read(const char *path, struct s3_path *parsed, char *why, size_t why_size)
{
	static const char scheme[] = "s3://";
	const char *bucket = path + sizeof(scheme) - 1, *slash, *fault = NULL;
	size_t length;

	if (strncmp(path, scheme, sizeof(scheme) - 1) != 0) {
		snprintf(why, why_size, "the path does not begin with s3://");
		return false;
	}
	slash = strchr(bucket, '/');
	length = slash == NULL ? strlen(bucket) : (size_t)(slash - bucket);
	if (!s3_bucket_valid(bucket, length))
		fault = "the bucket's name is not one that S3 allows";
	else if (slash == NULL)
		fault = "the path names a bucket and no key";
	else
		fault = s3_key_fault(slash + 1);
	if (fault != NULL) {
		snprintf(why, why_size, "%s", fault);
		return false;
	}
	memcpy(parsed->bucket, bucket, length);
	parsed->bucket[length] = '\0';
	parsed->key = slash + 1;
	return true;
}
