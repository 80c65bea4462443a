/* Sending one message to one address by SMTP (RFC 5321), over a connection of its own. */
#ifndef FAREWELL_SMTP_H
#define FAREWELL_SMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/mail/mail.h"
#include "lib/session/pump.h"

struct smtp_options {
	const char *url;                       /* smtp://host[:port] or smtps://… */
	int starttls;                          /* enum conf_starttls; no matter for smtps */
	const char *ca_file, *user, *password; /* empty or NULL: none */
	int64_t connect_timeout_ms;            /* until the TCP connection stands */
	int64_t timeout_ms;                    /* for everything */
};

/* Sends MESSAGE (LENGTH bytes, CRLF lines) from FROM to TO (addresses that were checked). WHY: one
 * line for a person, without addresses. The pump is turned at least once a second; when it says
 * stop the mail is given up, but only as long as the message has not been handed over; from then on
 * the answer is waited for until the deadline. */
enum mail_result smtp_send(const struct smtp_options *, const struct pump *, const char *from,
                           const char *to, const char *message, size_t length, char *why,
                           size_t why_size);

/* Connects, greets, starts TLS and logs in as the options say, and sends a NOOP. */
bool smtp_check(const struct smtp_options *, const struct pump *, char *why, size_t why_size);

#endif
