/* Comparing the ledger with the requests, page by page, and saying which requests are gone. */
#include "workerd/vanish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/deletion/status.h"
#include "workerd/job.h"

#define PAGE_ROWS 1000

static const char vanished[] =
	"the request has vanished from the user database, by a fail-over, a restore from a backup or "
	"another worker.user_db: ask whether the user is to be deleted again, and close this one";

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
	char after[ID_UUID_SIZE] = "00000000-0000-0000-0000-000000000000";
	bool more = true, good = true;
	int count = 0;

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
	bool other = seen[0] != '\0' && !lineage_agrees(seen, v->here.text);
	if (other)
		log_warning("the user database (%s) is not the one that was seen last (%s): after a "
		            "fail-over, a restore or in a clone requests may be missing; comparing",
		            v->here.text, seen);
	if (other || v->compared != db_session(s->users) ||
	    v->compared_ledger != db_session(s->ledger.db)) {
		if (!vanish_compare(s, child, other))
			return false;
		v->compared = db_session(s->users);
		v->compared_ledger = db_session(s->ledger.db);
	}
	answer = ledger_lineage_store(&s->ledger, v->here.text);
	return answer == LEDGER_OK || answer == LEDGER_REFUSED;
}
