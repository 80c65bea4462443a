/* Header fields and addresses: encoded-words, quoting, folding, and what is refused. Expected
 * values were written by hand from RFC 2047 and 5322. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "lib/base/text.h"
#include "lib/mail/mail_address.h"
#include "lib/mail/mail_body.h"
#include "lib/mail/mail_header.h"
#include "tests/unit/unit.h"

static char written[8192];

static FILE *begin(void)
{
	memset(written, 0, sizeof(written));
	return fmemopen(written, sizeof(written), "w");
}

static bool text(const char *value)
{
	FILE *out = begin();
	bool good = mail_header_text(out, "Subject", value);

	fclose(out);
	return good;
}

static bool mailbox(const char *name, const char *address)
{
	FILE *out = begin();
	bool good = mail_header_mailbox(out, "To", name, address);

	fclose(out);
	return good;
}

static const char *body(const char *value)
{
	FILE *out = begin();

	mail_body_write(out, "plain", value);
	fclose(out);
	return strstr(written, "\r\n\r\n") + 4;
}

static void plain_text_stays(void)
{
	CU_ASSERT_TRUE(text("Your account has been deleted"));
	CU_ASSERT_STRING_EQUAL(written, "Subject: Your account has been deleted\r\n");
	CU_ASSERT_TRUE(text(""));
	CU_ASSERT_STRING_EQUAL(written, "Subject: \r\n");
}

static void other_scripts_are_encoded(void)
{
	CU_ASSERT_TRUE(text("Größe"));
	CU_ASSERT_STRING_EQUAL(written, "Subject: =?UTF-8?B?R3LDtsOfZQ==?=\r\n");
	CU_ASSERT_TRUE(text("계정"));
	CU_ASSERT_STRING_EQUAL(written, "Subject: =?UTF-8?B?6rOE7KCV?=\r\n");
	CU_ASSERT_TRUE(text("=?UTF-8?B?IQ==?=")); /* ASCII that a reader would decode */
	CU_ASSERT_STRING_EQUAL(written, "Subject: =?UTF-8?B?PT9VVEYtOD9CP0lRPT0/PQ==?=\r\n");
}

/* Decodes one encoded-word of base64 into DECODED; returns its bytes. */
static size_t decode(const char *word, size_t length, char decoded[128])
{
	const unsigned char *base64 = (const unsigned char *)word + strlen("=?UTF-8?B?");
	size_t digits = length - strlen("=?UTF-8?B?") - strlen("?=");
	int bytes = EVP_DecodeBlock((unsigned char *)decoded, base64, (int)digits);

	CU_ASSERT_TRUE_FATAL(bytes > 0);
	for (size_t i = digits; base64[i - 1] == '='; i--)
		bytes--;
	decoded[bytes] = '\0';
	return (size_t)bytes;
}

/* Each word: at most 75 characters, on a line of at most 76, whole characters only; together the
 * text. */
static void words_hold(const char *value)
{
	char all[4096] = "";

	CU_ASSERT_TRUE_FATAL(text(value));
	char *line = written;
	while (*line != '\0') {
		char *end = strstr(line, "\r\n"), *word = strstr(line, "=?UTF-8?B?"), piece[128];

		CU_ASSERT_PTR_NOT_NULL_FATAL(end);
		CU_ASSERT_PTR_NOT_NULL_FATAL(word);
		CU_ASSERT_TRUE(end - line <= 76);
		CU_ASSERT_TRUE(end - word <= 75);
		CU_ASSERT_TRUE(line == written || line[0] == ' ');
		size_t bytes = decode(word, (size_t)(end - word), piece);
		CU_ASSERT_TRUE(bytes > 0);
		CU_ASSERT_TRUE(text_utf8_valid(piece, bytes));
		strcat(all, piece);
		line = end + 2;
	}
	CU_ASSERT_STRING_EQUAL(all, value);
}

static void long_text_is_folded_between_characters(void)
{
	static const char *const characters[] = {"x", "ö", "계", "🙂"};
	char value[1024];

	/* Every width of character at every offset from the place where a word ends. */
	for (size_t c = 0; c < 4; c++)
		for (size_t shift = 0; shift < 5; shift++) {
			value[0] = '\0';
			strcat(value, &"xxxxx"[5 - shift]);
			for (int i = 0; i < 100; i++)
				strcat(value, characters[c]);
			words_hold(value);
		}
}

static void control_characters_are_refused(void)
{
	CU_ASSERT_FALSE(text("Hello\r\nBcc: victim@example.com"));
	CU_ASSERT_STRING_EQUAL(written, "");
	CU_ASSERT_FALSE(text("a\nb"));
	CU_ASSERT_FALSE(text("a\tb"));
	CU_ASSERT_FALSE(text("a\x7F"));
	CU_ASSERT_FALSE(text("\xC3\x28"));
	CU_ASSERT_FALSE(mailbox("Eve\r\nBcc: victim@example.com", "a@b.example"));
	CU_ASSERT_STRING_EQUAL(written, "");
}

static void names_are_quoted_or_encoded(void)
{
	CU_ASSERT_TRUE(mailbox("", "a@b.example"));
	CU_ASSERT_STRING_EQUAL(written, "To: a@b.example\r\n");
	CU_ASSERT_TRUE(mailbox("Ann Other", "a@b.example"));
	CU_ASSERT_STRING_EQUAL(written, "To: Ann Other <a@b.example>\r\n");
	CU_ASSERT_TRUE(mailbox("Other, Ann (\"Al\")", "a@b.example"));
	CU_ASSERT_STRING_EQUAL(written, "To: \"Other, Ann (\\\"Al\\\")\" <a@b.example>\r\n");
	CU_ASSERT_TRUE(mailbox("x@evil.example", "a@b.example"));
	CU_ASSERT_STRING_EQUAL(written, "To: \"x@evil.example\" <a@b.example>\r\n");
	CU_ASSERT_TRUE(mailbox("김민수", "a@b.example"));
	CU_ASSERT_STRING_EQUAL(written, "To: =?UTF-8?B?6rmA66+87IiY?= <a@b.example>\r\n");
	CU_ASSERT_TRUE(
		mailbox("A name of forty-three ASCII characters, no?", "a.rather.long.mailbox@b.example"));
	CU_ASSERT_STRING_EQUAL(written, "To: \"A name of forty-three ASCII characters, no?\"\r\n "
	                                "<a.rather.long.mailbox@b.example>\r\n");
}

static void dates_are_in_english(void)
{
	char date[MAIL_DATE_SIZE];

	mail_header_date(1795361947, date);
	CU_ASSERT_STRING_EQUAL(date, "Sun, 22 Nov 2026 15:39:07 +0000");
	mail_header_date(0, date);
	CU_ASSERT_STRING_EQUAL(date, "Thu, 01 Jan 1970 00:00:00 +0000");
}

static void address_is(const char *given, const char *wanted)
{
	char address[MAIL_ADDRESS_SIZE] = "", why[128] = "";
	bool good = mail_address_read(given, address, why, sizeof(why));

	if (good != (wanted != NULL))
		printf("  %s: %s\n", given, good ? address : why);
	CU_ASSERT_EQUAL(good, wanted != NULL);
	if (good && wanted != NULL)
		CU_ASSERT_STRING_EQUAL(address, wanted);
	if (!good)
		CU_ASSERT_TRUE(why[0] != '\0' && strchr(why, '\n') == NULL);
}

static void addresses_are_checked(void)
{
	address_is("user@example.com", "user@example.com");
	address_is("  o'brien+tag=1@mail.example.com ", "o'brien+tag=1@mail.example.com");
	address_is("two..dots.@mobile.example", "two..dots.@mobile.example");
	address_is("root@localhost", "root@localhost");
	address_is("\"john doe\"@example.com", "\"john doe\"@example.com");
	address_is("\"a\\\"@b\"@example.com", "\"a\\\"@b\"@example.com");
	address_is("a@[192.0.2.1]", "a@[192.0.2.1]");
	address_is("a@[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]");
	address_is("김@example.com", "김@example.com");
	address_is("a@bücher.example", "a@xn--bcher-kva.example");
	address_is("a@한국.example", "a@xn--3e0b707e.example");
}

static void bad_addresses_are_refused(void)
{
	char many[300];
	static const char *const bad[] = {
		"",
		" ",
		"@",
		"a@",
		"@b",
		"a",
		"a@b@c",
		"a b@c.example",
		"a@b c",
		"a@b..c",
		"a@.b",
		"a@b.",
		"a@b>",
		"<a@b>",
		"a@b,c@d",
		"a@b\r\nRCPT TO:<x@y>",
		"a\r\n@b",
		"a@b\n",
		"\ta@b",
		"a@b\x7F",
		"\"a@b",
		"\"\"@b",
		"\"a\"b@c",
		"\"a\\",
		"a@[x]",
		"a@[192.0.2.1",
		"a@b/c",
		"a@b?c",
		"a@b#c",
		"a@b:25",
		"a@b%20c",
		"a@\xFF.example",
		"a\xC0\x80@b.example",
		"a@b;c",
		"a@ü/x",
		"a@ü@x",
		"a@ü?",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		address_is(bad[i], NULL);
	snprintf(many, sizeof(many), "%065d@example.com", 0);
	address_is(many, NULL);
	snprintf(many, sizeof(many), "%064d@example.com", 0);
	address_is(many, many);
	snprintf(many, sizeof(many), "a@%064d.example", 0);
	address_is(many, NULL);
	snprintf(many, sizeof(many), "%030d@%060d.%060d.%060d.%039d", 0, 0, 0, 0, 0);
	CU_ASSERT_EQUAL(strlen(many), 253);
	address_is(many, many);
	strcat(many, "0");
	address_is(many, many);
	strcat(many, "0");
	address_is(many, NULL);
}

static void mailboxes_are_read(void)
{
	struct mail_address box;
	char why[128];

	CU_ASSERT_TRUE(mail_mailbox_read("Farewell <bye@farewell.example>", &box, why, sizeof(why)));
	CU_ASSERT_STRING_EQUAL(box.name, "Farewell");
	CU_ASSERT_STRING_EQUAL(box.address, "bye@farewell.example");
	CU_ASSERT_TRUE(
		mail_mailbox_read("\"A <b>, \\\"c\\\"\" <bye@farewell.example>", &box, why, sizeof(why)));
	CU_ASSERT_STRING_EQUAL(box.name, "A <b>, \"c\"");
	CU_ASSERT_TRUE(mail_mailbox_read("안녕 <bye@farewell.example>", &box, why, sizeof(why)));
	CU_ASSERT_STRING_EQUAL(box.name, "안녕");
	CU_ASSERT_TRUE(mail_mailbox_read("bye@farewell.example", &box, why, sizeof(why)));
	CU_ASSERT_STRING_EQUAL(box.name, "");
	CU_ASSERT_STRING_EQUAL(mail_address_domain(box.address), "farewell.example");
	CU_ASSERT_FALSE(mail_mailbox_read("a@b>", &box, why, sizeof(why)));
	CU_ASSERT_FALSE(mail_mailbox_read("A <>", &box, why, sizeof(why)));
	CU_ASSERT_FALSE(mail_mailbox_read("<a@b", &box, why, sizeof(why)));
	CU_ASSERT_FALSE(mail_mailbox_read("A\r\nBcc: x@y <a@b>", &box, why, sizeof(why)));
	CU_ASSERT_FALSE(mail_mailbox_read("A\xFF <a@b>", &box, why, sizeof(why)));
}

static void bodies_are_quoted_printable(void)
{
	char line[200];

	CU_ASSERT_STRING_EQUAL(body("a=b\n.c\r\nä\n"), "a=3Db\r\n.c\r\n=C3=A4\r\n");
	CU_ASSERT_STRING_EQUAL(body("end "), "end=20\r\n");
	CU_ASSERT_STRING_EQUAL(body("a \t\nb c\n"), "a =09\r\nb c\r\n");
	CU_ASSERT_STRING_EQUAL(body("a\rb"), "a=0Db\r\n");
	snprintf(line, sizeof(line), "%080d", 0);
	const char *out = body(line);
	CU_ASSERT_EQUAL(strcspn(out, "\r"), 76);
	CU_ASSERT_STRING_EQUAL(out + 75, "=\r\n00000\r\n");
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"plain text stays", plain_text_stays},
		{"other scripts are encoded", other_scripts_are_encoded},
		{"long text is folded between characters", long_text_is_folded_between_characters},
		{"control characters are refused", control_characters_are_refused},
		{"names are quoted or encoded", names_are_quoted_or_encoded},
		{"dates are in English", dates_are_in_english},
		{"addresses are checked", addresses_are_checked},
		{"bad addresses are refused", bad_addresses_are_refused},
		{"mailboxes are read", mailboxes_are_read},
		{"bodies are quoted-printable", bodies_are_quoted_printable},
		{NULL, NULL},
	};

	return unit_main("mail header", tests);
}
