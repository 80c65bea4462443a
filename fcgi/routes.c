/* Finding the endpoint of a path, and reading the id in it. */
#include "fcgi/routes.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/config/conf.h"

static const struct endpoint *const users_endpoints[] = {&delete_endpoint, &deletion_endpoint,
                                                         NULL};
static const struct endpoint *const plain_endpoints[] = {&healthz_endpoint, &readyz_endpoint, NULL};

#define USERS "/users/"
#define USERS_ID USERS "{id}"

/* The path of an absolute URI, or URI itself. */
static const char *skip_authority(const char *uri)
{
	const char *authority = strncasecmp(uri, "http://", 7) == 0  ? uri + 7 :
	                        strncasecmp(uri, "https://", 8) == 0 ? uri + 8 :
	                                                               NULL;

	return authority != NULL ? authority + strcspn(authority, "/?#") : uri;
}

static bool text_equals(const char *text, size_t length, const char *literal)
{
	return length == strlen(literal) && memcmp(text, literal, length) == 0;
}

/* The users' endpoint whose name goes on with TAIL after {id}. */
static const struct endpoint *find_users_endpoint(const char *tail, size_t length)
{
	for (const struct endpoint *const *e = users_endpoints; *e != NULL; e++)
		if (text_equals(tail, length, (*e)->name + strlen(USERS_ID)))
			return *e;
	return NULL;
}

struct route route_find(const char *uri)
{
	struct route route = {.endpoint = NULL};
	const char *path = skip_authority(uri);
	size_t length = strcspn(path, "?");

	route.has_query = path[length] == '?' && path[length + 1] != '\0';
	for (const struct endpoint *const *e = plain_endpoints; *e != NULL; e++)
		if (text_equals(path, length, (*e)->name))
			route.endpoint = *e;
	if (route.endpoint != NULL || length < strlen(USERS) || memcmp(path, USERS, strlen(USERS)) != 0)
		return route;
	const char *id = path + strlen(USERS), *end = path + length;
	const char *slash = memchr(id, '/', (size_t)(end - id));
	const char *tail = slash != NULL ? slash : end;
	route.endpoint = find_users_endpoint(tail, (size_t)(end - tail));
	if (route.endpoint != NULL) {
		route.id = id;
		route.id_length = (size_t)(tail - id);
	}
	return route;
}

bool route_allows(const struct endpoint *endpoint, const char *method)
{
	size_t length = strlen(method);

	for (const char *m = endpoint->methods; *m != '\0' && length > 0;) {
		size_t one = strcspn(m, ",");

		if (one == length && memcmp(m, method, length) == 0)
			return true;
		m += one;
		m += strspn(m, ", ");
	}
	return false;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool id_refuse(const char *sentence, char *why, size_t why_size)
{
	snprintf(why, why_size, "%s", sentence);
	return false;
}

/* Percent-decodes TEXT into DECODED with a NUL behind it. */
static bool id_decode(const char *text, size_t length, char decoded[ID_SIZE],
                      size_t *decoded_length, char *why, size_t why_size)
{
	size_t used = 0;

	for (size_t i = 0; i < length; i++) {
		if (used == ID_SIZE - 1)
			return id_refuse("The user id is too long.", why, why_size);
		if (text[i] == '#')
			return id_refuse("The user id has a character that no path may have.", why, why_size);
		if (text[i] != '%') {
			decoded[used++] = text[i];
			continue;
		}
		int high = i + 2 < length ? hex_value(text[i + 1]) : -1,
			low = i + 2 < length ? hex_value(text[i + 2]) : -1;
		if (high < 0 || low < 0)
			return id_refuse(
				"The user id has a percent sign that is not followed by two hexadecimal digits.",
				why, why_size);
		decoded[used++] = (char)(high << 4 | low);
		i += 2;
	}
	decoded[used] = '\0';
	*decoded_length = used;
	return true;
}

bool route_user_id(const struct route *route, int format, size_t max_length, char id[ID_SIZE],
                   char *why, size_t why_size)
{
	static const char *const wrong_format[] = {
		[ID_INTEGER] = "The user id is not an integer.",
		[ID_UUID] = "The user id is not a UUID.",
		[ID_TEXT] = "The user id is not valid UTF-8 text, or has a character that is not allowed.",
	};
	char decoded[ID_SIZE];
	size_t length = 0;

	if (route->id_length == 0)
		return id_refuse("The user id is empty.", why, why_size);
	if (format != ID_TEXT && memchr(route->id, '%', route->id_length) != NULL)
		return id_refuse("The user id must not be percent-encoded.", why, why_size);
	if (!id_decode(route->id, route->id_length, decoded, &length, why, why_size))
		return false;
	if (length > max_length)
		return id_refuse("The user id is too long.", why, why_size);
	if (!id_valid(format, decoded, length, max_length))
		return id_refuse(wrong_format[format], why, why_size);
	id_canonical(format, decoded, id);
	return true;
}
