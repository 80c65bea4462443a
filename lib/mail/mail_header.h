/* Header fields of a mail (RFC 5322), in any script (RFC 2047), on lines of at most 76 characters.
 *
 * Nothing that could begin a second field gets through: text with control characters is refused. */
#ifndef FAREWELL_MAIL_HEADER_H
#define FAREWELL_MAIL_HEADER_H

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#define MAIL_DATE_SIZE 40

/* Writes `FIELD: TEXT` and CRLF; as base64 encoded-words where it isn't short printable ASCII.
 * False, with nothing written: TEXT has control characters or is not UTF-8. */
bool mail_header_text(FILE *out, const char *field, const char *text);

/* Writes `FIELD: NAME <ADDRESS>` and CRLF; an empty NAME leaves the address alone. ADDRESS has been
 * checked (mail_address.h). False as above, for NAME. */
bool mail_header_mailbox(FILE *out, const char *field, const char *name, const char *address);

/* Writes WHEN as `Sun, 22 Nov 2026 15:39:07 +0000`. */
void mail_header_date(time_t when, char text[MAIL_DATE_SIZE]);

#endif
