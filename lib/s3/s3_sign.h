/* AWS Signature Version 4, as S3 wants it: pure, no clock, no network.
 *
 * Reference: Amazon S3 API Reference, "Authenticating Requests: Using the Authorization Header".
 * S3's way differs from other services' in that the path is encoded once and never normalised. */
#ifndef FAREWELL_S3_SIGN_H
#define FAREWELL_S3_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "lib/session/http.h"

#define S3_SHA256_SIZE 65 /* in hex, with its NUL */
#define S3_SHA256_BASE64_SIZE 45
#define S3_MD5_SIZE 25  /* in base64, with its NUL */
#define S3_DATE_SIZE 17 /* 20130524T000000Z */
#define S3_PAIRS_MAX 16 /* headers, or query parameters, of one request */

/* A request as it is signed. */
struct s3_signable {
	const char *method;
	const char *path; /* not encoded, begins with `/` */
	const struct http_pair
		*query; /* not encoded, in any order; a parameter without a value has "" */
	size_t query_count;
	const struct http_pair *headers; /* names in lower case, values without spaces around them, in
	                                  any order; with `host` */
	size_t header_count;
	const char *payload_hash; /* s3_sha256 of the body */
};

/* Who signs, when and for what. */
struct s3_signer {
	const char *access_key, *secret_key;
	const char *region, *service;
	const char *date; /* from s3_date; the same as in the header x-amz-date */
};

/* Those that return char * allocate it: free(). NULL only without memory, or when libcrypto
 * refuses. */

/* Every byte but `A-Za-z0-9-_.~` and `/` as %XX. */
char *s3_encode_path(const char *path);
/* name=value&…, encoded (`/` too) and sorted. The same text must stand in the URL. */
char *s3_encode_query(const struct http_pair *query, size_t count);

char *s3_canonical_request(const struct s3_signable *);
char *s3_string_to_sign(const struct s3_signer *, const char *canonical_request);
/* The value of the header Authorization. */
char *s3_authorization(const struct s3_signer *, const struct s3_signable *);

void s3_date(time_t when, char date[S3_DATE_SIZE]);
/* False when libcrypto refuses (MD5 may be forbidden by its configuration). */
bool s3_sha256(const void *data, size_t length, char hex[S3_SHA256_SIZE]);
bool s3_sha256_base64(const void *data, size_t length, char base64[S3_SHA256_BASE64_SIZE]);
bool s3_md5(const void *data, size_t length, char base64[S3_MD5_SIZE]);

#endif
