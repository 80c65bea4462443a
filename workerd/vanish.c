/* Comparing the ledger with the requests, page by page, and saying which requests are gone. */
#include "workerd/vanish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/deletion/status.h"
#include "workerd/job.h"

#define PAGE_ROWS 1000

#define VANISHED "the request has vanished from the user database"

static const char vanished[] =
	VANISHED ", by a fail-over or a restore from a backup: ask whether the user is to be deleted "
			 "again, and close this one";
static const char nowhere[] = "00000000-0000-0000-0000-000000000000";

/* Says each of ROWS, which were not known to have vanished. */
static void vanish_say(const PGresult *rows, struct child *child)
{
	for (int row = 0; row < PQntuples(rows); row++) {
		const char *status = PQgetvalue(rows, row, VANISH_STATUS);
		bool finished = db_is_true(rows, row, VANISH_FINISHED);

		log_error("the request of a deletion has vanished from the user database: deletion=%s "
		          "user=%s status=%s changed=%s: %s",
		          PQgetvalue(rows, row, VANISH_DELETION_ID), PQgetvalue(rows, row, VANISH_USER_ID),
		          status, PQgetvalue(rows, row, VANISH_CHANGED_AT),
		          finished ? "its files are gone, and the user may be active again" :
		                     "it is parked");
		child_count(child, JOB_VANISHED, 1);
	}
}

/* The deletions IDS of a page. *COUNT is raised. */
static enum ledger_answer vanish_page(struct sessions *s, struct child *child, const char *ids,
                                      int *count)
{
	PGresult *rows = NULL;
	char *missing = NULL, *finished = NULL;
	enum ledger_answer answer = LEDGER_OK;

	if (request_missing(s->users, ids, &missing, &finished) != DB_OK) {
		log_warning("%s", db_why(s->users));
		return LEDGER_LOST;
	}
	if (finished != NULL)
		answer = ledger_untold(&s->ledger, finished);
	if (answer == LEDGER_OK && missing != NULL)
		answer = ledger_vanish(&s->ledger, missing, vanished, &rows);
	if (answer == LEDGER_OK && missing != NULL) {
		vanish_say(rows, child);
		*count += PQntuples(rows);
	}
	PQclear(rows);
	free(missing);
	free(finished);
	return answer;
}

/* All pages. What was marked before a death is not said again after it. */
static bool vanish_compare(struct sessions *s, struct child *child, bool all)
{
	char after[ID_UUID_SIZE];
	bool more = true, good = true;
	int count = 0;

	snprintf(after, sizeof(after), "%s", nowhere);
	while (more && good && !child_stopping(child)) {
		PGresult *row = NULL;
		child_step(child, "comparing");
		child_look(child);
		good = ledger_page(&s->ledger, all, after, PAGE_ROWS, &row) == LEDGER_OK;
		if (good && !PQgetisnull(row, 0, PAGE_IDS))
			good = vanish_page(s, child, PQgetvalue(row, 0, PAGE_IDS), &count) == LEDGER_OK;
		more = good && db_copy(row, 0, PAGE_LAST, after, sizeof(after));
		PQclear(row);
	}
	if (count > 0)
		log_error("%d requests have vanished from the user database: doc/OPERATE.md says what to "
		          "do about it",
		          count);
	return good && !more;
}

/* ---- what is there again ---- */

static void vanish_say_found(const PGresult *rows)
{
	for (int row = 0; row < PQntuples(rows); row++)
		log_warning("the request of a deletion, which had vanished, is in the user database again: "
		            "deletion=%s user=%s status=%s",
		            PQgetvalue(rows, row, FOUND_DELETION_ID), PQgetvalue(rows, row, FOUND_USER_ID),
		            PQgetvalue(rows, row, FOUND_STATUS));
}

static enum ledger_answer vanish_page_found(struct sessions *s, const char *ids)
{
	PGresult *rows = NULL;
	char *missing = NULL, *finished = NULL;

	if (request_missing(s->users, ids, &missing, &finished) != DB_OK) {
		log_warning("%s", db_why(s->users));
		return LEDGER_LOST;
	}
	enum ledger_answer answer =
		ledger_found(&s->ledger, ids, missing != NULL ? missing : "{}", VANISHED, &rows);
	if (answer == LEDGER_OK)
		vanish_say_found(rows);
	PQclear(rows);
	free(missing);
	free(finished);
	return answer;
}

/* Takes back the marks of those whose requests are there. */
static bool vanish_compare_found(struct sessions *s, struct child *child)
{
	char after[ID_UUID_SIZE];
	bool more = true, good = true;

	snprintf(after, sizeof(after), "%s", nowhere);
	while (more && good && !child_stopping(child)) {
		PGresult *row = NULL;
		child_look(child);
		good = ledger_vanished(&s->ledger, after, PAGE_ROWS, &row) == LEDGER_OK;
		if (good && !PQgetisnull(row, 0, PAGE_IDS))
			good = vanish_page_found(s, PQgetvalue(row, 0, PAGE_IDS)) == LEDGER_OK;
		more = good && db_copy(row, 0, PAGE_LAST, after, sizeof(after));
		PQclear(row);
	}
	return good && !more;
}

bool vanish_pass(struct vanish *v, struct sessions *s, struct child *child)
{
	char seen[LINEAGE_SIZE];

	if (lineage_read(&v->here, s->users, db_deadline(s->users)) != DB_OK) {
		log_warning("the lineage of the user database can't be read: %s", db_why(s->users));
		return db_is_open(s->users); /* a right that is missing keeps no message from anybody */
	}
	enum ledger_answer answer = ledger_lineage_seen(&s->ledger, seen, sizeof(seen));
	if (answer != LEDGER_OK)
		return answer == LEDGER_REFUSED;
	if (seen[0] != '\0' && !lineage_same_installation(seen, v->here.text)) {
		log_warning("the ledger belongs to another user database now; looking at both again");
		db_close(s->users);
		db_close(s->ledger.db);
		return false;
	}
	bool other = seen[0] != '\0' && !lineage_agrees(seen, v->here.text);
	if (other)
		log_warning("the user database (%s) is not the one that was seen last (%s): after a "
		            "fail-over, a restore or in a clone requests may be missing; comparing",
		            v->here.text, seen);
	if (other || v->compared != db_session(s->users) ||
	    v->compared_ledger != db_session(s->ledger.db)) {
		if (!vanish_compare(s, child, other) || !vanish_compare_found(s, child))
			return false;
		v->compared = db_session(s->users);
		v->compared_ledger = db_session(s->ledger.db);
	}
	answer = ledger_lineage_store(&s->ledger, v->here.text, seen);
	return answer == LEDGER_OK || answer == LEDGER_REFUSED;
}
