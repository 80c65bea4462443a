/* Writes a text part of a mail as quoted-printable. */
#include "lib/mail/mail_body.h"

#include <stdbool.h>
#include <string.h>

#define LINE_LENGTH 76

/* The bytes at TEXT that end a line: 0, 1 (LF) or 2 (CRLF). */
static size_t line_end(const char *text)
{
	if (text[0] == '\n')
		return 1;
	return text[0] == '\r' && text[1] == '\n' ? 2 : 0;
}

/* Printable ASCII, and blanks but at a line's end, where some servers drop them. */
static bool byte_stays(const char *at)
{
	unsigned char c = (unsigned char)*at;

	if (c == ' ' || c == '\t')
		return at[1] != '\0' && line_end(at + 1) == 0;
	return c > ' ' && c < 0x7F && c != '=';
}

void mail_body_write(FILE *out, const char *subtype, const char *text)
{
	size_t column = 0;

	fprintf(out,
	        "Content-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: "
	        "quoted-printable\r\n\r\n",
	        subtype);
	while (*text != '\0') {
		size_t end = line_end(text), width = byte_stays(text) ? 1 : 3;

		if (end > 0) {
			fputs("\r\n", out);
			column = 0;
			text += end;
			continue;
		}
		/* One column is left for the = of a soft line break. */
		if (column + width > LINE_LENGTH - 1) {
			fputs("=\r\n", out);
			column = 0;
		}
		if (width == 1)
			putc(*text, out);
		else
			fprintf(out, "=%02X", (unsigned)(unsigned char)*text);
		column += width;
		text++;
	}
	if (column > 0)
		fputs("\r\n", out);
}
