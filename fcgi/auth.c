/* Checking a bearer token, and what its claims allow. */
#include "fcgi/auth.h"

#include <assert.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <jwt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/config/conf.h"

static const jwt_alg_t algorithms[] = {
	[JWT_HS256] = JWT_ALG_HS256,
	[JWT_HS384] = JWT_ALG_HS384,
	[JWT_HS512] = JWT_ALG_HS512,
};

/* The token of `Bearer TOKEN`, or NULL. */
static const char *bearer_token(const char *authorization)
{
	if (authorization == NULL || strncasecmp(authorization, "Bearer", 6) != 0 ||
	    authorization[6] != ' ')
		return NULL;
	return authorization + 6 + strspn(authorization + 6, " ");
}

/* Three segments of base64url, none of them empty (RFC 7515, 7.1). libjwt 1.10 writes behind its
 * buffer when one is. */
static bool token_is_well_formed(const char *token)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	for (int segment = 0; segment < 3; segment++) {
		size_t length = strspn(token, letters);

		if (length == 0 || token[length] != (segment < 2 ? '.' : '\0'))
			return false;
		token += length + 1;
	}
	return true;
}

/* The claims of a token whose signature and algorithm are right, or NULL. */
static struct json_object *token_verified_claims(const struct conf *conf, const char *token)
{
	const char *key = conf->gateway.jwt_key.value;
	struct json_object *claims = NULL;
	jwt_t *jwt = NULL;
	char *text = NULL, *critical = NULL;

	assert(key != NULL);
	if (jwt_decode(&jwt, token, (const unsigned char *)key, (int)strlen(key)) != 0)
		return NULL;
	/* `crit` names extensions that must be understood (RFC 7515, 4.1.11); we understand none. */
	critical = jwt_get_headers_json(jwt, "crit");
	if (jwt_get_alg(jwt) == algorithms[conf->gateway.jwt_algorithm] && critical == NULL)
		text = jwt_get_grants_json(jwt, NULL);
	if (text != NULL)
		claims = json_tokener_parse(text);
	if (claims != NULL && !json_object_is_type(claims, json_type_object)) {
		json_object_put(claims);
		claims = NULL;
	}
	free(text);
	free(critical);
	jwt_free(jwt);
	return claims;
}

/* A NumericDate; false when the claim is absent or not a number. */
static bool claim_time(struct json_object *claims, const char *name, double *seconds)
{
	struct json_object *claim = NULL;

	if (!json_object_object_get_ex(claims, name, &claim))
		return false;
	if (!json_object_is_type(claim, json_type_int) && !json_object_is_type(claim, json_type_double))
		return false;
	*seconds = json_object_get_double(claim);
	return true;
}

static bool auth_refuse(const char *sentence, char *why, size_t why_size)
{
	snprintf(why, why_size, "%s", sentence);
	return false;
}

static bool claims_check_times(struct json_object *claims, time_t now, char *why, size_t why_size)
{
	double expires, not_before;

	if (!claim_time(claims, "exp", &expires))
		return auth_refuse("The token does not say when it expires.", why, why_size);
	if (!((double)now < expires))
		return auth_refuse("The token has expired.", why, why_size);
	if (json_object_object_get_ex(claims, "nbf", NULL) &&
	    !(claim_time(claims, "nbf", &not_before) && not_before <= (double)now))
		return auth_refuse("The token is not valid yet.", why, why_size);
	return true;
}

static bool claim_is_text(struct json_object *value, const char *text)
{
	return json_object_is_type(value, json_type_string) &&
	       (size_t)json_object_get_string_len(value) == strlen(text) &&
	       strcmp(json_object_get_string(value), text) == 0;
}

/* The claim is the value, or a list that has it. */
static bool claims_name_administrator(const struct conf *conf, struct json_object *claims)
{
	const char *name = conf->gateway.jwt_admin_claim, *value = conf->gateway.jwt_admin_value;
	struct json_object *claim = NULL;

	if (name[0] == '\0' || value[0] == '\0' || !json_object_object_get_ex(claims, name, &claim))
		return false;
	if (!json_object_is_type(claim, json_type_array))
		return claim_is_text(claim, value);
	for (size_t i = 0; i < json_object_array_length(claim); i++)
		if (claim_is_text(json_object_array_get_idx(claim, i), value))
			return true;
	return false;
}

/* Leaves the subject empty when it can't be a user's id; such a caller owns nothing. */
static void claims_read_subject(const struct conf *conf, struct json_object *claims,
                                char subject[ID_SIZE])
{
	struct json_object *claim = NULL;
	char text[ID_SIZE];

	subject[0] = '\0';
	if (!json_object_object_get_ex(claims, "sub", &claim))
		return;
	if (json_object_is_type(claim, json_type_int)) {
		snprintf(subject, ID_SIZE, "%" PRId64, json_object_get_int64(claim));
		return;
	}
	size_t length = json_object_is_type(claim, json_type_string) ?
	                    (size_t)json_object_get_string_len(claim) :
	                    0;
	if (length == 0 || length >= ID_SIZE || strlen(json_object_get_string(claim)) != length)
		return;
	memcpy(text, json_object_get_string(claim), length + 1);
	id_canonical(conf->common.id_format, text, subject);
}

enum auth_result auth_check(const struct conf *conf, const char *authorization, time_t now,
                            struct auth_caller *caller, char *why, size_t why_size)
{
	*caller = (struct auth_caller){.everybody = conf->gateway.auth == AUTH_NONE};
	if (caller->everybody)
		return AUTH_GOOD;
	assert(conf->gateway.auth == AUTH_JWT);
	const char *token = bearer_token(authorization);
	if (token == NULL) {
		auth_refuse("This needs a bearer token.", why, why_size);
		return AUTH_ABSENT;
	}
	struct json_object *claims = strlen(token) <= AUTH_TOKEN_MAX && token_is_well_formed(token) ?
	                                 token_verified_claims(conf, token) :
	                                 NULL;
	if (claims == NULL) {
		auth_refuse("The token is malformed, or not signed with the right key and algorithm.", why,
		            why_size);
		return AUTH_INVALID;
	}
	bool good = claims_check_times(claims, now, why, why_size);
	if (good) {
		caller->administrator = claims_name_administrator(conf, claims);
		claims_read_subject(conf, claims, caller->subject);
	}
	json_object_put(claims);
	return good ? AUTH_GOOD : AUTH_INVALID;
}

bool auth_may(const struct auth_caller *caller, const char *user_id)
{
	return caller->everybody || caller->administrator ||
	       (caller->subject[0] != '\0' && strcmp(caller->subject, user_id) == 0);
}
