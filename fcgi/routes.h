/* From a raw REQUEST_URI to an endpoint and the bytes of a user id. Pure.
 *
 * Paths are compared as they were sent: nothing is decoded, merged or resolved but the id itself.
 */
#ifndef FAREWELL_ROUTES_H
#define FAREWELL_ROUTES_H

#include <stdbool.h>
#include <stddef.h>

#include "fcgi/endpoint.h"
#include "lib/base/ids.h"

struct route {
	const struct endpoint *endpoint; /* NULL: no such path */
	const char *id; /* into the URI, still encoded; NULL for an endpoint without one */
	size_t id_length;
	bool has_query; /* a `?` with something after it */
};

/* Takes the origin form and the absolute form (RFC 9112, 3.2). */
struct route route_find(const char *uri);

/* Whether METHOD, case and all, is among the endpoint's. */
bool route_allows(const struct endpoint *, const char *method);

/* Reads the route's id: for FORMAT text it is percent-decoded once, strictly; in the others a `%`
 * has no place. Writes it as the database would most likely write it. False: WHY is a sentence
 * for the client. */
bool route_user_id(const struct route *, int format, size_t max_length, char id[ID_SIZE], char *why,
                   size_t why_size);

#endif
