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

#define S3_QUERY_MAX 8
#define S3_HEADERS_MAX 4

/* One request. BUCKET NULL: about the store. KEY NULL: about the bucket. Parameters and headers end
 * with the first that has no name; a parameter without a value has "", a header's name is in lower
 * case, and it is signed. */
struct s3_request {
	const char *method, *bucket, *key;
	struct http_pair query[S3_QUERY_MAX], headers[S3_HEADERS_MAX];
	const char *body; /* NULL: none */
	size_t body_length;
};

/* Signs the request as of now and sends it. The answer is the caller's to free. Without memory it
 * is HTTP_FAILED. */
struct http_client_answer s3_request_send(struct http_client *, const struct s3_endpoint *,
                                          const struct s3_options *, const struct s3_credentials *,
                                          const struct s3_request *);

#endif
