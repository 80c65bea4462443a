/* A text part of a mail: UTF-8 as quoted-printable (RFC 2045). */
#ifndef FAREWELL_MAIL_BODY_H
#define FAREWELL_MAIL_BODY_H

#include <stdio.h>

/* Writes the part's header fields, an empty line and TEXT, whose lines may end with LF or CRLF.
 * SUBTYPE is "plain" or "html". */
void mail_body_write(FILE *out, const char *subtype, const char *text);

#endif
