/* Asking for one file row of a completed deletion, and reopening it when there is one. */
#include "workerd/sweep.h"

#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/crash.h"
#include "lib/base/log.h"

/* Reopens request and ledger, in this order: if we die in between, the ledger is still due for this
 * sweep, and its finished row finishes the request again. *REOPENED: whether; false with what is
 * returned true: not this one, and not for a server's sake. */
static bool sweep_reopen(struct sessions *s, struct message *message, const char *request_id,
                         bool *reopened)
{
	struct dispatch_note note = {.request_id = request_id};

	CRASH_POINT("reconciler-sweep-found");
	if (request_reopen(s->users, message->deletion_id, message->user_id, reopened) != DB_OK) {
		log_warning("%s", db_why(s->users));
		return db_is_open(s->users);
	}
	if (!*reopened) {
		log_warning("there are files of a user whose deletion is completed, but he is not deleted "
		            "any more as it was asked for: left alone user=%s deletion=%s",
		            message->user_id, message->deletion_id);
		return true;
	}
	CRASH_POINT("reconciler-sweep-request");
	enum ledger_answer answer = ledger_reopen(&s->ledger, message->deletion_id, &message->turn);
	if (answer != LEDGER_OK)
		return answer == LEDGER_SUPERSEDED; /* it is not completed any more: it goes on anyhow */
	CRASH_POINT("reconciler-sweep-ledger");
	log_info("files were recorded after the deletion was completed: it goes on deletion=%s user=%s "
	         "turn=%d",
	         message->deletion_id, message->user_id, message->turn);
	if (!dispatch_continuation(&s->dispatch, message, &note))
		log_warning("the message of turn %d is not out; the reconciler publishes it",
		            message->turn);
	else
		CRASH_POINT("reconciler-sweep-publish");
	return true;
}

/* One sweep. NEXT_MS: until the next one of this deletion, -1: none, 0: as it was, for this one was
 * not due. It is noted when it is over: what is reopened begins its sweeps anew. */
static bool sweep_one(struct sessions *s, struct message *message, const char *request_id,
                      int64_t next_ms)
{
	bool found = false, reopened = false;
	enum ledger_answer answer = ledger_has_files(&s->ledger, message->user_id, &found);

	/* A statement that this user's data makes fail must not keep the others from being swept. */
	if (answer == LEDGER_LOST)
		return false;
	if (found && !sweep_reopen(s, message, request_id, &reopened))
		return false;
	return reopened || next_ms == 0 ||
	       ledger_note_swept(&s->ledger, message->deletion_id, next_ms) == LEDGER_OK;
}

static int64_t next_delay_ms(const struct conf_durations *delays, int64_t swept)
{
	return swept + 1 < delays->count ? delays->item[swept + 1].ms : -1;
}

/* Those that are due by the ledger. *COUNT: how many there were. */
static bool sweep_due(struct sessions *s, const struct conf_durations *delays, int64_t limit,
                      int *count)
{
	PGresult *rows = NULL;
	bool good = ledger_sweeps(&s->ledger, limit, &rows) == LEDGER_OK;

	*count = good ? PQntuples(rows) : 0;
	for (int row = 0; good && row < PQntuples(rows); row++) {
		struct message message = {.turn = 1};
		db_copy(rows, row, SWEEP_DELETION_ID, message.deletion_id, sizeof(message.deletion_id));
		db_copy(rows, row, SWEEP_USER_ID, message.user_id, sizeof(message.user_id));
		clock_rfc3339(time(NULL), message.requested_at);
		good =
			sweep_one(s, &message, NULL, next_delay_ms(delays, db_number(rows, row, SWEEP_SWEPT)));
	}
	PQclear(rows);
	return good;
}

/* Those that a repeated DELETE asked for. */
static bool sweep_asked(struct sessions *s, int64_t limit)
{
	PGresult *rows = NULL;
	bool good = request_sweeps_asked(s->users, limit, &rows) == DB_OK;

	if (!good)
		log_warning("%s", db_why(s->users));
	for (int row = 0; good && row < PQntuples(rows); row++) {
		struct message message = {.turn = 1};
		const char *request_id = PQgetisnull(rows, row, CLAIM_REQUEST_ID) ?
		                             NULL :
		                             PQgetvalue(rows, row, CLAIM_REQUEST_ID);
		db_copy(rows, row, CLAIM_DELETION_ID, message.deletion_id, sizeof(message.deletion_id));
		db_copy(rows, row, CLAIM_USER_ID, message.user_id, sizeof(message.user_id));
		db_copy(rows, row, CLAIM_REQUESTED_AT, message.requested_at, sizeof(message.requested_at));
		good = sweep_one(s, &message, request_id, 0) &&
		       request_note_swept(s->users, message.deletion_id) == DB_OK;
	}
	PQclear(rows);
	return good;
}

bool sweep_pass(struct sessions *s, const struct conf_durations *delays, int64_t limit)
{
	bool good;
	int count;

	do
		good = sweep_due(s, delays, limit, &count);
	while (good && count == limit && pump_turn(s->dispatch.pump));
	return good && sweep_asked(s, limit);
}
