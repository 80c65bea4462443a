/* Mail addresses as Farewell takes them from a configuration or a database: checked before any
 * server or header sees them. */
#ifndef FAREWELL_MAIL_ADDRESS_H
#define FAREWELL_MAIL_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#define MAIL_ADDRESS_SIZE 255 /* 254 bytes (RFC 5321, erratum 1690) and the NUL */
#define MAIL_NAME_SIZE 256

struct mail_address {
	char name[MAIL_NAME_SIZE];       /* the display name, unquoted; may be empty */
	char address[MAIL_ADDRESS_SIZE]; /* local@domain, the domain in ASCII (IDNA A-labels) */
};

/* Reads a bare address (RFC 5321, section 4.1.2). Refused: control characters, no or two @, a
 * domain that is not valid, too long parts. The local part may be a quoted string or, for SMTPUTF8,
 * not ASCII; dots are taken wherever they stand, since real mailboxes have them so. A domain
 * outside ASCII is written as A-labels. Blanks around are dropped. False: WHY says what is wrong,
 * never quoting the address. */
bool mail_address_read(const char *text, char address[MAIL_ADDRESS_SIZE], char *why,
                       size_t why_size);

/* Reads `Name <address>`, `"Name" <address>` or an address alone. */
bool mail_mailbox_read(const char *text, struct mail_address *, char *why, size_t why_size);

/* The domain of an address that was read. */
const char *mail_address_domain(const char *address);

/* Whether the local part needs SMTPUTF8 (RFC 6531). */
bool mail_address_is_utf8(const char *address);

#endif
