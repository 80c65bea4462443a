/* Fuzzes the reading of S3's XML: whatever comes, what is told of it is bounded, clean, and never
 * more than the document says. */
/* links: lib/s3/s3_answer.c lib/s3/s3_fault.c lib/base/text.c -lexpat */
#include <stdbool.h>
#include <string.h>

#include "lib/base/text.h"
#include "lib/s3/s3.h"
#include "lib/s3/s3_answer.h"
#include "lib/s3/s3_fault.h"
#include "tests/fuzz/fuzz.h"

/* What a document told, to be compared with a second reading of it. */
struct told {
	size_t objects;
	uint64_t digest;
};

static void told_add(struct told *told, const char *text)
{
	for (; *text != '\0'; text++)
		told->digest = (told->digest ^ (unsigned char)*text) * 1099511628211u;
	told->digest = (told->digest ^ 0x100) * 1099511628211u;
}

/* Short, of harmless characters, ended by a NUL within SIZE bytes. */
static bool is_clean(const char *text, size_t size)
{
	size_t length = strnlen(text, size);

	return length < size &&
	       strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_") ==
	           length;
}

/* The sentence about a failure: there is one, it ends, and it can stand in a line of the log. */
static void check_why(const char *why, size_t size)
{
	size_t length = strnlen(why, size);

	FUZZ_CHECK(length > 0 && length < size);
	for (size_t i = 0; i < length; i++)
		FUZZ_CHECK(why[i] >= ' ' && why[i] <= '~');
}

/* A key or an id of the answer. */
static void check_text(const char *text)
{
	size_t length = strnlen(text, S3_KEY_BYTES + 1);

	FUZZ_CHECK(length <= S3_KEY_BYTES && text_utf8_valid(text, length));
}

static void on_object(void *arg, const struct s3_answer_entry *entry)
{
	struct told *told = arg;
	const char *code = entry->code;
	char why[sizeof((struct s3_object *)0)->why];

	check_text(entry->key);
	if (entry->version_id != NULL) {
		FUZZ_CHECK(entry->version_id[0] != '\0');
		check_text(entry->version_id);
	}
	if (entry->marker_version_id != NULL) {
		FUZZ_CHECK(entry->marker_version_id[0] != '\0');
		check_text(entry->marker_version_id);
	}
	if (code != NULL) {
		FUZZ_CHECK(!entry->marker);
		FUZZ_CHECK(is_clean(code, sizeof((struct s3_answer *)0)->code));
		if (s3_fault_of_object(code, why, sizeof(why)) == S3_DELETED)
			FUZZ_CHECK(strcmp(code, "NoSuchKey") == 0 || strcmp(code, "NoSuchVersion") == 0 ||
			           strcmp(code, "NoSuchUpload") == 0);
		check_why(why, sizeof(why));
	}
	told->objects++;
	told_add(told, entry->key);
	told_add(told, entry->version_id == NULL ? "" : entry->version_id);
	told_add(told, code == NULL ? "" : code);
}

/* A request that got this answer, with any status, is not taken for done: a batch never, a single
 * one when the store says that there is no such thing. */
static void check_faults(const struct s3_answer *answer)
{
	static const int statuses[] = {200, 204, 301, 400, 403, 404, 405, 409, 429, 500, 501, 503};

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		struct s3_fault batch = s3_fault_of_request(statuses[i], answer, true);
		struct s3_fault single = s3_fault_of_request(statuses[i], answer, false);

		FUZZ_CHECK(batch.result != S3_DELETED);
		FUZZ_CHECK(single.result != S3_DELETED || strcmp(answer->code, "NoSuchKey") == 0 ||
		           strcmp(answer->code, "NoSuchVersion") == 0 ||
		           strcmp(answer->code, "NoSuchUpload") == 0);
		check_why(batch.why, sizeof(batch.why));
		check_why(single.why, sizeof(single.why));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct told told = {0}, again = {0};
	struct s3_answer answer = s3_answer_read((const char *)data, size, on_object, &told);
	struct s3_answer deaf = s3_answer_read((const char *)data, size, NULL, NULL);

	FUZZ_CHECK((int)answer.kind >= S3_ANSWER_BROKEN && answer.kind <= S3_ANSWER_OTHER);
	FUZZ_CHECK(is_clean(answer.code, sizeof(answer.code)));
	FUZZ_CHECK(is_clean(answer.region, sizeof(answer.region)));
	for (char *colon = answer.endpoint; (colon = strchr(colon, ':')) != NULL;)
		*colon = '-'; /* before a port */
	FUZZ_CHECK(is_clean(answer.endpoint, sizeof(answer.endpoint)));
	if (answer.kind != S3_ANSWER_ERROR)
		FUZZ_CHECK(answer.code[0] == '\0' && answer.region[0] == '\0');
	if (answer.kind != S3_ANSWER_DELETED && answer.kind != S3_ANSWER_BROKEN)
		FUZZ_CHECK(told.objects == 0);
	FUZZ_CHECK(deaf.kind == answer.kind && strcmp(deaf.code, answer.code) == 0 &&
	           strcmp(deaf.region, answer.region) == 0);
	s3_answer_read((const char *)data, size, on_object, &again);
	FUZZ_CHECK(again.objects == told.objects && again.digest == told.digest);
	check_faults(&answer);
	return 0;
}
