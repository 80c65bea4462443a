/* Requests to S3: where the endpoint is, how bucket and key are addressed, which headers are
 * signed. */
#ifndef FAREWELL_S3_REQUEST_H
#define FAREWELL_S3_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/s3/s3.h"
#include "lib/s3/s3_http.h"

/* The endpoint, as read from `http(s)://host[:port]`. */
struct s3_endpoint {
	bool tls;
	char host[256]; /* in lower case; an IPv6 address in brackets */
	char port[8];   /* `:8080`; empty when it is the scheme's own, as HTTP's Host has it */
};

/* False: WHY says what is wrong with TEXT. */
bool s3_endpoint_read(const char *text, struct s3_endpoint *, char *why, size_t why_size);

/* One request. BUCKET NULL: about the store. KEY NULL: about the bucket. QUERY: a parameter without
 * value, or NULL. */
struct s3_request {
	const char *method, *bucket, *key, *query;
	const char *body; /* NULL: none */
	size_t body_length;
};

/* Signs the request as of now and sends it. The answer's body is the caller's to free. Without
 * memory it is S3_HTTP_FAILED. */
struct s3_http_answer s3_request_send(struct s3_http *, const struct s3_endpoint *,
                                      const struct s3_options *, const struct s3_request *);

#endif
