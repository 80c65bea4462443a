/* HTTP requests by libcurl, one or several at a time, whose waits are cut short for the pump. */
#include "lib/session/http.h"

#include <assert.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/select.h>
#include <sys/socket.h>

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

/* One request under way, or the handle of one that was. */
struct transfer {
	CURL *easy; /* NULL until it is needed for the first time */
	void *tag;  /* NULL: none is under way */
	struct curl_slist *headers;
	struct sinks sinks;
	bool done, stopped;
	CURLcode code; /* of one that is done and was not stopped */
	char error[CURL_ERROR_SIZE];
};

struct http_client {
	const struct pump *pump;
	struct http_client_options options;
	int64_t turned_ms;
	CURLM *multi; /* drives the easy handles and owns the connections */
	struct transfer transfers[HTTP_AT_ONCE_MAX];
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

/* Sets what is the same for every request. PATH_AS_IS keeps `a/../b` from becoming `b`, QUICK_EXIT
 * keeps a name server that hangs from holding up the end. */
static bool transfer_set_up(struct transfer *transfer, const struct http_client_options *options)
{
	CURL *easy = transfer->easy;
	bool ok = true;

	ok &= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer->sinks) == CURLE_OK;
	ok &= curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer->sinks) == CURLE_OK;
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

/* Makes the handle if there is none yet. */
static bool transfer_open(struct transfer *transfer, const struct http_client_options *options)
{
	if (transfer->easy != NULL)
		return true;
	transfer->easy = curl_easy_init();
	if (transfer->easy != NULL && transfer_set_up(transfer, options))
		return true;
	curl_easy_cleanup(transfer->easy);
	transfer->easy = NULL;
	return false;
}

/* Gives up what the request holds. */
static void transfer_end(struct http_client *client, struct transfer *transfer)
{
	if (transfer->tag == NULL)
		return;
	if (transfer->easy != NULL) {
		curl_multi_remove_handle(client->multi, transfer->easy);
		curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, NULL);
	}
	curl_slist_free_all(transfer->headers);
	transfer->headers = NULL;
	free(transfer->sinks.body.data);
	free(transfer->sinks.header.data);
	transfer->tag = NULL;
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
	client->options = *options;
	client->multi = curl_multi_init();
	if (client->multi == NULL || !transfer_open(&client->transfers[0], options)) {
		http_client_free(client);
		return NULL;
	}
	return client;
}

void http_client_free(struct http_client *client)
{
	if (client == NULL)
		return;
	for (size_t i = 0; i < HTTP_AT_ONCE_MAX; i++) {
		transfer_end(client, &client->transfers[i]);
		curl_easy_cleanup(client->transfers[i].easy);
	}
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
                        struct curl_slist *headers)
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

static struct transfer *client_find(struct http_client *client, bool done)
{
	for (size_t i = 0; i < HTTP_AT_ONCE_MAX; i++)
		if (client->transfers[i].tag != NULL && client->transfers[i].done == done)
			return &client->transfers[i];
	return NULL;
}

static void client_end_all(struct http_client *client, bool stopped)
{
	for (struct transfer *transfer; (transfer = client_find(client, false)) != NULL;) {
		transfer->done = true;
		transfer->stopped = stopped;
		transfer->code = CURLE_RECV_ERROR;
	}
}

/* Acknowledges what comes at once, for this turn: a server that writes header and body one after
 * the other without TCP_NODELAY, as radosgw does, sends the second when the first has been
 * acknowledged, which the kernel would do 40 ms later (tcp(7), TCP_QUICKACK). */
static void client_acknowledge(struct http_client *client)
{
	fd_set readable, writable, failed;
	int last = -1;

	FD_ZERO(&readable);
	FD_ZERO(&writable);
	FD_ZERO(&failed);
	if (curl_multi_fdset(client->multi, &readable, &writable, &failed, &last) != CURLM_OK)
		return;
	for (int fd = 0; fd <= last; fd++)
		if (FD_ISSET(fd, &readable))
			setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &(int){1}, sizeof(int));
}

/* Waits until something comes, but not for long. */
static CURLMcode client_wait(struct http_client *client)
{
	client_acknowledge(client);
	return curl_multi_poll(client->multi, NULL, 0, WAIT_MS, NULL);
}

/* Lets curl work, notes who is done, and if nobody is, waits a little. */
static void client_step(struct http_client *client)
{
	int count;
	CURLMcode code = curl_multi_perform(client->multi, &count);

	for (CURLMsg *message; (message = curl_multi_info_read(client->multi, &count)) != NULL;) {
		struct transfer *transfer = NULL;

		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
		if (message->msg == CURLMSG_DONE && transfer != NULL) {
			transfer->done = true;
			transfer->code = message->data.result;
		}
	}
	if (code == CURLM_OK && client_find(client, true) == NULL) {
		if (!client_turn_pump(client))
			client_end_all(client, true);
		else
			code = client_wait(client);
	}
	if (code != CURLM_OK)
		client_end_all(client, false);
}

/* Whether it failed on the way to the server, or its time was over before it was sent. */
static bool transfer_never_asked(const struct transfer *transfer)
{
	curl_off_t sending_us = 0;

	switch (transfer->code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE: return true;
	case CURLE_OPERATION_TIMEDOUT:
		curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &sending_us);
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

static struct http_client_answer transfer_take_answer(struct transfer *transfer)
{
	struct http_client_answer answer = {.outcome = HTTP_FAILED};
	struct sink *body = &transfer->sinks.body;

	if (transfer->stopped) {
		answer.outcome = HTTP_STOPPED;
	} else if (transfer->code == CURLE_OK) {
		answer.outcome = HTTP_ANSWERED;
		curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &answer.status);
		answer.body = body->data;
		answer.length = body->length;
		answer.headers = sink_take_text(&transfer->sinks.header);
		body->data = NULL;
	} else if (body->too_long) {
		snprintf(answer.why, sizeof(answer.why), "it is longer than %zu bytes", body->most);
	} else {
		answer.unreached = transfer_never_asked(transfer);
		answer.timed_out = transfer->code == CURLE_OPERATION_TIMEDOUT && !answer.unreached;
		snprintf(answer.why, sizeof(answer.why), "%.127s",
		         transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(transfer->code));
	}
	return answer;
}

/* Makes a free handle one with a request under way. */
static struct transfer *client_new_transfer(struct http_client *client, void *tag)
{
	struct transfer *transfer = client->transfers;

	while (transfer->tag != NULL && transfer < client->transfers + HTTP_AT_ONCE_MAX - 1)
		transfer++;
	assert(transfer->tag == NULL && tag != NULL);
	transfer->tag = tag;
	transfer->done = transfer->stopped = false;
	transfer->error[0] = '\0';
	transfer->sinks = (struct sinks){.body.most = client->options.answer_bytes_max,
	                                 .header.most = HTTP_HEADERS_BYTES};
	return transfer;
}

void http_client_begin(struct http_client *client, const struct http_client_request *request,
                       void *tag)
{
	struct transfer *transfer = client_new_transfer(client, tag);

	transfer->headers = headers_list(request);
	transfer->code = CURLE_OUT_OF_MEMORY;
	transfer->stopped = !client_turn_pump(client);
	transfer->done = transfer->stopped || transfer->headers == NULL ||
	                 !transfer_open(transfer, &client->options) ||
	                 !request_set(transfer->easy, request, transfer->headers) ||
	                 curl_multi_add_handle(client->multi, transfer->easy) != CURLM_OK;
}

void *http_client_next(struct http_client *client, struct http_client_answer *answer)
{
	struct transfer *transfer;
	void *tag;

	while ((transfer = client_find(client, true)) == NULL) {
		if (client_find(client, false) == NULL)
			return NULL;
		client_step(client);
	}
	tag = transfer->tag;
	*answer = transfer_take_answer(transfer);
	transfer_end(client, transfer);
	return tag;
}

struct http_client_answer http_client_send(struct http_client *client,
                                           const struct http_client_request *request)
{
	struct http_client_answer answer;

	http_client_begin(client, request, client);
	void *tag = http_client_next(client, &answer);
	assert(tag == client);
	(void)tag;
	return answer;
}
