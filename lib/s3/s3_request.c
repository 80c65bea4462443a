/* Requests to S3: splits the endpoint, addresses bucket and key, signs and sends. */
#include "lib/s3/s3_request.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "lib/s3/s3_sign.h"

void s3_endpoint_split(const char *text, struct s3_endpoint *endpoint)
{
	const char *host = strstr(text, "://"), *port;
	long number;

	assert(host != NULL);
	endpoint->tls = strncasecmp(text, "https:", 6) == 0;
	host += 3;
	port = host + (host[0] == '[' ? strcspn(host, "]") : strcspn(host, ":/"));
	if (*port == ']')
		port++;
	snprintf(endpoint->host, sizeof(endpoint->host), "%.*s", (int)(port - host), host);
	for (char *c = endpoint->host; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	number = *port == ':' ? strtol(port + 1, NULL, 10) : 0;
	if (number == 0 || number == (endpoint->tls ? 443 : 80))
		endpoint->port[0] = '\0';
	else
		snprintf(endpoint->port, sizeof(endpoint->port), ":%u", (unsigned)number & 0xFFFF);
}

/* What one request is made of; every string is allocated, and NULL where memory ran out. */
struct parts {
	char *host, *path, *url, *authorization;
};

static void parts_free(struct parts *parts)
{
	free(parts->host);
	free(parts->path);
	free(parts->url);
	free(parts->authorization);
}

static bool host_make(char **host, const struct s3_endpoint *endpoint, const char *bucket,
                      bool virtual_hosts)
{
	bool prefix = virtual_hosts && bucket != NULL;

	if (asprintf(host, "%s%s%s%s", prefix ? bucket : "", prefix ? "." : "", endpoint->host,
	             endpoint->port) < 0)
		*host = NULL;
	return *host != NULL;
}

static bool path_make(char **path, const char *bucket, const char *key, bool virtual_hosts)
{
	bool prefix = !virtual_hosts && bucket != NULL;

	if (asprintf(path, "/%s%s%s", prefix ? bucket : "", prefix && key != NULL ? "/" : "",
	             key == NULL ? "" : key) < 0)
		*path = NULL;
	return *path != NULL;
}

static bool url_make(char **url, const struct s3_endpoint *endpoint, const struct parts *parts,
                     const struct http_pair *query, size_t count)
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

static size_t pairs_count(const struct http_pair *pairs, size_t most)
{
	size_t count = 0;

	while (count < most && pairs[count].name != NULL)
		count++;
	return count;
}

/* Collects the headers, all but Authorization, all of which are signed. */
static size_t headers_list(const struct s3_request *request, const char *host, const char *date,
                           const char *hash, const char *md5, const char *session_token,
                           struct http_pair headers[S3_PAIRS_MAX])
{
	size_t count = 0;

	headers[count++] = (struct http_pair){"host", host};
	headers[count++] = (struct http_pair){"x-amz-content-sha256", hash};
	headers[count++] = (struct http_pair){"x-amz-date", date};
	if (session_token != NULL)
		headers[count++] = (struct http_pair){"x-amz-security-token", session_token};
	if (request->body != NULL) {
		headers[count++] = (struct http_pair){"content-md5", md5};
		headers[count++] = (struct http_pair){"content-type", "application/xml"};
	}
	for (size_t i = 0, more = pairs_count(request->headers, S3_HEADERS_MAX); i < more; i++)
		headers[count++] = request->headers[i];
	return count;
}

static bool request_spares_buckets(const struct s3_request *request)
{
	return strcmp(request->method, "DELETE") != 0 ||
	       (request->bucket != NULL && request->key != NULL && s3_key_fault(request->key) == NULL);
}

struct http_client_answer s3_request_send(struct http_client *http,
                                          const struct s3_endpoint *endpoint,
                                          const struct s3_options *options,
                                          const struct s3_credentials *credentials,
                                          const struct s3_request *request)
{
	struct http_client_answer answer = {
		.outcome = HTTP_FAILED,
		.why = "not enough memory to ask, or libcrypto refuses MD5 or SHA-256",
	};
	struct http_pair headers[S3_PAIRS_MAX];
	size_t query_count = pairs_count(request->query, S3_QUERY_MAX), count;
	char date[S3_DATE_SIZE], hash[S3_SHA256_SIZE], md5[S3_MD5_SIZE] = "";
	struct parts parts = {0};

	assert(request_spares_buckets(request));
	s3_date(time(NULL), date);
	if (!s3_sha256(request->body == NULL ? "" : request->body, request->body_length, hash) ||
	    (request->body != NULL && !s3_md5(request->body, request->body_length, md5)) ||
	    !host_make(&parts.host, endpoint, request->bucket, options->virtual_hosts) ||
	    !path_make(&parts.path, request->bucket, request->key, options->virtual_hosts) ||
	    !url_make(&parts.url, endpoint, &parts, request->query, query_count))
		goto out;
	count = headers_list(request, parts.host, date, hash, md5, credentials->session_token, headers);
	parts.authorization =
		s3_authorization(&(struct s3_signer){credentials->access_key, credentials->secret_key,
	                                         options->region, "s3", date},
	                     &(struct s3_signable){request->method, parts.path, request->query,
	                                           query_count, headers, count, hash});
	if (parts.authorization == NULL)
		goto out;
	headers[count++] = (struct http_pair){"authorization", parts.authorization};
	answer = http_client_send(http, &(struct http_client_request){
										.method = request->method,
										.url = parts.url,
										.headers = headers,
										.header_count = count,
										.body = request->body,
										.body_length = request->body_length,
									});
out:
	parts_free(&parts);
	return answer;
}
