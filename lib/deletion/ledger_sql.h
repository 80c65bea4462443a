/* The columns of the ledger's statements, and what the files of its calls share. For ledger.c,
 * ledger_hand_back.c, ledger_holder.c and ledger_reconcile.c only. */
#ifndef FAREWELL_LEDGER_SQL_H
#define FAREWELL_LEDGER_SQL_H

#include "lib/deletion/ledger.h"

/* Of every statement that returns the state of a deletion. */
enum state_column {
	STATE_DELETION_ID,
	STATE_STATUS,
	STATE_MAIL,
	STATE_FILES_DELETED,
	STATE_ATTEMPTS,
	STATE_LAST_ERROR,
	STATE_NEXT_ATTEMPT_AT,
	STATE_FINISHED_AT,
	STATE_VERSION,
	STATE_VERSIONS_LEFT,
	/* LEDGER_LOOK has these beside: */
	STATE_TURN,
	STATE_WAITING,
	STATE_CAUSE,
	STATE_CAUSE_ATTEMPTS,
	STATE_FAILING_MS,
	STATE_CAUSE_MS,
	STATE_TURNED_MS,
	STATE_DUE_MS,
};

/* LEDGER_PROGRESS has this one beside. */
enum progress_column { PROGRESS_PASSED_MS = STATE_VERSIONS_LEFT + 1 };

/* Of LEDGER_BEGIN. */
enum begin_column {
	BEGIN_ATTEMPTS,
	BEGIN_STARTS,
	BEGIN_FILES_DELETED,
	BEGIN_MAIL,
	BEGIN_MAILS,
	BEGIN_CAUSE,
	BEGIN_CAUSE_ATTEMPTS,
	BEGIN_FAILING_MS,
	BEGIN_CAUSE_MS,
	BEGIN_SENDING_MS,
	BEGIN_PASSED_MS,
	BEGIN_VERSIONS_LEFT,
};

/* Of LEDGER_NEXT_TURN. */
enum next_turn_column { NEXT_TURN_TURN, NEXT_TURN_ATTEMPTS };

/* What an exchange that did not go well means; logged. */
enum ledger_answer ledger_failed(struct ledger *, enum db_result);
void ledger_seconds_text(int64_t ms, char *text, size_t size);

#endif
