/* What has been said in one SMTP conversation (RFC 5321), and what follows from it for the mail.
 * Pure; smtp.c feeds it. */
#ifndef FAREWELL_SMTP_TRACE_H
#define FAREWELL_SMTP_TRACE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/mail/smtp.h"

#define SMTP_TEXT_SIZE 200

enum smtp_stage {
	SMTP_CONNECTING, /* no command has been sent yet                     */
	SMTP_EHLO,
	SMTP_STARTTLS,
	SMTP_AUTH,
	SMTP_MAIL,
	SMTP_RCPT,
	SMTP_DATA,
	SMTP_BODY,        /* the message is being handed over                 */
	SMTP_HANDED_OVER, /* its last byte was given away: the final dot may have been sent */
	SMTP_NOOP,
};

struct smtp_trace {
	enum smtp_stage stage;
	int code;                  /* of the last reply to the stage's command; 0: none yet */
	char text[SMTP_TEXT_SIZE]; /* of a refusal */
	bool handed_over;
	int final_code; /* the reply to the message; 0: none */
	bool auth_tried;
	bool utf8_offered; /* SMTPUTF8 in the last answer to EHLO */
	bool noop_answered;
	bool quitting; /* QUIT was sent: what comes now says nothing about the mail */
};

/* Takes note of a command line as it is sent; what is no command (the exchange after AUTH) is
 * ignored. */
void smtp_trace_sent(struct smtp_trace *, const char *line, size_t length);
/* Takes note of one line of a reply. */
void smtp_trace_got(struct smtp_trace *, const char *line, size_t length);
/* Takes note that LENGTH bytes of the message were given away, the last of them if LAST. */
void smtp_trace_body(struct smtp_trace *, bool last);

/* What became of the mail, now that the connection is over; STOPPED: it was ended by ourselves
 * because the pump said so. */
enum mail_result smtp_trace_judge(const struct smtp_trace *, bool stopped);

/* The stage in a word for a person: "RCPT TO". */
const char *smtp_stage_name(enum smtp_stage);

/* Makes TEXT fit for a log: every word with an @ in it, and ADDRESS wherever it stands, become
 * `***`; what is not printable ASCII becomes `?`. */
void smtp_mask(char *text, const char *address);

#endif
