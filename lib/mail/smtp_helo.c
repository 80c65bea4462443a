/* Finds and checks the name for EHLO: a domain name, or an address in brackets. */
#include "lib/mail/smtp_helo.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#define DOMAIN_MAX 253
#define LABEL_MAX 63
#define IPV6_TAG "IPv6:"

/* The labels of a domain name (letters, digits, hyphens within); 0: it is none. */
static int name_count_labels(const char *name)
{
	size_t length = strlen(name), label;
	int labels = 0;

	if (length == 0 || length > DOMAIN_MAX)
		return 0;
	for (;; name += label + 1) {
		label = strcspn(name, ".");
		if (label == 0 || label > LABEL_MAX || name[0] == '-' || name[label - 1] == '-')
			return 0;
		for (size_t i = 0; i < label; i++)
			if (!isascii(name[i]) || (!isalnum((unsigned char)name[i]) && name[i] != '-'))
				return 0;
		labels++;
		if (name[label] == '\0')
			return labels;
	}
}

/* Whether the last label has a letter; that of an IPv4 address has none. */
static bool name_ends_in_letters(const char *name)
{
	const char *dot = strrchr(name, '.'), *last = dot != NULL ? dot + 1 : name;

	return last[strspn(last, "0123456789-")] != '\0';
}

bool smtp_helo_is_qualified(const char *name)
{
	return name_count_labels(name) >= 2 && name_ends_in_letters(name);
}

static bool literal_is_valid(const char *name)
{
	struct in6_addr address;
	char inner[SMTP_HELO_SIZE];
	size_t length = strlen(name);

	if (length < 3 || length >= sizeof(inner) || name[0] != '[' || name[length - 1] != ']')
		return false;
	snprintf(inner, sizeof(inner), "%.*s", (int)length - 2, name + 1);
	if (strncasecmp(inner, IPV6_TAG, sizeof(IPV6_TAG) - 1) == 0)
		return inet_pton(AF_INET6, inner + sizeof(IPV6_TAG) - 1, &address) == 1;
	return inet_pton(AF_INET, inner, &address) == 1;
}

bool smtp_helo_is_valid(const char *name)
{
	if (name[0] == '[')
		return literal_is_valid(name);
	return name_count_labels(name) >= 1 && name_ends_in_letters(name);
}

bool smtp_helo_of_host(char helo[SMTP_HELO_SIZE])
{
	if (gethostname(helo, SMTP_HELO_SIZE) != 0)
		return false;
	helo[SMTP_HELO_SIZE - 1] = '\0';
	return smtp_helo_is_qualified(helo);
}

static bool literal_write(const struct sockaddr_storage *address, char helo[SMTP_HELO_SIZE])
{
	const struct sockaddr_in *four = (const void *)address;
	const struct sockaddr_in6 *six = (const void *)address;
	char text[INET6_ADDRSTRLEN];

	if (address->ss_family == AF_INET &&
	    inet_ntop(AF_INET, &four->sin_addr, text, sizeof(text)) != NULL)
		snprintf(helo, SMTP_HELO_SIZE, "[%s]", text);
	else if (address->ss_family == AF_INET6 &&
	         inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof(text)) != NULL)
		snprintf(helo, SMTP_HELO_SIZE, "[" IPV6_TAG "%s]", text);
	else
		return false;
	return true;
}

/* A datagram socket is connected without a packet; the kernel only chooses the way. */
bool smtp_helo_towards(const struct sockaddr *peer, socklen_t size, char helo[SMTP_HELO_SIZE])
{
	struct sockaddr_storage own = {0};
	socklen_t own_size = sizeof(own);
	int fd = socket(peer->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool good = fd >= 0 && connect(fd, peer, size) == 0 &&
	            getsockname(fd, (struct sockaddr *)&own, &own_size) == 0 &&
	            literal_write(&own, helo);

	if (fd >= 0)
		close(fd);
	return good;
}
