/* GET /users/{id}/deletion: how far the newest deletion of the user has come. */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "fcgi/endpoint.h"
#include "fcgi/gateway.h"
#include "fcgi/problem.h"

/* The members of the answer in their order; a number is one in JSON too, and what is null in the
 * database is null. */
static const struct {
	const char *name;
	enum request_newest_column column;
	bool number;
} members[] = {
	{"userId", NEWEST_USER_ID, false},
	{"deletionId", NEWEST_DELETION_ID, false},
	{"status", NEWEST_STATUS, false},
	{"requestedAt", NEWEST_REQUESTED_AT, false},
	{"startedAt", NEWEST_STARTED_AT, false},
	{"finishedAt", NEWEST_FINISHED_AT, false},
	{"filesDeleted", NEWEST_FILES_DELETED, true},
	{"versionsLeft", NEWEST_VERSIONS_LEFT, true},
	{"mail", NEWEST_MAIL, false},
	{"attempts", NEWEST_ATTEMPTS, true},
	{"lastError", NEWEST_LAST_ERROR, false},
	{"nextAttemptAt", NEWEST_NEXT_ATTEMPT_AT, false},
};

static struct json_object *column_value(const PGresult *row, enum request_newest_column column,
                                        bool number)
{
	const char *text = PQgetvalue(row, 0, (int)column);

	if (PQgetisnull(row, 0, (int)column))
		return NULL;
	return number ? json_object_new_int64(strtoll(text, NULL, 10)) : json_object_new_string(text);
}

static void answer_row(struct call *call, const PGresult *row)
{
	struct json_object *body = json_object_new_object();

	snprintf(call->deletion_id, sizeof(call->deletion_id), "%s",
	         PQgetvalue(row, 0, NEWEST_DELETION_ID));
	for (size_t i = 0; body != NULL && i < sizeof(members) / sizeof(members[0]); i++)
		json_object_object_add(body, members[i].name,
		                       column_value(row, members[i].column, members[i].number));
	http_json(call->response, 200, "application/json", body);
}

static void handle_deletion(struct gateway *gateway, struct call *call)
{
	PGresult *row = NULL;

	switch (account_newest(gateway->db, call->user_id, call->request->deadline_ms, &row)) {
	case ACCOUNT_OK: answer_row(call, row); break;
	case ACCOUNT_ABSENT:
		problem_set(call->response, call->request, PROBLEM_NO_DELETION,
		            "There is no deletion of a user with this id.");
		break;
	case ACCOUNT_REFUSED:
		problem_set(call->response, call->request, PROBLEM_REFUSED,
		            "The database refuses to tell: a right or a table is missing. The service's "
		            "log says more.");
		break;
	default:
		problem_set(call->response, call->request, PROBLEM_DATABASE_UNAVAILABLE,
		            "The database can't be reached or refused; try again.");
		break;
	}
	PQclear(row);
}

const struct endpoint deletion_endpoint = {
	.name = "/users/{id}/deletion",
	.methods = "GET, HEAD",
	.of_user = true,
	.handle = handle_deletion,
};
