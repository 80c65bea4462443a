/* The value that names buckets and prefixes: `s3://media/users/{id}/ s3://avatars/{id}`. */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "lib/config/conf_load.h"

static const char scheme[] = "s3://";
static const char id_mark[] = "{id}";
#define SCHEME_BYTES (sizeof(scheme) - 1)
#define ID_MARK_BYTES (sizeof(id_mark) - 1)

/* Braces stand for the id alone, which fills its segment up to the end. */
static const char *allow_braces_fault(const char *entry, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (entry[i] == '}')
			return "has a } without {id before it";
		if (entry[i] != '{')
			continue;
		if (length - i < ID_MARK_BYTES || strncmp(entry + i, id_mark, ID_MARK_BYTES) != 0)
			return "has something in braces that is not {id}";
		i += ID_MARK_BYTES;
		if (i < length && entry[i] != '/')
			return "has something between {id} and the next slash, so that one id's objects could "
				   "be another's";
	}
	return NULL;
}

/* A prefix with such a segment would allow nothing: see lib/s3/s3_allow.c. */
static bool allow_has_dots(const char *prefix, size_t length)
{
	for (size_t i = 0, segment; i <= length; i += segment + 1) {
		for (segment = 0; i + segment < length && prefix[i + segment] != '/'; segment++)
			;
		if ((segment == 1 || segment == 2) && strncmp(prefix + i, "..", segment) == 0)
			return true;
	}
	return false;
}

static const char *allow_entry_fault(const char *entry, size_t length)
{
	const char *bucket = entry + SCHEME_BYTES;
	const char *fault = NULL;

	if (length < SCHEME_BYTES || strncmp(entry, scheme, SCHEME_BYTES) != 0)
		return "has an entry that does not begin with s3://";
	if (memchr(entry, '*', length) != NULL)
		return "has a * in it; whatever is below an entry is allowed without one";
	if ((fault = allow_braces_fault(entry, length)) != NULL)
		return fault;
	size_t bytes = 0, rest = length - SCHEME_BYTES;
	while (bytes < rest && bucket[bytes] != '/') {
		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789.-{}", bucket[bytes]) == NULL)
			return "names a bucket that can't be one";
		bytes++;
	}
	if (bytes == 0)
		return "has an entry without a bucket";
	if (allow_has_dots(bucket + bytes, rest - bytes))
		return "has a segment of . or ..";
	return NULL;
}

const char *conf_allow_fault(const char *text)
{
	const char *fault = NULL;

	for (text += strspn(text, " "); *text != '\0' && fault == NULL; text += strspn(text, " ")) {
		size_t length = strcspn(text, " ");

		fault = allow_entry_fault(text, length);
		text += length;
	}
	return fault;
}
