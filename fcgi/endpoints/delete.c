/* DELETE /users/{id}: the account is marked deleted, and the worker is told to delete what it left
 * behind. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fcgi/endpoint.h"
#include "fcgi/gateway.h"
#include "fcgi/problem.h"
#include "lib/base/clock.h"
#include "lib/base/crash.h"
#include "lib/base/log.h"
#include "lib/config/conf.h"
#include "lib/deletion/message.h"

#define APP_ID "farewell-fcgi"

static void answer_deletion(struct call *call, const char *user_id,
                            const struct account_deletion *deletion)
{
	char encoded[3 * ID_SIZE];
	struct json_object *body = json_object_new_object();

	snprintf(call->deletion_id, sizeof(call->deletion_id), "%s", deletion->id);
	if (body != NULL) {
		json_object_object_add(body, "userId", json_object_new_string(user_id));
		json_object_object_add(body, "deletionId", json_object_new_string(deletion->id));
		json_object_object_add(body, "status", json_object_new_string(deletion->status));
		json_object_object_add(body, "requestedAt", json_object_new_string(deletion->requested_at));
	}
	http_encode_segment(user_id, encoded, sizeof(encoded));
	http_json(call->response, 200, "application/json", body);
	http_header(call->response, "Content-Location", "/users/%s/deletion", encoded);
}

/* The answer when the account's side did not go well. */
static void answer_failure(struct call *call, enum account_result result)
{
	struct http_response *response = call->response;
	const struct http_request *request = call->request;

	switch (result) {
	case ACCOUNT_OK: return;
	case ACCOUNT_ABSENT:
		problem_set(response, request, PROBLEM_UNKNOWN_USER, "There is no user with this id.");
		return;
	case ACCOUNT_BUSY:
		problem_set(response, request, PROBLEM_USER_BUSY,
		            "Somebody else is changing this account. Nothing was changed; try again.");
		return;
	case ACCOUNT_LOCKED:
		problem_set(
			response, request, PROBLEM_TABLE_LOCKED,
			"A table of the database is locked as a whole, most likely while somebody changes "
			"its definition. Nothing was changed; try again.");
		return;
	case ACCOUNT_DOWN:
		problem_set(response, request, PROBLEM_DATABASE_UNAVAILABLE,
		            "The database can't be reached or refused. Nothing was changed; try again.");
		return;
	case ACCOUNT_WRONG:
		problem_set(response, request, PROBLEM_MISCONFIGURED,
		            "A statement of the configuration, gateway.lock_user_sql or "
		            "gateway.mark_user_sql, did not do what it has to, or a trigger undid it. "
		            "The account was not deleted; the service's log says more.");
		return;
	case ACCOUNT_REFUSED:
		problem_set(response, request, PROBLEM_REFUSED,
		            "The database refused to delete this account: by a trigger, a policy, a "
		            "constraint, or for want of a right. Nothing was changed, and trying again "
		            "does not help; the service's log says more.");
		return;
	case ACCOUNT_UNKNOWN:
		problem_set(
			response, request, PROBLEM_OUTCOME_UNKNOWN,
			"The deletion was being committed when the database did not answer as it should, "
			"so it may have happened. The same request again is safe.");
		return;
	}
}

/* Publishes the message and waits for its confirm; connecting and all of it take confirm_timeout at
 * most, because the row is locked. */
static enum mq_result publish_deletion(struct gateway *gateway, const struct call *call,
                                       const struct account *account, const char *deletion_id)
{
	const struct conf *conf = gateway->conf;
	int64_t deadline_ms = clock_now_ms() + conf->gateway.confirm_timeout_ms;
	struct message message = {.turn = 1};
	const struct mq_properties properties = {
		.message_id = deletion_id,
		.type = MESSAGE_TYPE,
		.correlation_id = call->request->id,
		.app_id = APP_ID,
		.timestamp = (uint64_t)time(NULL),
		.lineage = gateway->lineage.text,
	};

	snprintf(message.user_id, sizeof(message.user_id), "%s", account->user_id);
	snprintf(message.deletion_id, sizeof(message.deletion_id), "%s", deletion_id);
	snprintf(message.requested_at, sizeof(message.requested_at), "%s", account->now);
	if (call->request->deadline_ms < deadline_ms)
		deadline_ms = call->request->deadline_ms;
	char *body = message_write(&message);
	if (body == NULL)
		return MQ_LOST;
	/* A connection that died since it was last used is replaced before anything is published;
	 * afterwards never, within one deletion id. */
	if (mq_is_open(gateway->mq))
		(void)mq_pump(gateway->mq);
	enum mq_result result = mq_open(gateway->mq, deadline_ms);
	if (result == MQ_OK)
		result = mq_publish(gateway->mq, conf->common.exchange, conf->common.routing_key,
		                    &properties, body, strlen(body), deadline_ms);
	free(body);
	broker_note(&gateway->broker, result);
	return result;
}

/* The message is not in a queue, or not known to be: the transaction is rolled back, which makes it
 * void. */
static void give_up_deletion(struct gateway *gateway, struct call *call, enum mq_result result)
{
	log_error("not published, rolling back: %s deletion=%s", mq_why(gateway->mq),
	          call->deletion_id);
	account_unlock(gateway->db, call->request->deadline_ms);
	/* After a basic.return and its ack both sides agree, and of an alarm's end only this connection
	 * hears; otherwise an answer may still be under way. */
	if (result != MQ_UNROUTABLE && result != MQ_BLOCKED)
		mq_drop(gateway->mq);
	if (result == MQ_UNROUTABLE)
		problem_set(
			call->response, call->request, PROBLEM_MESSAGE_UNROUTABLE,
			"The message broker has no queue for the deletion. Nothing was changed; try again.");
	else if (result == MQ_BLOCKED)
		problem_set(call->response, call->request, PROBLEM_BROKER_UNAVAILABLE,
		            "The message broker takes no messages for now: it has a memory or disk alarm. "
		            "Nothing was changed; try again.");
	else
		problem_set(call->response, call->request, PROBLEM_BROKER_UNAVAILABLE,
		            "The message broker can't be reached, refused or did not confirm in time. "
		            "Nothing was changed; try again.");
}

/* What has to be so before a message is published. False: answered, the transaction rolled back. */
static bool delete_may_publish(struct gateway *gateway, struct call *call)
{
	const char *why = NULL;

	if (!broker_may_publish(&gateway->broker, gateway->mq, &why)) {
		log_warning("not published, rolling back: the broker %s", why);
		account_unlock(gateway->db, call->request->deadline_ms);
		problem_set(call->response, call->request, PROBLEM_BROKER_UNAVAILABLE,
		            "The message broker %s. Nothing was changed; try again.", why);
		return false;
	}
	if (lineage_read(&gateway->lineage, gateway->db, call->request->deadline_ms) != DB_OK) {
		log_error("database: reading its lineage: %s", db_why(gateway->db));
		account_unlock(gateway->db, call->request->deadline_ms);
		answer_failure(call, ACCOUNT_DOWN);
		return false;
	}
	return true;
}

/* Publishes and commits a new deletion of the locked account. */
static void delete_account(struct gateway *gateway, struct call *call, struct account *account)
{
	const struct account_request request = {
		.deletion_id = call->deletion_id,
		.requested_by = call->caller.subject[0] != '\0' ? call->caller.subject : NULL,
		.request_id = call->request->id,
	};

	if (!delete_may_publish(gateway, call))
		return;
	id_fresh(call->deletion_id);
	enum mq_result published = publish_deletion(gateway, call, account, call->deletion_id);
	if (published != MQ_OK) {
		give_up_deletion(gateway, call, published);
		return;
	}
	CRASH_POINT("gateway-after-confirm");
	enum account_result result =
		account_mark(gateway->db, account, &request, call->request->deadline_ms);
	if (result != ACCOUNT_OK) {
		log_error("the message is out, but the deletion was %s",
		          result == ACCOUNT_UNKNOWN ? "perhaps not committed" : "not committed");
		answer_failure(call, result);
		return;
	}
	CRASH_POINT("gateway-after-commit");
	answer_deletion(call, account->user_id, &account->deletion);
}

static void handle_delete(struct gateway *gateway, struct call *call)
{
	struct account account;

	CRASH_POINT("gateway-before-lock");
	enum account_result locked =
		account_lock(gateway->db, call->user_id, call->request->deadline_ms, &account);
	if (locked != ACCOUNT_OK) {
		answer_failure(call, locked);
		return;
	}
	CRASH_POINT("gateway-after-lock");
	/* The database may write the id in another way than the path did (citext); a token is for one
	 * way only. */
	if (!auth_may(&call->caller, account.user_id)) {
		account_unlock(gateway->db, call->request->deadline_ms);
		problem_set(call->response, call->request, PROBLEM_FORBIDDEN,
		            "The token is for another user, and not for an administrator.");
	} else if (account.requested) {
		enum account_result repeated =
			account_repeat(gateway->db, &account, call->request->deadline_ms);
		if (repeated == ACCOUNT_OK)
			answer_deletion(call, account.user_id, &account.deletion);
		else
			answer_failure(call, repeated);
	} else {
		delete_account(gateway, call, &account);
	}
}

const struct endpoint delete_endpoint = {
	.name = "/users/{id}",
	.methods = "DELETE",
	.of_user = true,
	.handle = handle_delete,
};
