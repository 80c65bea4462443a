/* Text from outside: UTF-8 and control characters, the same in every locale. */
#include "lib/base/text.h"

#include <string.h>

/* Table 3-7 of the Unicode standard: the second byte's range depends on the first. */
size_t text_utf8_next(const char *text, size_t length, uint32_t *code)
{
	static const struct {
		unsigned char first, last, low, high;
		size_t bytes;
	} forms[] = {
		{0x00, 0x7F, 0, 0, 1},       {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
		{0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
		{0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
	};
	const unsigned char *at = (const unsigned char *)text;

	for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
		if (at[0] < forms[f].first || at[0] > forms[f].last)
			continue;
		if (forms[f].bytes > length)
			return 0;
		if (forms[f].bytes > 1 && (at[1] < forms[f].low || at[1] > forms[f].high))
			return 0;
		for (size_t i = 2; i < forms[f].bytes; i++)
			if ((at[i] & 0xC0) != 0x80)
				return 0;
		*code = forms[f].bytes == 1 ? at[0] : at[0] & (0xFFu >> (forms[f].bytes + 1));
		for (size_t i = 1; i < forms[f].bytes; i++)
			*code = *code << 6 | (at[i] & 0x3Fu);
		return forms[f].bytes;
	}
	return 0;
}

bool text_utf8_valid(const char *text, size_t length)
{
	uint32_t code;

	for (size_t i = 0, step; i < length; i += step)
		if ((step = text_utf8_next(text + i, length - i, &code)) == 0)
			return false;
	return true;
}

size_t text_utf8_fit(const char *text, size_t most)
{
	size_t length = strnlen(text, most + 1);

	if (length <= most)
		return length;
	for (length = most; length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80;)
		length--;
	return length;
}

bool text_has_control(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (text_is_control(text[i]))
			return true;
	return false;
}
