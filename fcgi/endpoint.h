/* What an endpoint is, and what it is given. Each file named after one exports its struct; routes.c
 * has the list. */
#ifndef FAREWELL_ENDPOINT_H
#define FAREWELL_ENDPOINT_H

#include <stdbool.h>

#include "fcgi/auth.h"
#include "fcgi/http.h"
#include "lib/base/ids.h"

struct gateway;
struct endpoint;

/* One request on its way through an endpoint. */
struct call {
	const struct http_request *request;
	struct http_response *response;
	const struct endpoint *endpoint; /* NULL: no such path */
	char user_id[ID_SIZE]; /* of the path, valid, as the database would most likely write it */
	struct auth_caller caller;
	char deletion_id[ID_UUID_SIZE]; /* for the log; empty: none */
};

struct endpoint {
	const char *name;    /* in the log: "/users/{id}" */
	const char *methods; /* as in Allow: "GET, HEAD" */
	bool of_user;        /* has {id}: needs a valid one, and a token that may */
	void (*handle)(struct gateway *, struct call *);
};

extern const struct endpoint delete_endpoint;   /* DELETE /users/{id} */
extern const struct endpoint deletion_endpoint; /* GET /users/{id}/deletion */
extern const struct endpoint healthz_endpoint, readyz_endpoint;

#endif
