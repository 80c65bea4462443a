/* The loop of a gateway's child: accept, answer, and again. libfcgi is called here only. */
#include "fcgi/accept.h"

#include <errno.h>
#include <fcgiapp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "fcgi/check.h"
#include "fcgi/gateway.h"
#include "fcgi/listen.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/config/conf.h"
#include "lib/supervisor/child.h"

#define LOOK_MS 1000 /* how often a session is looked after while there is nothing to do */
#define BODY_MAX_BYTES (64 * 1024) /* read and discarded; no request has a use for one */
#define HEAD_SIZE (HTTP_HEADERS_SIZE + 256)

/* ---- one request ---- */

static void accept_discard_body(FCGX_Stream *in)
{
	char buffer[4096];
	int left = BODY_MAX_BYTES, got;

	do {
		got = FCGX_GetStr(buffer, (int)sizeof(buffer), in);
		left -= got;
	} while (got == (int)sizeof(buffer) && left > 0);
}

static void accept_read_request(FCGX_Request *fcgi, const struct conf *conf,
                                struct http_request *request)
{
	const char *method = FCGX_GetParam("REQUEST_METHOD", fcgi->envp),
			   *uri = FCGX_GetParam("REQUEST_URI", fcgi->envp);
	const char *authorization = FCGX_GetParam("HTTP_AUTHORIZATION", fcgi->envp);

	request->method = method != NULL ? method : "";
	request->uri = uri != NULL ? uri : "";
	request->authorization =
		authorization != NULL && authorization[0] != '\0' ? authorization : NULL;
	http_request_id(request, FCGX_GetParam("REQUEST_ID", fcgi->envp));
	request->deadline_ms = clock_now_ms() + conf->gateway.request_timeout_ms;
}

static void accept_write_response(FCGX_Request *fcgi, const struct http_request *request,
                                  const struct http_response *response)
{
	char head[HEAD_SIZE];
	int length = snprintf(head, sizeof(head), "Status: %d %s\r\n", response->status,
	                      http_reason(response->status));

	if (response->body != NULL)
		length += snprintf(head + length, sizeof(head) - (size_t)length,
		                   "Content-Type: %s\r\nContent-Length: %zu\r\n", response->content_type,
		                   response->length);
	length += snprintf(head + length, sizeof(head) - (size_t)length, "%s\r\n", response->headers);
	FCGX_PutStr(head, length, fcgi->out);
	if (response->body != NULL && strcmp(request->method, "HEAD") != 0)
		FCGX_PutStr(response->body, (int)response->length, fcgi->out);
}

static void accept_serve(struct child *me, struct gateway *gateway, FCGX_Request *fcgi)
{
	struct http_request request;
	struct http_response response;

	accept_read_request(fcgi, gateway->conf, &request);
	child_busy(me, request.id, "request");
	accept_discard_body(fcgi->in);
	gateway_answer(gateway, &request, &response);
	child_step(me, "answer");
	accept_write_response(fcgi, &request, &response);
	/* Before anything is waited for again: only this sends the answer. */
	FCGX_Finish_r(fcgi);
	child_done(me, response.status < 500);
	http_response_free(&response);
}

/* ---- the loop ---- */

/* Takes one connection; false: another child was faster, or there is none. */
static bool accept_one(struct child *me, struct gateway *gateway, FCGX_Request *fcgi)
{
	child_busy(me, "",
	           "reading"); /* hard_timeout ends it if a peer sends half a header and no more */
	int result = FCGX_Accept_r(fcgi);
	if (result == 0) {
		accept_serve(me, gateway, fcgi);
		return true;
	}
	child_idle(me, "waiting");
	if (result == -EAGAIN || result == -EWOULDBLOCK)
		return false;
	log_error("a connection can't be accepted: %s",
	          result < 0 ? strerror(-result) : "unknown error");
	child_wait(me, -1, 0, LOOK_MS);
	return false;
}

/* After TERM: those that connected before the socket was removed; no more than the backlog holds,
 * because a socket of systemd's is never removed. */
static void accept_backlog(struct child *me, struct gateway *gateway, FCGX_Request *fcgi)
{
	int64_t left = gateway->conf->gateway.backlog;

	while (child_hurry(me) && !child_paused(me) && left-- > 0 && accept_one(me, gateway, fcgi))
		;
}

static void accept_loop(struct child *me, struct gateway *gateway, FCGX_Request *fcgi)
{
	const struct listener *listener = &((struct gateway_shared *)child_shared(me))->listener;
	int64_t looked_ms = clock_now_ms();

	child_serving(me);
	while (!child_stopping(me)) {
		bool paused = child_paused(me);

		child_idle(me, paused ? "paused" : "waiting");
		/* Who was woken takes the connection, even if it is to stop: no other child was. */
		if ((child_wait(me, paused ? -1 : listener->fd, POLLIN, LOOK_MS) & POLLIN) != 0)
			accept_one(me, gateway, fcgi);
		if (clock_now_ms() - looked_ms >= LOOK_MS) {
			gateway_look(gateway);
			looked_ms = clock_now_ms();
		}
	}
}

/* Only what a setting can fix stops us; a server that is away, or does not let us in, may be as it
 * should before the first request. But children that were let in don't leave for one that is not.
 */
static bool accept_may_begin(const struct child *me, enum check_result found, int *code)
{
	if (found == CHECK_WRONG)
		*code = CHILD_MISCONFIGURED;
	return found != CHECK_WRONG && (found != CHECK_REFUSED || !child_replaces(me));
}

int accept_run(struct child *me, const struct conf *conf)
{
	struct gateway gateway;
	FCGX_Request fcgi;
	const struct listener *listener = &((struct gateway_shared *)child_shared(me))->listener;
	int code = CHILD_TRY_LATER;

	if (!gateway_open(&gateway, conf, me)) {
		log_error("out of memory");
		goto out;
	}
	if (!child_is_first(me))
		gateway_connect(&gateway);
	else if (!accept_may_begin(me, check_servers(&gateway), &code))
		goto out;
	if (FCGX_Init() != 0 || FCGX_InitRequest(&fcgi, listener->fd, 0) != 0) {
		log_error("libfcgi can't be initialised");
		goto out;
	}
	signal(SIGPIPE, SIG_IGN); /* FCGX_Init replaces an ignored one */
	accept_loop(me, &gateway, &fcgi);
	accept_backlog(me, &gateway, &fcgi);
	FCGX_Free(&fcgi, 1);
	code = CHILD_RECYCLE;
out:
	gateway_close(&gateway);
	return code;
}
