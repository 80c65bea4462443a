/* What a mail server's refusal means: whether it is about this mailbox, for good, and if not, which
 * setting a person should look at. Pure.
 *
 * A mail is dropped for good only for a 5xx to RCPT TO, DATA or the message that is about the
 * recipient's mailbox; each other refusal is ours to fix, and the mail is tried again. The
 * enhanced status (RFC 3463, as RFC 2034 has it at the beginning of a reply's text, or as qmail
 * has it after a #) decides where there is one:
 *
 *   | 5.1.1 to 5.1.6    | the recipient's address: no such mailbox, no such system, bad syntax,   |
 *   |                   | ambiguous, moved (RFC 3463, 3.2)                              | for good
 * | | 5.1.10            | the recipient's domain takes no mail (RFC 7505, 4.2)          | for good
 * | | 5.2.x             | the mailbox: disabled, full, ... (RFC 3463, 3.3)              | for good
 * | | 5.1.7, 5.1.8      | the sender's address (RFC 3463, 3.2)                          | ours |
 *   | 5.1.0, 5.1.9, ... | some address: Postfix has 5.1.0 for a sender it doesn't know  | ours |
 *   | 5.7.x             | policy: relaying, log-in, the sender, spam (RFC 3463, 3.8)    | ours |
 *   | 5.0.x, 5.3.x to   | system, network, protocol (a HELO that is no host name is     | | | 5.6.x
 * | 5.5.2), content (RFC 3463, 3.1 and 3.4 to 3.7)                | ours     | | x.y.z, not 5.y.z,
 * | contradicts the reply, or itself                              | ours     | | or several | | |
 *
 * Without a status the code decides (RFC 5321, 4.2.2), and only in the answer to RCPT TO:
 *
 *   | 556               | the domain takes no mail (RFC 7504, 4)                        | for good
 * | | 550, 551, 552,    | "mailbox unavailable", but also "rejected for policy reasons" | | | 553
 * | and, by RFC 5321, 3.6.2, relaying denied: only if the text    |          | | | names the
 * mailbox, and nothing else that may be refused       | for good | | any other         | 554, 530,
 * 504, 503, ...                                       | ours     |
 *
 * RFC 5321, 4.2, wants a client to go by the code and not by the text. The text is used here only
 * against giving up: by the code alone all of the four would have to count as ours. */
#ifndef FAREWELL_SMTP_REFUSAL_H
#define FAREWELL_SMTP_REFUSAL_H

#include <stdbool.h>
#include <stddef.h>

/* An enhanced status; all 0: none was given. */
struct smtp_status {
	int class, subject, detail;
	bool mixed; /* the lines of the reply had different ones */
};

/* A whole reply to a command. */
struct smtp_refusal {
	int code;
	struct smtp_status status;
	const char *text; /* of all lines */
	bool cut;         /* there was more text than that */
};

/* Reads the status of one line of a reply, LENGTH bytes behind the code. */
struct smtp_status smtp_status_read(const char *text, size_t length);

/* Adds what a further line of the same reply has. */
void smtp_status_add(struct smtp_status *, struct smtp_status further);

/* Whether the reply, with a code of 5xx, refuses this mailbox for good. TO_RECIPIENT: it answers
 * RCPT TO; else DATA or the message. */
bool smtp_refusal_is_final(const struct smtp_refusal *, bool to_recipient);

/* Which settings a refusal of MAIL FROM, RCPT TO, DATA or the message is about, as " (see ...)";
 * "" where it is none of ours. TO_SENDER: it answers MAIL FROM. */
const char *smtp_refusal_advice(const struct smtp_refusal *, bool to_sender);

#endif
