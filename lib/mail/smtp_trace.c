/* Follows an SMTP conversation line by line, and says what it means for the mail. */
#include "lib/mail/smtp_trace.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *verb;
	enum smtp_stage stage;
} commands[] = {
	{"EHLO ", SMTP_EHLO},    {"HELO ", SMTP_EHLO},      {"STARTTLS", SMTP_STARTTLS},
	{"AUTH ", SMTP_AUTH},    {"MAIL FROM:", SMTP_MAIL}, {"RCPT TO:", SMTP_RCPT},
	{"DATA\r\n", SMTP_DATA}, {"RSET\r\n", SMTP_RSET},
};

const char *smtp_stage_name(enum smtp_stage stage)
{
	static const char *const names[] = {
		[SMTP_CONNECTING] = "the greeting",
		[SMTP_EHLO] = "EHLO",
		[SMTP_STARTTLS] = "STARTTLS",
		[SMTP_AUTH] = "AUTH",
		[SMTP_MAIL] = "MAIL FROM",
		[SMTP_RCPT] = "RCPT TO",
		[SMTP_DATA] = "DATA",
		[SMTP_BODY] = "the message",
		[SMTP_HANDED_OVER] = "the message",
		[SMTP_RSET] = "RSET",
	};

	return names[stage];
}

static void trace_forget_text(struct smtp_trace *trace)
{
	trace->text[0] = '\0';
	trace->text_cut = false;
	trace->status = (struct smtp_status){0};
}

static void trace_enter(struct smtp_trace *trace, enum smtp_stage stage)
{
	trace->stage = stage;
	trace->code = 0;
	trace->in_reply = false;
	trace_forget_text(trace);
}

void smtp_trace_sent(struct smtp_trace *trace, const char *line, size_t length)
{
	if (length >= 4 && memcmp(line, "QUIT", 4) == 0)
		trace->quitting = true;
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		size_t verb = strlen(commands[i].verb);

		if (length < verb || memcmp(line, commands[i].verb, verb) != 0)
			continue;
		trace_enter(trace, commands[i].stage);
		if (trace->stage == SMTP_EHLO)
			trace->utf8_offered = trace->auth_offered = false;
		if (trace->stage == SMTP_AUTH)
			trace->auth_tried = true;
		return;
	}
}

static bool line_offers(const char *text, size_t length, const char *keyword)
{
	size_t size = strlen(keyword);

	return length >= size && strncasecmp(text, keyword, size) == 0 &&
	       (length == size || isspace((unsigned char)text[size]));
}

/* Adds a line of a refusal to what the earlier ones said. */
static void trace_add_text(struct smtp_trace *trace, const char *text, size_t length, bool first)
{
	size_t used = strlen(trace->text);
	struct smtp_status status = smtp_status_read(text, length);

	if (first)
		trace->status = status;
	else
		smtp_status_add(&trace->status, status);
	while (length > 0 && isspace((unsigned char)text[length - 1]))
		length--;
	if (used + length + 2 > sizeof(trace->text))
		trace->text_cut = true;
	snprintf(trace->text + used, sizeof(trace->text) - used, "%s%.*s",
	         used > 0 && length > 0 ? " " : "",
	         (int)(length < SMTP_TEXT_SIZE ? length : SMTP_TEXT_SIZE), text);
}

/* What the server offers, from one line of its answer to EHLO. */
static void trace_note_offer(struct smtp_trace *trace, const char *text, size_t length)
{
	if (line_offers(text, length, "SMTPUTF8"))
		trace->utf8_offered = true;
	if (line_offers(text, length, "AUTH"))
		trace->auth_offered = true;
}

/* A whole reply has come. */
static void trace_note_reply(struct smtp_trace *trace, int code)
{
	trace->code = code;
	trace->in_reply = false;
	if (trace->stage == SMTP_HANDED_OVER)
		trace->final_code = code;
	if (trace->stage == SMTP_RCPT)
		trace->recipient_taken = code / 100 == 2;
}

void smtp_trace_got(struct smtp_trace *trace, const char *line, size_t length)
{
	size_t skip;
	int code;

	if (length < 3 || !isdigit((unsigned char)line[0]) || !isdigit((unsigned char)line[1]) ||
	    !isdigit((unsigned char)line[2]))
		return;
	skip = length > 3 ? 4 : 3;
	code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
	if (trace->quitting || trace->final_code != 0)
		return;
	if (trace->stage == SMTP_EHLO)
		trace_note_offer(trace, line + skip, length - skip);
	if (!trace->in_reply)
		trace_forget_text(trace);
	trace->code = 0;
	if (code >= 400)
		trace_add_text(trace, line + skip, length - skip, !trace->in_reply);
	trace->in_reply = true;
	if (length <= 3 || line[3] != '-') /* no more lines follow */
		trace_note_reply(trace, code);
}

void smtp_trace_body(struct smtp_trace *trace, bool last)
{
	enum smtp_stage stage = last ? SMTP_HANDED_OVER : SMTP_BODY;

	if (trace->stage != stage)
		trace_enter(trace, stage);
	trace->handed_over = last;
}

static struct smtp_refusal trace_refusal(const struct smtp_trace *trace)
{
	return (struct smtp_refusal){
		.code = trace->code, .status = trace->status, .text = trace->text, .cut = trace->text_cut};
}

/* A 5xx: about this mailbox, or ours to fix. */
static enum mail_result trace_refused(const struct smtp_trace *trace)
{
	struct smtp_refusal refusal = trace_refusal(trace);

	return smtp_refusal_is_final(&refusal, trace->stage == SMTP_RCPT) ? MAIL_REJECTED :
	                                                                    MAIL_OPERATOR;
}

enum mail_result smtp_trace_result(const struct smtp_trace *trace, bool stopped)
{
	switch (trace->final_code / 100) {
	case 2: return MAIL_ACCEPTED;
	case 4: return MAIL_TEMPORARY;
	case 5: return trace_refused(trace);
	default: break;
	}
	if (trace->handed_over)
		return MAIL_NO_ANSWER;
	if ((trace->stage == SMTP_RCPT || trace->stage == SMTP_DATA) && trace->code / 100 == 5)
		return trace_refused(trace);
	if (stopped)
		return MAIL_STOPPED;
	return trace->stage < SMTP_RCPT ? MAIL_SERVER : MAIL_TEMPORARY;
}

const char *smtp_trace_advice(const struct smtp_trace *trace)
{
	struct smtp_refusal refusal = trace_refusal(trace);

	if (trace->code < 400 || trace->stage == SMTP_CONNECTING || trace->stage == SMTP_STARTTLS)
		return "";
	if (trace->stage == SMTP_EHLO)
		return " (see smtp_helo)";
	if (trace->stage == SMTP_AUTH)
		return " (see smtp_user, smtp_password_file and smtp_auth)";
	if (trace->code / 100 == 5 && trace->stage != SMTP_MAIL &&
	    trace_refused(trace) == MAIL_REJECTED)
		return "";
	return smtp_refusal_advice(&refusal, trace->stage == SMTP_MAIL);
}

/* Replaces the LENGTH bytes at WORD by asterisks. Returns what follows. */
static char *word_mask(char *word, size_t length)
{
	static const char mark[] = "***";
	size_t keep = length < sizeof(mark) - 1 ? length : sizeof(mark) - 1;

	memcpy(word, mark, keep);
	memmove(word + keep, word + length, strlen(word + length) + 1);
	return word + keep;
}

void smtp_mask(char *text, const char *address)
{
	char *at = text;

	while (address != NULL && address[0] != '\0' && (at = strcasestr(at, address)) != NULL)
		at = word_mask(at, strlen(address));
	for (at = text; *at != '\0';) {
		size_t length = strcspn(at, " \t\r\n");

		if (length > 0 && memchr(at, '@', length) != NULL)
			at = word_mask(at, length);
		else
			at += length > 0 ? length : 1;
	}
	for (at = text; *at != '\0'; at++)
		if ((unsigned char)*at < 0x20 || (unsigned char)*at >= 0x7F)
			*at = '?';
}
