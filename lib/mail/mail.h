/* The mail that says the account is gone: templates, MIME, SMTP. */
#ifndef FAREWELL_MAIL_H
#define FAREWELL_MAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/mail/smtp.h"
#include "lib/session/pump.h"

struct mailer;

struct mail_options {
	struct smtp_options smtp;
	const char *from;      /* `Name <address>` or `address` */
	const char *templates; /* directory, see mail_template.h */
	const char *locale;    /* when a user's has no templates */
};

/* What a letter is made from. Strings may be empty; NULL counts as empty. */
struct mail_letter {
	const char *to; /* address */
	const char *name, *locale, *user_id, *deletion_id, *requested_at;
	int64_t files_deleted;
	int64_t versions_left; /* of them, those of which older versions remain */
};

/* Reads and checks the sender and every template; connects to nobody. NULL: WHY says which file and
 * line, or which option. OPTIONS' strings and the pump, which may be NULL, must outlive the mailer.
 */
struct mailer *mailer_new(const struct mail_options *, const struct pump *, char *why,
                          size_t why_size);
void mailer_free(struct mailer *);

/* Sends the letter, within timeout_ms, answer_timeout_ms and a second or two for QUIT; WHY says
 * what the server said, without addresses. Control characters in a value (a line end in a name)
 * become blanks, a value that isn't UTF-8 is left out: neither costs the user the mail. An address
 * that is not valid, or that needs SMTPUTF8 where the server has none, is MAIL_REJECTED. */
enum mail_result mail_send(struct mailer *, const struct mail_letter *, char *why, size_t why_size);

/* For -t: smtp_check of a mail to the sender himself, or to the postmaster of his domain. False:
 * WHY says at which command the server failed us, and which setting that may be about. A server
 * that takes mail for this domain and relays to no other is not found out. */
bool mail_check(struct mailer *, char *why, size_t why_size);

#endif
