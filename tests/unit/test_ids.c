/* User ids: what each format takes and refuses, and what fresh ids look like. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/ids.h"
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

int main(void)
{
	static const struct unit_test tests[] = {
		{"integers", integers},
		{"UUIDs", uuids},
		{"texts", texts},
		{"texts fit their buffer", texts_fit},
		{"canonical form", canonical},
		{"fresh ids", fresh},
		{NULL, NULL},
	};

	return unit_main("ids", tests);
}
