/* Reads the listings of versions, uploads and objects. */
#include "lib/s3/s3_list.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/text.h"
#include "lib/s3/s3_xml.h"

/* What the listings call things. */
static const struct way {
	const char *root, *entry, *other_entry, *id, *next_key, *next_id;
} ways[] = {
	[S3_LIST_VERSIONS] = {"ListVersionsResult", "Version", "DeleteMarker", "VersionId",
                          "NextKeyMarker", "NextVersionIdMarker"},
	[S3_LIST_UPLOADS] = {"ListMultipartUploadsResult", "Upload", "Upload", "UploadId",
                         "NextKeyMarker", "NextUploadIdMarker"},
	[S3_LIST_OBJECTS] = {"ListBucketResult", "Contents", "Contents", "", "NextMarker", ""},
};

struct reader {
	const struct way *way;
	s3_list_handler *handler;
	void *arg;
	struct s3_list *list;
	bool right, encoded, says_end; /* the last: whether it says if it is truncated */
	bool in_entry, has_key, has_id, stopped;
	char raw[S3_XML_TEXT + 1], id[S3_KEY_BYTES + 1], next_raw[S3_XML_TEXT + 1];
};

static bool name_is(const struct s3_xml_element *element, const char *name)
{
	return strcmp(element->name, name) == 0;
}

static int hex_value(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits) % 16;
}

bool s3_list_decode(const char *text, char plus, char key[S3_KEY_BYTES + 1])
{
	size_t length = 0;

	for (; *text != '\0'; text++) {
		char c = *text == '+' ? plus : *text;

		if (length == S3_KEY_BYTES)
			return false;
		if (c == '%') {
			int high = hex_value(text[1]), low = high < 0 ? -1 : hex_value(text[2]);

			if (low < 0 || (high == 0 && low == 0))
				return false;
			c = (char)(high * 16 + low);
			text += 2;
		}
		key[length++] = c;
	}
	key[length] = '\0';
	return true;
}

/* The key that RAW stands for; AWS writes a space as `+` and a plus as %2B. */
static bool key_read(const struct reader *r, const char *raw, char key[S3_KEY_BYTES + 1])
{
	if (r->encoded)
		return s3_list_decode(raw, ' ', key);
	if (strlen(raw) > S3_KEY_BYTES)
		return false;
	memcpy(key, raw, strlen(raw) + 1);
	return true;
}

static bool on_start(void *arg, const struct s3_xml_element *element)
{
	struct reader *r = arg;

	if (element->depth == 1)
		r->right = name_is(element, r->way->root);
	if (element->depth == 2) {
		r->in_entry = name_is(element, r->way->entry) || name_is(element, r->way->other_entry);
		r->has_key = r->has_id = false;
	}
	return r->right;
}

/* The end of an element inside an entry. */
static void entry_end_field(struct reader *r, const struct s3_xml_element *element)
{
	if (element->text == NULL)
		return;
	if (name_is(element, "Key")) {
		snprintf(r->raw, sizeof(r->raw), "%s", element->text);
		r->has_key = true;
	} else if (name_is(element, r->way->id) && element->text[0] != '\0' &&
	           strlen(element->text) <= S3_KEY_BYTES) {
		snprintf(r->id, sizeof(r->id), "%s", element->text);
		r->has_id = true;
	}
}

static bool entry_end(struct reader *r)
{
	char key[S3_KEY_BYTES + 1];

	r->in_entry = false;
	if (!r->has_key || !key_read(r, r->raw, key) || !text_utf8_valid(key, strlen(key)))
		return true;
	r->stopped =
		!r->handler(r->arg, &(struct s3_list_entry){key, r->raw, r->has_id ? r->id : NULL});
	return !r->stopped;
}

/* The end of an element that is about the listing. */
static void list_end_field(struct reader *r, const struct s3_xml_element *element)
{
	if (element->text == NULL)
		return;
	if (name_is(element, "IsTruncated")) {
		r->list->truncated = strcmp(element->text, "false") != 0;
		r->says_end = true;
	} else if (name_is(element, "EncodingType"))
		r->encoded = strcmp(element->text, "url") == 0;
	else if (name_is(element, r->way->next_key))
		snprintf(r->next_raw, sizeof(r->next_raw), "%s", element->text);
	else if (name_is(element, r->way->next_id) && strlen(element->text) <= S3_KEY_BYTES)
		snprintf(r->list->next.id, sizeof(r->list->next.id), "%s", element->text);
}

static bool on_end(void *arg, const struct s3_xml_element *element)
{
	struct reader *r = arg;

	if (r->in_entry && element->depth == 3)
		entry_end_field(r, element);
	else if (r->in_entry && element->depth == 2)
		return entry_end(r);
	else if (element->depth == 2)
		list_end_field(r, element);
	return true;
}

bool s3_list_read(enum s3_list_kind kind, const char *body, size_t length, s3_list_handler *handler,
                  void *arg, struct s3_list *list)
{
	struct reader r = {.way = &ways[kind], .handler = handler, .arg = arg, .list = list};

	memset(list, 0, sizeof(*list));
	if (!s3_xml_read(body, length, on_start, on_end, &r) || !r.right || !(r.says_end || r.stopped))
		return false;
	list->truncated = list->truncated || r.stopped;
	if (!key_read(&r, r.next_raw, list->next.key))
		list->next.key[0] = '\0';
	return true;
}
