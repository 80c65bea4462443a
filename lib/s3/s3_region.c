/* Reads from an answer that a bucket lies in another region, and whether to go there. */
#include "lib/s3/s3_region.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A label before the last that is no longer may be a public suffix: co.uk */
#define SUFFIX_BYTES 3

/* ---- hosts ---- */

/* A name, of at least one label, whose last one is no number (as an IP address's is). */
static bool host_is_name(const char *host)
{
	const char *last = strrchr(host, '.');

	last = last == NULL ? host : last + 1;
	return host[0] != '\0' && host[0] != '.' && host[0] != '-' && strstr(host, "..") == NULL &&
	       strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789.-") == strlen(host) &&
	       strspn(last, "0123456789") != strlen(last);
}

/* What follows the first label, if that is LABEL (NULL: whatever it is); else HOST. */
static const char *host_skip_label(const char *host, const char *label)
{
	size_t length = strcspn(host, ".");

	if (host[length] == '\0' ||
	    (label != NULL && (strlen(label) != length || strncmp(host, label, length) != 0)))
		return host;
	return host + length + 1;
}

/* The domain within which HOST may send us on. */
static const char *host_domain(const char *host, const char *region)
{
	const char *domain = host_skip_label(host, NULL), *dot = NULL;

	domain = host_skip_label(domain, "dualstack");
	domain = host_skip_label(domain, region);
	dot = strchr(domain, '.');
	if (dot == NULL || (strchr(dot + 1, '.') == NULL && dot - domain <= SUFFIX_BYTES))
		return host;
	return domain;
}

static bool host_is_within(const char *host, const char *domain)
{
	size_t length = strlen(host), tail = strlen(domain);

	return strcmp(host, domain) == 0 || (length > tail && host[length - tail - 1] == '.' &&
	                                     strcmp(host + length - tail, domain) == 0);
}

/* The region in the name of a host of Amazon's kind, s3.REGION.… or s3-REGION.…; empty if none. */
static void host_region(const char *host, char *region, size_t size)
{
	size_t length = 0;

	region[0] = '\0';
	if (strncmp(host, "s3.", 3) != 0 && strncmp(host, "s3-", 3) != 0)
		return;
	host = host_skip_label(host + 3, "dualstack");
	length = strcspn(host, ".");
	if (length < size && memchr(host, '-', length) != NULL &&
	    isdigit((unsigned char)host[length - 1]))
		snprintf(region, size, "%.*s", (int)length, host);
}

/* HOST with TO for the label FROM, or, if it has no such label, with TO behind its first label if
 * that is s3. */
static void host_swap_region(const char *host, const char *from, const char *to, char *out,
                             size_t size)
{
	const char *label = host, *next = NULL;
	size_t first = strcspn(host, ".");

	for (; label != NULL; label = next) {
		size_t length = strcspn(label, ".");

		if (strlen(from) == length && strncmp(label, from, length) == 0) {
			snprintf(out, size, "%.*s%s%s", (int)(label - host), host, to, label + length);
			return;
		}
		next = label[length] == '.' ? label + length + 1 : NULL;
	}
	if (strncmp(host, "s3.", 3) == 0)
		snprintf(out, size, "s3.%s%s", to, host + first);
	else
		snprintf(out, size, "%s", host);
}

/* ---- the answer ---- */

/* The host and port that the answer names, in lower case, without the bucket before it; empty if
 * none. */
static void hint_authority(const struct s3_hint *hint, const char *bucket, char *out, size_t size)
{
	const char *from = hint->endpoint, *scheme = NULL;
	size_t prefix = strlen(bucket), length = 0;

	if (from[0] == '\0') {
		scheme = strstr(hint->location, "://");
		from = scheme != NULL ? scheme + 3 : "";
	}
	length = strcspn(from, "/?#");
	if (length > prefix && strncmp(from, bucket, prefix) == 0 && from[prefix] == '.') {
		from += prefix + 1;
		length -= prefix + 1;
	}
	snprintf(out, size, "%.*s", length < size ? (int)length : 0, from);
	for (char *c = out; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
}

static bool region_is_name(const char *region)
{
	return region[0] != '\0' &&
	       strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(region) &&
	       strlen(region) < sizeof((struct s3_place *)0)->region;
}

/* The region that the answer names; empty if none. */
static const char *hint_region(const struct s3_hint *hint)
{
	if (region_is_name(hint->bucket_region))
		return hint->bucket_region;
	return region_is_name(hint->region) ? hint->region : "";
}

static bool hint_is_redirect(const struct s3_hint *hint)
{
	return hint->status == 301 || hint->status == 302 || hint->status == 307 || hint->status == 308;
}

/* Signed for the wrong region: the host is right. Without a body it is the header alone that says
 * so. */
static bool hint_is_wrong_region(const struct s3_hint *hint)
{
	return hint->status == 400 &&
	       (hint->code[0] == '\0' || strcmp(hint->code, "AuthorizationHeaderMalformed") == 0);
}

static bool hint_is_temporary(const struct s3_hint *hint)
{
	return hint->status == 302 || hint->status == 307 ||
	       strcmp(hint->code, "TemporaryRedirect") == 0;
}

/* Sets the host of PLACE to what a redirect names. False: requests may not go there. */
static bool place_follow(const struct s3_endpoint *endpoint, const char *region,
                         const struct s3_place *asked, char *authority, const char *named,
                         struct s3_place *place)
{
	char *port = strchr(authority, ':');

	if (authority[0] == '\0') {
		if (named[0] != '\0')
			host_swap_region(endpoint->host, region, named, place->host, sizeof(place->host));
		return true;
	}
	if (port != NULL && strcmp(port, endpoint->port) == 0)
		*port = '\0'; /* another port stays part of the name, and is none */
	snprintf(place->host, sizeof(place->host), "%s", authority);
	if (strcmp(place->host, endpoint->host) == 0 || strcmp(place->host, asked->host) == 0)
		return true;
	return host_is_name(endpoint->host) && host_is_name(place->host) &&
	       host_is_within(place->host, host_domain(endpoint->host, region));
}

enum s3_redirect s3_region_read(const struct s3_endpoint *endpoint, const char *region,
                                const char *bucket, const struct s3_place *asked,
                                const struct s3_hint *hint, struct s3_place *place)
{
	const char *named = hint_region(hint);
	char authority[sizeof(place->host)], guess[sizeof(place->region)];

	*place = *asked;
	if (hint_is_redirect(hint)) {
		hint_authority(hint, bucket, authority, sizeof(authority));
		if (!place_follow(endpoint, region, asked, authority, named, place))
			return S3_REDIRECT_REFUSED;
	} else if (!hint_is_wrong_region(hint)) {
		return S3_REDIRECT_NONE;
	}
	if (named[0] == '\0' && strcmp(place->host, asked->host) != 0) {
		host_region(place->host, guess, sizeof(guess));
		named = guess;
	}
	if (named[0] != '\0')
		snprintf(place->region, sizeof(place->region), "%s", named);
	if (strcmp(place->host, asked->host) == 0 && strcmp(place->region, asked->region) == 0)
		return S3_REDIRECT_NONE;
	return hint_is_temporary(hint) ? S3_REDIRECT_FOR_NOW : S3_REDIRECT_FOLLOW;
}
