/* Writes the XML of a multi-object delete, and counts its bytes beforehand. */
#include "lib/s3/s3_body.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/text.h"

/* Not quiet: an object counts as deleted only when the answer says so. */
static const char opening[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	"<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>false</Quiet>";
static const char before_key[] = "<Object><Key>", after_key[] = "</Key>",
				  before_version[] = "<VersionId>", after_version[] = "</VersionId>",
				  after_object[] = "</Object>", closing[] = "</Delete>";

static bool text_is_plain(const char *text)
{
	size_t length = strlen(text);

	if (length == 0 || text[0] == ' ' || text[length - 1] == ' ')
		return false;
	for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
		if (text_is_control((char)*at))
			return false;
		if (at[0] == 0xef && at[1] == 0xbf && (at[2] == 0xbe || at[2] == 0xbf))
			return false;
	}
	return true;
}

bool s3_body_can_name(const struct s3_object *object)
{
	return text_is_plain(object->key) &&
	       (object->version_id == NULL || text_is_plain(object->version_id));
}

static const char *char_escaped(char c)
{
	switch (c) {
	case '&': return "&amp;";
	case '<': return "&lt;";
	case '>': return "&gt;";
	case '"': return "&quot;";
	case '\'': return "&apos;";
	default: return NULL;
	}
}

size_t s3_body_frame_bytes(void)
{
	return sizeof(opening) - 1 + sizeof(closing) - 1;
}

static size_t text_bytes(const char *text)
{
	size_t bytes = 0;

	for (; *text != '\0'; text++) {
		const char *escaped = char_escaped(*text);

		bytes += escaped == NULL ? 1 : strlen(escaped);
	}
	return bytes;
}

size_t s3_body_object_bytes(const struct s3_object *object)
{
	size_t bytes = sizeof(before_key) - 1 + text_bytes(object->key) + sizeof(after_key) - 1;

	if (object->version_id != NULL)
		bytes +=
			sizeof(before_version) - 1 + text_bytes(object->version_id) + sizeof(after_version) - 1;
	return bytes + sizeof(after_object) - 1;
}

int s3_body_compare(const struct s3_object *a, const struct s3_object *b)
{
	int order = strcmp(a->key, b->key);

	if (order != 0 || a->version_id == b->version_id)
		return order;
	if (a->version_id == NULL || b->version_id == NULL)
		return a->version_id == NULL ? -1 : 1;
	return strcmp(a->version_id, b->version_id);
}

static void put_text(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		const char *escaped = char_escaped(*text);

		if (escaped == NULL)
			fputc(*text, out);
		else
			fputs(escaped, out);
	}
}

static void put_object(FILE *out, const struct s3_object *object)
{
	fputs(before_key, out);
	put_text(out, object->key);
	fputs(after_key, out);
	if (object->version_id != NULL) {
		fputs(before_version, out);
		put_text(out, object->version_id);
		fputs(after_version, out);
	}
	fputs(after_object, out);
}

char *s3_body_write(struct s3_object *const *objects, size_t count, size_t *length)
{
	char *body = NULL;
	FILE *out = open_memstream(&body, length);

	if (out == NULL)
		return NULL;
	fputs(opening, out);
	for (size_t i = 0; i < count; i++)
		if (i == 0 || s3_body_compare(objects[i], objects[i - 1]) != 0)
			put_object(out, objects[i]);
	fputs(closing, out);
	bool failed = ferror(out) != 0;
	if (fclose(out) != 0 || failed) {
		free(body);
		return NULL;
	}
	return body;
}
