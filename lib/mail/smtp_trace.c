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
	{"DATA\r\n", SMTP_DATA}, {"NOOP\r\n", SMTP_NOOP},
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
		[SMTP_NOOP] = "NOOP",
	};

	return names[stage];
}

static void trace_enter(struct smtp_trace *trace, enum smtp_stage stage)
{
	trace->stage = stage;
	trace->code = 0;
	trace->text[0] = '\0';
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
			trace->utf8_offered = false;
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
static void trace_add_text(struct smtp_trace *trace, const char *text, size_t length)
{
	size_t used = strlen(trace->text);

	while (length > 0 && isspace((unsigned char)text[length - 1]))
		length--;
	snprintf(trace->text + used, sizeof(trace->text) - used, "%s%.*s",
	         used > 0 && length > 0 ? " " : "",
	         (int)(length < SMTP_TEXT_SIZE ? length : SMTP_TEXT_SIZE), text);
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
	if (trace->quitting)
		return;
	if (trace->stage == SMTP_EHLO && line_offers(line + skip, length - skip, "SMTPUTF8"))
		trace->utf8_offered = true;
	if (trace->code != 0) /* a reply to the next line of the same exchange */
		trace->text[0] = '\0';
	trace->code = 0;
	if (code >= 400)
		trace_add_text(trace, line + skip, length - skip);
	if (length > 3 && line[3] == '-') /* more lines follow */
		return;
	trace->code = code;
	if (trace->stage == SMTP_HANDED_OVER && trace->final_code == 0)
		trace->final_code = code;
	if (trace->stage == SMTP_NOOP)
		trace->noop_answered = code / 100 == 2;
}

void smtp_trace_body(struct smtp_trace *trace, bool last)
{
	enum smtp_stage stage = last ? SMTP_HANDED_OVER : SMTP_BODY;

	if (trace->stage != stage)
		trace_enter(trace, stage);
	trace->handed_over = last;
}

/* Whether CODE is a 5xx about this mailbox or message, and not about logging in. */
static bool code_is_final(int code)
{
	return code / 100 == 5 && code != 530 && code != 534 && code != 535 && code != 538;
}

enum mail_result smtp_trace_result(const struct smtp_trace *trace, bool stopped)
{
	switch (trace->final_code / 100) {
	case 2: return MAIL_ACCEPTED;
	case 4: return MAIL_TEMPORARY;
	case 5: return code_is_final(trace->final_code) ? MAIL_REJECTED : MAIL_TEMPORARY;
	default: break;
	}
	if (trace->handed_over)
		return MAIL_NO_ANSWER;
	if ((trace->stage == SMTP_RCPT || trace->stage == SMTP_DATA) && code_is_final(trace->code))
		return MAIL_REJECTED;
	return stopped ? MAIL_STOPPED : MAIL_TEMPORARY;
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
