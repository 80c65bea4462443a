/* A request and its answer, without FastCGI: what routes and endpoints work on. */
#ifndef FAREWELL_HTTP_H
#define FAREWELL_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_REQUEST_ID_SIZE 65
#define HTTP_HEADERS_SIZE 2048

struct json_object;

struct http_request {
	const char *method;            /* never NULL */
	const char *uri;               /* the raw REQUEST_URI, never NULL */
	const char *authorization;     /* or NULL */
	char id[HTTP_REQUEST_ID_SIZE]; /* REQUEST_ID from nginx if it is 1 to 64 of [A-Za-z0-9._-], else
	                                  fresh */
	int64_t deadline_ms;
};

struct http_response {
	int status;
	const char *content_type;        /* literal */
	char headers[HTTP_HEADERS_SIZE]; /* further header lines, each ending in \r\n */
	char *body;                      /* malloc'ed, owned, with a NUL behind it; or NULL */
	size_t length;
};

/* Takes over ID (may be NULL) as the request's if it can stand in headers and log lines as it is,
 * else makes a fresh one. */
void http_request_id(struct http_request *, const char *id);

/* `OK` for 200, and so on (RFC 9110); for a status we never send `Unknown`. */
const char *http_reason(int status);

/* Adds one header line. Control characters in the value become spaces; a line for which there is no
 * room is left out. */
void http_header(struct http_response *, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Makes BODY (taken over; NULL counts as out of memory and gives 500) the answer. */
void http_json(struct http_response *, int status, const char *content_type,
               struct json_object *body);

/* Percent-encodes TEXT as one path segment (RFC 3986: all but unreserved), cut to SIZE. */
void http_encode_segment(const char *text, char *encoded, size_t size);

void http_response_free(struct http_response *);

#endif
