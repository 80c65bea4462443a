/* Errors as application/problem+json (RFC 9457): one table of every type the gateway gives. */
#ifndef FAREWELL_PROBLEM_H
#define FAREWELL_PROBLEM_H

#include "fcgi/http.h"

/* The type is "urn:farewell:problem:" and the slug in problem.c; statuses are fixed by the type. */
enum problem {
	PROBLEM_BAD_REQUEST,
	PROBLEM_BAD_ID,
	PROBLEM_UNAUTHORIZED,
	PROBLEM_FORBIDDEN,
	PROBLEM_NOT_FOUND,
	PROBLEM_UNKNOWN_USER,
	PROBLEM_NO_DELETION,
	PROBLEM_METHOD_NOT_ALLOWED,
	PROBLEM_USER_BUSY,
	PROBLEM_TABLE_LOCKED,
	PROBLEM_DATABASE_UNAVAILABLE,
	PROBLEM_BROKER_UNAVAILABLE,
	PROBLEM_MESSAGE_UNROUTABLE,
	PROBLEM_OUTCOME_UNKNOWN,
	PROBLEM_NOT_READY,
	PROBLEM_MISCONFIGURED,
	PROBLEM_REFUSED,
	PROBLEM_COUNT
};

/* Makes the problem, with a sentence for this occurrence, the answer to REQUEST. */
void problem_set(struct http_response *, const struct http_request *, enum problem,
                 const char *detail, ...) __attribute__((format(printf, 4, 5)));

#endif
