/* Reads XML with expat and hands it on element by element. */
#include "lib/s3/s3_xml.h"

#include <expat.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 16

struct xml {
	XML_Parser parser;
	s3_xml_handler *start, *end;
	void *arg;
	int depth;
	bool ended; /* a handler has had enough */
	bool overflow;
	size_t length;
	char text[S3_XML_TEXT + 1];
};

static const char *local_name(const char *name)
{
	const char *colon = strrchr(name, ':');

	return colon == NULL ? name : colon + 1;
}

static void xml_tell(struct xml *xml, s3_xml_handler *handler, const char *name, const char *text)
{
	const struct s3_xml_element element = {local_name(name), xml->depth, text};

	if (handler == NULL || xml->ended || handler(xml->arg, &element))
		return;
	xml->ended = true;
	XML_StopParser(xml->parser, XML_FALSE);
}

static void XMLCALL on_start(void *arg, const char *name, const char **attributes)
{
	struct xml *xml = arg;

	(void)attributes;
	xml->length = 0;
	xml->overflow = false;
	if (++xml->depth > DEPTH_MAX)
		XML_StopParser(xml->parser, XML_FALSE);
	else
		xml_tell(xml, xml->start, name, NULL);
}

static void XMLCALL on_text(void *arg, const char *data, int length)
{
	struct xml *xml = arg;
	size_t more = (size_t)length;

	if (more > S3_XML_TEXT - xml->length) {
		xml->overflow = true;
		return;
	}
	memcpy(xml->text + xml->length, data, more);
	xml->length += more;
}

static void XMLCALL on_end(void *arg, const char *name)
{
	struct xml *xml = arg;

	xml->text[xml->length] = '\0';
	xml_tell(xml, xml->end, name, xml->overflow ? NULL : xml->text);
	xml->length = 0;
	xml->overflow = false;
	xml->depth--;
}

static void XMLCALL on_doctype(void *arg, const char *name, const char *system_id,
                               const char *public_id, int has_subset)
{
	(void)name, (void)system_id, (void)public_id, (void)has_subset;
	XML_StopParser(((struct xml *)arg)->parser, XML_FALSE);
}

bool s3_xml_read(const char *body, size_t length, s3_xml_handler *start, s3_xml_handler *end,
                 void *arg)
{
	struct xml xml = {.start = start, .end = end, .arg = arg};
	bool whole;

	if (length == 0 || length > INT_MAX || (xml.parser = XML_ParserCreate(NULL)) == NULL)
		return false;
	XML_SetUserData(xml.parser, &xml);
	XML_SetElementHandler(xml.parser, on_start, on_end);
	XML_SetCharacterDataHandler(xml.parser, on_text);
	XML_SetStartDoctypeDeclHandler(xml.parser, on_doctype);
	whole = XML_Parse(xml.parser, body, (int)length, XML_TRUE) == XML_STATUS_OK || xml.ended;
	XML_ParserFree(xml.parser);
	return whole;
}

/* ---- one field ---- */

struct field {
	const char *root, *name;
	char *value;
	size_t size;
	bool right;
};

static bool field_start(void *arg, const struct s3_xml_element *element)
{
	struct field *field = arg;

	if (element->depth == 1)
		field->right = strcmp(element->name, field->root) == 0;
	return true;
}

static bool field_end(void *arg, const struct s3_xml_element *element)
{
	struct field *field = arg;

	if (element->depth == 2 && strcmp(element->name, field->name) == 0 && element->text != NULL &&
	    strlen(element->text) < field->size)
		snprintf(field->value, field->size, "%s", element->text);
	return true;
}

bool s3_xml_field(const char *body, size_t length, const char *root, const char *name, char *value,
                  size_t size)
{
	struct field field = {.root = root, .name = name, .value = value, .size = size};

	value[0] = '\0';
	if (s3_xml_read(body, length, field_start, field_end, &field) && field.right)
		return true;
	value[0] = '\0';
	return false;
}
