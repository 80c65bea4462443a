/* The table of problem types, and the JSON of one. */
#include "fcgi/problem.h"

#include <assert.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>

#define DETAIL_SIZE 512

static const struct {
	int status;
	const char *slug, *title;
} problems[PROBLEM_COUNT] = {
	[PROBLEM_BAD_REQUEST] = {400, "bad-request", "Bad request"},
	[PROBLEM_BAD_ID] = {400, "bad-user-id", "Malformed user id"},
	[PROBLEM_UNAUTHORIZED] = {401, "unauthorized", "No valid token"},
	[PROBLEM_FORBIDDEN] = {403, "forbidden", "Not your account"},
	[PROBLEM_NOT_FOUND] = {404, "not-found", "Not found"},
	[PROBLEM_UNKNOWN_USER] = {404, "unknown-user", "No such user"},
	[PROBLEM_NO_DELETION] = {404, "no-deletion", "No deletion of this user"},
	[PROBLEM_METHOD_NOT_ALLOWED] = {405, "method-not-allowed", "Method not allowed"},
	[PROBLEM_USER_BUSY] = {503, "user-busy", "The account is in use"},
	[PROBLEM_TABLE_LOCKED] = {503, "table-locked", "A table is locked"},
	[PROBLEM_DATABASE_UNAVAILABLE] = {503, "database-unavailable", "Database unavailable"},
	[PROBLEM_BROKER_UNAVAILABLE] = {503, "broker-unavailable", "Message broker unavailable"},
	[PROBLEM_MESSAGE_UNROUTABLE] = {503, "message-unroutable", "No queue for the message"},
	[PROBLEM_OUTCOME_UNKNOWN] = {503, "outcome-unknown", "Outcome unknown"},
	[PROBLEM_NOT_READY] = {503, "not-ready", "Not ready"},
	[PROBLEM_MISCONFIGURED] = {500, "misconfigured", "Service misconfigured"},
	[PROBLEM_REFUSED] = {500, "refused-by-database", "The database refused"},
};

void problem_set(struct http_response *response, const struct http_request *request,
                 enum problem problem, const char *detail, ...)
{
	char text[DETAIL_SIZE], type[64];
	struct json_object *body = json_object_new_object();
	va_list args;

	assert(problem < PROBLEM_COUNT && problems[problem].slug != NULL);
	va_start(args, detail);
	vsnprintf(text, sizeof(text), detail, args);
	va_end(args);
	snprintf(type, sizeof(type), "urn:farewell:problem:%s", problems[problem].slug);
	if (body != NULL) {
		json_object_object_add(body, "type", json_object_new_string(type));
		json_object_object_add(body, "title", json_object_new_string(problems[problem].title));
		json_object_object_add(body, "status", json_object_new_int(problems[problem].status));
		json_object_object_add(body, "detail", json_object_new_string(text));
		json_object_object_add(body, "requestId", json_object_new_string(request->id));
	}
	http_json(response, problems[problem].status, "application/problem+json", body);
}
