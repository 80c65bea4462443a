/* Writes header fields: as they are, quoted or as encoded-words, folded. Pure. */
#include "lib/mail/mail_header.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <string.h>

#include "lib/base/text.h"

#define LINE_LENGTH 76 /* RFC 2047, section 2: a line with an encoded-word */
#define WORD_LENGTH 75
#define WORD_FRAME 12 /* =?UTF-8?B? and ?= */

static bool text_is_safe(const char *text)
{
	size_t length = strlen(text);

	return !text_has_control(text, length) && text_utf8_valid(text, length);
}

/* Whether TEXT may stand as it is: ASCII that fits and looks like no encoded-word, with no blank
 * that folding or trimming could eat. */
static bool text_is_plain(const char *text, size_t room)
{
	size_t length = strlen(text);

	if (length == 0)
		return true;
	if (length > room || strstr(text, "=?") != NULL || text[0] == ' ' || text[length - 1] == ' ')
		return false;
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] >= 0x80)
			return false;
	return true;
}

/* How many bytes of TEXT an encoded-word of at most ROOM characters can hold without cutting a
 * character in two. */
static size_t word_bytes(const char *text, size_t room)
{
	return text_utf8_fit(text, room > WORD_FRAME ? (room - WORD_FRAME) / 4 * 3 : 0);
}

/* Writes BYTES of TEXT as one encoded-word; returns its length. */
static size_t put_word(FILE *out, const char *text, size_t bytes)
{
	unsigned char base64[WORD_LENGTH];
	int length = EVP_EncodeBlock(base64, (const unsigned char *)text, (int)bytes);

	fprintf(out, "=?UTF-8?B?%s?=", base64);
	return WORD_FRAME + (size_t)length;
}

/* Writes TEXT as encoded-words from COLUMN on, one a line; returns the column after the last. */
static size_t put_words(FILE *out, const char *text, size_t column)
{
	for (size_t length = strlen(text), bytes; length > 0; text += bytes, length -= bytes) {
		size_t room = column < LINE_LENGTH ? LINE_LENGTH - column : 0;

		bytes = word_bytes(text, room < WORD_LENGTH ? room : WORD_LENGTH);
		if (bytes > 0)
			column += put_word(out, text, bytes);
		if (bytes < length) {
			fputs("\r\n ", out);
			column = 1;
		}
	}
	return column;
}

/* Writes a display name: as atoms, as a quoted-string, or as encoded-words. Returns the column
 * after it. */
static size_t put_name(FILE *out, const char *name, size_t column)
{
	size_t length = strlen(name), atoms = 0, escapes = 0;

	for (const unsigned char *c = (const unsigned char *)name; *c != '\0'; c++) {
		atoms += isalnum(*c) || strchr("!#$%&'*+-/=?^_`{|}~ ", *c) != NULL;
		escapes += *c == '"' || *c == '\\';
	}
	if (column + length + escapes + 2 > LINE_LENGTH || !text_is_plain(name, LINE_LENGTH))
		return put_words(out, name, column);
	if (atoms == length) {
		fputs(name, out);
		return column + length;
	}
	putc('"', out);
	for (const char *c = name; *c != '\0'; c++) {
		if (*c == '"' || *c == '\\')
			putc('\\', out);
		putc(*c, out);
	}
	putc('"', out);
	return column + length + escapes + 2;
}

bool mail_header_text(FILE *out, const char *field, const char *text)
{
	size_t column = strlen(field) + 2;

	if (!text_is_safe(text))
		return false;
	fprintf(out, "%s: ", field);
	if (text_is_plain(text, LINE_LENGTH - column))
		fputs(text, out);
	else
		put_words(out, text, column);
	fputs("\r\n", out);
	return true;
}

bool mail_header_mailbox(FILE *out, const char *field, const char *name, const char *address)
{
	size_t column = strlen(field) + 2;

	if (!text_is_safe(name))
		return false;
	fprintf(out, "%s: ", field);
	if (name[0] == '\0') {
		fprintf(out, "%s\r\n", address);
		return true;
	}
	column = put_name(out, name, column);
	fprintf(out, "%s<%s>\r\n", column + strlen(address) + 3 > LINE_LENGTH ? "\r\n " : " ", address);
	return true;
}

/* By hand, because strftime speaks the locale's language. */
void mail_header_date(time_t when, char text[MAIL_DATE_SIZE])
{
	static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
	                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	struct tm tm;

	gmtime_r(&when, &tm);
	snprintf(text, MAIL_DATE_SIZE, "%s, %02d %s %04d %02d:%02d:%02d +0000", days[tm.tm_wday],
	         tm.tm_mday, months[tm.tm_mon], (int)((tm.tm_year + 1900) % 10000), tm.tm_hour,
	         tm.tm_min, tm.tm_sec);
}
