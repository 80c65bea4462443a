/* AWS Signature Version 4: encodes, hashes and signs a request to S3. */
#include "lib/s3/s3_sign.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHA256_BYTES 32
#define MD5_BYTES 16

/* Closes a memory stream: what was written, or NULL when memory ran out on the way. */
static char *stream_finish(FILE *stream, char **text)
{
	bool failed = ferror(stream) != 0;

	if (fclose(stream) != 0 || failed) {
		free(*text);
		*text = NULL;
	}
	return *text;
}

static void put_encoded(FILE *out, const char *text, bool keep_slash)
{
	static const char unreserved[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";

	for (const char *at = text; *at != '\0'; at++) {
		if (strchr(unreserved, *at) != NULL || (keep_slash && *at == '/'))
			fputc(*at, out);
		else
			fprintf(out, "%%%02X", (unsigned char)*at);
	}
}

char *s3_encode_path(const char *path)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (out == NULL)
		return NULL;
	put_encoded(out, path, true);
	return stream_finish(out, &text);
}

static char *encode_pair(const struct http_pair *pair)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (out == NULL)
		return NULL;
	put_encoded(out, pair->name, false);
	fputc('=', out);
	put_encoded(out, pair->value, false);
	return stream_finish(out, &text);
}

/* By name, then by value, both encoded: `=`, which ends the name, comes before every other byte. */
static int compare_encoded(const void *a, const void *b)
{
	const unsigned char *x = *(const unsigned char *const *)a,
						*y = *(const unsigned char *const *)b;

	while (*x != '\0' && *x == *y)
		x++, y++;
	return (*x == '=' ? 1 : *x) - (*y == '=' ? 1 : *y);
}

static void put_query(FILE *out, char *const *encoded, size_t count)
{
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s%s", i == 0 ? "" : "&", encoded[i]);
}

char *s3_encode_query(const struct http_pair *query, size_t count)
{
	char *encoded[S3_PAIRS_MAX], *text = NULL;
	size_t done = 0, length;
	FILE *out = NULL;

	assert(count <= S3_PAIRS_MAX);
	for (; done < count; done++)
		if ((encoded[done] = encode_pair(&query[done])) == NULL)
			goto out;
	qsort(encoded, count, sizeof(encoded[0]), compare_encoded);
	out = open_memstream(&text, &length);
	if (out == NULL)
		goto out;
	put_query(out, encoded, count);
	stream_finish(out, &text);
out:
	while (done > 0)
		free(encoded[--done]);
	return text;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct http_pair *)a)->name, ((const struct http_pair *)b)->name);
}

static void sort_headers(const struct s3_signable *request, struct http_pair sorted[S3_PAIRS_MAX])
{
	assert(request->header_count > 0 && request->header_count <= S3_PAIRS_MAX);
	memcpy(sorted, request->headers, request->header_count * sizeof(*sorted));
	qsort(sorted, request->header_count, sizeof(*sorted), compare_names);
}

static void put_signed_headers(FILE *out, const struct http_pair *sorted, size_t count)
{
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s%s", i == 0 ? "" : ";", sorted[i].name);
}

char *s3_canonical_request(const struct s3_signable *request)
{
	struct http_pair sorted[S3_PAIRS_MAX];
	char *text = NULL;
	size_t length;
	char *query = s3_encode_query(request->query, request->query_count);
	FILE *out = query == NULL ? NULL : open_memstream(&text, &length);

	if (out == NULL)
		goto out;
	sort_headers(request, sorted);
	fprintf(out, "%s\n", request->method);
	put_encoded(out, request->path, true);
	fprintf(out, "\n%s\n", query);
	for (size_t i = 0; i < request->header_count; i++)
		fprintf(out, "%s:%s\n", sorted[i].name, sorted[i].value);
	fputc('\n', out);
	put_signed_headers(out, sorted, request->header_count);
	fprintf(out, "\n%s", request->payload_hash);
	stream_finish(out, &text);
out:
	free(query);
	return text;
}

static void put_scope(FILE *out, const struct s3_signer *signer)
{
	fprintf(out, "%.8s/%s/%s/aws4_request", signer->date, signer->region, signer->service);
}

char *s3_string_to_sign(const struct s3_signer *signer, const char *canonical_request)
{
	char *text = NULL, hash[S3_SHA256_SIZE];
	size_t length;
	FILE *out;

	if (!s3_sha256(canonical_request, strlen(canonical_request), hash) ||
	    (out = open_memstream(&text, &length)) == NULL)
		return NULL;
	fprintf(out, "AWS4-HMAC-SHA256\n%s\n", signer->date);
	put_scope(out, signer);
	fprintf(out, "\n%s", hash);
	return stream_finish(out, &text);
}

static void bytes_to_hex(const unsigned char *bytes, size_t count, char *hex)
{
	for (size_t i = 0; i < count; i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
}

/* KEY becomes HMAC-SHA256(KEY, DATA). */
static bool hmac_step(unsigned char key[SHA256_BYTES], const char *data, size_t length)
{
	unsigned char next[SHA256_BYTES];
	bool done = HMAC(EVP_sha256(), key, SHA256_BYTES, (const unsigned char *)data, length, next,
	                 NULL) != NULL;

	memcpy(key, next, sizeof(next));
	OPENSSL_cleanse(next, sizeof(next));
	return done;
}

/* HMAC chained over date, region, service and "aws4_request", then the text. */
static bool signature_make(const struct s3_signer *signer, const char *text,
                           char hex[S3_SHA256_SIZE])
{
	unsigned char key[SHA256_BYTES] = {0};
	char *start = NULL;
	int length = asprintf(&start, "AWS4%s", signer->secret_key);
	bool done;

	if (length < 0)
		return false;
	done = HMAC(EVP_sha256(), start, length, (const unsigned char *)signer->date, 8, key, NULL) !=
	           NULL &&
	       hmac_step(key, signer->region, strlen(signer->region)) &&
	       hmac_step(key, signer->service, strlen(signer->service)) &&
	       hmac_step(key, "aws4_request", strlen("aws4_request")) &&
	       hmac_step(key, text, strlen(text));
	if (done)
		bytes_to_hex(key, sizeof(key), hex);
	OPENSSL_cleanse(key, sizeof(key));
	OPENSSL_cleanse(start, (size_t)length);
	free(start);
	return done;
}

char *s3_authorization(const struct s3_signer *signer, const struct s3_signable *request)
{
	struct http_pair sorted[S3_PAIRS_MAX];
	char signature[S3_SHA256_SIZE], *text = NULL;
	size_t length;
	char *canonical = s3_canonical_request(request);
	char *to_sign = canonical == NULL ? NULL : s3_string_to_sign(signer, canonical);
	FILE *out;

	if (to_sign == NULL || !signature_make(signer, to_sign, signature) ||
	    (out = open_memstream(&text, &length)) == NULL)
		goto out;
	fprintf(out, "AWS4-HMAC-SHA256 Credential=%s/", signer->access_key);
	put_scope(out, signer);
	fputs(", SignedHeaders=", out);
	sort_headers(request, sorted);
	put_signed_headers(out, sorted, request->header_count);
	fprintf(out, ", Signature=%s", signature);
	stream_finish(out, &text);
out:
	free(to_sign);
	free(canonical);
	return text;
}

void s3_date(time_t when, char date[S3_DATE_SIZE])
{
	struct tm tm;
	size_t written;

	gmtime_r(&when, &tm);
	written = strftime(date, S3_DATE_SIZE, "%Y%m%dT%H%M%SZ", &tm);
	assert(written == S3_DATE_SIZE - 1);
	(void)written;
}

bool s3_sha256(const void *data, size_t length, char hex[S3_SHA256_SIZE])
{
	unsigned char hash[SHA256_BYTES];

	if (EVP_Digest(data, length, hash, NULL, EVP_sha256(), NULL) != 1)
		return false;
	bytes_to_hex(hash, sizeof(hash), hex);
	return true;
}

bool s3_sha256_base64(const void *data, size_t length, char base64[S3_SHA256_BASE64_SIZE])
{
	unsigned char hash[SHA256_BYTES];

	if (EVP_Digest(data, length, hash, NULL, EVP_sha256(), NULL) != 1)
		return false;
	EVP_EncodeBlock((unsigned char *)base64, hash, sizeof(hash));
	return true;
}

bool s3_md5(const void *data, size_t length, char base64[S3_MD5_SIZE])
{
	unsigned char hash[MD5_BYTES];

	if (EVP_Digest(data, length, hash, NULL, EVP_md5(), NULL) != 1)
		return false;
	EVP_EncodeBlock((unsigned char *)base64, hash, sizeof(hash));
	return true;
}
