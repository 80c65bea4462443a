/* The sessions of a gateway process, and the checks every request passes. */
#include "fcgi/gateway.h"

#include <stdlib.h>
#include <time.h>

#include "fcgi/problem.h"
#include "fcgi/routes.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/config/conf.h"
#include "lib/supervisor/child.h"

#define REALM "farewell"
#define WHY_SIZE 128 /* a sentence for the client */

/* ---- sessions ---- */

/* While the broker is waited for. A request that was begun is finished, so a wait is never given
 * up. */
static bool gateway_pump_child(void *arg)
{
	struct gateway *gateway = arg;

	if (gateway->child != NULL)
		child_look(gateway->child);
	return true;
}

/* While the database is waited for: the broker wants its heartbeats too. */
static bool gateway_pump_broker(void *arg)
{
	struct gateway *gateway = arg;

	if (mq_is_open(gateway->mq) && mq_pump(gateway->mq) != MQ_OK)
		log_warning("%s", mq_why(gateway->mq));
	return gateway_pump_child(arg);
}

bool gateway_open(struct gateway *gateway, const struct conf *conf, struct child *child)
{
	const struct conf_sessions *s = &conf->gateway.sessions;

	*gateway = (struct gateway){.conf = conf, .child = child};
	if (child != NULL)
		gateway->broker.alarm = ((struct gateway_shared *)child_shared(child))->alarm;
	gateway->db_pump = (struct pump){gateway_pump_broker, gateway};
	gateway->mq_pump = (struct pump){gateway_pump_child, gateway};
	if (!request_gateway_statements(conf, gateway->statements, &gateway->texts))
		return false;
	gateway->db_options = (struct db_options){
		.name = "user_db",
		.conninfo = s->user_db,
		.password = s->user_db_password.value,
		.application_name = "farewell-fcgi",
		.connect_timeout_ms = s->connect_timeout_ms,
		.lock_timeout_ms = s->lock_timeout_ms,
		.statement_timeout_ms = s->statement_timeout_ms,
		.idle_in_transaction_timeout_ms = conf->gateway.request_timeout_ms,
		.statements = gateway->statements,
		.statement_count = USER_DB_STATEMENTS,
	};
	gateway->mq_options = (struct mq_options){
		.url = s->broker,
		.password = s->broker_password.value,
		.connect_timeout_ms = s->connect_timeout_ms,
		.heartbeat_ms = s->broker_heartbeat_ms,
		.name = "farewell-fcgi",
	};
	gateway->db = db_new(&gateway->db_options, &gateway->db_pump);
	gateway->mq = mq_new(&gateway->mq_options, &gateway->mq_pump);
	return gateway->db != NULL && gateway->mq != NULL;
}

void gateway_close(struct gateway *gateway)
{
	mq_free(gateway->mq);
	db_free(gateway->db);
	request_free_texts(&gateway->texts);
	*gateway = (struct gateway){.conf = NULL};
}

void gateway_connect(struct gateway *gateway)
{
	int64_t timeout_ms = gateway->conf->gateway.sessions.connect_timeout_ms;

	if (db_open(gateway->db, clock_now_ms() + timeout_ms) != DB_OK)
		log_warning("%s", db_why(gateway->db));
	if (mq_open(gateway->mq, clock_now_ms() + timeout_ms) != MQ_OK)
		log_warning("%s", mq_why(gateway->mq));
}

void gateway_look(struct gateway *gateway)
{
	if (mq_is_open(gateway->mq) && mq_pump(gateway->mq) != MQ_OK)
		log_warning("%s", mq_why(gateway->mq));
	broker_look(&gateway->broker, gateway->mq, gateway->conf->common.exchange);
	if (db_is_open(gateway->db) && !db_is_alive(gateway->db))
		log_warning("%s", db_why(gateway->db));
}

/* ---- a request ---- */

static void call_refuse_token(struct call *call, const char *why, bool absent)
{
	problem_set(call->response, call->request, PROBLEM_UNAUTHORIZED, "%s", why);
	if (absent)
		http_header(call->response, "WWW-Authenticate", "Bearer realm=\"" REALM "\"");
	else
		http_header(call->response, "WWW-Authenticate",
		            "Bearer realm=\"" REALM "\", error=\"invalid_token\", error_description=\"%s\"",
		            why);
}

/* The checks in the contract's order: 404 for an unknown path, 405, 400, 401, 403. False:
 * answered. */
static bool call_admit(struct gateway *gateway, struct call *call)
{
	const struct conf *conf = gateway->conf;
	struct route route = route_find(call->request->uri);
	char why[WHY_SIZE];

	call->endpoint = route.endpoint;
	if (route.endpoint == NULL) {
		problem_set(call->response, call->request, PROBLEM_NOT_FOUND,
		            "There is nothing at this path.");
		return false;
	}
	if (!route_allows(route.endpoint, call->request->method)) {
		problem_set(call->response, call->request, PROBLEM_METHOD_NOT_ALLOWED,
		            "This path takes %s.", route.endpoint->methods);
		http_header(call->response, "Allow", "%s", route.endpoint->methods);
		return false;
	}
	if (!route.endpoint->of_user)
		return true;
	/* A parameter would be something we don't know, and what is deleted stays deleted. */
	if (route.has_query) {
		problem_set(call->response, call->request, PROBLEM_BAD_REQUEST,
		            "This path takes no query parameters.");
		return false;
	}
	if (!route_user_id(&route, conf->common.id_format, (size_t)conf->common.id_max_length,
	                   call->user_id, why, sizeof(why))) {
		problem_set(call->response, call->request, PROBLEM_BAD_ID, "%s", why);
		return false;
	}
	enum auth_result auth =
		auth_check(conf, call->request->authorization, time(NULL), &call->caller, why, sizeof(why));
	if (auth != AUTH_GOOD) {
		call_refuse_token(call, why, auth == AUTH_ABSENT);
		return false;
	}
	if (!auth_may(&call->caller, call->user_id)) {
		problem_set(call->response, call->request, PROBLEM_FORBIDDEN,
		            "The token is for another user, and not for an administrator.");
		return false;
	}
	return true;
}

static void call_log(const struct call *call, int64_t took_ms)
{
	log_info("answered method=%.16s route=%s status=%d ms=%lld%s%s",
	         call->request->method[0] != '\0' ? call->request->method : "-",
	         call->endpoint != NULL ? call->endpoint->name : "-", call->response->status,
	         (long long)took_ms, call->deletion_id[0] != '\0' ? " deletion=" : "",
	         call->deletion_id);
}

void gateway_answer(struct gateway *gateway, const struct http_request *request,
                    struct http_response *response)
{
	struct call call = {.request = request, .response = response};
	int64_t began_ms = clock_now_ms();

	*response = (struct http_response){.status = 500};
	log_context("request=%s", request->id);
	if (call_admit(gateway, &call))
		call.endpoint->handle(gateway, &call);
	if (response->status == 503)
		http_header(response, "Retry-After", "%lld",
		            (long long)((gateway->conf->gateway.retry_after_ms + 999) / 1000));
	http_header(response, "Cache-Control", "no-store");
	http_header(response, "X-Request-Id", "%s", request->id);
	call_log(&call, clock_now_ms() - began_ms);
	log_context_clear();
}
