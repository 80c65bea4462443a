/* Requests to S3: where the endpoint is, how bucket and key are addressed, which headers are
 * signed. */
#ifndef FAREWELL_S3_REQUEST_H
#define FAREWELL_S3_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/s3/s3.h"
#include "lib/session/http.h"

/* The parts of `http(s)://host[:port]`. */
struct s3_endpoint {
	bool tls;
	char host[256]; /* in lower case; an IPv6 address in brackets */
	char port[8];   /* `:8080`; empty when it is the scheme's own, as HTTP's Host has it */
};

/* Splits TEXT, which lib/config has checked. */
void s3_endpoint_split(const char *text, struct s3_endpoint *);

/* One request. BUCKET NULL: about the store. KEY NULL: about the bucket. QUERY: a parameter without
 * value, or NULL. */
struct s3_request {
	const char *method, *bucket, *key, *query;
	const char *body; /* NULL: none */
	size_t body_length;
};

/* Signs the request as of now and sends it. The answer's body is the caller's to free. Without
 * memory it is HTTP_FAILED. */
struct http_client_answer s3_request_send(struct http_client *, const struct s3_endpoint *,
                                          const struct s3_options *, const struct s3_request *);

#endif
