/* What has been said in one SMTP conversation (RFC 5321), and what follows from it for the mail.
 * Pure; smtp.c feeds it, in the order of events. Starts as all zeros. */
#ifndef FAREWELL_SMTP_TRACE_H
#define FAREWELL_SMTP_TRACE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/mail/smtp.h"
#include "lib/mail/smtp_refusal.h"

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
	SMTP_RSET,
};

struct smtp_trace {
	enum smtp_stage stage;
	int code;                  /* of the last whole reply to the stage's command; 0: none yet */
	char text[SMTP_TEXT_SIZE]; /* of the last reply if it is a refusal, else "" */
	bool text_cut;             /* there was more of it */
	bool in_reply;             /* the last line got said that more follow */
	struct smtp_status status; /* of that refusal */
	bool handed_over;          /* the message's last byte was given away */
	int final_code;            /* the reply to the message; 0: none */
	bool auth_tried;           /* AUTH was sent */
	bool auth_offered;         /* AUTH in the last answer to EHLO */
	bool utf8_offered;         /* SMTPUTF8 in the last answer to EHLO */
	bool recipient_taken;      /* RCPT TO was answered with 2xx */
	bool quitting;             /* QUIT was sent: what comes now says nothing about the mail */
};

/* LINE, of LENGTH bytes, was sent; what is not a command (the exchange after AUTH) is ignored. */
void smtp_trace_sent(struct smtp_trace *, const char *line, size_t length);
/* LINE, of LENGTH bytes, was received: one line of a reply. */
void smtp_trace_got(struct smtp_trace *, const char *line, size_t length);
/* A piece of the message was given away; LAST: its last byte with it. */
void smtp_trace_body(struct smtp_trace *, bool last);

/* What became of the mail, now that the connection is over; STOPPED: it was ended because the pump
 * said so. smtp_refusal.h has which refusals are final. */
enum mail_result smtp_trace_result(const struct smtp_trace *, bool stopped);

/* Which settings the last refusal is about, as " (see ...)"; or "". */
const char *smtp_trace_advice(const struct smtp_trace *);

/* The stage in a word for a person: "RCPT TO". */
const char *smtp_stage_name(enum smtp_stage);

/* Makes TEXT fit for a log: ADDRESS (NULL: none) wherever it stands, in either case, and every word
 * with an @ in it become asterisks, at most three; what is not printable ASCII becomes `?`. */
void smtp_mask(char *text, const char *address);

#endif
