/* One HTTP connection by libcurl, whose waits are cut short for the pump. */
#include "lib/session/http.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/clock.h"

#define WAIT_MS 500 /* the longest wait between two turns of the pump */
#define TURN_MS 200 /* the shortest, while much is going on */

/* What an answer's body, or its header, is gathered in. */
struct sink {
	char *data;
	size_t length, size, most;
	bool too_long;
};

/* What one answer is gathered in. */
struct sinks {
	struct sink body, header;
};

struct http_client {
	const struct pump *pump;
	size_t answer_bytes_max;
	int64_t turned_ms;
	CURLM *multi; /* drives the easy handle and owns the connection */
	CURL *easy;
	char error[CURL_ERROR_SIZE];
};

static bool sink_add(struct sink *sink, const char *data, size_t more)
{
	if (more > sink->most - sink->length) {
		sink->too_long = true;
		return false;
	}
	if (more > sink->size - sink->length) {
		size_t size = 2 * (sink->length + more);
		char *larger = realloc(sink->data, size);

		if (larger == NULL)
			return false;
		sink->data = larger;
		sink->size = size;
	}
	memcpy(sink->data + sink->length, data, more);
	sink->length += more;
	return true;
}

static size_t on_data(char *data, size_t unit, size_t count, void *arg)
{
	return sink_add(&((struct sinks *)arg)->body, data, unit * count) ? unit * count : 0;
}

/* One line of the header; the first of each header is the status line, and that of an interim
 * answer (100) is followed by another. What does not fit is left out. */
static size_t on_header(char *line, size_t unit, size_t count, void *arg)
{
	struct sink *sink = &((struct sinks *)arg)->header;
	size_t bytes = unit * count;

	if (bytes >= 5 && strncasecmp(line, "HTTP/", 5) == 0)
		sink->length = 0;
	sink_add(sink, line, bytes);
	return bytes;
}

/* What is the same for every request. PATH_AS_IS keeps `a/../b` from becoming `b`, QUICK_EXIT keeps
 * a name server that hangs from holding up the end. */
static bool client_set_up(struct http_client *client, const struct http_client_options *options)
{
	CURL *easy = client->easy;
	bool ok = true;

	ok &= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, client->error) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_USERAGENT, options->user_agent) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK;
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
	ok &= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK;
	return ok;
}

struct http_client *http_client_new(const struct http_client_options *options,
                                    const struct pump *pump)
{
	struct http_client *client = calloc(1, sizeof(*client));

	if (client == NULL)
		return NULL;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(client);
		return NULL;
	}
	client->pump = pump;
	client->answer_bytes_max = options->answer_bytes_max;
	client->multi = curl_multi_init();
	client->easy = curl_easy_init();
	if (client->multi == NULL || client->easy == NULL || !client_set_up(client, options)) {
		http_client_free(client);
		return NULL;
	}
	return client;
}

void http_client_free(struct http_client *client)
{
	if (client == NULL)
		return;
	curl_easy_cleanup(client->easy);
	curl_multi_cleanup(client->multi);
	curl_global_cleanup();
	free(client);
}

static bool header_add(struct curl_slist **list, const struct http_pair *header)
{
	struct curl_slist *longer;
	char *line = NULL;

	if (asprintf(&line, "%s: %s", header->name, header->value) < 0)
		return false;
	longer = curl_slist_append(*list, line);
	free(line);
	if (longer != NULL)
		*list = longer;
	return longer != NULL;
}

/* NULL without memory. */
static struct curl_slist *headers_list(const struct http_client_request *request)
{
	/* curl would wait for `100 Continue` before a large body. */
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");

	for (size_t i = 0; list != NULL && i < request->header_count; i++) {
		if (!header_add(&list, &request->headers[i])) {
			curl_slist_free_all(list);
			list = NULL;
		}
	}
	return list;
}

static bool request_set(CURL *easy, const struct http_client_request *request,
                        struct curl_slist *headers, struct sinks *sinks)
{
	bool ok = curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L) == CURLE_OK;

	if (request->body != NULL) {
		ok &= curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK;
		ok &= curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body) == CURLE_OK;
		ok &= curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
		                       (curl_off_t)request->body_length) == CURLE_OK;
	}
	ok &= curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_URL, request->url) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_WRITEDATA, sinks) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_HEADERDATA, sinks) == CURLE_OK;
	return ok;
}

static bool client_turn_pump(struct http_client *client)
{
	int64_t now_ms = clock_now_ms();

	if (now_ms - client->turned_ms < TURN_MS)
		return true;
	client->turned_ms = now_ms;
	return pump_turn(client->pump);
}

/* How the request ended that curl says is done. */
static CURLcode client_result(struct http_client *client)
{
	int left;

	for (CURLMsg *message; (message = curl_multi_info_read(client->multi, &left)) != NULL;)
		if (message->msg == CURLMSG_DONE && message->easy_handle == client->easy)
			return message->data.result;
	return CURLE_RECV_ERROR;
}

/* Runs the request that was set to its end; STOPPED when the pump ended it. */
static CURLcode client_run(struct http_client *client, bool *stopped)
{
	CURLMcode code = curl_multi_add_handle(client->multi, client->easy);
	CURLcode result = CURLE_RECV_ERROR;
	int running = 1;

	if (code != CURLM_OK)
		return CURLE_FAILED_INIT;
	while (code == CURLM_OK && running > 0 && !*stopped) {
		code = curl_multi_perform(client->multi, &running);
		if (code != CURLM_OK || running == 0)
			break;
		if (!client_turn_pump(client))
			*stopped = true;
		else
			code = curl_multi_poll(client->multi, NULL, 0, WAIT_MS, NULL);
	}
	if (code == CURLM_OK && !*stopped)
		result = client_result(client);
	curl_multi_remove_handle(client->multi, client->easy);
	return result;
}

/* Whether CODE is about the way to the server, or the time was over before the request was sent. */
static bool client_never_asked(struct http_client *client, CURLcode code)
{
	curl_off_t sending_us = 0;

	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE: return true;
	case CURLE_OPERATION_TIMEDOUT:
		curl_easy_getinfo(client->easy, CURLINFO_PRETRANSFER_TIME_T, &sending_us);
		return sending_us == 0;
	default: return false;
	}
}

/* What was gathered, as a string for the caller to free; NULL: nothing was, or a NUL is in it. */
static char *sink_take_text(struct sink *sink)
{
	char *text = NULL;

	sink->most++;
	if (sink->length > 0 && memchr(sink->data, '\0', sink->length) == NULL &&
	    sink_add(sink, "", 1)) {
		text = sink->data;
		sink->data = NULL;
	}
	return text;
}

struct http_client_answer http_client_send(struct http_client *client,
                                           const struct http_client_request *request)
{
	struct http_client_answer answer = {.outcome = HTTP_FAILED};
	struct sinks sinks = {.body.most = client->answer_bytes_max, .header.most = HTTP_HEADERS_BYTES};
	struct curl_slist *headers = headers_list(request);
	bool stopped = !client_turn_pump(client);
	CURLcode code = CURLE_OUT_OF_MEMORY;

	client->error[0] = '\0';
	if (!stopped && headers != NULL && request_set(client->easy, request, headers, &sinks))
		code = client_run(client, &stopped);
	curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	if (stopped) {
		answer.outcome = HTTP_STOPPED;
	} else if (code == CURLE_OK) {
		answer.outcome = HTTP_ANSWERED;
		curl_easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &answer.status);
		answer.body = sinks.body.data;
		answer.length = sinks.body.length;
		answer.headers = sink_take_text(&sinks.header);
		sinks.body.data = NULL;
	} else if (sinks.body.too_long) {
		snprintf(answer.why, sizeof(answer.why), "it is longer than %zu bytes", sinks.body.most);
	} else {
		answer.unreached = client_never_asked(client, code);
		snprintf(answer.why, sizeof(answer.why), "%.127s",
		         client->error[0] != '\0' ? client->error : curl_easy_strerror(code));
	}
	free(sinks.body.data);
	free(sinks.header.data);
	return answer;
}

bool http_client_header(const struct http_client_answer *answer, const char *name, char *value,
                        size_t size)
{
	size_t name_bytes = strlen(name);

	value[0] = '\0';
	for (const char *line = answer->headers; line != NULL && *line != '\0';) {
		size_t bytes = strcspn(line, "\r\n");

		if (bytes > name_bytes && line[name_bytes] == ':' &&
		    strncasecmp(line, name, name_bytes) == 0) {
			const char *end = line + bytes;

			line += name_bytes + 1;
			line += strspn(line, " \t");
			while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
				end--;
			if (end < line || (size_t)(end - line) >= size)
				return false;
			memcpy(value, line, (size_t)(end - line));
			value[end - line] = '\0';
			return true;
		}
		line += bytes;
		line += strspn(line, "\r\n");
	}
	return false;
}

void http_client_answer_free(struct http_client_answer *answer)
{
	free(answer->body);
	free(answer->headers);
	answer->body = answer->headers = NULL;
	answer->length = 0;
}
