/* Sends one letter with Farewell's own mailer, for tests/mail/.
 *
 *     mail_tool [--NAME=VALUE]... [send | check]
 *
 * Options are mail.h's fields; `--stop-after-ms` makes the pump say stop from then on. Prints the
 * result's name, a blank, and the why; then `turns=N longest_gap_ms=N took_ms=N`. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/mail/mail.h"

struct watch {
	int64_t start_ms, last_ms, longest_ms, stop_after_ms;
	int turns;
};

enum choice {
	URL = 1,
	STARTTLS,
	CA_FILE,
	USER,
	PASSWORD,
	CONNECT_TIMEOUT,
	TIMEOUT,
	ANSWER_TIMEOUT,
	HELO,
	MECHANISM,
	FROM,
	TEMPLATES,
	DEFAULT_LOCALE,
	TO,
	NAME,
	LOCALE,
	USER_ID,
	DELETION_ID,
	REQUESTED_AT,
	FILES,
	STOP_AFTER,
	OPTIONS
};

static const struct option names[] = {
	{"url", required_argument, NULL, URL},
	{"starttls", required_argument, NULL, STARTTLS},
	{"ca-file", required_argument, NULL, CA_FILE},
	{"user", required_argument, NULL, USER},
	{"password", required_argument, NULL, PASSWORD},
	{"connect-timeout-ms", required_argument, NULL, CONNECT_TIMEOUT},
	{"timeout-ms", required_argument, NULL, TIMEOUT},
	{"answer-timeout-ms", required_argument, NULL, ANSWER_TIMEOUT},
	{"helo", required_argument, NULL, HELO},
	{"mechanism", required_argument, NULL, MECHANISM},
	{"from", required_argument, NULL, FROM},
	{"templates", required_argument, NULL, TEMPLATES},
	{"default-locale", required_argument, NULL, DEFAULT_LOCALE},
	{"to", required_argument, NULL, TO},
	{"name", required_argument, NULL, NAME},
	{"locale", required_argument, NULL, LOCALE},
	{"user-id", required_argument, NULL, USER_ID},
	{"deletion-id", required_argument, NULL, DELETION_ID},
	{"requested-at", required_argument, NULL, REQUESTED_AT},
	{"files", required_argument, NULL, FILES},
	{"stop-after-ms", required_argument, NULL, STOP_AFTER},
	{NULL, 0, NULL, 0},
};

static const char *given[OPTIONS] = {
	[STARTTLS] = "never",
	[CONNECT_TIMEOUT] = "3000",
	[TIMEOUT] = "10000",
	[ANSWER_TIMEOUT] = "60000",
	[FROM] = "Farewell <bye@farewell.example>",
	[DEFAULT_LOCALE] = "en",
	[TEMPLATES] = "conf/mail",
	[TO] = "user@example.com",
	[DELETION_ID] = "0f8fad5b-d9cb-469f-a165-70867728950e",
	[REQUESTED_AT] = "2026-11-22T15:39:07Z",
	[USER_ID] = "42",
	[FILES] = "3",
	[STOP_AFTER] = "-1",
	[URL] = "smtp://127.0.0.1:25",
};

static bool watch_turn(void *arg)
{
	struct watch *watch = arg;
	int64_t now = clock_now_ms();

	if (now - watch->last_ms > watch->longest_ms)
		watch->longest_ms = now - watch->last_ms;
	watch->last_ms = now;
	watch->turns++;
	return watch->stop_after_ms < 0 || now - watch->start_ms < watch->stop_after_ms;
}

static enum smtp_starttls starttls_of(const char *name)
{
	static const char *const kinds[] = {[SMTP_STARTTLS_NEVER] = "never",
	                                    [SMTP_STARTTLS_OFFERED] = "offered",
	                                    [SMTP_STARTTLS_REQUIRED] = "required"};

	for (int i = 0; i < 3; i++)
		if (strcmp(kinds[i], name) == 0)
			return (enum smtp_starttls)i;
	fprintf(stderr, "mail_tool: no such starttls: %s\n", name);
	exit(64);
}

static void mail_act(struct mailer *mailer, const char *what)
{
	static const char *const results[] = {
		[MAIL_ACCEPTED] = "accepted", [MAIL_SERVER] = "server",     [MAIL_TEMPORARY] = "temporary",
		[MAIL_OPERATOR] = "operator", [MAIL_REJECTED] = "rejected", [MAIL_NO_ANSWER] = "no-answer",
		[MAIL_STOPPED] = "stopped",
	};
	struct mail_letter letter = {
		.to = given[TO],
		.name = given[NAME],
		.locale = given[LOCALE],
		.user_id = given[USER_ID],
		.deletion_id = given[DELETION_ID],
		.requested_at = given[REQUESTED_AT],
		.files_deleted = strtoll(given[FILES], NULL, 10),
	};
	char why[256] = "";

	if (strcmp(what, "check") == 0) {
		bool good = mail_check(mailer, why, sizeof(why));

		printf("%s %s\n", good ? "good" : "bad", why);
	} else {
		enum mail_result result = mail_send(mailer, &letter, why, sizeof(why));

		printf("%s %s\n", results[result], why);
	}
}

int main(int argc, char **argv)
{
	struct watch watch = {.start_ms = clock_now_ms()};
	struct pump pump = {.turn = watch_turn, .arg = &watch};
	struct mail_options options;
	struct mailer *mailer;
	char why[256];
	int64_t now_ms;
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) > 0) {
		if (option >= OPTIONS)
			return 64;
		given[option] = optarg;
	}
	watch.last_ms = watch.start_ms;
	watch.stop_after_ms = strtoll(given[STOP_AFTER], NULL, 10);
	options = (struct mail_options){
		.smtp = {.url = given[URL],
	             .starttls = starttls_of(given[STARTTLS]),
	             .helo = given[HELO],
	             .ca_file = given[CA_FILE],
	             .user = given[USER],
	             .password = given[PASSWORD],
	             .mechanism = given[MECHANISM],
	             .connect_timeout_ms = strtoll(given[CONNECT_TIMEOUT], NULL, 10),
	             .timeout_ms = strtoll(given[TIMEOUT], NULL, 10),
	             .answer_timeout_ms = strtoll(given[ANSWER_TIMEOUT], NULL, 10)},
		.from = given[FROM],
		.templates = given[TEMPLATES],
		.locale = given[DEFAULT_LOCALE],
	};
	mailer = mailer_new(&options, &pump, why, sizeof(why));
	if (mailer == NULL) {
		printf("unusable %s\n", why);
		return 0;
	}
	mail_act(mailer, optind < argc ? argv[optind] : "send");
	now_ms = clock_now_ms();
	if (now_ms - watch.last_ms > watch.longest_ms)
		watch.longest_ms = now_ms - watch.last_ms;
	printf("turns=%d longest_gap_ms=%" PRId64 " took_ms=%" PRId64 "\n", watch.turns,
	       watch.longest_ms, now_ms - watch.start_ms);
	mailer_free(mailer);
	return 0;
}
