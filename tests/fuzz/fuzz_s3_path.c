/* Fuzzes paths, keys and worker.s3_allow: each is judged here a second time, in other words, and
 * what is accepted names just the object that the text names. The input is the path, the account's
 * id and an entry of s3_allow, with NUL between them; the last two may be missing. */
/* links: lib/s3/c*.c lib/s3/s*.c lib/session/http*.c lib/session/pump.c */
/* links: lib/config/conf.c lib/config/conf_[a-o]*.c lib/config/conf_[q-z]*.c */
/* links: lib/base/text.c lib/base/ids.c lib/base/clock.c lib/base/log*.c */
/* links: -lexpat -lcurl -lcrypto -ljson-c */
#include <stdbool.h>
#include <string.h>

#include "lib/base/ids.h"
#include "lib/config/conf_load.h"
#include "lib/s3/s3.h"
#include "lib/s3/s3_allow.h"
#include "lib/s3/s3_answer.h"
#include "lib/s3/s3_below.h"
#include "lib/s3/s3_body.h"
#include "tests/fuzz/fuzz.h"

#define WHY_SIZE 200

static char *text_take(const uint8_t **at, const uint8_t *end, const char *otherwise)
{
	const uint8_t *stop = *at >= end ? NULL : memchr(*at, '\0', (size_t)(end - *at));
	char *text;

	if (*at >= end)
		return strdup(otherwise);
	stop = stop == NULL ? end : stop;
	text = strndup((const char *)*at, (size_t)(stop - *at));
	*at = stop + 1;
	return text;
}

/* TEXT with {id} replaced by ID. */
static char *text_expand(const char *text, const char *id)
{
	char *expanded = NULL;
	size_t length;
	FILE *out = open_memstream(&expanded, &length);
	const char *mark;

	FUZZ_CHECK(out != NULL);
	for (; (mark = strstr(text, "{id}")) != NULL; text = mark + strlen("{id}"))
		fprintf(out, "%.*s%s", (int)(mark - text), text, id);
	fprintf(out, "%s", text);
	fclose(out);
	return expanded;
}

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* A sentence, of which nothing can have come from the path: not one byte is anything but ASCII. */
static void check_why(const char *why)
{
	FUZZ_CHECK(why[0] != '\0' && strnlen(why, WHY_SIZE) < WHY_SIZE);
	for (; *why != '\0'; why++)
		FUZZ_CHECK(*why >= ' ' && *why <= '~');
}

/* ---- the rules, said a second time ---- */

/* Valid UTF-8 by the table of RFC 3629, section 4. */
static bool is_utf8(const unsigned char *at)
{
	while (*at != '\0') {
		unsigned char first = *at++, low = 0x80, high = 0xBF;
		int more = first < 0x80 ? 0 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;

		if ((first >= 0x80 && first < 0xC2) || first > 0xF4)
			return false;
		low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : low;
		high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : high;
		for (; more > 0; more--, low = 0x80, high = 0xBF)
			if (*at < low || *at++ > high)
				return false;
	}
	return true;
}

static bool is_key(const char *key)
{
	return key[0] != '\0' && strcmp(key, ".") != 0 && strcmp(key, "..") != 0 &&
	       strlen(key) <= 1024 && is_utf8((const unsigned char *)key);
}

static bool is_bucket(const char *name)
{
	size_t length = strlen(name), group = 0;
	const char *rest = name;

	if (length < 3 || length > 63 ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") < length)
		return false;
	if (strchr(".-", name[0]) != NULL || strchr(".-", name[length - 1]) != NULL ||
	    strstr(name, "..") != NULL)
		return false;
	/* Not four groups of digits, whatever their values. */
	for (; strspn(rest, "0123456789") > 0; rest += *rest == '.', group++)
		rest += strspn(rest, "0123456789");
	return group != 4 || *rest != '\0';
}

static bool has_dot_segment(const char *key)
{
	char *framed = NULL;
	bool found;

	FUZZ_CHECK(asprintf(&framed, "/%s/", key) >= 0);
	found = strstr(framed, "/./") != NULL || strstr(framed, "/../") != NULL;
	free(framed);
	return found;
}

/* An entry allows what it names with the id in its place, and what lies below that. */
static bool is_allowed(const char *entry, const char *id, const char *path)
{
	char *named = text_expand(entry, id), *below = NULL;
	bool allowed;

	FUZZ_CHECK(asprintf(&below, "%s%s", named, named[strlen(named) - 1] == '/' ? "" : "/") >= 0);
	allowed = strcmp(path, named) == 0 || starts_with(path, below);
	free(named);
	free(below);
	return allowed;
}

/* ---- the checks ---- */

static bool check_path(const char *text, struct s3_path *path)
{
	char why[WHY_SIZE] = "", *again = NULL;
	bool taken = s3_path_read(text, path, why, sizeof(why));
	const char *bucket = text + strlen("s3://"), *slash;

	if (!taken) {
		check_why(why);
		return false;
	}
	FUZZ_CHECK(is_bucket(path->bucket) && is_key(path->key));
	FUZZ_CHECK(s3_key_fault(path->key) == NULL);
	FUZZ_CHECK(s3_bucket_valid(path->bucket, strlen(path->bucket)));
	FUZZ_CHECK(asprintf(&again, "s3://%s/%s", path->bucket, path->key) >= 0);
	FUZZ_CHECK(strcmp(again, text) == 0);
	slash = strchr(bucket, '/');
	FUZZ_CHECK(slash != NULL && path->key == slash + 1);
	free(again);
	return true;
}

static void note_key(void *arg, const struct s3_answer_entry *entry)
{
	const char **wanted = arg;

	FUZZ_CHECK(entry->code == NULL && *wanted != NULL && strcmp(entry->key, *wanted) == 0);
	*wanted = NULL;
}

/* What a batch would say of the key is this key to a reader of XML. */
static void check_body(const char *key)
{
	struct s3_object object = {.key = key}, *batch[] = {&object};
	size_t length = 0;
	char *body = s3_body_write(batch, 1, &length), *start, *end, *answer = NULL;
	const char *wanted = key;

	FUZZ_CHECK(body != NULL && length == s3_body_frame_bytes() + s3_body_object_bytes(&object));
	start = strstr(body, "<Key>");
	end = strstr(body, "</Object>");
	FUZZ_CHECK(start != NULL && end != NULL);
	FUZZ_CHECK(asprintf(&answer, "<DeleteResult><Deleted>%.*s</Deleted></DeleteResult>",
	                    (int)(end - start), start) >= 0);
	FUZZ_CHECK(s3_answer_read(answer, strlen(answer), note_key, &wanted).kind == S3_ANSWER_DELETED);
	FUZZ_CHECK(wanted == NULL);
	free(answer);
	free(body);
}

/* Whether ID may name PATH by ENTRY, which has been checked. */
static bool check_allow(const char *entry, const char *id, const char *text,
                        const struct s3_path *path)
{
	char why[WHY_SIZE] = "", *two = NULL;
	bool allowed = s3_allow_path(entry, id, path, why, sizeof(why));
	bool fits = strstr(entry, "{id}") == NULL || (id[0] != '\0' && strchr(id, '/') == NULL &&
	                                              strcmp(id, ".") != 0 && strcmp(id, "..") != 0);

	FUZZ_CHECK(allowed == (fits && !has_dot_segment(path->key) && is_allowed(entry, id, text)));
	if (!allowed)
		check_why(why);
	/* With another entry beside it, it allows no less, and nothing that neither allows. */
	FUZZ_CHECK(asprintf(&two, "s3://other-bucket/{id}/ %s ", entry) >= 0);
	if (fits && strstr(entry, "{id}") != NULL)
		FUZZ_CHECK(s3_allow_path(two, id, path, why, sizeof(why)) ==
		           (allowed || (!has_dot_segment(path->key) &&
		                        is_allowed("s3://other-bucket/{id}/", id, text))));
	free(two);
	return allowed;
}

/* Of several accounts at most one may name an object by an entry with {id}. */
static void check_neighbours(const char *entry, const char *id, const char *text,
                             const struct s3_path *path)
{
	char *longer = NULL, *shorter = strdup(id);
	int allowed = 0;

	FUZZ_CHECK(asprintf(&longer, "%s1", id) >= 0 && shorter != NULL);
	if (shorter[0] != '\0')
		shorter[strlen(shorter) - 1] = '\0';
	const char *const ids[] = {id, longer, shorter, "42", "421", "4", "media", "users"};
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		bool again = false;

		for (size_t j = 0; j < i; j++)
			again = again || strcmp(ids[i], ids[j]) == 0;
		if (!again)
			allowed += check_allow(entry, ids[i], text, path);
	}
	if (strstr(entry, "{id}") != NULL)
		FUZZ_CHECK(allowed <= 1);
	free(longer);
	free(shorter);
}

/* A prefix is a whole folder, and what is allowed of it is allowed of whatever lies in it. */
static void check_prefix(const char *text, const char *id, const char *entry)
{
	struct s3_path prefix, below;
	char why[WHY_SIZE] = "", *key = NULL;
	size_t length;

	if (!s3_prefix_read(text, &prefix, why, sizeof(why))) {
		check_why(why);
		return;
	}
	length = strlen(prefix.key);
	FUZZ_CHECK(is_bucket(prefix.bucket) && is_key(prefix.key));
	FUZZ_CHECK(length > 1 && prefix.key[0] != '/' && prefix.key[length - 1] == '/');
	FUZZ_CHECK(strstr(prefix.key, "//") == NULL && !has_dot_segment(prefix.key));
	if (entry[0] == '\0' || strchr(entry, ' ') != NULL || conf_allow_fault(entry) != NULL ||
	    !s3_allow_prefix(entry, id, &prefix, why, sizeof(why)))
		return;
	FUZZ_CHECK(is_allowed(entry, id, text));
	below = prefix;
	FUZZ_CHECK(asprintf(&key, "%sx/y", prefix.key) >= 0);
	below.key = key;
	FUZZ_CHECK(s3_allow_path(entry, id, &below, why, sizeof(why)));
	free(key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *at = data, *end = data + size;
	char *text = text_take(&at, end, ""), *id = text_take(&at, end, "42");
	char *entry = text_take(&at, end, "s3://media/users/{id}");
	struct s3_path path;

	FUZZ_CHECK(text != NULL && id != NULL && entry != NULL);
	FUZZ_CHECK((s3_key_fault(text) == NULL) == is_key(text));
	FUZZ_CHECK(strchr(text, '/') != NULL || s3_bucket_valid(text, strlen(text)) == is_bucket(text));
	check_prefix(text, id, entry);
	if (check_path(text, &path)) {
		if (s3_body_can_name(&(struct s3_object){.key = path.key}))
			check_body(path.key);
		if (entry[0] != '\0' && strchr(entry, ' ') == NULL && conf_allow_fault(entry) == NULL)
			check_neighbours(entry, id, text, &path);
	}
	free(text);
	free(id);
	free(entry);
	return 0;
}
