/* Reads S3's XML with expat: which objects were deleted, which were not, and error documents. */
#include "lib/s3/s3_answer.h"

#include <expat.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "lib/s3/s3.h"

#define DEPTH_MAX 16

/* What may stand in a line of the log: codes and regions, and a host with its port. */
#define NAME "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_"
#define HOST NAME ":"

/* The text of the element being read; what doesn't fit makes it useless, and a useless key or
 * version id matches none of ours. */
struct text {
	char at[S3_KEY_BYTES + 1];
	size_t length;
	bool overflow;
};

struct reader {
	XML_Parser parser;
	s3_answer_object *object;
	void *arg;
	struct s3_answer answer;
	int depth;
	bool in_entry, entry_failed; /* in Deleted or Error of a DeleteResult */
	bool has_key, has_code, has_long_id, marker;
	struct text text, key, version_id, marker_version_id;
	char code[sizeof((struct s3_answer *)0)->code];
};

/* The name without a prefix: some stores write `ns:Key`. */
static const char *local_name(const char *name)
{
	const char *colon = strrchr(name, ':');

	return colon == NULL ? name : colon + 1;
}

static bool name_is(const char *name, const char *wanted)
{
	return strcmp(local_name(name), wanted) == 0;
}

/* Copies TEXT if it is short and made of these HARMLESS characters, else leaves "unreadable". */
static void text_copy_clean(char *to, size_t size, const struct text *text, const char *harmless)
{
	const char *from =
		text->overflow || text->length >= size || strspn(text->at, harmless) != text->length ?
			"unreadable" :
			text->at;

	memcpy(to, from, strlen(from) + 1);
}

static void entry_begin(struct reader *r, const char *name)
{
	r->in_entry = name_is(name, "Deleted") || name_is(name, "Error");
	r->entry_failed = name_is(name, "Error");
	r->has_key = r->has_code = r->has_long_id = r->marker = false;
	r->version_id.length = r->marker_version_id.length = 0;
}

static enum s3_answer_kind root_kind(const char *root)
{
	if (name_is(root, "DeleteResult"))
		return S3_ANSWER_DELETED;
	if (name_is(root, "ListAllMyBucketsResult"))
		return S3_ANSWER_BUCKETS;
	return name_is(root, "Error") ? S3_ANSWER_ERROR : S3_ANSWER_OTHER;
}

static void XMLCALL on_start(void *arg, const char *name, const char **attributes)
{
	struct reader *r = arg;

	(void)attributes;
	if (++r->depth > DEPTH_MAX) {
		XML_StopParser(r->parser, XML_FALSE);
		return;
	}
	r->text.length = 0;
	r->text.overflow = false;
	if (r->depth == 1)
		r->answer.kind = root_kind(name);
	if (r->depth == 2 && r->answer.kind == S3_ANSWER_DELETED)
		entry_begin(r, name);
}

static void XMLCALL on_text(void *arg, const char *data, int length)
{
	struct text *text = &((struct reader *)arg)->text;
	size_t more = (size_t)length;

	if (more >= sizeof(text->at) - text->length) {
		text->overflow = true;
		return;
	}
	memcpy(text->at + text->length, data, more);
	text->length += more;
}

/* The end of an element inside Deleted or Error. */
static void entry_end_field(struct reader *r, const char *name)
{
	if (name_is(name, "Key")) {
		r->key = r->text;
		r->has_key = !r->text.overflow;
	} else if (name_is(name, "Code")) {
		text_copy_clean(r->code, sizeof(r->code), &r->text, NAME);
		r->has_code = true;
	} else if (name_is(name, "VersionId")) {
		r->version_id = r->text;
		r->has_long_id = r->text.overflow;
	} else if (name_is(name, "DeleteMarkerVersionId")) {
		r->marker_version_id = r->text;
	} else if (name_is(name, "DeleteMarker")) {
		r->marker = strcmp(r->text.at, "true") == 0;
	}
}

static void entry_end(struct reader *r)
{
	struct s3_answer_entry entry = {.key = r->key.at, .marker = r->marker && !r->entry_failed};

	r->in_entry = false;
	if (!r->has_key || r->has_long_id || r->object == NULL)
		return;
	if (r->version_id.length > 0)
		entry.version_id = r->version_id.at;
	if (r->marker_version_id.length > 0 && !r->marker_version_id.overflow)
		entry.marker_version_id = r->marker_version_id.at;
	if (r->entry_failed)
		entry.code = r->has_code ? r->code : "unreadable";
	r->object(r->arg, &entry);
}

/* The end of an element of an Error document. */
static void error_end_field(struct reader *r, const char *name)
{
	if (name_is(name, "Code"))
		text_copy_clean(r->answer.code, sizeof(r->answer.code), &r->text, NAME);
	else if (name_is(name, "Region"))
		text_copy_clean(r->answer.region, sizeof(r->answer.region), &r->text, NAME);
	else if (name_is(name, "Endpoint"))
		text_copy_clean(r->answer.endpoint, sizeof(r->answer.endpoint), &r->text, HOST);
}

static void XMLCALL on_end(void *arg, const char *name)
{
	struct reader *r = arg;

	r->text.at[r->text.length] = '\0';
	if (r->depth == 3 && r->in_entry)
		entry_end_field(r, name);
	else if (r->depth == 2 && r->in_entry)
		entry_end(r);
	else if (r->depth == 2 && r->answer.kind == S3_ANSWER_ERROR)
		error_end_field(r, name);
	r->text.length = 0;
	r->text.overflow = false;
	r->depth--;
}

static void XMLCALL on_doctype(void *arg, const char *name, const char *system_id,
                               const char *public_id, int has_subset)
{
	(void)name, (void)system_id, (void)public_id, (void)has_subset;
	XML_StopParser(((struct reader *)arg)->parser, XML_FALSE);
}

struct s3_answer s3_answer_read(const char *body, size_t length, s3_answer_object *object,
                                void *arg)
{
	struct reader r = {.object = object, .arg = arg, .answer = {.kind = S3_ANSWER_BROKEN}};

	if (length == 0 || length > INT_MAX || (r.parser = XML_ParserCreate(NULL)) == NULL)
		return r.answer;
	XML_SetUserData(r.parser, &r);
	XML_SetElementHandler(r.parser, on_start, on_end);
	XML_SetCharacterDataHandler(r.parser, on_text);
	XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
	if (XML_Parse(r.parser, body, (int)length, XML_TRUE) != XML_STATUS_OK)
		r.answer = (struct s3_answer){.kind = S3_ANSWER_BROKEN};
	XML_ParserFree(r.parser);
	return r.answer;
}
