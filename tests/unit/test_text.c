/* UTF-8: what is valid, where it may be cut, and which characters are control characters. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/text.h"
#include "tests/unit/unit.h"

struct sequence {
	const char *bytes;
	bool valid;
};

/* The corners of table 3-7 of the Unicode standard. */
static void utf8(void)
{
	static const struct sequence sequences[] = {
		{"", true},
		{"\x7f", true},
		{"\xC2\x80", true},
		{"\xDF\xBF", true},
		{"\xE0\xA0\x80", true},
		{"\xED\x9F\xBF", true},
		{"\xEE\x80\x80", true},
		{"\xEF\xBF\xBF", true},
		{"\xF0\x90\x80\x80", true},
		{"\xF4\x8F\xBF\xBF", true},
		{"a\xC3\xA9z", true},
		{"\x80", false},
		{"\xC0\x80", false},
		{"\xC1\xBF", false},
		{"\xC2", false},
		{"\xC2\x7f", false},
		{"\xE0\x9F\xBF", false},
		{"\xE0\xA0", false},
		{"\xED\xA0\x80", false},
		{"\xF0\x8F\xBF\xBF", false},
		{"\xF4\x90\x80\x80", false},
		{"\xF5\x80\x80\x80", false},
		{"\xF0\x90\x80", false},
		{"\xE1\x80\xC0", false},
		{"\xF1\x80\x80\xC0", false},
		{"\xff", false},
	};

	for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++)
		CU_ASSERT_EQUAL(text_utf8_valid(sequences[i].bytes, strlen(sequences[i].bytes)),
		                sequences[i].valid);
}

/* A sequence that is cut short by LENGTH must not be completed from what lies behind it. */
static void utf8_ends_at_length(void)
{
	char *bytes = malloc(2);

	CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
	memcpy(bytes, "\xE2\x82", 2);
	CU_ASSERT_FALSE(text_utf8_valid(bytes, 2));
	CU_ASSERT_FALSE(text_utf8_valid("\xE2\x82\xAC", 2));
	CU_ASSERT(text_utf8_valid("\xE2\x82\xAC", 3));
	free(bytes);
}

static void utf8_fits(void)
{
	CU_ASSERT_EQUAL(text_utf8_fit("", 5), 0);
	CU_ASSERT_EQUAL(text_utf8_fit("abc", 3), 3);
	CU_ASSERT_EQUAL(text_utf8_fit("abcd", 3), 3);
	CU_ASSERT_EQUAL(text_utf8_fit("a\xE2\x82\xAC", 4), 4);
	CU_ASSERT_EQUAL(text_utf8_fit("a\xE2\x82\xAC", 3), 1);
	CU_ASSERT_EQUAL(text_utf8_fit("\xE2\x82\xAC", 2), 0);
}

static void controls(void)
{
	CU_ASSERT_FALSE(text_has_control("", 0));
	CU_ASSERT_FALSE(text_has_control(" ~\xC2\x80\xFF", 5));
	CU_ASSERT_TRUE(text_has_control("a\x1F", 2));
	CU_ASSERT_TRUE(text_has_control("\x7F", 1));
	CU_ASSERT_TRUE(text_has_control("a\0b", 3));
	CU_ASSERT_FALSE(text_has_control("a\n", 1));
}

static void code_points(void)
{
	uint32_t code = 0;

	CU_ASSERT_EQUAL(text_utf8_next("\xF0\x9F\x99\x82", 4, &code), 4);
	CU_ASSERT_EQUAL(code, 0x1F642);
	CU_ASSERT_EQUAL(text_utf8_next("\xC2\x85x", 3, &code), 2);
	CU_ASSERT_EQUAL(code, 0x85);
	CU_ASSERT_EQUAL(text_utf8_next("x", 1, &code), 1);
	CU_ASSERT_EQUAL(code, 'x');
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"UTF-8", utf8},
		{"UTF-8 that is cut short", utf8_ends_at_length},
		{"UTF-8 that is to fit", utf8_fits},
		{"code points", code_points},
		{"control characters", controls},
		{NULL, NULL},
	};

	return unit_main("text", tests);
}
