/* Ids: which user ids are valid in each format, and fresh deletion ids. */
#include "lib/base/ids.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/types.h>

#include "lib/base/text.h"

/* Not isdigit and its kin: they follow the locale. */
static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_integer(const char *text, size_t length)
{
	if (length > 0 && text[0] == '-') {
		text++;
		length--;
		if (length > 0 && text[0] == '0')
			return false;
	}
	if (length < 1 || length > 19 || (text[0] == '0' && length > 1))
		return false;
	for (size_t i = 0; i < length; i++)
		if (!is_digit(text[i]))
			return false;
	return true;
}

static bool is_uuid(const char *text, size_t length)
{
	if (length != ID_UUID_SIZE - 1)
		return false;
	for (size_t i = 0; i < length; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !is_hex(text[i]))
			return false;
	}
	return true;
}

/* C0, DEL and C1. */
static bool is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7F && code < 0xA0);
}

static bool is_text(const char *text, size_t length, size_t max_length)
{
	uint32_t code;

	if (length < 1 || length > max_length || length >= ID_SIZE)
		return false;
	if (text[0] == '.' && (length == 1 || (length == 2 && text[1] == '.')))
		return false;
	for (size_t i = 0, step; i < length; i += step) {
		step = text_utf8_next(text + i, length - i, &code);
		if (step == 0 || is_control(code) || code == '/')
			return false;
	}
	return true;
}

bool id_valid(int format, const char *text, size_t length, size_t max_length)
{
	switch ((enum id_format)format) {
	case ID_INTEGER: return is_integer(text, length);
	case ID_UUID: return is_uuid(text, length);
	case ID_TEXT: return is_text(text, length, max_length);
	}
	abort(); /* not a format: a bug of ours */
}

void id_canonical(int format, const char *text, char canonical[ID_SIZE])
{
	size_t length = strnlen(text, ID_SIZE - 1);

	for (size_t i = 0; i < length; i++) {
		bool upper = format == ID_UUID && text[i] >= 'A' && text[i] <= 'Z';

		canonical[i] = upper ? (char)(text[i] - 'A' + 'a') : text[i];
	}
	canonical[length] = '\0';
}

/* Version 4 of RFC 9562, 5.4. */
void id_fresh(char uuid[ID_UUID_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char raw[16];
	size_t at = 0;

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		abort(); /* up to 256 bytes, the kernel gives them whole */
	raw[6] = (raw[6] & 0x0F) | 0x40;
	raw[8] = (raw[8] & 0x3F) | 0x80;
	for (size_t i = 0; i < sizeof(raw); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			uuid[at++] = '-';
		uuid[at++] = digits[raw[i] >> 4];
		uuid[at++] = digits[raw[i] & 15];
	}
	uuid[at] = '\0';
}
