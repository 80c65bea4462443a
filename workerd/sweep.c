/* Asking for one file row of a completed deletion, and reopening it when there is one. */
#include "workerd/sweep.h"

#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/crash.h"
#include "lib/base/log.h"

/* What a sweep came to. */
enum sweep_end {
	SWEEP_OVER,     /* nothing was found, or nothing is to be done about it */
	SWEEP_REOPENED, /* and its sweeps begin anew */
	SWEEP_PUT_OFF,  /* for this deletion a statement was refused: nobody knows yet */
	SWEEP_LOST,     /* a server is away */
};

static enum sweep_end sweep_refused(struct db *db, const struct message *message, const char *what)
{
	if (!db_is_open(db))
		return SWEEP_LOST;
	log_warning("%s, and will be later: %s user=%s deletion=%s", what, db_why(db), message->user_id,
	            message->deletion_id);
	return SWEEP_PUT_OFF;
}

/* Reopens request and ledger, in this order: if we die in between, the ledger is still due for this
 * sweep, and its finished row finishes the request again. */
static enum sweep_end sweep_reopen(struct sessions *s, struct message *message,
                                   const char *request_id)
{
	struct dispatch_note note = {.request_id = request_id};
	bool reopened = false;

	CRASH_POINT("reconciler-sweep-found");
	if (request_reopen(s->users, message->deletion_id, message->user_id, &reopened) != DB_OK)
		return sweep_refused(s->users, message, "a request can't be reopened");
	if (!reopened) {
		log_warning("there are files of a user whose deletion is completed, but he is not deleted "
		            "any more as it was asked for: left alone user=%s deletion=%s",
		            message->user_id, message->deletion_id);
		return SWEEP_OVER;
	}
	CRASH_POINT("reconciler-sweep-request");
	enum ledger_answer answer = ledger_reopen(&s->ledger, message->deletion_id, &message->turn);
	if (answer == LEDGER_SUPERSEDED)
		return SWEEP_REOPENED; /* it is not completed any more: it goes on anyhow */
	if (answer != LEDGER_OK)
		return sweep_refused(s->ledger.db, message, "a deletion can't be reopened");
	CRASH_POINT("reconciler-sweep-ledger");
	log_info("files were recorded after the deletion was completed: it goes on deletion=%s user=%s "
	         "turn=%d",
	         message->deletion_id, message->user_id, message->turn);
	if (!dispatch_continuation(&s->dispatch, message, &note))
		log_warning("the message of turn %d is not out; the reconciler publishes it",
		            message->turn);
	else
		CRASH_POINT("reconciler-sweep-publish");
	return SWEEP_REOPENED;
}

/* A statement that this user's data makes fail must not keep the others from being swept. */
static enum sweep_end sweep_one(struct sessions *s, struct message *message, const char *request_id)
{
	bool found = false;
	enum ledger_answer answer = ledger_has_files(&s->ledger, message->user_id, &found);

	if (answer != LEDGER_OK)
		return sweep_refused(s->ledger.db, message, "files can't be looked for");
	return found ? sweep_reopen(s, message, request_id) : SWEEP_OVER;
}

static int64_t next_delay_ms(const struct conf_durations *delays, int64_t swept)
{
	return swept + 1 < delays->count ? delays->item[swept + 1].ms : -1;
}

/* It is noted when it is over. NEXT_MS: until the next one of this deletion, -1: none. */
static bool sweep_note(struct sessions *s, const char *deletion_id, enum sweep_end end,
                       int64_t next_ms)
{
	if (end == SWEEP_LOST || end == SWEEP_REOPENED)
		return end == SWEEP_REOPENED;
	if (end == SWEEP_PUT_OFF)
		next_ms = s->conf->worker.reconcile_after_ms;
	return ledger_note_swept(&s->ledger, deletion_id, end == SWEEP_OVER, next_ms) == LEDGER_OK;
}

/* Those that are due by the ledger. *COUNT: how many there were; *REFUSED: some were put off. */
static bool sweep_due(struct sessions *s, const struct conf_durations *delays, int64_t limit,
                      int *count, bool *refused)
{
	PGresult *rows = NULL;
	bool good = ledger_sweeps(&s->ledger, limit, &rows) == LEDGER_OK;

	*count = good ? PQntuples(rows) : 0;
	for (int row = 0; good && row < PQntuples(rows); row++) {
		struct message message = {.turn = 1};
		db_copy(rows, row, SWEEP_DELETION_ID, message.deletion_id, sizeof(message.deletion_id));
		db_copy(rows, row, SWEEP_USER_ID, message.user_id, sizeof(message.user_id));
		clock_rfc3339(time(NULL), message.requested_at);
		enum sweep_end end = sweep_one(s, &message, NULL);
		*refused = *refused || end == SWEEP_PUT_OFF;
		good = sweep_note(s, message.deletion_id, end,
		                  next_delay_ms(delays, db_number(rows, row, SWEEP_SWEPT)));
	}
	PQclear(rows);
	return good;
}

/* Those that a repeated DELETE asked for; they use up none that is due. */
static bool sweep_asked(struct sessions *s, int64_t limit, bool *refused)
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
		enum sweep_end end = sweep_one(s, &message, request_id);
		*refused = *refused || end == SWEEP_PUT_OFF;
		int64_t again_ms = end == SWEEP_PUT_OFF ? s->conf->worker.reconcile_after_ms : -1;
		good = end != SWEEP_LOST &&
		       request_note_swept(s->users, message.deletion_id, again_ms) == DB_OK;
	}
	PQclear(rows);
	return good;
}

bool sweep_pass(struct sessions *s, const struct conf_durations *delays, int64_t limit)
{
	bool good, refused = false;
	int count;

	do
		good = sweep_due(s, delays, limit, &count, &refused);
	while (good && count == limit && pump_turn(s->dispatch.pump));
	good = good && sweep_asked(s, limit, &refused);
	if (refused) { /* sessions that are older than an ALTER TABLE would refuse for ever */
		db_close(s->users);
		db_close(s->ledger.db);
	}
	return good;
}
