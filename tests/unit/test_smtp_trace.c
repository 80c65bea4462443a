/* What a conversation means for the mail: every stage, every kind of answer, and none. */
#include <stdio.h>
#include <string.h>

#include "lib/mail/smtp_trace.h"
#include "tests/unit/unit.h"

/* Plays LINES: "> command", "< reply", "body", "last". */
static struct smtp_trace play(const char *const *lines)
{
	struct smtp_trace trace = {.stage = SMTP_CONNECTING};
	char line[256];

	for (; *lines != NULL; lines++) {
		snprintf(line, sizeof(line), "%s\r\n", *lines + (strlen(*lines) > 1 ? 2 : 0));
		if ((*lines)[0] == '>')
			smtp_trace_sent(&trace, line, strlen(line));
		else if ((*lines)[0] == '<')
			smtp_trace_got(&trace, line, strlen(line));
		else
			smtp_trace_body(&trace, strcmp(*lines, "last") == 0);
	}
	return trace;
}

#define PLAY(...) play((const char *const[]){__VA_ARGS__, NULL})
#define HELLO "< 220 hi", "> EHLO me", "< 250-mail", "< 250-SMTPUTF8", "< 250 AUTH PLAIN"
#define MAIL HELLO, "> MAIL FROM:<a@b>", "< 250 ok"
#define RCPT MAIL, "> RCPT TO:<c@d>", "< 250 ok"
#define DATA RCPT, "> DATA", "< 354 go"

static void check(struct smtp_trace trace, enum mail_result wanted, enum smtp_stage stage, int code)
{
	CU_ASSERT_EQUAL(smtp_trace_result(&trace, false), wanted);
	CU_ASSERT_EQUAL(trace.stage, stage);
	CU_ASSERT_EQUAL(trace.code, code);
}

static void until_the_recipient_it_is_the_server(void)
{
	check((struct smtp_trace){.stage = SMTP_CONNECTING}, MAIL_SERVER, SMTP_CONNECTING, 0);
	check(PLAY("< 554 no"), MAIL_SERVER, SMTP_CONNECTING, 554);
	check(PLAY("< 220 hi", "> EHLO me", "< 550 no"), MAIL_SERVER, SMTP_EHLO, 550);
	check(PLAY(HELLO, "> AUTH PLAIN", "< 334 ", "> UVVJVA==", "< 535 no"), MAIL_SERVER, SMTP_AUTH,
	      535);
	check(PLAY(HELLO, "> MAIL FROM:<a@b>", "< 550 5.1.1 no"), MAIL_SERVER, SMTP_MAIL, 550);
	check(PLAY(HELLO, "> MAIL FROM:<a@b>", "< 451 later"), MAIL_SERVER, SMTP_MAIL, 451);
	check(PLAY(MAIL), MAIL_SERVER, SMTP_MAIL, 250);
}

static void recipients_are_rejected_for_good(void)
{
	check(PLAY(MAIL, "> RCPT TO:<c@d>", "< 550 5.1.1 no", "> QUIT", "< 221 bye"), MAIL_REJECTED,
	      SMTP_RCPT, 550);
	check(PLAY(MAIL, "> RCPT TO:<c@d>", "< 550 no such user"), MAIL_REJECTED, SMTP_RCPT, 550);
	check(PLAY(MAIL, "> RCPT TO:<c@d>", "< 550 5.7.1 relaying denied"), MAIL_OPERATOR, SMTP_RCPT,
	      550);
	check(PLAY(MAIL, "> RCPT TO:<c@d>", "< 550 no"), MAIL_OPERATOR, SMTP_RCPT, 550);
	check(PLAY(MAIL, "> RCPT TO:<c@d>", "< 450 4.1.1 later"), MAIL_TEMPORARY, SMTP_RCPT, 450);
	check(PLAY(MAIL, "> RCPT TO:<c@d>", "< 530 log in first"), MAIL_OPERATOR, SMTP_RCPT, 530);
	check(PLAY(MAIL, "> RCPT TO:<c@d>"), MAIL_TEMPORARY, SMTP_RCPT, 0);
	check(PLAY(RCPT, "> DATA", "< 554 no"), MAIL_OPERATOR, SMTP_DATA, 554);
	check(PLAY(RCPT, "> DATA", "< 550 no such user"), MAIL_OPERATOR, SMTP_DATA, 550);
	check(PLAY(RCPT, "> DATA", "< 550 5.1.1 no such user"), MAIL_REJECTED, SMTP_DATA, 550);
	check(PLAY(RCPT, "> DATA", "< 451 later"), MAIL_TEMPORARY, SMTP_DATA, 451);
	check(PLAY(RCPT, "> DATA"), MAIL_TEMPORARY, SMTP_DATA, 0);
}

static void only_the_final_reply_counts_after_the_body(void)
{
	check(PLAY(DATA, "body"), MAIL_TEMPORARY, SMTP_BODY, 0);
	check(PLAY(DATA, "body", "last"), MAIL_NO_ANSWER, SMTP_HANDED_OVER, 0);
	check(PLAY(DATA, "last", "< 250 ok"), MAIL_ACCEPTED, SMTP_HANDED_OVER, 250);
	check(PLAY(DATA, "last", "< 250-ok"), MAIL_NO_ANSWER, SMTP_HANDED_OVER, 0);
	check(PLAY(DATA, "last", "< 250 ok", "> QUIT", "< 421 bye"), MAIL_ACCEPTED, SMTP_HANDED_OVER,
	      250);
	check(PLAY(DATA, "last", "> QUIT", "< 221 bye"), MAIL_NO_ANSWER, SMTP_HANDED_OVER, 0);
	check(PLAY(DATA, "last", "< 452 full"), MAIL_TEMPORARY, SMTP_HANDED_OVER, 452);
	check(PLAY(DATA, "last", "< 421 bye", "> QUIT", "< 250 odd"), MAIL_TEMPORARY, SMTP_HANDED_OVER,
	      421);
	check(PLAY(DATA, "last", "< 554 5.7.1 spam"), MAIL_OPERATOR, SMTP_HANDED_OVER, 554);
	check(PLAY(DATA, "last", "< 552 5.2.2 full"), MAIL_REJECTED, SMTP_HANDED_OVER, 552);
	check(PLAY(DATA, "last", "< 552 5.2.2 full", "< 421 4.0.0 bye"), MAIL_REJECTED,
	      SMTP_HANDED_OVER, 552);
	check(PLAY(DATA, "last", "< what?"), MAIL_NO_ANSWER, SMTP_HANDED_OVER, 0);
}

static void stopping_never_hides_an_outcome(void)
{
	struct smtp_trace before = PLAY(DATA, "body"), after = PLAY(DATA, "last"),
					  refused = PLAY(MAIL, "> RCPT TO:<c@d>", "< 550 5.1.1 no");

	CU_ASSERT_EQUAL(smtp_trace_result(&before, true), MAIL_STOPPED);
	CU_ASSERT_EQUAL(smtp_trace_result(&after, true), MAIL_NO_ANSWER);
	CU_ASSERT_EQUAL(smtp_trace_result(&refused, true), MAIL_REJECTED);
}

static void capabilities_are_those_of_the_last_greeting(void)
{
	struct smtp_trace trace = PLAY(HELLO);

	CU_ASSERT_TRUE(trace.utf8_offered);
	CU_ASSERT_FALSE(trace.auth_tried);
	trace = PLAY(HELLO, "> STARTTLS", "< 220 go", "> EHLO me", "< 250 mail");
	CU_ASSERT_FALSE(trace.utf8_offered);
	trace = PLAY("< 220 hi", "> EHLO me", "< 250-SMTPUTF8X", "< 250 NOSMTPUTF8");
	CU_ASSERT_FALSE(trace.utf8_offered);
	trace = PLAY(HELLO, "> AUTH PLAIN", "< 235 ok");
	CU_ASSERT_TRUE(trace.auth_tried);
}

static void replies_of_many_lines_are_joined(void)
{
	struct smtp_trace trace =
		PLAY(MAIL, "> RCPT TO:<c@d>", "< 550-5.1.1 No such", "< 550-user", "< 550 here");

	CU_ASSERT_STRING_EQUAL(trace.text, "5.1.1 No such user here");
	CU_ASSERT_EQUAL(smtp_trace_result(&trace, false), MAIL_REJECTED);
	CU_ASSERT_FALSE(trace.text_cut);
	trace = PLAY(MAIL, "> RCPT TO:<c@d>", "< 550-5.1.1 No such user", "< 550 5.7.1 or so");
	CU_ASSERT_EQUAL(smtp_trace_result(&trace, false), MAIL_OPERATOR);
	trace = PLAY(MAIL, "> RCPT TO:<c@d>", "< 550-He said:", "< 550 5.1.1 No such user");
	CU_ASSERT_EQUAL(smtp_trace_result(&trace, false), MAIL_OPERATOR);
	char line[1200] = "550-";
	memset(line + 4, 'x', sizeof(line) - 5);
	for (int i = 0; i < 3; i++)
		smtp_trace_got(&trace, line, sizeof(line) - 1);
	CU_ASSERT_EQUAL(strlen(trace.text), SMTP_TEXT_SIZE - 1);
	CU_ASSERT_TRUE(trace.text_cut);
	smtp_trace_got(&trace, "55", 2);
	smtp_trace_got(&trace, "", 0);
	smtp_trace_got(&trace, "550", 3);
	CU_ASSERT_EQUAL(trace.code, 550);
}

static void masked(const char *given, const char *address, const char *wanted)
{
	char text[256];

	snprintf(text, sizeof(text), "%s", given);
	smtp_mask(text, address);
	CU_ASSERT_STRING_EQUAL(text, wanted);
}

static void addresses_are_masked(void)
{
	masked("550 <Kim@Example.com>: no such user", "kim@example.com", "550 <***>: no such user");
	masked("550 other@example.com, and me@x;", "kim@example.com", "550 *** and ***");
	masked("no \"john doe\"@example.com here", "\"john doe\"@example.com", "no *** here");
	masked("@", "a@b", "*");
	masked("a@b a@b a@b", "a@b", "*** *** ***");
	masked("nothing to hide", NULL, "nothing to hide");
	masked("caf\xC3\xA9\tx\x1B[0m", "", "caf???x?[0m");
	masked("", "a@b", "");
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"until the recipient it is the server", until_the_recipient_it_is_the_server},
		{"recipients are rejected for good", recipients_are_rejected_for_good},
		{"only the final reply counts after the body", only_the_final_reply_counts_after_the_body},
		{"stopping never hides an outcome", stopping_never_hides_an_outcome},
		{"capabilities are those of the last greeting",
	     capabilities_are_those_of_the_last_greeting},
		{"replies of many lines are joined", replies_of_many_lines_are_joined},
		{"addresses are masked", addresses_are_masked},
		{NULL, NULL},
	};

	return unit_main("SMTP trace", tests);
}
