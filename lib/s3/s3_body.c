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
static const char before_key[] = "<Object><Key>", after_key[] = "</Key></Object>",
				  closing[] = "</Delete>";

bool s3_body_can_name(const char *key)
{
	size_t length = strlen(key);

	if (length == 0 || key[0] == ' ' || key[length - 1] == ' ')
		return false;
	for (const unsigned char *at = (const unsigned char *)key; *at != '\0'; at++) {
		if (text_is_control((char)*at))
			return false;
		if (at[0] == 0xef && at[1] == 0xbf && (at[2] == 0xbe || at[2] == 0xbf))
			return false;
	}
	return true;
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

size_t s3_body_object_bytes(const char *key)
{
	size_t bytes = sizeof(before_key) - 1 + sizeof(after_key) - 1;

	for (; *key != '\0'; key++) {
		const char *escaped = char_escaped(*key);

		bytes += escaped == NULL ? 1 : strlen(escaped);
	}
	return bytes;
}

static void put_object(FILE *out, const char *key)
{
	fputs(before_key, out);
	for (; *key != '\0'; key++) {
		const char *escaped = char_escaped(*key);

		if (escaped == NULL)
			fputc(*key, out);
		else
			fputs(escaped, out);
	}
	fputs(after_key, out);
}

char *s3_body_write(struct s3_object *const *objects, size_t count, size_t *length)
{
	char *body = NULL;
	FILE *out = open_memstream(&body, length);

	if (out == NULL)
		return NULL;
	fputs(opening, out);
	for (size_t i = 0; i < count; i++)
		if (i == 0 || strcmp(objects[i]->key, objects[i - 1]->key) != 0)
			put_object(out, objects[i]->key);
	fputs(closing, out);
	bool failed = ferror(out) != 0;
	if (fclose(out) != 0 || failed) {
		free(body);
		return NULL;
	}
	return body;
}
