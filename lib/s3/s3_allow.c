/* Says whether an account's row may name an object, as worker.s3_allow has it. */
#include "lib/s3/s3_allow.h"

#include <stdio.h>
#include <string.h>

#define SCHEME "s3://"
static const char id_mark[] = "{id}";
#define SCHEME_BYTES (sizeof(SCHEME) - 1)
#define ID_MARK_BYTES (sizeof(id_mark) - 1)

/* What follows the LENGTH bytes of PATTERN in TEXT, or NULL if TEXT does not begin with them. */
static const char *allow_follow(const char *pattern, size_t length, const char *user_id,
                                const char *text)
{
	size_t id_bytes = strlen(user_id);

	for (size_t i = 0; i < length;) {
		if (length - i >= ID_MARK_BYTES && strncmp(pattern + i, id_mark, ID_MARK_BYTES) == 0) {
			if (strncmp(text, user_id, id_bytes) != 0)
				return NULL;
			text += id_bytes;
			i += ID_MARK_BYTES;
		} else if (*text++ != pattern[i++]) {
			return NULL;
		}
	}
	return text;
}

/* Whether the entry, `s3://…` of LENGTH bytes, allows PATH. */
static bool allow_by_entry(const char *entry, size_t length, const char *user_id,
                           const struct s3_path *path)
{
	const char *bucket = entry + SCHEME_BYTES, *rest;
	size_t bytes = length - SCHEME_BYTES;
	const char *slash = memchr(bucket, '/', bytes);
	size_t bucket_bytes = slash == NULL ? bytes : (size_t)(slash - bucket);

	rest = allow_follow(bucket, bucket_bytes, user_id, path->bucket);
	if (rest == NULL || *rest != '\0')
		return false;
	if (bytes <= bucket_bytes + 1) /* the bucket alone, perhaps with its slash */
		return true;
	rest = allow_follow(slash + 1, bytes - bucket_bytes - 1, user_id, path->key);
	return rest != NULL && (bucket[bytes - 1] == '/' || *rest == '\0' || *rest == '/');
}

static bool allow_id_fits(const char *user_id)
{
	return user_id[0] != '\0' && strchr(user_id, '/') == NULL && strcmp(user_id, ".") != 0 &&
	       strcmp(user_id, "..") != 0;
}

static bool allow_has_dots(const char *key)
{
	for (;;) {
		size_t segment = strcspn(key, "/");

		if ((segment == 1 || segment == 2) && strncmp(key, "..", segment) == 0)
			return true;
		if (key[segment] == '\0')
			return false;
		key += segment + 1;
	}
}

/* BY_ID: only by an entry with {id}. */
static bool allow_by_any(const char *allowed, const char *user_id, const struct s3_path *path,
                         bool by_id)
{
	for (allowed += strspn(allowed, " "); *allowed != '\0'; allowed += strspn(allowed, " ")) {
		size_t length = strcspn(allowed, " ");

		if ((!by_id || memmem(allowed, length, id_mark, ID_MARK_BYTES) != NULL) &&
		    allow_by_entry(allowed, length, user_id, path))
			return true;
		allowed += length;
	}
	return false;
}

bool s3_allow_path(const char *allowed, const char *user_id, const struct s3_path *path, char *why,
                   size_t why_size)
{
	if (allowed[0] == '\0')
		return true;
	if (strstr(allowed, id_mark) != NULL && !allow_id_fits(user_id)) {
		snprintf(why, why_size,
		         "the account's id is empty, . or .., or has a slash in it, and can't stand for "
		         "{id} in worker.s3_allow");
		return false;
	}
	if (allow_has_dots(path->key)) {
		snprintf(why, why_size,
		         "bucket %s: a key with . or .. between slashes may be taken for another object, "
		         "and worker.s3_allow allows none",
		         path->bucket);
		return false;
	}
	if (allow_by_any(allowed, user_id, path, false))
		return true;
	snprintf(why, why_size,
	         "in bucket %s it names what worker.s3_allow does not let this account's rows name",
	         path->bucket);
	return false;
}

/* Whether the account's id stands between two slashes of KEY, or before the first. */
static bool allow_names_account(const char *key, const char *user_id)
{
	size_t id_bytes = strlen(user_id);

	for (;;) {
		size_t segment = strcspn(key, "/");

		if (key[segment] == '\0')
			return false;
		if (segment == id_bytes && strncmp(key, user_id, id_bytes) == 0)
			return true;
		key += segment + 1;
	}
}

bool s3_allow_prefix(const char *allowed, const char *user_id, const struct s3_path *path,
                     char *why, size_t why_size)
{
	if (!s3_allow_path(allowed, user_id, path, why, why_size))
		return false;
	if (strstr(allowed, id_mark) == NULL) {
		if (allow_names_account(path->key, user_id))
			return true;
		snprintf(why, why_size,
		         "in bucket %s it does not have the account's id between slashes, and may be "
		         "several accounts'; name the prefixes of an account with {id} in worker.s3_allow",
		         path->bucket);
		return false;
	}
	if (allow_by_any(allowed, user_id, path, true))
		return true;
	snprintf(why, why_size,
	         "in bucket %s it is not within what worker.s3_allow allows by the account's id",
	         path->bucket);
	return false;
}
