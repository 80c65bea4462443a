/* The calls on the ledger: each a statement or a pipeline of them, and what its answer means. */
#include "lib/deletion/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/crash.h"
#include "lib/base/log.h"
#include "lib/deletion/ledger_sql.h"

static enum ledger_answer ledger_lost(const struct ledger *ledger)
{
	log_warning("the ledger has no answer: %s", db_why(ledger->db));
	return LEDGER_LOST;
}

/* Runs STATEMENT, which returns at most one row; no row: LEDGER_SUPERSEDED. */
static enum ledger_answer run_row(struct ledger *ledger, enum worker_db_statement statement,
                                  const char *const *params, PGresult **row)
{
	PGresult *result = NULL;

	if (db_run(ledger->db, statement, params, &result, db_deadline(ledger->db)) != DB_OK)
		return ledger_lost(ledger);
	if (PQntuples(result) == 0) {
		PQclear(result);
		return LEDGER_SUPERSEDED;
	}
	if (row != NULL)
		*row = result;
	else
		PQclear(result);
	return LEDGER_OK;
}

static void read_state(const PGresult *row, struct deletion_state *state)
{
	db_copy(row, 0, STATE_DELETION_ID, state->deletion_id, sizeof(state->deletion_id));
	db_copy(row, 0, STATE_STATUS, state->status, sizeof(state->status));
	db_copy(row, 0, STATE_MAIL, state->mail, sizeof(state->mail));
	state->files_deleted = db_number(row, 0, STATE_FILES_DELETED);
	state->attempts = (int)db_number(row, 0, STATE_ATTEMPTS);
	db_copy(row, 0, STATE_LAST_ERROR, state->last_error, sizeof(state->last_error));
	db_copy(row, 0, STATE_NEXT_ATTEMPT_AT, state->next_attempt_at, sizeof(state->next_attempt_at));
	db_copy(row, 0, STATE_FINISHED_AT, state->finished_at, sizeof(state->finished_at));
}

/* ---- lease ---- */

enum ledger_answer ledger_lease(struct ledger *ledger, const char *deletion_id)
{
	PGresult *row = NULL;
	enum ledger_answer answer = run_row(ledger, LEDGER_LEASE, &deletion_id, &row);

	if (answer == LEDGER_OK && !db_is_true(row, 0, 0))
		answer = LEDGER_BUSY;
	ledger->leased = answer == LEDGER_OK;
	PQclear(row);
	return answer;
}

enum ledger_answer ledger_release(struct ledger *ledger, const char *deletion_id)
{
	if (!ledger->leased || !db_is_open(ledger->db))
		return LEDGER_OK;
	ledger->leased = false;
	return run_row(ledger, LEDGER_RELEASE, &deletion_id, NULL);
}

/* An outcome and the end of the lease, in one round trip. */
static enum ledger_answer run_outcome(struct ledger *ledger, enum worker_db_statement statement,
                                      const char *const *params, struct deletion_state *state)
{
	PGresult *results[2] = {NULL};
	enum ledger_answer answer;

	db_queue(ledger->db, statement, params);
	db_queue(ledger->db, LEDGER_RELEASE, params);
	enum db_result result = db_flush(ledger->db, results, 2, NULL, db_deadline(ledger->db));
	if (result != DB_OK)
		answer = ledger_lost(ledger);
	else
		answer = PQntuples(results[0]) == 1 ? LEDGER_OK : LEDGER_SUPERSEDED;
	if (result == DB_OK)
		ledger->leased = false;
	if (answer == LEDGER_OK)
		read_state(results[0], state);
	db_clear(results, 2);
	return answer;
}

/* ---- begin ---- */

enum ledger_answer ledger_look(struct ledger *ledger, const char *deletion_id,
                               struct ledger_row *found)
{
	PGresult *row = NULL;
	enum ledger_answer answer = run_row(ledger, LEDGER_LOOK, &deletion_id, &row);

	if (answer == LEDGER_OK) {
		read_state(row, &found->state);
		found->turn = (int)db_number(row, 0, STATE_TURN);
		found->waiting = db_is_true(row, 0, STATE_WAITING);
	}
	PQclear(row);
	return answer == LEDGER_SUPERSEDED ? LEDGER_ABSENT : answer;
}

/* Why LEDGER_BEGIN returned no row. */
static enum ledger_answer explain_no_start(struct ledger *ledger, const struct message *message,
                                           struct deletion_state *state)
{
	struct ledger_row row;
	enum ledger_answer answer = ledger_look(ledger, message->deletion_id, &row);

	if (answer != LEDGER_OK)
		return answer == LEDGER_ABSENT ? LEDGER_SUPERSEDED : answer;
	*state = row.state;
	if (state->finished_at[0] != '\0')
		return LEDGER_FINISHED;
	if (strcmp(state->status, STATUS_PARKED) == 0 && row.turn == message->turn)
		return LEDGER_PARKED;
	return LEDGER_SUPERSEDED;
}

enum ledger_answer ledger_begin(struct ledger *ledger, const struct message *message, int attempts,
                                bool redelivered, struct ledger_entry *entry,
                                struct deletion_state *state)
{
	char turn[16], tries[16];
	PGresult *row = NULL;

	memset(entry, 0, sizeof(*entry));
	snprintf(entry->deletion_id, sizeof(entry->deletion_id), "%s", message->deletion_id);
	snprintf(entry->user_id, sizeof(entry->user_id), "%s", message->user_id);
	entry->turn = message->turn;
	snprintf(turn, sizeof(turn), "%d", message->turn);
	snprintf(tries, sizeof(tries), "%d", attempts);
	const char *params[] = {entry->deletion_id, entry->user_id, turn, tries,
	                        redelivered ? "t" : "f"};
	enum ledger_answer answer = run_row(ledger, LEDGER_BEGIN, params, &row);
	if (answer == LEDGER_SUPERSEDED)
		return explain_no_start(ledger, message, state);
	if (answer != LEDGER_OK)
		return answer;
	entry->attempts = (int)db_number(row, 0, BEGIN_ATTEMPTS);
	entry->starts = (int)db_number(row, 0, BEGIN_STARTS);
	entry->files_deleted = db_number(row, 0, BEGIN_FILES_DELETED);
	db_copy(row, 0, BEGIN_MAIL, entry->mail, sizeof(entry->mail));
	entry->failing_ms = db_number(row, 0, BEGIN_FAILING_MS);
	PQclear(row);
	return LEDGER_OK;
}

/* ---- work ---- */

/* What the transaction of ledger_progress came to; the one that failed is FAILED's. */
static enum ledger_answer read_progress(struct ledger *ledger, enum db_result result, int failed,
                                        PGresult *const *results, struct ledger_entry *entry,
                                        int64_t *changed, struct deletion_state *state)
{
	PGresult *done = results[1], *progress = results[2], *commit = results[3];

	if (result == DB_REFUSED && failed == 1 &&
	    (db_kind(ledger->db) == SQLSTATE_DATA || db_kind(ledger->db) == SQLSTATE_NO_SUCH_ID)) {
		db_roll_back(ledger->db); /* keeping the session, and with it the lease */
		return db_is_open(ledger->db) ? LEDGER_REFUSED : LEDGER_LOST;
	}
	if (result == DB_REFUSED) {
		ledger_lost(ledger);
		db_close(ledger->db); /* with its open transaction */
		return LEDGER_LOST;
	}
	if (result != DB_OK || strcmp(PQcmdStatus(commit), "COMMIT") != 0)
		return ledger_lost(ledger);
	if (PQntuples(progress) != 1)
		return LEDGER_SUPERSEDED;
	read_state(progress, state);
	entry->files_deleted = state->files_deleted;
	*changed = PQresultStatus(done) == PGRES_COMMAND_OK ? strtoll(PQcmdTuples(done), NULL, 10) :
	                                                      PQntuples(done);
	return LEDGER_OK;
}

enum ledger_answer ledger_progress(struct ledger *ledger, struct ledger_entry *entry,
                                   const char *ids, int64_t count, int64_t *changed,
                                   struct deletion_state *state)
{
	char turn[16], deleted[24];
	PGresult *results[4] = {NULL};
	int failed = 0;

	snprintf(turn, sizeof(turn), "%d", entry->turn);
	snprintf(deleted, sizeof(deleted), "%lld", (long long)count);
	const char *rows[] = {entry->user_id, ids};
	const char *params[] = {entry->deletion_id, turn, deleted};
	db_queue_sql(ledger->db, "BEGIN");
	db_queue(ledger->db, FILES_DONE, rows);
	db_queue(ledger->db, LEDGER_PROGRESS, params);
	db_queue_sql(ledger->db, "COMMIT");
	enum db_result result = db_flush(ledger->db, results, 4, &failed, db_deadline(ledger->db));
	enum ledger_answer answer =
		read_progress(ledger, result, failed, results, entry, changed, state);
	db_clear(results, 4);
	return answer;
}

enum ledger_answer ledger_sending(struct ledger *ledger, struct ledger_entry *entry)
{
	char turn[16];

	snprintf(turn, sizeof(turn), "%d", entry->turn);
	const char *params[] = {entry->deletion_id, turn};
	enum ledger_answer answer = run_row(ledger, LEDGER_SENDING, params, NULL);
	if (answer == LEDGER_OK)
		snprintf(entry->mail, sizeof(entry->mail), "%s", MAIL_SENDING);
	return answer;
}

/* ---- outcomes ---- */

enum ledger_answer ledger_complete(struct ledger *ledger, const struct ledger_entry *entry,
                                   const char *mail, const char *why, struct deletion_state *state)
{
	char turn[16];

	snprintf(turn, sizeof(turn), "%d", entry->turn);
	const char *params[] = {entry->deletion_id, turn, mail, why};
	return run_outcome(ledger, LEDGER_COMPLETE, params, state);
}

enum ledger_answer ledger_pass_on(struct ledger *ledger, struct ledger_entry *entry, int failures,
                                  const char *why, int64_t delay_ms, struct deletion_state *state)
{
	char turn[16], count[16], delay[32];

	snprintf(turn, sizeof(turn), "%d", entry->turn);
	snprintf(count, sizeof(count), "%d", failures);
	snprintf(delay, sizeof(delay), "%lld.%03d", (long long)(delay_ms / 1000),
	         (int)(delay_ms % 1000));
	const char *params[] = {entry->deletion_id, turn, count,
	                        entry->mail,        why,  delay_ms < 0 ? NULL : delay};
	enum ledger_answer answer = run_outcome(ledger, LEDGER_PASS_ON, params, state);
	if (answer == LEDGER_OK) {
		entry->turn++;
		entry->attempts += failures;
		CRASH_POINT("worker-after-turn");
	}
	return answer;
}

enum ledger_answer ledger_park(struct ledger *ledger, const struct ledger_entry *entry,
                               int failures, const char *why, struct deletion_state *state)
{
	char turn[16], count[16];

	snprintf(turn, sizeof(turn), "%d", entry->turn);
	snprintf(count, sizeof(count), "%d", failures);
	const char *params[] = {entry->deletion_id, turn, count, entry->mail, why};
	return run_outcome(ledger, LEDGER_PARK, params, state);
}

enum ledger_answer ledger_cancel(struct ledger *ledger, const char *deletion_id,
                                 const char *user_id, struct deletion_state *state)
{
	const char *params[] = {deletion_id, user_id};
	PGresult *row = NULL;
	enum ledger_answer answer = run_row(ledger, LEDGER_CANCEL, params, &row);

	if (answer == LEDGER_OK)
		read_state(row, state);
	PQclear(row);
	return answer == LEDGER_SUPERSEDED ? LEDGER_FINISHED : answer;
}

enum ledger_answer ledger_uncount(struct ledger *ledger, const struct ledger_entry *entry,
                                  const char *mail)
{
	char turn[16];

	snprintf(turn, sizeof(turn), "%d", entry->turn);
	const char *params[] = {entry->deletion_id, turn, mail};
	if (db_run(ledger->db, LEDGER_UNCOUNT, params, NULL, db_deadline(ledger->db)) != DB_OK)
		return ledger_lost(ledger);
	return LEDGER_OK;
}

enum ledger_answer ledger_next_turn(struct ledger *ledger, const char *deletion_id,
                                    const char *user_id, int *turn, int *attempts)
{
	const char *params[] = {deletion_id, user_id};
	PGresult *row = NULL;
	enum ledger_answer answer = run_row(ledger, LEDGER_NEXT_TURN, params, &row);

	if (answer == LEDGER_OK) {
		*turn = (int)db_number(row, 0, NEXT_TURN_TURN);
		*attempts = (int)db_number(row, 0, NEXT_TURN_ATTEMPTS);
	}
	PQclear(row);
	return answer;
}
