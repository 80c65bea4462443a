/* An HTTP/1.1 client, whose connections are kept open between requests: a deadline on every
 * request, a bound on every answer, and a pump that turns while it waits. One request at a time
 * needs one connection, several at a time one each. Knows nothing of whom it talks to. */
#ifndef FAREWELL_HTTP_CLIENT_H
#define FAREWELL_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/session/pump.h"

struct http_client;

#define HTTP_HEADERS_BYTES 16384
#define HTTP_AT_ONCE_MAX 16 /* requests that may be under way at a time */

struct http_client_options {
	const char *ca_file; /* NULL or empty: the system's */
	const char *user_agent;
	int64_t connect_timeout_ms, timeout_ms; /* the second for one whole request */
	size_t answer_bytes_max;                /* a longer answer counts as none */
};

/* A header field, or a parameter of a query. */
struct http_pair {
	const char *name, *value;
};

struct http_client_request {
	const char *method; /* any but HEAD */
	const char *url;    /* sent byte for byte: `a/../b` and `%2e` stay as they are */
	const struct http_pair *headers;
	size_t header_count;
	const char *body; /* NULL: none */
	size_t body_length;
};

enum http_client_outcome {
	HTTP_ANSWERED, /* status and body are the server's */
	HTTP_FAILED,   /* no whole answer: network, TLS, deadline, too long; see why */
	HTTP_STOPPED,  /* the pump said stop; the request may have been carried out */
};

/* Freed by http_client_answer_free. */
struct http_client_answer {
	enum http_client_outcome outcome;
	long status;
	char *body; /* may be NULL when length is 0 */
	size_t length;
	char *headers;  /* the lines of the answer's header, of the first HTTP_HEADERS_BYTES; or NULL */
	bool unreached; /* of HTTP_FAILED: no connection, or no TLS on it: nothing was asked */
	bool timed_out; /* of HTTP_FAILED: asked, and not answered before the deadline */
	char why[128];  /* of HTTP_FAILED, else "" */
};

/* NULL: libcurl refuses the options, or no memory. Connects when the first request is sent. The
 * strings of OPTIONS and PUMP must outlive it; PUMP may be NULL. */
struct http_client *http_client_new(const struct http_client_options *, const struct pump *);
void http_client_free(struct http_client *);

/* Sends a request and takes its answer in. Redirects are not followed, proxies of the environment
 * not used. Not while others are under way. */
struct http_client_answer http_client_send(struct http_client *,
                                           const struct http_client_request *);

/* Begins a request, which must not be one too many. TAG, not NULL, comes back with the answer; of
 * the request only the body must live on until then. */
void http_client_begin(struct http_client *, const struct http_client_request *, void *tag);
/* Waits until one of the requests under way is answered; returns its tag, or NULL: none is. When
 * the pump says stop all are given up, and come to HTTP_STOPPED one by one. */
void *http_client_next(struct http_client *, struct http_client_answer *);

/* Copies the value of the header field NAME, without the blanks around it, to VALUE. False: there
 * is none, or it is longer than SIZE takes: then VALUE is "". */
bool http_client_header(const struct http_client_answer *, const char *name, char *value,
                        size_t size);

void http_client_answer_free(struct http_client_answer *);

#endif
