/* Checks mail addresses and mailboxes, and writes their domains as A-labels. */
#include "lib/mail/mail_address.h"

#include <ctype.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include <curl/curl.h>

#include "lib/base/text.h"

#define LOCAL_MAX 64
#define LABEL_MAX 63

static bool address_refuse(char *why, size_t why_size, const char *what)
{
	snprintf(why, why_size, "not a mail address: %s", what);
	return false;
}

/* RFC 5322's atext, any byte of UTF-8 (RFC 6532), and dots. */
static bool is_local_byte(unsigned char c)
{
	return isalnum(c) || c >= 0x80 || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL);
}

/* The length of the local part at TEXT: what stands before its @. 0: there is none. */
static size_t local_length(const char *text)
{
	size_t i = 0;

	if (text[0] != '"') {
		while (is_local_byte((unsigned char)text[i]))
			i++;
		return i;
	}
	for (i = 1; text[i] != '"'; i++) {
		if (text[i] == '\\')
			i++;
		if (text[i] == '\0')
			return 0;
	}
	return i > 1 ? i + 1 : 0;
}

static bool is_literal(const char *domain)
{
	size_t length = strlen(domain);

	return length > 2 && domain[0] == '[' && domain[length - 1] == ']' &&
	       strspn(domain + 1, "0123456789abcdefABCDEFIPv:.") == length - 2;
}

/* Letters, digits, hyphens (and underscores, which exist) in labels of 1 to 63 bytes; bytes of
 * UTF-8 while it is not converted yet. */
static bool is_domain(const char *domain, bool ascii)
{
	size_t label = 0;

	for (const unsigned char *c = (const unsigned char *)domain;; c++) {
		if (*c == '.' || *c == '\0') {
			if (label == 0 || (ascii && label > LABEL_MAX))
				return false;
			if (*c == '\0')
				return true;
			label = 0;
		} else if (isalnum(*c) || *c == '-' || *c == '_' || (!ascii && *c >= 0x80)) {
			label++;
		} else {
			return false;
		}
	}
}

static bool is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text >= 0x80)
			return false;
	return true;
}

/* Writes DOMAIN as A-labels (RFC 5890), by libcurl, which has libidn2. That takes text in the
 * thread's locale, so it must be a UTF-8 one meanwhile. */
static bool domain_to_ascii(const char *domain, char ascii[MAIL_ADDRESS_SIZE])
{
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), before = (locale_t)0;
	CURLU *url = curl_url();
	char *host = NULL;
	char text[2 * MAIL_ADDRESS_SIZE];

	if (utf8 != (locale_t)0)
		before = uselocale(utf8);
	snprintf(text, sizeof(text), "smtp://%s/", domain);
	if (url != NULL && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK)
		curl_url_get(url, CURLUPART_HOST, &host, CURLU_PUNYCODE);
	if (utf8 != (locale_t)0) {
		uselocale(before);
		freelocale(utf8);
	}
	int length = host != NULL ? snprintf(ascii, MAIL_ADDRESS_SIZE, "%s", host) : -1;
	curl_free(host);
	curl_url_cleanup(url);
	return length > 0 && length < MAIL_ADDRESS_SIZE && is_domain(ascii, true);
}

/* The checks of text that ends where the address ends. */
static bool address_read(const char *text, size_t length, char address[MAIL_ADDRESS_SIZE],
                         char *why, size_t why_size)
{
	char copy[MAIL_ADDRESS_SIZE], domain[MAIL_ADDRESS_SIZE];
	size_t local;

	if (length == 0)
		return address_refuse(why, why_size, "it is empty");
	if (length >= sizeof(copy))
		return address_refuse(why, why_size, "it is longer than 254 bytes");
	memcpy(copy, text, length);
	copy[length] = '\0';
	if (text_has_control(copy, length))
		return address_refuse(why, why_size, "it has control characters");
	if (!text_utf8_valid(copy, length))
		return address_refuse(why, why_size, "it is not UTF-8");
	local = local_length(copy);
	if (local == 0 || copy[local] != '@')
		return address_refuse(why, why_size,
		                      strchr(copy, '@') == NULL ? "it has no @" :
		                                                  "the part before the @ is not valid");
	if (local > LOCAL_MAX)
		return address_refuse(why, why_size, "it has more than 64 bytes before the @");
	if (!is_literal(copy + local + 1) && !is_domain(copy + local + 1, is_ascii(copy + local + 1)))
		return address_refuse(why, why_size, "the domain is not valid");
	snprintf(domain, sizeof(domain), "%s", copy + local + 1);
	if (!is_ascii(domain) && !domain_to_ascii(copy + local + 1, domain))
		return address_refuse(why, why_size, "the domain can't be written in ASCII (IDNA)");
	if (local + 1 + strlen(domain) >= MAIL_ADDRESS_SIZE)
		return address_refuse(why, why_size, "it is longer than 254 bytes");
	memcpy(address, copy, local + 1);
	memcpy(address + local + 1, domain, strlen(domain) + 1);
	return true;
}

static void blanks_trim(const char **text, size_t *length)
{
	for (; *length > 0 && **text == ' '; (*length)--)
		(*text)++;
	while (*length > 0 && (*text)[*length - 1] == ' ')
		(*length)--;
}

bool mail_address_read(const char *text, char address[MAIL_ADDRESS_SIZE], char *why,
                       size_t why_size)
{
	size_t length = strlen(text);

	blanks_trim(&text, &length);
	return address_read(text, length, address, why, why_size);
}

/* Copies a display name without its quotes. */
static bool name_read(const char *text, size_t length, char name[MAIL_NAME_SIZE], char *why,
                      size_t why_size)
{
	size_t out = 0;
	bool quoted;

	blanks_trim(&text, &length);
	quoted = length >= 2 && text[0] == '"' && text[length - 1] == '"';
	if (quoted) {
		text++;
		length -= 2;
	}
	if (length >= MAIL_NAME_SIZE)
		return address_refuse(why, why_size, "the name is longer than 255 bytes");
	if (text_has_control(text, length))
		return address_refuse(why, why_size, "the name has control characters");
	for (size_t i = 0; i < length; i++) {
		if (quoted && text[i] == '\\' && i + 1 < length)
			i++;
		name[out++] = text[i];
	}
	name[out] = '\0';
	return text_utf8_valid(name, out) ? true :
	                                    address_refuse(why, why_size, "the name is not UTF-8");
}

bool mail_mailbox_read(const char *text, struct mail_address *box, char *why, size_t why_size)
{
	size_t length = strlen(text);
	const char *open;

	blanks_trim(&text, &length);
	box->name[0] = '\0';
	if (length == 0 || text[length - 1] != '>')
		return address_read(text, length, box->address, why, why_size);
	open = memrchr(text, '<', length);
	if (open == NULL)
		return address_refuse(why, why_size, "a > without its <");
	return name_read(text, (size_t)(open - text), box->name, why, why_size) &&
	       address_read(open + 1, length - (size_t)(open - text) - 2, box->address, why, why_size);
}

const char *mail_address_domain(const char *address)
{
	return strrchr(address, '@') + 1;
}

bool mail_address_is_utf8(const char *address)
{
	return !is_ascii(address);
}
