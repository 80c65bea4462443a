/* Reads the answers of those who hand out credentials: JSON with json-c, XML with expat. */
#include "lib/s3/credentials_answer.h"

#include <expat.h>
#include <json-c/json.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DEPTH_MAX 16

/* Where a field of that name goes. */
struct field {
	const char *name;
	char *to;
	size_t size;
};

#define FIELDS 6

static void fields_list(struct s3_credentials_answer *answer, const char *token,
                        struct field fields[FIELDS])
{
	fields[0] = (struct field){"AccessKeyId", answer->access_key, sizeof(answer->access_key)};
	fields[1] = (struct field){"SecretAccessKey", answer->secret_key, sizeof(answer->secret_key)};
	fields[2] = (struct field){token, answer->session_token, sizeof(answer->session_token)};
	fields[3] = (struct field){"Expiration", answer->expires, sizeof(answer->expires)};
	fields[4] = (struct field){"Code", answer->code, sizeof(answer->code)};
	fields[5] = (struct field){"code", answer->code, sizeof(answer->code)};
}

/* False: it does not fit, or has a NUL in it. */
static bool field_set(const struct field *field, const char *text, size_t length)
{
	if (length >= field->size || memchr(text, '\0', length) != NULL)
		return false;
	memcpy(field->to, text, length);
	field->to[length] = '\0';
	return true;
}

/* The code is quoted to people: only if it is made of harmless characters. */
static void code_clean(char *code)
{
	static const char harmless[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";

	if (code[strspn(code, harmless)] != '\0')
		strcpy(code, "unreadable");
}

/* ---- JSON ---- */

/* Fills in the fields, and overwrites what json-c held of them. */
static bool json_take(struct json_object *object, const struct field fields[FIELDS])
{
	bool good = true;

	for (size_t i = 0; i < FIELDS; i++) {
		struct json_object *value;

		if (!json_object_object_get_ex(object, fields[i].name, &value) || value == NULL)
			continue;
		if (!json_object_is_type(value, json_type_string)) {
			good = false;
			continue;
		}
		good &= field_set(&fields[i], json_object_get_string(value),
		                  (size_t)json_object_get_string_len(value));
		OPENSSL_cleanse((char *)json_object_get_string(value),
		                (size_t)json_object_get_string_len(value));
	}
	return good;
}

bool s3_credentials_read_json(const char *body, size_t length, struct s3_credentials_answer *answer)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
	struct json_object *object = NULL;
	struct field fields[FIELDS];
	bool good = false;

	memset(answer, 0, sizeof(*answer));
	fields_list(answer, "Token", fields);
	if (tokener == NULL || length == 0 || length > INT_MAX)
		goto out;
	object = json_tokener_parse_ex(tokener, body, (int)length);
	good = json_tokener_get_error(tokener) == json_tokener_success &&
	       json_object_is_type(object, json_type_object) && json_take(object, fields);
	code_clean(answer->code);
out:
	json_object_put(object);
	if (tokener != NULL)
		json_tokener_free(tokener);
	return good;
}

/* ---- XML ---- */

struct reader {
	XML_Parser parser;
	struct field fields[FIELDS];
	int depth;
	bool known_root, failed;
	char text[S3_ANSWER_TEXT_SIZE];
	size_t length;
	bool overflow;
};

/* The name without a prefix. */
static const char *local_name(const char *name)
{
	const char *colon = strrchr(name, ':');

	return colon == NULL ? name : colon + 1;
}

static void XMLCALL on_start(void *arg, const char *name, const char **attributes)
{
	struct reader *r = arg;

	(void)attributes;
	if (++r->depth > DEPTH_MAX) {
		XML_StopParser(r->parser, XML_FALSE);
		return;
	}
	if (r->depth == 1)
		r->known_root = strcmp(local_name(name), "AssumeRoleWithWebIdentityResponse") == 0 ||
		                strcmp(local_name(name), "ErrorResponse") == 0 ||
		                strcmp(local_name(name), "Error") == 0;
	r->length = 0;
	r->overflow = false;
}

static void XMLCALL on_text(void *arg, const char *data, int length)
{
	struct reader *r = arg;
	size_t more = (size_t)length;

	if (more >= sizeof(r->text) - r->length) {
		r->overflow = true;
		return;
	}
	memcpy(r->text + r->length, data, more);
	r->length += more;
}

static void XMLCALL on_end(void *arg, const char *name)
{
	struct reader *r = arg;

	for (size_t i = 0; i < FIELDS; i++)
		if (r->depth >= 2 && strcmp(local_name(name), r->fields[i].name) == 0 &&
		    (r->overflow || !field_set(&r->fields[i], r->text, r->length)))
			r->failed = true;
	r->length = 0;
	r->overflow = false;
	r->depth--;
}

static void XMLCALL on_doctype(void *arg, const char *name, const char *system_id,
                               const char *public_id, int has_subset)
{
	(void)name, (void)system_id, (void)public_id, (void)has_subset;
	XML_StopParser(((struct reader *)arg)->parser, XML_FALSE);
}

bool s3_credentials_read_xml(const char *body, size_t length, struct s3_credentials_answer *answer)
{
	struct reader r = {.depth = 0};
	bool good;

	memset(answer, 0, sizeof(*answer));
	if (length == 0 || length > INT_MAX || (r.parser = XML_ParserCreate(NULL)) == NULL)
		return false;
	fields_list(answer, "SessionToken", r.fields);
	XML_SetUserData(r.parser, &r);
	XML_SetElementHandler(r.parser, on_start, on_end);
	XML_SetCharacterDataHandler(r.parser, on_text);
	XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
	good = XML_Parse(r.parser, body, (int)length, XML_TRUE) == XML_STATUS_OK && r.known_root &&
	       !r.failed;
	XML_ParserFree(r.parser);
	OPENSSL_cleanse(r.text, sizeof(r.text));
	code_clean(answer->code);
	return good;
}

/* ---- times ---- */

/* `Z`, or `+01:00`: how many seconds ahead of UTC; false: neither. */
static bool offset_read(const char *text, long *seconds)
{
	int hours, minutes, end = 0;
	char sign;

	*seconds = 0;
	if (strcmp(text, "Z") == 0)
		return true;
	if (sscanf(text, "%c%2d:%2d%n", &sign, &hours, &minutes, &end) != 3 || end != 6 ||
	    text[end] != '\0' || (sign != '+' && sign != '-') || hours > 23 || minutes > 59)
		return false;
	*seconds = (hours * 60L + minutes) * 60;
	if (sign == '-')
		*seconds = -*seconds;
	return true;
}

bool s3_credentials_read_time(const char *text, time_t *when)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd";
	struct tm tm = {0};
	long ahead;
	size_t i;

	for (i = 0; shape[i] != '\0'; i++)
		if (shape[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i])
			return false;
	if (strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) != text + i)
		return false;
	text += i;
	if (*text == '.') {
		size_t digits = strspn(text + 1, "0123456789");

		if (digits == 0)
			return false;
		text += 1 + digits;
	}
	if (!offset_read(text, &ahead))
		return false;
	*when = timegm(&tm) - ahead;
	return true;
}
