/* GET /healthz: does a process answer? GET /readyz: can it reach what a deletion needs? */
#include <json-c/json.h>

#include "fcgi/endpoint.h"
#include "fcgi/gateway.h"
#include "fcgi/problem.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/config/conf.h"

#define READY_MS 900 /* for each of the two servers; together they must answer within 2 s */

static void answer_status(struct call *call, const char *status)
{
	struct json_object *body = json_object_new_object();

	if (body != NULL)
		json_object_object_add(body, "status", json_object_new_string(status));
	http_json(call->response, 200, "application/json", body);
}

static void handle_healthz(struct gateway *gateway, struct call *call)
{
	(void)gateway;
	answer_status(call, "ok");
}

/* A round trip, after a new connection if the old one is gone. */
static bool database_answers(struct gateway *gateway)
{
	int64_t deadline_ms = clock_now_ms() + READY_MS;
	enum db_result result = DB_LOST;

	for (int attempt = 0; attempt < 2 && result == DB_LOST; attempt++) {
		result = db_open(gateway->db, deadline_ms);
		if (result == DB_OK)
			result = db_run_sql(gateway->db, "SELECT 1", NULL, deadline_ms);
	}
	if (result != DB_OK)
		log_warning("not ready: %s", db_why(gateway->db));
	return result == DB_OK;
}

/* The same for the broker, where the exchange must be there too. A connection that is blocked has
 * been told so, and would not be answered. */
static bool broker_answers(struct gateway *gateway)
{
	int64_t deadline_ms = clock_now_ms() + READY_MS;
	enum mq_result result = MQ_LOST;

	for (int attempt = 0; attempt < 2 && result == MQ_LOST; attempt++) {
		result = mq_open(gateway->mq, deadline_ms);
		if (result == MQ_OK)
			result = mq_inspect_exchange(gateway->mq, gateway->conf->common.exchange, deadline_ms);
	}
	if (result != MQ_OK)
		log_warning("not ready: %s", mq_why(gateway->mq));
	return result == MQ_OK;
}

static void handle_readyz(struct gateway *gateway, struct call *call)
{
	bool blocked = broker_is_blocked(&gateway->broker, gateway->mq);
	bool database = database_answers(gateway);
	bool broker = !blocked && broker_answers(gateway);

	if (database && broker)
		answer_status(call, "ready");
	else
		problem_set(call->response, call->request, PROBLEM_NOT_READY, "%s%s%s%s%s.",
		            database && blocked ? "" : "Not reachable: ", database ? "" : "the database",
		            !database && !broker ? " and " : "",
		            broker || blocked ? "" : "the message broker",
		            blocked ? "the message broker is blocked by a memory or disk alarm" : "");
}

const struct endpoint healthz_endpoint = {
	.name = "/healthz", .methods = "GET, HEAD", .handle = handle_healthz};
const struct endpoint readyz_endpoint = {
	.name = "/readyz", .methods = "GET, HEAD", .handle = handle_readyz};
