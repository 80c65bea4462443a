/* The mail that says the account is gone: templates, MIME, SMTP. */
#ifndef FAREWELL_MAIL_H
#define FAREWELL_MAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/session/pump.h"

struct mailer;

enum mail_result {
	MAIL_ACCEPTED, /* the server took the message (250 after the final dot)                       */
	MAIL_TEMPORARY, /* certainly not sent: no connection, 4xx, 5xx that isn't about this mailbox
	                   (log-in, our sender) */
	MAIL_REJECTED,  /* certainly not sent, and never will: 5xx to RCPT TO or to the message  */
	MAIL_NO_ANSWER, /* the message was handed over and no answer came: nobody knows */
	MAIL_STOPPED, /* the pump said stop before the message was handed over: certainly not sent    */
};

struct mail_options {
	const char *smtp_url;                  /* smtp://host:port or smtps://host:port */
	int starttls;                          /* enum conf_starttls */
	const char *ca_file, *user, *password; /* empty or NULL: none */
	int64_t connect_timeout_ms, timeout_ms;
	const char *from; /* `Name <address>` or `address` */
	const char
		*templates;     /* directory: LOCALE/deleted.txt, LOCALE/deleted.html, LOCALE/subject.txt */
	const char *locale; /* when a user's has no templates */
};

/* What a letter is made from. Strings may be empty; NULL counts as empty. */
struct mail_letter {
	const char *to; /* address */
	const char *name, *locale, *user_id, *deletion_id, *requested_at;
	int64_t files_deleted;
};

/* Reads and checks every template (mail_template.h says how they are written). NULL: WHY says which
 * file and line, or which option. OPTIONS' strings and the pump must outlive the mailer. */
struct mailer *mailer_open(const struct mail_options *, const struct pump *, char *why,
                           size_t why_size);
void mailer_close(struct mailer *);

/* The whole message as sent (RFC 5322, CRLF lines), for tests; free() it. NULL: WHY says what is
 * wrong, such as an address that isn't one. Control characters in a value (a line end in a name)
 * become blanks, a name that isn't UTF-8 is left out: neither costs the user the mail. */
char *mail_compose(const struct mailer *, const struct mail_letter *, char *why, size_t why_size);

/* Sends it, within timeout_ms and a second or two for saying good-bye; WHY says what the server
 * said, without addresses. An address that can't be one (no @, control characters, …) is
 * MAIL_REJECTED. */
enum mail_result mail_send(struct mailer *, const struct mail_letter *, char *why, size_t why_size);

/* For -t: connects and says EHLO (with STARTTLS and AUTH as set). */
bool mail_check(struct mailer *, char *why, size_t why_size);

#endif
