/* Who asks: a bearer token (RFC 6750) that is a JWT (RFC 7519) signed with the configured key and
 * algorithm. */
#ifndef FAREWELL_AUTH_H
#define FAREWELL_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "lib/base/ids.h"

#define AUTH_TOKEN_MAX 8192 /* bytes; nginx takes no larger header line either */

struct conf;

struct auth_caller {
	bool everybody; /* gateway.auth is none: nobody is asked */
	bool administrator;
	char subject[ID_SIZE]; /* the claim sub; empty when there is none */
};

enum auth_result {
	AUTH_GOOD,
	AUTH_ABSENT,  /* no bearer token at all */
	AUTH_INVALID, /* one that is malformed, wrongly signed or out of its time */
};

/* Checks AUTHORIZATION, the header's value or NULL, at the time NOW: signature, algorithm, exp
 * (which must be there) and nbf. Unless the result is AUTH_GOOD, WHY is a sentence for the
 * client. `sub` may be a string or an integer, as some issuers write it. */
enum auth_result auth_check(const struct conf *, const char *authorization, time_t now,
                            struct auth_caller *, char *why, size_t why_size);

/* Whether the caller may do something to the account of USER_ID (as the database writes it): its
 * owner or an administrator. */
bool auth_may(const struct auth_caller *, const char *user_id);

#endif
