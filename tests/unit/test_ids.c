#include <stdlib.h>
#include <string.h>

#include "lib/base/ids.h"
#include "lib/config/conf.h"
#include "tests/unit/unit.h"

#define MAX_LENGTH 128

static bool valid(int format, const char *text)
{
	return id_valid(format, text, strlen(text), MAX_LENGTH);
}

static void integers(void)
{
	static const char *const good[] = {
		"0", "7", "-7", "42", "9223372036854775807", "-9223372036854775808"};
	static const char *const bad[] = {"",    "-",  "007",   "-0",   "-07", "+7",
	                                  " 7",  "7 ", "1.5",   "0x1f", "1e3", "12345678901234567890",
	                                  "--7", "7-", "\u0667"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CU_ASSERT(valid(ID_INTEGER, good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_FALSE(valid(ID_INTEGER, bad[i]));
	CU_ASSERT_FALSE(id_valid(ID_INTEGER, "7\0", 2, MAX_LENGTH));
	CU_ASSERT(id_valid(ID_INTEGER, "42abc", 2, MAX_LENGTH));
}

static void uuids(void)
{
	static const char *const bad[] = {
		"",
		"3f2504e0-4f89-11d3-9a0c-0305e82c330",
		"3f2504e0-4f89-11d3-9a0c-0305e82c33011",
		"3f2504e04f8911d39a0c0305e82c3301",
		"{3f2504e0-4f89-11d3-9a0c-0305e82c3301}",
		"3f2504e0-4f89-11d3-9a0c_0305e82c3301",
		"3f2504e0-4f89-11d3-9a0c-0305e82c330g",
		"3f2504e-04f89-11d3-9a0c-0305e82c3301",
	};

	CU_ASSERT(valid(ID_UUID, "3f2504e0-4f89-11d3-9a0c-0305e82c3301"));
	CU_ASSERT(valid(ID_UUID, "3F2504E0-4F89-11D3-9A0C-0305E82C3301"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_FALSE(valid(ID_UUID, bad[i]));
}

static void texts(void)
{
	static const char *const good[] = {"a",
	                                   "alice@example.com",
	                                   "\xEC\x95\xA8\xEB\xA6\xAC\xEC\x8A\xA4",
	                                   "a b",
	                                   "...",
	                                   ".a",
	                                   "..a",
	                                   "100%",
	                                   "a?b#c"};
	static const char *const bad[] = {"",     ".",    "..",        "a/b",  "/",   "a\nb",
	                                  "a\tb", "\x7f", "a\xC2\x85", "\xff", "\xC3"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CU_ASSERT(valid(ID_TEXT, good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_FALSE(valid(ID_TEXT, bad[i]));
	CU_ASSERT_FALSE(id_valid(ID_TEXT, "a\0b", 3, MAX_LENGTH));
	CU_ASSERT(id_valid(ID_TEXT, "abcd", 4, 4));
	CU_ASSERT_FALSE(id_valid(ID_TEXT, "abcde", 5, 4));
}

/* Whatever the limit is set to, an id fits into ID_SIZE with its NUL. */
static void texts_fit(void)
{
	char text[ID_SIZE + 1];

	memset(text, 'a', sizeof(text));
	CU_ASSERT(id_valid(ID_TEXT, text, ID_SIZE - 1, 1000));
	CU_ASSERT_FALSE(id_valid(ID_TEXT, text, ID_SIZE, 1000));
}

static void canonical(void)
{
	char text[ID_SIZE], longer[ID_SIZE + 10];

	id_canonical(ID_UUID, "3F2504E0-4F89-11D3-9A0C-0305E82C3301", text);
	CU_ASSERT_STRING_EQUAL(text, "3f2504e0-4f89-11d3-9a0c-0305e82c3301");
	id_canonical(ID_TEXT, "Alice", text);
	CU_ASSERT_STRING_EQUAL(text, "Alice");
	id_canonical(ID_INTEGER, "-7", text);
	CU_ASSERT_STRING_EQUAL(text, "-7");
	memset(longer, 'A', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	id_canonical(ID_UUID, longer, text);
	CU_ASSERT_EQUAL(strlen(text), ID_SIZE - 1);
}

static void fresh(void)
{
	char first[ID_UUID_SIZE], second[ID_UUID_SIZE], lower[ID_SIZE];

	id_fresh(first);
	id_fresh(second);
	CU_ASSERT(valid(ID_UUID, first));
	CU_ASSERT_STRING_NOT_EQUAL(first, second);
	id_canonical(ID_UUID, first, lower);
	CU_ASSERT_STRING_EQUAL(first, lower);
	CU_ASSERT_EQUAL(first[14], '4'); /* version: random (RFC 9562, 5.4) */
	CU_ASSERT_PTR_NOT_NULL(strchr("89ab", first[19]));
}

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
		CU_ASSERT_EQUAL(id_utf8(sequences[i].bytes, strlen(sequences[i].bytes)),
		                sequences[i].valid);
}

/* A sequence that is cut short by LENGTH must not be completed from what lies behind it. */
static void utf8_ends_at_length(void)
{
	char *bytes = malloc(2);

	CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
	memcpy(bytes, "\xE2\x82", 2);
	CU_ASSERT_FALSE(id_utf8(bytes, 2));
	CU_ASSERT_FALSE(id_utf8("\xE2\x82\xAC", 2));
	CU_ASSERT(id_utf8("\xE2\x82\xAC", 3));
	free(bytes);
}

static void utf8_fits(void)
{
	CU_ASSERT_EQUAL(id_utf8_fit("", 5), 0);
	CU_ASSERT_EQUAL(id_utf8_fit("abc", 3), 3);
	CU_ASSERT_EQUAL(id_utf8_fit("abcd", 3), 3);
	CU_ASSERT_EQUAL(id_utf8_fit("a\xE2\x82\xAC", 4), 4);
	CU_ASSERT_EQUAL(id_utf8_fit("a\xE2\x82\xAC", 3), 1);
	CU_ASSERT_EQUAL(id_utf8_fit("\xE2\x82\xAC", 2), 0);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"integers", integers},
		{"UUIDs", uuids},
		{"texts", texts},
		{"texts fit their buffer", texts_fit},
		{"canonical form", canonical},
		{"fresh ids", fresh},
		{"UTF-8", utf8},
		{"UTF-8 that is cut short", utf8_ends_at_length},
		{"UTF-8 that is to fit", utf8_fits},
		{NULL, NULL},
	};

	return unit_main("ids", tests);
}
