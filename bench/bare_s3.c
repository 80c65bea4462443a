/* The bare loop that ./dev bench files compares the worker with: libcurl, one connection, signed
 * requests one after the other, and no database. It shares no code with Farewell.
 *
 *     bare_s3 put ENDPOINT BUCKET PREFIX COUNT       makes PREFIX0 to PREFIX<COUNT-1>, 16 at a time
 *     bare_s3 delete ENDPOINT BUCKET PREFIX COUNT    deletes them, 1,000 a request
 *     bare_s3 versions ENDPOINT BUCKET PREFIX        lists all versions below PREFIX and deletes
 * them
 *
 * The environment has BARE_REGION, BARE_ACCESS_KEY and BARE_SECRET_KEY. Prints the seconds that it
 * took. PREFIX needs no encoding but for its slashes. */
#include <curl/curl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH 1000
#define IN_FLIGHT 16

static const char *endpoint, *bucket, *prefix, *region, *access_key, *secret_key;

struct answer {
	char *text;
	size_t length;
};

static void fail(const char *what, const char *detail)
{
	fprintf(stderr, "bare_s3: %s: %s\n", what, detail);
	exit(1);
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t on_data(char *data, size_t unit, size_t count, void *arg)
{
	struct answer *answer = arg;
	char *longer = realloc(answer->text, answer->length + unit * count + 1);

	if (longer == NULL)
		return 0;
	memcpy(longer + answer->length, data, unit * count);
	answer->text = longer;
	answer->length += unit * count;
	longer[answer->length] = '\0';
	return unit * count;
}

static CURL *handle_new(struct answer *answer)
{
	CURL *easy = curl_easy_init();

	if (easy == NULL)
		fail("libcurl", "no handle");
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
	return easy;
}

static void hex_of(const unsigned char bytes[32], char hex[65])
{
	for (int i = 0; i < 32; i++)
		sprintf(hex + 2 * i, "%02x", bytes[i]);
}

static void sha256_hex(const char *text, size_t length, char hex[65])
{
	unsigned char hash[32];

	EVP_Digest(text, length, hash, NULL, EVP_sha256(), NULL);
	hex_of(hash, hex);
}

static void hmac_step(unsigned char key[32], const char *text)
{
	unsigned char next[32];

	HMAC(EVP_sha256(), key, 32, (const unsigned char *)text, strlen(text), next, NULL);
	memcpy(key, next, sizeof(next));
}

static void signature_of(const char *to_sign, const char *date, char hex[65])
{
	unsigned char key[32];
	char start[256], day[9];
	int length = snprintf(start, sizeof(start), "AWS4%s", secret_key);

	snprintf(day, sizeof(day), "%.8s", date);
	HMAC(EVP_sha256(), start, length, (const unsigned char *)day, 8, key, NULL);
	hmac_step(key, region);
	hmac_step(key, "s3");
	hmac_step(key, "aws4_request");
	hmac_step(key, to_sign);
	hex_of(key, hex);
}

static struct curl_slist *header_add(struct curl_slist *headers, const char *name,
                                     const char *value)
{
	char line[1024];

	snprintf(line, sizeof(line), "%s: %s", name, value);
	return curl_slist_append(headers, line);
}

/* The headers of a request, signed (Signature Version 4). PATH and QUERY are encoded; BODY has its
 * MD5 sent along, but not signed, which no store asks for. */
static struct curl_slist *headers_of(const char *method, const char *path, const char *query,
                                     const char *body, size_t length)
{
	char date[17], hash[65], request[2048], request_hash[65], to_sign[512], signature[65], md5[25];
	char authorization[512];
	unsigned char md5_bytes[16];
	time_t now = time(NULL);
	struct tm tm;
	struct curl_slist *headers = curl_slist_append(NULL, "Expect:");

	strftime(date, sizeof(date), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
	sha256_hex(body, length, hash);
	snprintf(request, sizeof(request),
	         "%s\n%s\n%s\nhost:%s\nx-amz-content-sha256:%s\nx-amz-date:%s\n\n"
	         "host;x-amz-content-sha256;x-amz-date\n%s",
	         method, path, query, strstr(endpoint, "://") + 3, hash, date, hash);
	sha256_hex(request, strlen(request), request_hash);
	snprintf(to_sign, sizeof(to_sign), "AWS4-HMAC-SHA256\n%s\n%.8s/%s/s3/aws4_request\n%s", date,
	         date, region, request_hash);
	signature_of(to_sign, date, signature);
	snprintf(authorization, sizeof(authorization),
	         "AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/s3/aws4_request, "
	         "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=%s",
	         access_key, date, region, signature);
	headers = header_add(headers, "x-amz-date", date);
	headers = header_add(headers, "x-amz-content-sha256", hash);
	headers = header_add(headers, "authorization", authorization);
	if (length > 0) {
		EVP_Digest(body, length, md5_bytes, NULL, EVP_md5(), NULL);
		EVP_EncodeBlock((unsigned char *)md5, md5_bytes, sizeof(md5_bytes));
		headers = header_add(headers, "content-md5", md5);
		headers = header_add(headers, "content-type", "application/xml");
	}
	return headers;
}

/* Sends a request about the bucket; anything but 200 ends the program. */
static void perform(CURL *easy, struct answer *answer, const char *method, const char *query,
                    const char *body, size_t length)
{
	char path[256], url[1024];
	long status = 0;
	CURLcode code;
	struct curl_slist *headers;

	snprintf(path, sizeof(path), "/%s", bucket);
	snprintf(url, sizeof(url), "%s%s?%s", endpoint, path, query);
	headers = headers_of(method, path, query, body, length);
	answer->length = 0;
	curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	if (length > 0) {
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)length);
	}
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	if ((code = curl_easy_perform(easy)) != CURLE_OK)
		fail(url, curl_easy_strerror(code));
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200)
		fail(url, answer->length > 0 ? answer->text : "refused");
	curl_slist_free_all(headers);
}

static size_t count_of(const char *text, const char *word)
{
	size_t count = 0;

	for (; (text = strstr(text, word)) != NULL; text++)
		count++;
	return count;
}

/* Asks for what BODY names, COUNT objects, all of which must be gone then. */
static void batch_delete(CURL *easy, struct answer *answer, const char *body, size_t length,
                         size_t count)
{
	perform(easy, answer, "POST", "delete=", body, length);
	if (count_of(answer->text, "<Deleted>") != count)
		fail("not all were deleted", answer->text);
}

static FILE *body_open(char **body, size_t *length)
{
	FILE *out = open_memstream(body, length);

	if (out == NULL)
		fail("body", "no memory");
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Delete "
	      "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
	      "<Quiet>false</Quiet>",
	      out);
	return out;
}

static void delete_all(int count)
{
	struct answer answer = {0};
	CURL *easy = handle_new(&answer);

	for (int first = 0; first < count; first += BATCH) {
		int last = first + BATCH < count ? first + BATCH : count;
		char *body = NULL;
		size_t length;
		FILE *out = body_open(&body, &length);

		for (int i = first; i < last; i++)
			fprintf(out, "<Object><Key>%s%d</Key></Object>", prefix, i);
		fputs("</Delete>", out);
		fclose(out);
		batch_delete(easy, &answer, body, length, (size_t)(last - first));
		free(body);
	}
	curl_easy_cleanup(easy);
	free(answer.text);
}

/* Copies each Key and VersionId of the listing into a body; returns how many there were. */
static size_t listing_to_body(const char *listing, FILE *out)
{
	size_t count = 0;

	for (const char *at = listing; (at = strstr(at, "<Key>")) != NULL; count++) {
		const char *key_end = strstr(at, "</Key>"), *id = strstr(at, "<VersionId>");
		const char *id_end = id == NULL ? NULL : strstr(id, "</VersionId>");

		if (key_end == NULL || id_end == NULL)
			fail("a listing without version ids", listing);
		fprintf(out, "<Object>%.*s</Key>%.*s</VersionId></Object>", (int)(key_end - at), at,
		        (int)(id_end - id), id);
		at = id_end;
	}
	fputs("</Delete>", out);
	return count;
}

static void delete_versions(void)
{
	struct answer answer = {0};
	CURL *easy = handle_new(&answer);
	char query[512], *escaped = curl_easy_escape(easy, prefix, 0);
	size_t count;

	snprintf(query, sizeof(query), "max-keys=%d&prefix=%s&versions=", BATCH, escaped);
	do {
		char *body = NULL;
		size_t length;
		FILE *out = body_open(&body, &length);

		perform(easy, &answer, "GET", query, "", 0);
		count = listing_to_body(answer.text, out);
		fclose(out);
		if (count > 0)
			batch_delete(easy, &answer, body, length, count);
		free(body);
	} while (count == BATCH);
	curl_free(escaped);
	curl_easy_cleanup(easy);
	free(answer.text);
}

static void put_next(CURLM *multi, CURL *easy, struct curl_slist **headers, int number)
{
	char path[512], url[1024];

	snprintf(path, sizeof(path), "/%s/%s%d", bucket, prefix, number);
	snprintf(url, sizeof(url), "%s%s", endpoint, path);
	curl_slist_free_all(*headers);
	*headers = headers_of("PUT", path, "", "x", 1);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, *headers);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_multi_add_handle(multi, easy);
}

/* One object a request, so many at a time. */
static void put_all(int count)
{
	CURLM *multi = curl_multi_init();
	struct answer ignored[IN_FLIGHT] = {{0}};
	struct curl_slist *headers[IN_FLIGHT] = {NULL};
	CURL *handles[IN_FLIGHT];
	int next = 0, done = 0, running, left;

	for (int i = 0; i < IN_FLIGHT; i++) {
		handles[i] = handle_new(&ignored[i]);
		curl_easy_setopt(handles[i], CURLOPT_CUSTOMREQUEST, "PUT");
		curl_easy_setopt(handles[i], CURLOPT_POSTFIELDS, "x");
		curl_easy_setopt(handles[i], CURLOPT_PRIVATE, &headers[i]);
		if (next < count)
			put_next(multi, handles[i], &headers[i], next++);
	}
	while (done < count) {
		curl_multi_perform(multi, &running);
		for (CURLMsg *message; (message = curl_multi_info_read(multi, &left)) != NULL;) {
			CURL *easy = message->easy_handle;
			CURLcode code = message->data.result;
			struct curl_slist **list;
			long status = 0;

			curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
			curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&list);
			if (code != CURLE_OK || status != 200)
				fail("an object could not be put", curl_easy_strerror(code));
			done++;
			curl_multi_remove_handle(multi, easy);
			if (next < count)
				put_next(multi, easy, list, next++);
		}
		if (done < count)
			curl_multi_poll(multi, NULL, 0, 1000, NULL);
	}
	for (int i = 0; i < IN_FLIGHT; i++) {
		curl_easy_cleanup(handles[i]);
		curl_slist_free_all(headers[i]);
		free(ignored[i].text);
	}
	curl_multi_cleanup(multi);
}

int main(int argc, char **argv)
{
	const char *verb = argc > 4 ? argv[1] : "";
	int count = argc > 5 ? atoi(argv[5]) : 0;
	double began;

	region = getenv("BARE_REGION");
	access_key = getenv("BARE_ACCESS_KEY");
	secret_key = getenv("BARE_SECRET_KEY");
	if (argc < 5 || region == NULL || access_key == NULL || secret_key == NULL ||
	    strstr(argv[2], "://") == NULL)
		return 64;
	endpoint = argv[2];
	bucket = argv[3];
	prefix = argv[4];
	curl_global_init(CURL_GLOBAL_DEFAULT);
	began = now_s();
	if (strcmp(verb, "put") == 0)
		put_all(count);
	else if (strcmp(verb, "delete") == 0)
		delete_all(count);
	else if (strcmp(verb, "versions") == 0)
		delete_versions();
	else
		return 64;
	printf("%.6f\n", now_s() - began);
	curl_global_cleanup();
	return 0;
}
