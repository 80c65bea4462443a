/* One HTTP connection to the store, kept open between requests, with a deadline on every one and a
 * pump while it waits. */
#ifndef FAREWELL_S3_HTTP_H
#define FAREWELL_S3_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "lib/s3/s3_sign.h"
#include "lib/session/pump.h"

#define S3_HTTP_ANSWER_BYTES (8 * 1024 * 1024) /* a longer answer counts as none */

struct s3_http;

struct s3_http_options {
	const char *ca_file; /* NULL or empty: the system's */
	const char *user_agent;
	int64_t connect_timeout_ms, timeout_ms; /* the second for one whole request */
};

struct s3_http_request {
	const char *method; /* GET, DELETE or POST; only POST has a body */
	const char *url;
	const struct s3_pair *headers;
	size_t header_count;
	const char *body;
	size_t body_length;
};

enum s3_http_outcome {
	S3_HTTP_ANSWERED, /* status and body are the server's */
	S3_HTTP_FAILED,   /* no whole answer: network, TLS, deadline, too long; see why */
	S3_HTTP_STOPPED,  /* the pump said stop; the request may have been carried out */
};

struct s3_http_answer {
	enum s3_http_outcome outcome;
	long status;
	char *body; /* free() it; may be NULL when length is 0 */
	size_t length;
	char why[128];
};

/* NULL: libcurl would not have it, or no memory. The strings of OPTIONS must outlive it. PUMP may
 * be NULL. */
struct s3_http *s3_http_open(const struct s3_http_options *options, const struct pump *pump);
void s3_http_close(struct s3_http *);

/* Sends a request and takes its answer in. Redirects are not followed, proxies of the environment
 * not used. */
struct s3_http_answer s3_http_send(struct s3_http *, const struct s3_http_request *);

#endif
