/* Decides at which addresses a container's credentials may be asked for. */
#include "lib/s3/credentials_url.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HOST_SIZE 256

/* Takes the host of URL, without the brackets of an IPv6 address, so strictly that nobody can read
 * another host in it. False: it is no such URL. */
static bool url_split(const char *url, bool *tls, char host[HOST_SIZE])
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-";
	bool bracket;
	size_t length;

	*tls = strncasecmp(url, "https://", 8) == 0;
	if (!*tls && strncasecmp(url, "http://", 7) != 0)
		return false;
	url += *tls ? 8 : 7;
	bracket = *url == '[';
	url += bracket;
	length = strspn(url, bracket ? "0123456789abcdefABCDEF:." : letters);
	if (length == 0 || length >= HOST_SIZE || (bracket && url[length] != ']'))
		return false;
	snprintf(host, HOST_SIZE, "%.*s", (int)length, url);
	url += length + bracket;
	if (*url == ':')
		url += 1 + strspn(url + 1, "0123456789");
	if (*url != '\0' && *url != '/' && *url != '?')
		return false;
	for (; *url != '\0'; url++)
		if (*url <= ' ' || *url > '~' || *url == '#' || *url == '\\')
			return false;
	return true;
}

static bool host_is_allowed(const char *host)
{
	static const char *const containers[] = {"169.254.170.2", "169.254.170.23", "fd00:ec2::23"};
	struct in6_addr six, other;
	struct in_addr four;

	if (strcasecmp(host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, host, &four) == 1) {
		if (ntohl(four.s_addr) >> 24 == 127)
			return true;
		for (size_t i = 0; i < sizeof(containers) / sizeof(containers[0]); i++)
			if (strcmp(host, containers[i]) == 0)
				return true;
		return false;
	}
	return inet_pton(AF_INET6, host, &six) == 1 &&
	       (IN6_IS_ADDR_LOOPBACK(&six) ||
	        (inet_pton(AF_INET6, containers[2], &other) == 1 && IN6_ARE_ADDR_EQUAL(&six, &other)));
}

bool s3_credentials_url_valid(const char *url)
{
	char host[HOST_SIZE];
	bool tls;

	return url_split(url, &tls, host);
}

const char *s3_credentials_url_fault(const char *url)
{
	char host[HOST_SIZE];
	bool tls;

	if (!url_split(url, &tls, host))
		return "is not an http:// or https:// address";
	if (!tls && !host_is_allowed(host))
		return "with http:// may only name this machine, 169.254.170.2, 169.254.170.23 or "
			   "[fd00:ec2::23]; use https://";
	return NULL;
}
