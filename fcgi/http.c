/* Request ids, header lines, and bodies of answers. */
#include "fcgi/http.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ids.h"

#define UNRESERVED "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
#define REQUEST_ID_BYTES "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._"

void http_request_id(struct http_request *request, const char *id)
{
	size_t length = id != NULL ? strspn(id, REQUEST_ID_BYTES) : 0;

	if (length > 0 && length < sizeof(request->id) && id[length] == '\0') {
		memcpy(request->id, id, length + 1);
		return;
	}
	char fresh[ID_UUID_SIZE];
	id_fresh(fresh);
	memcpy(request->id, fresh, sizeof(fresh));
}

const char *http_reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{200, "OK"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{500, "Internal Server Error"},
		{503, "Service Unavailable"},
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

void http_header(struct http_response *response, const char *name, const char *format, ...)
{
	char value[HTTP_HEADERS_SIZE];
	size_t used = strlen(response->headers), room = sizeof(response->headers) - used;
	va_list args;

	va_start(args, format);
	int length = vsnprintf(value, sizeof(value), format, args);
	va_end(args);
	if (length < 0 || (size_t)length >= sizeof(value))
		return;
	for (char *c = value; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7F)
			*c = ' ';
	int written = snprintf(response->headers + used, room, "%s: %s\r\n", name, value);
	if (written < 0 || (size_t)written >= room)
		response->headers[used] = '\0';
}

void http_json(struct http_response *response, int status, const char *content_type,
               struct json_object *body)
{
	const char *text = body != NULL ?
	                       json_object_to_json_string_ext(
							   body, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE) :
	                       NULL;
	size_t length = text != NULL ? strlen(text) : 0;

	free(response->body);
	response->length = 0;
	response->body = text != NULL ? malloc(length + 2) : NULL;
	response->content_type = content_type;
	response->status = response->body != NULL ? status : 500;
	if (response->body != NULL) {
		memcpy(response->body, text, length);
		memcpy(response->body + length, "\n", 2);
		response->length = length + 1;
	}
	json_object_put(body);
}

void http_encode_segment(const char *text, char *encoded, size_t size)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t used = 0;

	for (; *text != '\0' && used + 3 < size; text++) {
		unsigned char c = (unsigned char)*text;

		if (strchr(UNRESERVED, *text) != NULL) {
			encoded[used++] = *text;
			continue;
		}
		encoded[used++] = '%';
		encoded[used++] = hex[c >> 4];
		encoded[used++] = hex[c & 15];
	}
	encoded[used] = '\0';
}

void http_response_free(struct http_response *response)
{
	free(response->body);
	response->body = NULL;
	response->length = 0;
}
