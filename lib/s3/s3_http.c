/* One HTTP connection to the store, by libcurl. */
#include "lib/s3/s3_http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"

#define WAIT_MS 500 /* the longest wait between two turns of the pump */
#define TURN_MS 200 /* the shortest, while much is going on */

struct s3_http {
	const struct pump *pump;
	int64_t turned_ms;
	CURLM *multi; /* drives the easy handle and owns the connection */
	CURL *easy;
	char error[CURL_ERROR_SIZE];
};

/* What the answer's body is gathered in. */
struct sink {
	char *data;
	size_t length, size;
	bool too_long;
};

static size_t take_data(char *data, size_t unit, size_t count, void *arg)
{
	struct sink *sink = arg;
	size_t more = unit * count;

	if (more > S3_HTTP_ANSWER_BYTES - sink->length) {
		sink->too_long = true;
		return 0;
	}
	if (more > sink->size - sink->length) {
		size_t size = 2 * (sink->length + more);
		char *larger = realloc(sink->data, size);

		if (larger == NULL)
			return 0;
		sink->data = larger;
		sink->size = size;
	}
	memcpy(sink->data + sink->length, data, more);
	sink->length += more;
	return more;
}

/* What is the same for every request. PATH_AS_IS is what keeps `a/../b` from becoming `b`, and `.`
 * the bucket. */
static bool set_up(CURL *easy, const struct s3_http_options *options, char *error)
{
	bool ok = curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error) == CURLE_OK;

	ok &= curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_USERAGENT, options->user_agent) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) ==
	      CURLE_OK; /* don't wait for a name server that hangs */
	ok &= curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)options->connect_timeout_ms) ==
	      CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)options->timeout_ms) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 30L) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 10L) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK;
	if (options->ca_file != NULL && options->ca_file[0] != '\0')
		ok &= curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca_file) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_data) == CURLE_OK;
	return ok;
}

struct s3_http *s3_http_open(const struct s3_http_options *options, const struct pump *pump)
{
	struct s3_http *http = calloc(1, sizeof(*http));

	if (http == NULL)
		return NULL;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(http);
		return NULL;
	}
	http->pump = pump;
	http->multi = curl_multi_init();
	http->easy = curl_easy_init();
	if (http->multi == NULL || http->easy == NULL || !set_up(http->easy, options, http->error)) {
		s3_http_close(http);
		return NULL;
	}
	return http;
}

void s3_http_close(struct s3_http *http)
{
	if (http == NULL)
		return;
	curl_easy_cleanup(http->easy);
	curl_multi_cleanup(http->multi);
	curl_global_cleanup();
	free(http);
}

/* Adds one header; on failure frees the list. */
static bool add_header(struct curl_slist **list, const char *name, const char *value)
{
	char *line = NULL;

	if (asprintf(&line, "%s: %s", name, value) < 0)
		return false;
	struct curl_slist *longer = curl_slist_append(*list, line);
	free(line);
	if (longer != NULL)
		*list = longer;
	return longer != NULL;
}

static struct curl_slist *make_headers(const struct s3_http_request *request)
{
	/* curl would wait for `100 Continue` before a large body. */
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");
	if (list == NULL)
		return NULL;
	for (size_t i = 0; i < request->header_count; i++) {
		if (!add_header(&list, request->headers[i].name, request->headers[i].value)) {
			curl_slist_free_all(list);
			return NULL;
		}
	}
	return list;
}

static bool prepare(CURL *easy, const struct s3_http_request *request, struct curl_slist *headers,
                    struct sink *sink)
{
	bool post = strcmp(request->method, "POST") == 0;
	bool ok = curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L) == CURLE_OK;

	if (post) {
		ok &= curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK;
		ok &= curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body) == CURLE_OK;
		ok &= curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
		                       (curl_off_t)request->body_length) == CURLE_OK;
	}
	ok &= curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_URL, request->url) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_WRITEDATA, sink) == CURLE_OK;
	return ok;
}

static bool take_turn(struct s3_http *http)
{
	int64_t now_ms = clock_now_ms();

	if (now_ms - http->turned_ms < TURN_MS)
		return true;
	http->turned_ms = now_ms;
	return pump_turn(http->pump);
}

static CURLcode result_of(struct s3_http *http)
{
	int left;

	for (CURLMsg *message; (message = curl_multi_info_read(http->multi, &left)) != NULL;)
		if (message->msg == CURLMSG_DONE && message->easy_handle == http->easy)
			return message->data.result;
	return CURLE_RECV_ERROR;
}

/* Runs the prepared request to its end; STOPPED when the pump ended it. */
static CURLcode run(struct s3_http *http, bool *stopped)
{
	int running = 1;
	CURLMcode code = curl_multi_add_handle(http->multi, http->easy);

	if (code != CURLM_OK)
		return CURLE_FAILED_INIT;
	while (code == CURLM_OK && running > 0 && !*stopped) {
		code = curl_multi_perform(http->multi, &running);
		if (code != CURLM_OK || running == 0)
			break;
		if (!take_turn(http))
			*stopped = true;
		else
			code = curl_multi_poll(http->multi, NULL, 0, WAIT_MS, NULL);
	}
	CURLcode result = code == CURLM_OK && !*stopped ? result_of(http) : CURLE_RECV_ERROR;
	curl_multi_remove_handle(http->multi, http->easy);
	return result;
}

static void explain(const struct s3_http *http, CURLcode code, const struct sink *sink, char *why,
                    size_t size)
{
	if (sink->too_long)
		snprintf(why, size, "the store's answer is longer than %d bytes", S3_HTTP_ANSWER_BYTES);
	else
		snprintf(why, size, "no answer from the store: %.90s",
		         http->error[0] != '\0' ? http->error : curl_easy_strerror(code));
}

struct s3_http_answer s3_http_send(struct s3_http *http, const struct s3_http_request *request)
{
	struct s3_http_answer answer = {.outcome = S3_HTTP_FAILED};
	struct sink sink = {0};
	bool stopped = !take_turn(http);
	CURLcode code = CURLE_OUT_OF_MEMORY;

	http->error[0] = '\0';
	struct curl_slist *headers = make_headers(request);
	if (!stopped && headers != NULL && prepare(http->easy, request, headers, &sink))
		code = run(http, &stopped);
	curl_easy_setopt(http->easy, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	if (stopped) {
		answer.outcome = S3_HTTP_STOPPED;
		snprintf(answer.why, sizeof(answer.why), "stopped while the store was asked");
	} else if (code != CURLE_OK) {
		explain(http, code, &sink, answer.why, sizeof(answer.why));
	} else {
		answer.outcome = S3_HTTP_ANSWERED;
		curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &answer.status);
		answer.body = sink.data;
		answer.length = sink.length;
		return answer;
	}
	free(sink.data);
	return answer;
}
