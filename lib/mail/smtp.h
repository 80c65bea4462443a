/* Sends one message to one address by SMTP (RFC 5321), over a connection of its own. */
#ifndef FAREWELL_SMTP_H
#define FAREWELL_SMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/session/pump.h"

/* What became of a mail, and if it wasn't sent, whose fault that is (DESIGN.md, 5.1). */
enum mail_result {
	MAIL_ACCEPTED,  /* the server took the message: 2xx to it                                    */
	MAIL_SERVER,    /* certainly not sent: the server has nobody's mail, or not ours: it didn't get
	                 * as far as RCPT TO (no connection, TLS, HELO, log-in, MAIL FROM refused)    */
	MAIL_TEMPORARY, /* certainly not sent, and time heals: 4xx, silence or a lost connection from
	                 * RCPT TO on                                                                */
	MAIL_OPERATOR,  /* certainly not sent: 5xx from RCPT TO on that isn't about the mailbox, as for
	                 * relaying; a person must change something                                  */
	MAIL_REJECTED,  /* certainly not sent, and never will be: the mailbox refuses for good; which
	                 * answers mean that is in smtp_refusal.h                                     */
	MAIL_NO_ANSWER, /* the message was handed over and no answer came: nobody knows              */
	MAIL_STOPPED,   /* the pump said stop before the message was handed over: not sent           */
};

/* Whether TLS is begun on an smtp:// connection (RFC 3207); smtps:// always has it. */
enum smtp_starttls { SMTP_STARTTLS_NEVER, SMTP_STARTTLS_OFFERED, SMTP_STARTTLS_REQUIRED };

struct smtp_options {
	const char *url; /* smtp://host:port or smtps://host:port, checked (lib/config) */
	enum smtp_starttls starttls;
	const char *helo;                      /* name for EHLO, checked (smtp_helo.h); empty or NULL:
	                                        * the host's if it is fully qualified, else its address */
	const char *ca_file, *user, *password; /* empty or NULL: none */
	const char *mechanism;      /* of AUTH, as in PLAIN; empty or NULL: libcurl's choice */
	int64_t connect_timeout_ms; /* until the TCP connection stands */
	int64_t timeout_ms;         /* from the beginning until the message is handed over */
	int64_t answer_timeout_ms;  /* from then on, for the answer (RFC 5321, 4.5.3.2.6: 10 min) */
};

/* Sends MESSAGE (LENGTH bytes, CRLF lines) from FROM to TO (addresses that were checked, see
 * mail_address.h). WHY: one line for a person, without addresses. The pump, which may be NULL, is
 * turned at least once a second; when it says stop the mail is given up, but only as long as the
 * message has not been handed over; from then on the answer is waited for until its deadline: who
 * gives up earlier sends a mail again that the server has taken. */
enum mail_result smtp_send(const struct smtp_options *, const struct pump *, const char *from,
                           const char *to, const char *message, size_t length, char *why,
                           size_t why_size);

/* Begins a mail from FROM to TO as smtp_send would, up to the answer to RCPT TO, and takes it back
 * with RSET; DATA is never said. MAIL_ACCEPTED: TO would be taken. Else as smtp_send. */
enum mail_result smtp_check(const struct smtp_options *, const struct pump *, const char *from,
                            const char *to, char *why, size_t why_size);

#endif
