/* Fuzzes the reading of a bucket's listings, and of a single field of a document: keys and ids are
 * bounded and what the answer says, and who has had enough is told that there is more. */
/* links: lib/s3/s3_list.c lib/s3/s3_xml.c lib/base/text.c -lexpat */
#include <stdbool.h>
#include <string.h>

#include "lib/base/text.h"
#include "lib/s3/s3_list.h"
#include "lib/s3/s3_xml.h"
#include "tests/fuzz/fuzz.h"

struct told {
	size_t entries, most; /* no more than so many are wanted */
};

/* KEY with every byte as %XX is read as KEY. */
static void check_decode(const char *key)
{
	char encoded[3 * S3_KEY_BYTES + 1] = "", decoded[S3_KEY_BYTES + 1];

	for (size_t i = 0; key[i] != '\0'; i++)
		snprintf(encoded + 3 * i, 4, "%%%02x", (unsigned char)key[i]);
	FUZZ_CHECK(s3_list_decode(encoded, ' ', decoded) && strcmp(decoded, key) == 0);
}

static bool on_entry(void *arg, const struct s3_list_entry *entry)
{
	struct told *told = arg;
	size_t length = strnlen(entry->key, S3_KEY_BYTES + 1);
	char decoded[S3_KEY_BYTES + 1];

	FUZZ_CHECK(length <= S3_KEY_BYTES && text_utf8_valid(entry->key, length));
	FUZZ_CHECK(strnlen(entry->raw, S3_XML_TEXT + 1) <= S3_XML_TEXT);
	if (strcmp(entry->key, entry->raw) != 0)
		FUZZ_CHECK(s3_list_decode(entry->raw, ' ', decoded) && strcmp(decoded, entry->key) == 0);
	if (entry->id != NULL)
		FUZZ_CHECK(entry->id[0] != '\0' && strnlen(entry->id, S3_KEY_BYTES + 1) <= S3_KEY_BYTES);
	check_decode(entry->key);
	told->entries++;
	return told->entries < told->most;
}

static void check_list(enum s3_list_kind kind, const char *body, size_t size)
{
	struct told all = {.most = SIZE_MAX}, first = {.most = 1};
	struct s3_list list;
	bool whole = s3_list_read(kind, body, size, on_entry, &all, &list);

	FUZZ_CHECK(strnlen(list.next.key, sizeof(list.next.key)) < sizeof(list.next.key));
	FUZZ_CHECK(strnlen(list.next.id, sizeof(list.next.id)) < sizeof(list.next.id));
	if (s3_list_read(kind, body, size, on_entry, &first, &list) && first.entries == 1)
		FUZZ_CHECK(list.truncated);
	FUZZ_CHECK(first.entries == (all.entries > 0 ? 1 : 0));
	FUZZ_CHECK(!whole || all.entries == 0 || first.entries == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const fields[][2] = {{"VersioningConfiguration", "Status"},
	                                        {"Retention", "RetainUntilDate"},
	                                        {"LegalHold", "Status"}};
	const char *body = (const char *)data;
	char value[40];

	check_list(S3_LIST_VERSIONS, body, size);
	check_list(S3_LIST_UPLOADS, body, size);
	check_list(S3_LIST_OBJECTS, body, size);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		bool right = s3_xml_field(body, size, fields[i][0], fields[i][1], value, sizeof(value));

		FUZZ_CHECK(strnlen(value, sizeof(value)) < sizeof(value));
		FUZZ_CHECK(right || value[0] == '\0');
	}
	return 0;
}
