/* Sends a mail by libcurl. What became of it is told by the conversation (smtp_trace.c), not by
 * curl's error codes, which don't tell a refused recipient from a broken connection. */
#include "lib/mail/smtp.h"

#include <stdio.h>
#include <string.h>

#include <curl/curl.h>

#include "lib/base/clock.h"
#include "lib/base/crash.h"
#include "lib/mail/mail_address.h"
#include "lib/mail/smtp_helo.h"
#include "lib/mail/smtp_trace.h"

#define QUIT_MS 1000 /* patience with a server that does not answer QUIT */
#define URL_SIZE 1280
/* curl's own time-outs come so much later than ours, which know what they mean for the mail. */
#define SLACK_MS 2000
#define COMMAND_SIZE (3 * MAIL_ADDRESS_SIZE + 16)

struct session {
	CURL *curl;
	const struct smtp_options *options;
	const struct pump *pump;
	struct smtp_trace trace;
	const char *from, *to;
	const char *message;
	size_t length, given;
	char helo[SMTP_HELO_SIZE];
	bool stopped;        /* by the pump */
	const char *refusal; /* why we ended it ourselves, or NULL */
	bool unaddressable;  /* the refusal is about the address */
	/* What is waited for until when; 0: not yet. */
	int64_t connect_deadline_ms, deadline_ms, answer_deadline_ms, quit_deadline_ms;
	char error[CURL_ERROR_SIZE];
};

/* ---- what curl calls ---- */

static int on_debug(CURL *curl, curl_infotype type, char *data, size_t size, void *arg)
{
	struct session *session = arg;

	(void)curl;
	if (type == CURLINFO_HEADER_OUT) {
		smtp_trace_sent(&session->trace, data, size);
		if (session->trace.quitting && session->quit_deadline_ms == 0)
			session->quit_deadline_ms = clock_now_ms() + QUIT_MS;
	} else if (type == CURLINFO_HEADER_IN) {
		for (size_t used = 0, line; used < size; used += line) {
			const char *end = memchr(data + used, '\n', size - used);

			line = end != NULL ? (size_t)(end - data) + 1 - used : size - used;
			smtp_trace_got(&session->trace, data + used, line);
		}
	}
	return 0;
}

static size_t on_read(char *buffer, size_t size, size_t count, void *arg)
{
	struct session *session = arg;
	size_t left = session->length - session->given,
		   give = size * count < left ? size * count : left;

	CRASH_POINT("worker-inside-smtp");
	memcpy(buffer, session->message + session->given, give);
	session->given += give;
	smtp_trace_body(&session->trace, session->given == session->length);
	if (session->trace.handed_over)
		session->answer_deadline_ms = clock_now_ms() + session->options->answer_timeout_ms;
	return give;
}

/* A reply to a command that is not ours to see; without it curl would write it to standard output.
 */
static size_t on_write(char *data, size_t size, size_t count, void *arg)
{
	(void)data;
	(void)arg;
	return size * count;
}

static bool session_is_connected(const struct session *session)
{
	curl_off_t connected_us = 0;

	curl_easy_getinfo(session->curl, CURLINFO_CONNECT_TIME_T, &connected_us);
	return connected_us > 0 || session->trace.stage != SMTP_CONNECTING;
}

/* Why the conversation must end now; NULL: it may go on. */
static const char *session_overdue(const struct session *session, int64_t now_ms)
{
	if (session->trace.handed_over)
		return now_ms > session->answer_deadline_ms ? "no answer within smtp_answer_timeout" : NULL;
	if (now_ms > session->connect_deadline_ms && !session_is_connected(session))
		return "no connection within connect_timeout";
	return now_ms > session->deadline_ms ? "not done within smtp_timeout" : NULL;
}

/* curl calls this at least once a second, also while nothing happens. Not 0: give up. */
static int on_progress(void *arg, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal,
                       curl_off_t ulnow)
{
	struct session *session = arg;
	bool go_on = pump_turn(session->pump);
	int64_t now_ms = clock_now_ms();

	(void)dltotal, (void)dlnow, (void)ultotal, (void)ulnow;
	if (session->quit_deadline_ms != 0)
		return now_ms > session->quit_deadline_ms;
	if (!go_on && !session->trace.handed_over) {
		session->stopped = true;
		return 1;
	}
	if (session->refusal == NULL)
		session->refusal = session_overdue(session, now_ms);
	return session->refusal != NULL;
}

/* Opens nothing: only finds out from which address the server is reached. */
static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *peer)
{
	struct session *session = arg;

	(void)purpose;
	if (session->helo[0] == '\0' && !smtp_helo_towards(&peer->addr, peer->addrlen, session->helo))
		session->helo[0] = '\0';
	return CURL_SOCKET_BAD;
}

/* Called when the server was greeted, and before the mail: the last moment to see that curl would
 * go on without AUTH or SMTPUTF8. */
static int on_ready(void *arg, char *peer_ip, char *local_ip, int peer_port, int local_port)
{
	struct session *session = arg;

	(void)peer_ip, (void)local_ip, (void)peer_port, (void)local_port;
	if (session->options->user != NULL && session->options->user[0] != '\0' &&
	    !session->trace.auth_tried) {
		session->refusal = "the server offers no AUTH, but there is a user to log in with";
	} else if (mail_address_is_utf8(session->to) && !session->trace.utf8_offered) {
		session->refusal = "the server takes no addresses outside ASCII (SMTPUTF8)";
		session->unaddressable = true;
	}
	return session->refusal != NULL ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* ---- one connection ---- */

static void session_set_callbacks(struct session *session)
{
	CURL *curl = session->curl;

	curl_easy_setopt(curl, CURLOPT_VERBOSE, 1L);
	curl_easy_setopt(curl, CURLOPT_DEBUGFUNCTION, on_debug);
	curl_easy_setopt(curl, CURLOPT_DEBUGDATA, session);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_write);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, session);
	curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, on_ready);
	curl_easy_setopt(curl, CURLOPT_PREREQDATA, session);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, session->error);
}

/* One deadline for all until the message is handed over, and one for the answer to it: both ours
 * (session_overdue). curl's own for connecting would also cover the greeting, the log-in and a
 * server's deliberate delay before them, its own for one reply is two minutes, and one for the
 * whole transfer would cut the wait for the answer short. */
static void session_set_timeouts(CURL *curl, const struct smtp_options *options)
{
	int64_t longest_ms = options->timeout_ms > options->answer_timeout_ms ?
	                         options->timeout_ms :
	                         options->answer_timeout_ms;

	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)(options->timeout_ms + SLACK_MS));
	curl_easy_setopt(curl, CURLOPT_SERVER_RESPONSE_TIMEOUT,
	                 (long)((longest_ms + SLACK_MS) / 1000 + 1));
}

static bool session_set_login(CURL *curl, const struct smtp_options *options)
{
	char mechanism[64];

	if (options->user == NULL || options->user[0] == '\0')
		return true;
	if (options->mechanism != NULL && options->mechanism[0] != '\0') {
		snprintf(mechanism, sizeof(mechanism), "AUTH=%s", options->mechanism);
		if (curl_easy_setopt(curl, CURLOPT_LOGIN_OPTIONS, mechanism) != CURLE_OK)
			return false;
	}
	return curl_easy_setopt(curl, CURLOPT_USERNAME, options->user) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PASSWORD,
	                        options->password != NULL ? options->password : "") == CURLE_OK;
}

static bool session_set_server(CURL *curl, const struct smtp_options *options)
{
	static const long starttls[] = {
		[SMTP_STARTTLS_NEVER] = CURLUSESSL_NONE,
		[SMTP_STARTTLS_OFFERED] = CURLUSESSL_TRY,
		[SMTP_STARTTLS_REQUIRED] = CURLUSESSL_ALL,
	};
	bool good = curl_easy_setopt(curl, CURLOPT_URL, options->url) == CURLE_OK &&
	            curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps") == CURLE_OK &&
	            curl_easy_setopt(curl, CURLOPT_USE_SSL, starttls[options->starttls]) == CURLE_OK &&
	            session_set_login(curl, options);

	if (options->ca_file != NULL && options->ca_file[0] != '\0')
		good = good && curl_easy_setopt(curl, CURLOPT_CAINFO, options->ca_file) == CURLE_OK &&
		       curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK;
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	session_set_timeouts(curl, options);
	return good;
}

/* Finds the name to greet with: the setting, the host's, or else the address from which the server
 * is reached. That takes a first go that ends before the connection, as curl asks for the name
 * before it has one. */
static CURLcode session_find_helo(struct session *session)
{
	const char *set = session->options->helo;
	CURLcode code;

	if (set != NULL && set[0] != '\0') {
		snprintf(session->helo, sizeof(session->helo), "%s", set);
		return CURLE_OK;
	}
	if (smtp_helo_of_host(session->helo))
		return CURLE_OK;
	session->helo[0] = '\0';
	curl_easy_setopt(session->curl, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	curl_easy_setopt(session->curl, CURLOPT_OPENSOCKETDATA, session);
	code = curl_easy_perform(session->curl);
	curl_easy_setopt(session->curl, CURLOPT_OPENSOCKETFUNCTION, NULL);
	if (session->helo[0] == '\0' || session->stopped || session->refusal != NULL)
		return code != CURLE_OK ? code : CURLE_COULDNT_CONNECT;
	session->error[0] = '\0';
	return CURLE_OK;
}

/* curl takes the name from the URL's path. */
static bool session_set_helo(struct session *session)
{
	char url[URL_SIZE], *name = curl_easy_escape(session->curl, session->helo, 0);
	int length;

	if (name == NULL)
		return false;
	length = snprintf(url, sizeof(url), "%s/%s", session->options->url, name);
	curl_free(name);
	return length < (int)sizeof(url) &&
	       curl_easy_setopt(session->curl, CURLOPT_URL, url) == CURLE_OK;
}

/* ---- what is said ---- */

static CURLcode session_send_mail(struct session *session)
{
	CURL *curl = session->curl;
	struct curl_slist *recipients = curl_slist_append(NULL, session->to);
	CURLcode code = CURLE_OUT_OF_MEMORY;

	curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)session->length);
	curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(curl, CURLOPT_READDATA, session);
	if (recipients != NULL &&
	    curl_easy_setopt(curl, CURLOPT_MAIL_FROM, session->from) == CURLE_OK &&
	    curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients) == CURLE_OK)
		code = curl_easy_perform(curl);
	curl_slist_free_all(recipients);
	return code;
}

/* Writes VERB<ADDRESS> as curl wants a command: it decodes %XX in it. */
static void command_write(char command[COMMAND_SIZE], const char *verb, const char *address)
{
	size_t used = (size_t)snprintf(command, COMMAND_SIZE, "%s<", verb);

	for (; *address != '\0'; address++)
		used += (size_t)snprintf(command + used, COMMAND_SIZE - used,
		                         *address == '%' ? "%%25" : "%c", *address);
	snprintf(command + used, COMMAND_SIZE - used, ">");
}

/* Says one command on the connection there is, or on a new one. LAST: and then QUIT. */
static CURLcode session_say(struct session *session, const char *command, bool last)
{
	curl_easy_setopt(session->curl, CURLOPT_NOBODY, 1L);
	curl_easy_setopt(session->curl, CURLOPT_FORBID_REUSE, last ? 1L : 0L);
	if (curl_easy_setopt(session->curl, CURLOPT_CUSTOMREQUEST, command) != CURLE_OK)
		return CURLE_OUT_OF_MEMORY;
	return curl_easy_perform(session->curl);
}

static CURLcode session_say_envelope(struct session *session)
{
	char command[COMMAND_SIZE];
	CURLcode code;

	command_write(command, "MAIL FROM:", session->from);
	code = session_say(session, command, false);
	if (code != CURLE_OK)
		return code;
	command_write(command, "RCPT TO:", session->to);
	code = session_say(session, command, false);
	return code == CURLE_OK ? session_say(session, "RSET", true) : code;
}

/* Holds the conversation; afterwards the trace knows how it went. */
static CURLcode session_converse(struct session *session, CURLcode (*say)(struct session *))
{
	CURLcode code = CURLE_OUT_OF_MEMORY;
	int64_t now_ms = clock_now_ms();

	session->connect_deadline_ms = now_ms + session->options->connect_timeout_ms;
	session->deadline_ms = now_ms + session->options->timeout_ms;
	session->curl = curl_easy_init();
	if (session->curl == NULL)
		return code;
	session_set_callbacks(session);
	if (!session_set_server(session->curl, session->options)) {
		session->refusal = "libcurl refuses the SMTP options";
	} else {
		code = session_find_helo(session);
		if (code == CURLE_OK)
			code = session_set_helo(session) ? say(session) : CURLE_OUT_OF_MEMORY;
	}
	curl_easy_cleanup(session->curl);
	return code;
}

/* ---- words for it ---- */

/* What an operator can do about it; "" for what only time or the recipient can fix. */
static const char *session_advice(const struct session *session, CURLcode code)
{
	const struct smtp_trace *trace = &session->trace;

	if (code == CURLE_USE_SSL_FAILED && trace->code < 400)
		return " (smtp_starttls = required, but the server offers no STARTTLS)";
	if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
		return " (see smtp_ca_file)";
	if (code == CURLE_LOGIN_DENIED && trace->code < 400)
		return trace->auth_offered && !trace->auth_tried ?
		           " (the server does not offer the mechanism that smtp_auth names)" :
		           " (see smtp_user, smtp_password_file and smtp_auth)";
	return smtp_trace_advice(trace);
}

static void session_explain(const struct session *session, CURLcode code, char *why,
                            size_t why_size)
{
	const struct smtp_trace *trace = &session->trace;
	const char *stage = smtp_stage_name(trace->stage), *hint = session_advice(session, code);

	if (trace->code >= 400)
		snprintf(why, why_size, "the mail server answered %d to %s: %s%s", trace->code, stage,
		         trace->text, hint);
	else if (trace->final_code != 0 || code == CURLE_OK)
		snprintf(why, why_size, "the mail server answered %d", trace->code);
	else if (session->refusal != NULL)
		snprintf(why, why_size, "mail server, at %s: %s", stage, session->refusal);
	else if (session->stopped)
		snprintf(why, why_size, "told to stop while waiting for the mail server's answer to %s",
		         stage);
	else
		snprintf(why, why_size, "mail server, at %s: %s%s", stage,
		         session->error[0] != '\0' ? session->error : curl_easy_strerror(code), hint);
	smtp_mask(why, session->to);
}

enum mail_result smtp_send(const struct smtp_options *options, const struct pump *pump,
                           const char *from, const char *to, const char *message, size_t length,
                           char *why, size_t why_size)
{
	struct session session = {.options = options,
	                          .pump = pump,
	                          .from = from,
	                          .to = to,
	                          .message = message,
	                          .length = length};
	CURLcode code = session_converse(&session, session_send_mail);

	session_explain(&session, code, why, why_size);
	return session.unaddressable ? MAIL_REJECTED :
	                               smtp_trace_result(&session.trace, session.stopped);
}

enum mail_result smtp_check(const struct smtp_options *options, const struct pump *pump,
                            const char *from, const char *to, char *why, size_t why_size)
{
	struct session session = {.options = options, .pump = pump, .from = from, .to = to};
	CURLcode code = session_converse(&session, session_say_envelope);

	session_explain(&session, code, why, why_size);
	return session.trace.recipient_taken ? MAIL_ACCEPTED :
	                                       smtp_trace_result(&session.trace, session.stopped);
}
