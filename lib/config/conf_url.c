/* The values that are URLs: scheme, host and port, and no more than the setting allows. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/config/conf_load.h"

#define HOST_BYTES 253 /* of a name in the DNS (RFC 1035, 2.3.4, without the lengths) */

/* `host`, `host:port`, `[::1]:port`, of LENGTH bytes. */
static bool is_authority(const char *text, size_t length)
{
	static const char host[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";
	size_t bytes = text[0] == '[' ? strcspn(text, "]") + 1 : strspn(text, host);
	long port;
	char *end;

	if (bytes == 0 || bytes > length || bytes > HOST_BYTES)
		return false;
	if (text[0] == '[' && (bytes < 3 || strspn(text + 1, "0123456789abcdefABCDEF:.") != bytes - 2))
		return false;
	if (bytes == length)
		return true;
	if (text[bytes] != ':' || text[bytes + 1] < '0' || text[bytes + 1] > '9')
		return false;
	port = strtol(text + bytes + 1, &end, 10);
	return end == text + length && port >= 1 && port <= 65535;
}

const char *conf_url_fault(const struct conf_setting *setting, const char *url)
{
	bool more = setting->type == CONF_URL;
	const char *rest = NULL, *at;
	size_t length;

	for (const char *const *scheme = setting->choices; *scheme != NULL; scheme++)
		if (strncasecmp(url, *scheme, strlen(*scheme)) == 0)
			rest = url + strlen(*scheme);
	if (rest == NULL)
		return "has a scheme that is not possible here";
	length = strcspn(rest, "/?#");
	at = memrchr(rest, '@', length);
	if (at != NULL && !more)
		return "must not have a user or a password in it; there are settings for them";
	if (at != NULL) {
		length -= (size_t)(at + 1 - rest);
		rest = at + 1;
	}
	if (rest[length] != '\0' && !more)
		return "must not have anything after host and port, not even a slash";
	return is_authority(rest, length) ? NULL : "has no valid host and port";
}
