/* Tells a mailbox that refuses from a server that refuses us, by reply code and enhanced status. */
#include "lib/mail/smtp_refusal.h"

#include <ctype.h>
#include <string.h>

#define DIGITS_MAX 3 /* of each number of a status (RFC 3463, 2) */

/* ---- the status ---- */

/* A number of up to three digits at *AT, which is moved behind it; -1: there is none. */
static int number_read(const char **at, const char *end)
{
	const char *start = *at;
	int number = 0;

	while (*at < end && isdigit((unsigned char)**at) && *at - start < DIGITS_MAX)
		number = number * 10 + (*(*at)++ - '0');
	return *at > start ? number : -1;
}

static bool dot_read(const char **at, const char *end)
{
	return *at < end && *(*at)++ == '.';
}

/* Reads `5.1.1` at TEXT; what follows must not go on like a number. */
static struct smtp_status status_read_at(const char *text, const char *end)
{
	struct smtp_status status = {0};

	status.class = number_read(&text, end);
	if (status.class != 2 && status.class != 4 && status.class != 5)
		return (struct smtp_status){0};
	if (!dot_read(&text, end) || (status.subject = number_read(&text, end)) < 0 ||
	    !dot_read(&text, end) || (status.detail = number_read(&text, end)) < 0)
		return (struct smtp_status){0};
	if (text < end && (isdigit((unsigned char)*text) || *text == '.'))
		return (struct smtp_status){0};
	return status;
}

struct smtp_status smtp_status_read(const char *text, size_t length)
{
	const char *end = text + length, *mark = text;
	struct smtp_status status = status_read_at(text, end);

	while (status.class == 0 && (mark = memchr(mark, '#', (size_t)(end - mark))) != NULL) {
		mark++;
		status = status_read_at(mark, end);
	}
	return status;
}

void smtp_status_add(struct smtp_status *status, struct smtp_status further)
{
	if (further.class != status->class || further.subject != status->subject ||
	    further.detail != status->detail)
		status->mixed = status->mixed || further.class != 0;
}

static bool status_is_mailbox(const struct smtp_status *status)
{
	if (status->class != 5 || status->mixed)
		return false;
	if (status->subject == 1)
		return (status->detail >= 1 && status->detail <= 6) || status->detail == 10;
	return status->subject == 2;
}

/* ---- the text ---- */

static bool text_has(const char *text, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcasestr(text, *words) != NULL)
			return true;
	return false;
}

/* Whether TEXT names the mailbox as what is refused, in words that servers without enhanced
 * statuses use (the first three are RFC 5321's), and nothing beside it. */
static bool text_is_mailbox(const char *text)
{
	static const char *const mailbox[] = {"mailbox unavailable",
	                                      "user not local",
	                                      "mailbox name not allowed",
	                                      "user unknown",
	                                      "unknown user",
	                                      "no such user",
	                                      "user not found",
	                                      "recipient unknown",
	                                      "unknown recipient",
	                                      "no such recipient",
	                                      "no such mailbox",
	                                      "unknown mailbox",
	                                      "mailbox not found",
	                                      "no mailbox",
	                                      "mailbox full",
	                                      "mailbox is full",
	                                      NULL};
	/* Exim says "550-Verification failed for <sender>, 550-No such user, 550 Sender verify failed"
	 */
	static const char *const others[] = {
		"sender", "relay",         "helo",  "ehlo",    "auth", "log in", "login",
		"denied", "not permitted", "polic", "blocked", "spam", "verif",  NULL};

	return text_has(text, mailbox) && !text_has(text, others);
}

/* ---- what it means ---- */

bool smtp_refusal_is_final(const struct smtp_refusal *refusal, bool to_recipient)
{
	if (refusal->status.class != 0 || refusal->status.mixed)
		return status_is_mailbox(&refusal->status);
	if (!to_recipient)
		return false;
	if (refusal->code == 556)
		return true;
	return refusal->code >= 550 && refusal->code <= 553 && !refusal->cut &&
	       text_is_mailbox(refusal->text);
}

const char *smtp_refusal_advice(const struct smtp_refusal *refusal, bool to_sender)
{
	static const char *const name[] = {"helo", "ehlo", NULL}, *const sender[] = {"sender", NULL};
	static const char *const wants_tls[] = {"starttls", "encryption needed", "encryption required",
	                                        NULL};
	const struct smtp_status *status = &refusal->status;
	bool about_address = status->subject == 1 && !status->mixed;

	/* RFC 3207, 4; RFC 5248, 3.2 */
	if (text_has(refusal->text, wants_tls) || refusal->code == 538)
		return " (see smtp_starttls)";
	if (refusal->code == 530 || (refusal->code >= 534 && refusal->code <= 538))
		return " (see smtp_user and smtp_password_file)";
	if (text_has(refusal->text, name) || refusal->code == 504 ||
	    (status->subject == 5 && status->detail == 2))
		return " (see smtp_helo)";
	if ((about_address && (status->detail == 7 || status->detail == 8)) ||
	    text_has(refusal->text, sender))
		return " (see mail_from)";
	if (refusal->code < 500)
		return "";
	if (to_sender)
		return " (see mail_from)";
	if (about_address && status->detail == 0)
		return " (if this is about the sender, see mail_from)";
	if (status->subject == 7 || refusal->code == 550 || refusal->code == 553 ||
	    refusal->code == 554)
		return " (if it does not relay for us, see smtp_url, smtp_user and mail_from)";
	return "";
}
