/* Requests to S3. */
#include "lib/s3/s3_request.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A host's name, an IPv4 address, or an IPv6 address in brackets: what stands before the port. */
static size_t host_length(const char *text)
{
	if (text[0] == '[') {
		size_t inside = strspn(text + 1, "0123456789abcdefABCDEF:.");

		return inside > 0 && text[1 + inside] == ']' ? inside + 2 : 0;
	}
	return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._");
}

/* `:8080` at TEXT, and then nothing but perhaps a slash; PORT without the scheme's own. */
static bool read_port(const char *text, bool tls, char port[8])
{
	size_t digits = 0;
	long number = 0;

	port[0] = '\0';
	if (text[0] == ':') {
		digits = strspn(text + 1, "0123456789");
		if (digits < 1 || digits > 5)
			return false;
		number = strtol(text + 1, NULL, 10);
		if (number < 1 || number > 65535)
			return false;
		if (number != (tls ? 443 : 80))
			snprintf(port, 8, ":%u", (unsigned)number & 0xffff);
		text += 1 + digits;
	}
	return strcmp(text, "") == 0 || strcmp(text, "/") == 0;
}

bool s3_endpoint_read(const char *text, struct s3_endpoint *endpoint, char *why, size_t why_size)
{
	memset(endpoint, 0, sizeof(*endpoint));
	endpoint->tls = strncmp(text, "https://", 8) == 0;
	if (!endpoint->tls && strncmp(text, "http://", 7) != 0) {
		snprintf(why, why_size, "s3_endpoint must begin with http:// or https://");
		return false;
	}
	text += endpoint->tls ? 8 : 7;
	size_t length = host_length(text);
	if (length == 0 || length >= sizeof(endpoint->host) ||
	    !read_port(text + length, endpoint->tls, endpoint->port)) {
		snprintf(why, why_size, "s3_endpoint must be http(s)://host[:port] and nothing more");
		return false;
	}
	for (size_t i = 0; i < length; i++)
		endpoint->host[i] = (char)tolower((unsigned char)text[i]);
	return true;
}

/* What one request is made of; every string is allocated, and NULL where memory ran out. */
struct parts {
	char *host, *path, *url, *authorization;
};

static void free_parts(struct parts *parts)
{
	free(parts->host);
	free(parts->path);
	free(parts->url);
	free(parts->authorization);
}

static bool make_host(char **host, const struct s3_endpoint *endpoint, const char *bucket,
                      bool virtual_hosts)
{
	bool prefix = virtual_hosts && bucket != NULL;

	if (asprintf(host, "%s%s%s%s", prefix ? bucket : "", prefix ? "." : "", endpoint->host,
	             endpoint->port) < 0)
		*host = NULL;
	return *host != NULL;
}

static bool make_path(char **path, const char *bucket, const char *key, bool virtual_hosts)
{
	bool prefix = !virtual_hosts && bucket != NULL;

	if (asprintf(path, "/%s%s%s", prefix ? bucket : "", prefix && key != NULL ? "/" : "",
	             key == NULL ? "" : key) < 0)
		*path = NULL;
	return *path != NULL;
}

static bool make_url(char **url, const struct s3_endpoint *endpoint, const struct parts *parts,
                     const struct s3_pair *query, size_t count)
{
	char *path = s3_encode_path(parts->path), *tail = s3_encode_query(query, count);

	if (path == NULL || tail == NULL ||
	    asprintf(url, "http%s://%s%s%s%s", endpoint->tls ? "s" : "", parts->host, path,
	             tail[0] == '\0' ? "" : "?", tail) < 0)
		*url = NULL;
	free(path);
	free(tail);
	return *url != NULL;
}

/* Collects the headers, all but Authorization, all of which are signed. */
static size_t list_headers(const struct s3_request *request, const char *host, const char *date,
                           const char *hash, const char *md5, struct s3_pair headers[S3_PAIRS_MAX])
{
	size_t count = 0;

	headers[count++] = (struct s3_pair){"host", host};
	headers[count++] = (struct s3_pair){"x-amz-content-sha256", hash};
	headers[count++] = (struct s3_pair){"x-amz-date", date};
	if (request->body != NULL) {
		headers[count++] = (struct s3_pair){"content-md5", md5};
		headers[count++] = (struct s3_pair){"content-type", "application/xml"};
	}
	return count;
}

static bool never_deletes_a_bucket(const struct s3_request *request)
{
	return strcmp(request->method, "DELETE") != 0 ||
	       (request->bucket != NULL && request->key != NULL && s3_key_fault(request->key) == NULL);
}

struct s3_http_answer s3_request_send(struct s3_http *http, const struct s3_endpoint *endpoint,
                                      const struct s3_options *options,
                                      const struct s3_request *request)
{
	struct s3_http_answer answer = {
		.outcome = S3_HTTP_FAILED, .why = "not enough memory, or libcrypto refuses MD5 or SHA-256"};
	struct s3_pair headers[S3_PAIRS_MAX], query[1] = {{request->query, ""}};
	size_t query_count = request->query == NULL ? 0 : 1;
	char date[S3_DATE_SIZE], hash[S3_SHA256_SIZE], md5[S3_MD5_SIZE] = "";
	struct parts parts = {0};

	assert(never_deletes_a_bucket(request));
	s3_date(time(NULL), date);
	if (!s3_sha256(request->body == NULL ? "" : request->body, request->body_length, hash) ||
	    (request->body != NULL && !s3_md5(request->body, request->body_length, md5)) ||
	    !make_host(&parts.host, endpoint, request->bucket, options->virtual_hosts) ||
	    !make_path(&parts.path, request->bucket, request->key, options->virtual_hosts) ||
	    !make_url(&parts.url, endpoint, &parts, query, query_count))
		goto out;
	size_t count = list_headers(request, parts.host, date, hash, md5, headers);
	parts.authorization = s3_authorization(
		&(struct s3_signer){options->access_key, options->secret_key, options->region, "s3", date},
		&(struct s3_signable){request->method, parts.path, query, query_count, headers, count,
	                          hash});
	if (parts.authorization == NULL)
		goto out;
	headers[count++] = (struct s3_pair){"authorization", parts.authorization};
	answer =
		s3_http_send(http, &(struct s3_http_request){request->method, parts.url, headers, count,
	                                                 request->body, request->body_length});
out:
	free_parts(&parts);
	return answer;
}
