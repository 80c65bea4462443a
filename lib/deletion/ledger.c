/* The calls on the ledger: each a statement or a pipeline of them, and what its answer means. */
#include "lib/deletion/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/crash.h"
#include "lib/base/log.h"
#include "lib/deletion/ledger_sql.h"

enum ledger_answer ledger_failed(struct ledger *ledger, enum db_result result)
{
	log_warning("the ledger's question failed: %s", db_why(ledger->db));
	if (result == DB_REFUSED && db_is_open(ledger->db))
		return LEDGER_REFUSED;
	ledger->leased = false;
	return LEDGER_LOST;
}

/* Runs STATEMENT, which returns at most one row; no row: LEDGER_SUPERSEDED. */
static enum ledger_answer run_row(struct ledger *ledger, enum worker_db_statement statement,
                                  const char *const *params, PGresult **row)
{
	PGresult *result = NULL;
	enum db_result answer = db_run(ledger->db, statement, params, &result, db_deadline(ledger->db));

	if (answer != DB_OK)
		return ledger_failed(ledger, answer);
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

/* Runs STATEMENT, whose rows are of no interest. */
static enum ledger_answer run_plain(struct ledger *ledger, enum worker_db_statement statement,
                                    const char *const *params)
{
	enum db_result result = db_run(ledger->db, statement, params, NULL, db_deadline(ledger->db));

	return result == DB_OK ? LEDGER_OK : ledger_failed(ledger, result);
}

void ledger_seconds_text(int64_t ms, char *text, size_t size)
{
	snprintf(text, size, "%lld.%03d", (long long)(ms / 1000), (int)(ms % 1000));
}

void ledger_read_state(const PGresult *rows, int row, struct deletion_state *state)
{
	db_copy(rows, row, STATE_DELETION_ID, state->deletion_id, sizeof(state->deletion_id));
	db_copy(rows, row, STATE_STATUS, state->status, sizeof(state->status));
	db_copy(rows, row, STATE_MAIL, state->mail, sizeof(state->mail));
	state->files_deleted = db_number(rows, row, STATE_FILES_DELETED);
	state->attempts = (int)db_number(rows, row, STATE_ATTEMPTS);
	db_copy(rows, row, STATE_LAST_ERROR, state->last_error, sizeof(state->last_error));
	db_copy(rows, row, STATE_NEXT_ATTEMPT_AT, state->next_attempt_at,
	        sizeof(state->next_attempt_at));
	db_copy(rows, row, STATE_FINISHED_AT, state->finished_at, sizeof(state->finished_at));
	state->version = db_number(rows, row, STATE_VERSION);
	state->versions_left = db_number(rows, row, STATE_VERSIONS_LEFT);
}

static void read_row(const PGresult *rows, struct ledger_row *row)
{
	memset(row, 0, sizeof(*row));
	if (PQntuples(rows) == 0)
		return;
	ledger_read_state(rows, 0, &row->state);
	row->turn = (int)db_number(rows, 0, STATE_TURN);
	row->waiting = db_is_true(rows, 0, STATE_WAITING);
	db_copy(rows, 0, STATE_CAUSE, row->cause, sizeof(row->cause));
	row->cause_attempts = (int)db_number(rows, 0, STATE_CAUSE_ATTEMPTS);
	row->failing_ms = db_number(rows, 0, STATE_FAILING_MS);
	row->cause_ms = db_number(rows, 0, STATE_CAUSE_MS);
	row->turned_ms = db_number(rows, 0, STATE_TURNED_MS);
	row->due_ms = db_number(rows, 0, STATE_DUE_MS);
}

/* ---- lease ---- */

enum ledger_answer ledger_lease(struct ledger *ledger, const char *deletion_id,
                                struct ledger_row *row)
{
	PGresult *results[2] = {NULL};
	enum ledger_answer answer = LEDGER_BUSY;

	db_queue(ledger->db, LEDGER_LEASE, &deletion_id);
	db_queue(ledger->db, LEDGER_LOOK, &deletion_id);
	enum db_result result = db_flush(ledger->db, results, 2, NULL, db_deadline(ledger->db));
	/* One of two that fails undoes no session lock: the session is closed, and with it the lock. */
	if (result == DB_REFUSED)
		db_close(ledger->db);
	if (result != DB_OK) {
		answer = ledger_failed(ledger, result);
	} else if (db_is_true(results[0], 0, 0)) {
		answer = LEDGER_OK;
		read_row(results[1], row);
	}
	ledger->leased = answer == LEDGER_OK;
	db_clear(results, 2);
	return answer;
}

void ledger_release(struct ledger *ledger, const char *deletion_id)
{
	if (!ledger->leased || !db_is_open(ledger->db))
		return;
	ledger->leased = false;
	run_row(ledger, LEDGER_RELEASE, &deletion_id, NULL);
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
		answer = ledger_failed(ledger, result);
	else
		answer = PQntuples(results[0]) == 1 ? LEDGER_OK : LEDGER_SUPERSEDED;
	if (result == DB_OK)
		ledger->leased = false;
	if (answer == LEDGER_OK)
		ledger_read_state(results[0], 0, state);
	db_clear(results, 2);
	return answer;
}

/* ---- begin ---- */

enum ledger_answer ledger_look(struct ledger *ledger, const char *deletion_id,
                               struct ledger_row *found)
{
	PGresult *row = NULL;
	enum ledger_answer answer = run_row(ledger, LEDGER_LOOK, &deletion_id, &row);

	memset(found, 0, sizeof(*found));
	if (answer == LEDGER_OK)
		read_row(row, found);
	PQclear(row);
	return answer == LEDGER_SUPERSEDED ? LEDGER_OK : answer;
}

void ledger_entry_init(struct ledger_entry *entry, const struct message *message,
                       const struct ledger_row *row)
{
	memset(entry, 0, sizeof(*entry));
	snprintf(entry->deletion_id, sizeof(entry->deletion_id), "%s", message->deletion_id);
	snprintf(entry->user_id, sizeof(entry->user_id), "%s", message->user_id);
	snprintf(entry->mail, sizeof(entry->mail), "%s", MAIL_PENDING);
	entry->turn = message->turn;
	/* What was parked and is moved back starts afresh. */
	if (row == NULL || row->turn == 0 || strcmp(row->state.status, STATUS_PARKED) == 0)
		return;
	entry->attempts = row->state.attempts;
	memcpy(entry->cause, row->cause, sizeof(entry->cause));
	entry->cause_attempts = row->cause_attempts;
	entry->failing_ms = row->failing_ms;
	entry->cause_ms = row->cause_ms;
}

enum ledger_answer ledger_begin(struct ledger *ledger, struct ledger_entry *entry)
{
	char turn[16];
	PGresult *row = NULL;

	snprintf(turn, sizeof(turn), "%d", entry->turn);
	const char *params[] = {entry->deletion_id, entry->user_id, turn};
	enum ledger_answer answer = run_row(ledger, LEDGER_BEGIN, params, &row);
	if (answer != LEDGER_OK)
		return answer;
	entry->attempts = (int)db_number(row, 0, BEGIN_ATTEMPTS);
	entry->starts = (int)db_number(row, 0, BEGIN_STARTS);
	entry->files_deleted = db_number(row, 0, BEGIN_FILES_DELETED);
	db_copy(row, 0, BEGIN_MAIL, entry->mail, sizeof(entry->mail));
	entry->mails = (int)db_number(row, 0, BEGIN_MAILS);
	db_copy(row, 0, BEGIN_CAUSE, entry->cause, sizeof(entry->cause));
	entry->cause_attempts = (int)db_number(row, 0, BEGIN_CAUSE_ATTEMPTS);
	entry->failing_ms = db_number(row, 0, BEGIN_FAILING_MS);
	entry->cause_ms = db_number(row, 0, BEGIN_CAUSE_MS);
	entry->sending_ms = db_number(row, 0, BEGIN_SENDING_MS);
	entry->passed_ms = db_number(row, 0, BEGIN_PASSED_MS);
	entry->versions_left = db_number(row, 0, BEGIN_VERSIONS_LEFT);
	PQclear(row);
	return LEDGER_OK;
}

/* ---- work ---- */

/* What the transaction of ledger_progress came to. */
static enum ledger_answer read_progress(struct ledger *ledger, enum db_result result,
                                        PGresult *const *results, struct ledger_entry *entry,
                                        int64_t *changed, struct deletion_state *state)
{
	PGresult *done = results[1], *progress = results[2], *commit = results[3];

	if (result != DB_OK) {
		enum ledger_answer answer = ledger_failed(ledger, result);
		if (answer == LEDGER_REFUSED)
			db_roll_back(ledger->db); /* keeping the session, and with it the lease */
		return db_is_open(ledger->db) ? answer : LEDGER_LOST;
	}
	if (strcmp(PQcmdStatus(commit), "COMMIT") != 0)
		return ledger_failed(ledger, DB_LOST);
	if (PQntuples(progress) != 1)
		return LEDGER_SUPERSEDED;
	ledger_read_state(progress, 0, state);
	entry->files_deleted = state->files_deleted;
	entry->passed_ms = db_number(progress, 0, PROGRESS_PASSED_MS);
	entry->versions_left = state->versions_left;
	entry->attempts = entry->cause_attempts = 0;
	entry->failing_ms = entry->cause_ms = 0;
	entry->cause[0] = '\0';
	*changed = PQresultStatus(done) == PGRES_COMMAND_OK ? strtoll(PQcmdTuples(done), NULL, 10) :
	                                                      PQntuples(done);
	return LEDGER_OK;
}

enum ledger_answer ledger_progress(struct ledger *ledger, struct ledger_entry *entry,
                                   const char *ids, int64_t count, int64_t versions_left,
                                   bool passed, int64_t *changed, struct deletion_state *state)
{
	char turn[16], deleted[24], left[24];
	PGresult *results[4] = {NULL};

	snprintf(turn, sizeof(turn), "%d", entry->turn);
	snprintf(deleted, sizeof(deleted), "%lld", (long long)count);
	snprintf(left, sizeof(left), "%lld", (long long)versions_left);
	const char *rows[] = {entry->user_id, ids};
	const char *params[] = {entry->deletion_id, turn, deleted, passed ? "true" : "false", left};
	db_queue_sql(ledger->db, "BEGIN");
	db_queue(ledger->db, FILES_DONE, rows);
	db_queue(ledger->db, LEDGER_PROGRESS, params);
	db_queue_sql(ledger->db, "COMMIT");
	enum db_result result = db_flush(ledger->db, results, 4, NULL, db_deadline(ledger->db));
	enum ledger_answer answer = read_progress(ledger, result, results, entry, changed, state);
	db_clear(results, 4);
	return answer;
}

enum ledger_answer ledger_sending(struct ledger *ledger, struct ledger_entry *entry)
{
	char turn[16];

	snprintf(turn, sizeof(turn), "%d", entry->turn);
	const char *params[] = {entry->deletion_id, turn};
	enum ledger_answer answer = run_row(ledger, LEDGER_SENDING, params, NULL);
	if (answer == LEDGER_OK) {
		snprintf(entry->mail, sizeof(entry->mail), "%s", MAIL_SENDING);
		entry->mails++;
	}
	return answer;
}

enum ledger_answer ledger_not_sent(struct ledger *ledger, struct ledger_entry *entry)
{
	char turn[16];

	snprintf(turn, sizeof(turn), "%d", entry->turn);
	const char *params[] = {entry->deletion_id, turn};
	enum ledger_answer answer = run_plain(ledger, LEDGER_NOT_SENT, params);
	if (answer == LEDGER_OK) {
		snprintf(entry->mail, sizeof(entry->mail), "%s", MAIL_PENDING);
		entry->mails--;
	}
	return answer;
}

enum ledger_answer ledger_unanswered(struct ledger *ledger, const struct ledger_entry *entry)
{
	char turn[16];

	snprintf(turn, sizeof(turn), "%d", entry->turn);
	const char *params[] = {entry->deletion_id, turn};
	return run_plain(ledger, LEDGER_UNANSWERED, params);
}

enum ledger_answer ledger_sent(struct ledger *ledger, const struct ledger_entry *entry)
{
	const char *params[] = {entry->deletion_id};

	return run_plain(ledger, LEDGER_SENT, params);
}

/* ---- outcomes ---- */

enum ledger_answer ledger_complete(struct ledger *ledger, const struct ledger_entry *entry,
                                   const char *mail, const char *why, int64_t sweep_after_ms,
                                   struct deletion_state *state)
{
	char turn[16], sweep[32];

	snprintf(turn, sizeof(turn), "%d", entry->turn);
	ledger_seconds_text(sweep_after_ms, sweep, sizeof(sweep));
	const char *params[] = {entry->deletion_id, turn, mail, why, sweep_after_ms < 0 ? NULL : sweep};
	return run_outcome(ledger, LEDGER_COMPLETE, params, state);
}

enum ledger_answer ledger_pass_on(struct ledger *ledger, struct ledger_entry *entry, int failures,
                                  const char *cause, bool heals, const char *why, int64_t delay_ms,
                                  struct deletion_state *state)
{
	char turn[16], count[16], delay[32];

	snprintf(turn, sizeof(turn), "%d", entry->turn);
	snprintf(count, sizeof(count), "%d", failures);
	ledger_seconds_text(delay_ms, delay, sizeof(delay));
	const char *params[] = {entry->deletion_id,
	                        entry->user_id,
	                        turn,
	                        count,
	                        why,
	                        delay_ms < 0 ? NULL : delay,
	                        cause,
	                        heals ? "true" : "false"};
	enum ledger_answer answer = run_outcome(ledger, LEDGER_PASS_ON, params, state);
	if (answer == LEDGER_OK) {
		entry->turn++;
		entry->attempts = state->attempts;
		CRASH_POINT("worker-after-turn");
	}
	return answer;
}

enum ledger_answer ledger_park(struct ledger *ledger, struct ledger_entry *entry, int failures,
                               const char *why, struct deletion_state *state)
{
	char turn[16], count[16];

	snprintf(turn, sizeof(turn), "%d", entry->turn);
	snprintf(count, sizeof(count), "%d", failures);
	const char *params[] = {entry->deletion_id, entry->user_id, turn, count, why};
	enum ledger_answer answer = run_outcome(ledger, LEDGER_PARK, params, state);
	if (answer == LEDGER_OK) {
		entry->turn++;
		entry->attempts = state->attempts;
	}
	return answer;
}

enum ledger_answer ledger_cancel(struct ledger *ledger, const char *deletion_id,
                                 const char *user_id, struct deletion_state *state)
{
	const char *params[] = {deletion_id, user_id};
	PGresult *row = NULL;
	enum ledger_answer answer = run_row(ledger, LEDGER_CANCEL, params, &row);

	if (answer == LEDGER_OK)
		ledger_read_state(row, 0, state);
	PQclear(row);
	return answer == LEDGER_SUPERSEDED ? LEDGER_FINISHED : answer;
}

enum ledger_answer ledger_uncount(struct ledger *ledger, const struct ledger_entry *entry)
{
	char turn[16], starts[16];

	snprintf(turn, sizeof(turn), "%d", entry->turn);
	snprintf(starts, sizeof(starts), "%d", entry->starts);
	const char *params[] = {entry->deletion_id, turn, starts};
	return run_plain(ledger, LEDGER_UNCOUNT, params);
}

/* ---- reports ---- */

enum ledger_answer ledger_note_reported(struct ledger *ledger, const struct deletion_state *state)
{
	char version[24];

	snprintf(version, sizeof(version), "%lld", (long long)state->version);
	const char *params[] = {state->deletion_id, version};
	return run_plain(ledger, LEDGER_REPORTED, params);
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

/* ---- sweeps ---- */

enum ledger_answer ledger_note_swept(struct ledger *ledger, const char *deletion_id, bool looked,
                                     int64_t after_ms)
{
	char after[32];

	ledger_seconds_text(after_ms, after, sizeof(after));
	const char *params[] = {deletion_id, after_ms < 0 ? NULL : after, looked ? "1" : "0"};
	return run_plain(ledger, LEDGER_SWEPT, params);
}

enum ledger_answer ledger_reopen(struct ledger *ledger, const char *deletion_id, int *turn)
{
	PGresult *row = NULL;
	enum ledger_answer answer = run_row(ledger, LEDGER_REOPEN, &deletion_id, &row);

	if (answer == LEDGER_OK)
		*turn = (int)db_number(row, 0, 0);
	PQclear(row);
	return answer;
}

enum ledger_answer ledger_has_files(struct ledger *ledger, const char *user_id, bool *has)
{
	const char *params[] = {user_id, NULL, "1"};
	enum ledger_answer answer = run_row(ledger, FILES_PAGE, params, NULL);

	*has = answer == LEDGER_OK;
	return answer == LEDGER_SUPERSEDED ? LEDGER_OK : answer;
}
