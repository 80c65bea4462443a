/* Text that comes from outside: valid UTF-8 (RFC 3629), cutting it between characters, and control
 * characters. */
#ifndef FAREWELL_TEXT_H
#define FAREWELL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The number of bytes, 1 to 4, of the character that the LENGTH bytes at TEXT begin with; *CODE is
 * its code point. 0: it is not valid UTF-8 (overlong, a surrogate, cut short). LENGTH is at least
 * 1. */
size_t text_utf8_next(const char *text, size_t length, uint32_t *code);

/* True when the LENGTH bytes at TEXT are valid UTF-8. */
bool text_utf8_valid(const char *text, size_t length);

/* How many bytes of TEXT, which is valid UTF-8 and ends with a NUL, to keep so that there are at
 * most MOST and the last character is whole. */
size_t text_utf8_fit(const char *text, size_t most);

/* True for the control characters of ASCII: 0x00 to 0x1F, and 0x7F. */
static inline bool text_is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7F;
}

/* Whether one of the LENGTH bytes at TEXT is such a control character. */
bool text_has_control(const char *text, size_t length);

#endif
