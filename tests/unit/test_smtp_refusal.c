/* Which refusals are about the mailbox, for good, and which settings the others are about. */
#include <string.h>

#include "lib/mail/smtp_refusal.h"
#include "tests/unit/unit.h"

static struct smtp_refusal refusal(const char *reply)
{
	struct smtp_refusal refusal = {.text = reply + 4};

	for (int i = 0; i < 3; i++)
		refusal.code = refusal.code * 10 + (reply[i] - '0');
	refusal.status = smtp_status_read(refusal.text, strlen(refusal.text));
	return refusal;
}

static bool is_final(const char *reply, bool to_recipient)
{
	struct smtp_refusal given = refusal(reply);

	return smtp_refusal_is_final(&given, to_recipient);
}

static void mailboxes_that_refuse(void)
{
	static const char *const replies[] = {
		"550 5.1.1 <***>: Recipient address rejected: User unknown in local recipient table",
		"550 5.1.1 relaying denied",
		"550 5.1.2 Domain not found",
		"501 5.1.3 Bad recipient address syntax",
		"553 5.1.4 ambiguous",
		"551 5.1.6 moved",
		"556 5.1.10 null MX",
		"550 5.2.0 no",
		"550 5.2.1 disabled",
		"552 5.2.2 full",
		"554 5.2.3 too long for this mailbox",
		"550 sorry, no mailbox here by that name. (#5.1.1)",
	};

	for (size_t i = 0; i < sizeof(replies) / sizeof(*replies); i++) {
		CU_ASSERT_TRUE(is_final(replies[i], true));
		CU_ASSERT_TRUE(is_final(replies[i], false));
	}
}

static void bare_codes_that_mean_the_mailbox(void)
{
	static const char *const replies[] = {
		"556 no mail here",
		"550 No such user here",
		"550 Requested action not taken: mailbox unavailable",
		"550 <***>: Recipient address rejected: User unknown in local recipient table",
		"551 User not local; please try <***>",
		"552 Mailbox full",
		"553 Requested action not taken: mailbox name not allowed",
	};

	for (size_t i = 0; i < sizeof(replies) / sizeof(*replies); i++) {
		CU_ASSERT_TRUE(is_final(replies[i], true));
		CU_ASSERT_FALSE(is_final(replies[i], false));
	}
}

static void refusals_that_are_ours(void)
{
	static const char *const replies[] = {
		"504 5.5.2 <c0ffee>: Helo command rejected: need fully-qualified hostname",
		"553 5.7.1 <***>: Sender address rejected: not owned by user me",
		"554 5.7.1 <***>: Relay access denied",
		"550 5.7.1 Authentication required",
		"530 5.7.0 Must issue a STARTTLS command first",
		"550 5.1.0 <***>: Sender address rejected: User unknown in local recipient table",
		"550 5.1.7 Bad sender",
		"550 5.1.8 <***>: Sender address rejected: Domain not found",
		"550 5.1.9 odd",
		"550 5.1.11 unheard of",
		"550 5.0.0 no such user",
		"550 5.10.1 odd",
		"550 4.1.1 contradicts itself: no such user",
		"550 2.1.5 no such user",
		"550 5.3.4 too big",
		"550 5.4.1 no such user",
		"550 5.6.0 content",
		"554 no such user",
		"550 relay not permitted",
		"550 relaying denied: no such user",
		"550 Unrouteable address",
		"550-Verification failed for <***> No such user Sender verify failed",
		"553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
		"551 not our customer",
		"550 #5.1.0 Address rejected",
		"550 no",
		"550 ",
		"503 need MAIL",
		"501 Syntax error",
		"521 host takes no mail",
		"500 what?",
	};

	for (size_t i = 0; i < sizeof(replies) / sizeof(*replies); i++) {
		CU_ASSERT_FALSE(is_final(replies[i], true));
		CU_ASSERT_FALSE(is_final(replies[i], false));
	}
}

static void text_that_was_cut_proves_nothing(void)
{
	struct smtp_refusal given = refusal("550 no such user");

	given.cut = true;
	CU_ASSERT_FALSE(smtp_refusal_is_final(&given, true));
	given = refusal("550 5.1.1 no such user");
	given.cut = true;
	CU_ASSERT_TRUE(smtp_refusal_is_final(&given, true));
}

static void check_status(const char *text, int class, int subject, int detail)
{
	struct smtp_status status = smtp_status_read(text, strlen(text));

	CU_ASSERT_EQUAL(status.class, class);
	CU_ASSERT_EQUAL(status.subject, subject);
	CU_ASSERT_EQUAL(status.detail, detail);
}

static void statuses(void)
{
	check_status("5.1.1 no", 5, 1, 1);
	check_status("5.1.1", 5, 1, 1);
	check_status("4.123.999 x", 4, 123, 999);
	check_status("(#5.7.1)", 5, 7, 1);
	check_status("ticket #12, #5.1.1", 5, 1, 1);
	check_status("", 0, 0, 0);
	check_status("5.1", 0, 0, 0);
	check_status("5.1.", 0, 0, 0);
	check_status("5.1.1.1 is no status", 0, 0, 0);
	check_status("5.1.1234", 0, 0, 0);
	check_status("15.1.1", 0, 0, 0);
	check_status("3.1.1", 0, 0, 0);
	check_status("no 5.1.1", 0, 0, 0);
	check_status("#", 0, 0, 0);
	CU_ASSERT_EQUAL(smtp_status_read("5.1.1", 4).class, 0);
}

static void statuses_of_several_lines(void)
{
	struct smtp_status status = smtp_status_read("5.1.1 a", 7);

	smtp_status_add(&status, smtp_status_read("5.1.1 b", 7));
	smtp_status_add(&status, smtp_status_read("c", 1));
	CU_ASSERT_FALSE(status.mixed);
	smtp_status_add(&status, smtp_status_read("5.7.1 d", 7));
	CU_ASSERT_TRUE(status.mixed);
}

static void advised(const char *reply, bool to_sender, const char *setting)
{
	struct smtp_refusal given = refusal(reply);
	const char *advice = smtp_refusal_advice(&given, to_sender);

	if (setting[0] == '\0')
		CU_ASSERT_STRING_EQUAL(advice, "");
	CU_ASSERT_PTR_NOT_NULL(strstr(advice, setting));
}

static void settings_are_named(void)
{
	advised("504 5.5.2 <c0ffee>: need fully-qualified hostname", false, "smtp_helo");
	advised("450 4.7.1 <c0ffee>: Helo command rejected: Host not found", false, "smtp_helo");
	advised("553 5.7.1 <***>: Sender address rejected: not owned by user", false, "mail_from");
	advised("550 5.1.8 who?", false, "mail_from");
	advised("550 5.1.0 User unknown", false, "mail_from");
	advised("550 no", true, "mail_from");
	advised("530 5.7.0 Authentication required", false, "smtp_user");
	advised("530 5.7.0 Must issue a STARTTLS command first", true, "smtp_starttls");
	advised("530 Must issue a STARTTLS command first", false, "smtp_starttls");
	advised("523 5.7.10 Encryption Needed", true, "smtp_starttls");
	advised("538 5.7.11 too weak", true, "smtp_starttls");
	advised("554 5.7.1 Relay access denied", false, "smtp_user");
	advised("550 relay not permitted", false, "smtp_url");
	advised("451 4.3.0 later", true, "");
	advised("554 5.6.0 odd", false, "smtp_url");
	advised("451 4.7.1 greylisted", false, "");
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"mailboxes that refuse", mailboxes_that_refuse},
		{"bare codes that mean the mailbox", bare_codes_that_mean_the_mailbox},
		{"refusals that are ours", refusals_that_are_ours},
		{"text that was cut proves nothing", text_that_was_cut_proves_nothing},
		{"statuses", statuses},
		{"statuses of several lines", statuses_of_several_lines},
		{"settings are named", settings_are_named},
		{NULL, NULL},
	};

	return unit_main("SMTP refusals", tests);
}
