#include "lib/deletion/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/crash.h"
#include "lib/base/log.h"
#include "lib/deletion/status.h"

static enum ledger_answer lost(struct worker *worker)
{
	log_warning("the ledger has no answer: %s", db_why(worker->ledger));
	return LEDGER_LOST;
}

/* Runs STATEMENT, which returns at most one row; no row: LEDGER_SUPERSEDED. */
static enum ledger_answer run_row(struct worker *worker, const char *statement, int count,
                                  const char *const *params, PGresult **row)
{
	PGresult *result = NULL;

	if (db_run(worker->ledger, statement, count, params, &result, worker_db_deadline(worker)) !=
	    DB_OK)
		return lost(worker);
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

static bool is_true(const PGresult *result, int column)
{
	return strcmp(PQgetvalue(result, 0, column), "t") == 0;
}

/* ---- lease ---- */

enum ledger_answer ledger_lease(struct worker *worker, const char *deletion_id)
{
	PGresult *row = NULL;
	enum ledger_answer answer = run_row(worker, "lease", 1, &deletion_id, &row);

	if (answer == LEDGER_OK && !is_true(row, 0))
		answer = LEDGER_BUSY;
	worker->leased = answer == LEDGER_OK;
	PQclear(row);
	return answer;
}

enum ledger_answer ledger_release(struct worker *worker, const char *deletion_id)
{
	if (!worker->leased || !db_is_open(worker->ledger))
		return LEDGER_OK;
	worker->leased = false;
	return run_row(worker, "release", 1, &deletion_id, NULL);
}

/* An outcome and the end of the lease, in one round trip. */
static enum ledger_answer run_last(struct worker *worker, const char *statement, int count,
                                   const char *const *params, PGresult **copy)
{
	PGresult *results[2] = {NULL};

	db_queue(worker->ledger, statement, count, params);
	db_queue(worker->ledger, "release", 1, params);
	enum db_result result = db_flush(worker->ledger, results, 2, NULL, worker_db_deadline(worker));
	PQclear(results[1]);
	worker->leased = worker->leased && result != DB_OK;
	if (result == DB_OK && PQntuples(results[0]) == 1) {
		*copy = results[0];
		return LEDGER_OK;
	}
	PQclear(results[0]);
	return result == DB_OK ? LEDGER_SUPERSEDED : lost(worker);
}

/* ---- begin ---- */

/* Why `begin` returned no row. */
static enum ledger_answer why_not(struct worker *worker, const struct message *message,
                                  PGresult **copy)
{
	const char *params[] = {message->deletion_id};
	PGresult *row = NULL;
	enum ledger_answer answer = run_row(worker, "look", 1, params, &row);

	if (answer != LEDGER_OK)
		return answer;
	const char *status = PQgetvalue(row, 0, 1);
	if (!PQgetisnull(row, 0, 7))
		answer = LEDGER_FINISHED;
	else if (strcmp(status, STATUS_PARKED) == 0 && atoi(PQgetvalue(row, 0, 8)) == message->turn)
		answer = LEDGER_PARKED;
	else
		answer = LEDGER_SUPERSEDED;
	if (answer == LEDGER_SUPERSEDED)
		PQclear(row);
	else
		*copy = row;
	return answer;
}

enum ledger_answer ledger_begin(struct worker *worker, const struct message *message, int attempts,
                                bool redelivered, struct ledger_entry *entry, PGresult **copy)
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
	enum ledger_answer answer = run_row(worker, "begin_job", 5, params, &row);
	if (answer == LEDGER_SUPERSEDED)
		return why_not(worker, message, copy);
	if (answer != LEDGER_OK)
		return answer;
	entry->attempts = atoi(PQgetvalue(row, 0, 0));
	entry->starts = atoi(PQgetvalue(row, 0, 1));
	entry->files_deleted = strtoll(PQgetvalue(row, 0, 2), NULL, 10);
	snprintf(entry->mail, sizeof(entry->mail), "%s", PQgetvalue(row, 0, 3));
	entry->failing_ms = strtoll(PQgetvalue(row, 0, 4), NULL, 10);
	PQclear(row);
	return LEDGER_OK;
}

/* ---- work ---- */

/* Ends a transaction that failed, keeping the session and its lease. */
static bool roll_back(struct worker *worker)
{
	return db_command(worker->ledger, "ROLLBACK", NULL, worker_db_deadline(worker)) == DB_OK;
}

enum ledger_answer ledger_progress(struct worker *worker, struct ledger_entry *entry,
                                   const char *ids, int64_t count, int64_t *changed,
                                   PGresult **copy)
{
	char turn[16], deleted[24];
	PGresult *results[4] = {NULL};
	enum ledger_answer answer = LEDGER_LOST;
	int failed = 0;

	snprintf(turn, sizeof(turn), "%d", entry->turn);
	snprintf(deleted, sizeof(deleted), "%lld", (long long)count);
	const char *rows[] = {entry->user_id, ids};
	const char *params[] = {entry->deletion_id, turn, deleted};
	db_queue(worker->ledger, "BEGIN", 0, NULL);
	db_queue(worker->ledger, "files_done", 2, rows);
	db_queue(worker->ledger, "progress", 3, params);
	db_queue(worker->ledger, "COMMIT", 0, NULL);
	enum db_result result =
		db_flush(worker->ledger, results, 4, &failed, worker_db_deadline(worker));
	if (result == DB_REFUSED && failed == 1 && db_refused_data(worker->ledger) &&
	    roll_back(worker)) {
		answer = LEDGER_REFUSED;
	} else if (result == DB_REFUSED) {
		lost(worker);
		db_close(worker->ledger); /* with its open transaction */
	} else if (result != DB_OK || strcmp(PQcmdStatus(results[3]), "COMMIT") != 0) {
		lost(worker);
	} else if (PQntuples(results[2]) != 1) {
		answer = LEDGER_SUPERSEDED;
	} else {
		answer = LEDGER_OK;
		entry->files_deleted = strtoll(PQgetvalue(results[2], 0, 3), NULL, 10);
		*changed = PQresultStatus(results[1]) == PGRES_COMMAND_OK ?
		               strtoll(PQcmdTuples(results[1]), NULL, 10) :
		               PQntuples(results[1]);
		*copy = results[2];
		results[2] = NULL;
	}
	for (int i = 0; i < 4; i++)
		PQclear(results[i]);
	return answer;
}

enum ledger_answer ledger_sending(struct worker *worker, struct ledger_entry *entry)
{
	char turn[16];

	snprintf(turn, sizeof(turn), "%d", entry->turn);
	const char *params[] = {entry->deletion_id, turn};
	enum ledger_answer answer = run_row(worker, "sending", 2, params, NULL);
	if (answer == LEDGER_OK)
		snprintf(entry->mail, sizeof(entry->mail), "%s", MAIL_SENDING);
	return answer;
}

/* ---- outcomes ---- */

enum ledger_answer ledger_complete(struct worker *worker, const struct ledger_entry *entry,
                                   const char *mail, const char *why, PGresult **copy)
{
	char turn[16];

	snprintf(turn, sizeof(turn), "%d", entry->turn);
	const char *params[] = {entry->deletion_id, turn, mail, why};
	return run_last(worker, "complete", 4, params, copy);
}

enum ledger_answer ledger_pass_on(struct worker *worker, struct ledger_entry *entry, int failures,
                                  const char *why, int64_t delay_ms, PGresult **copy)
{
	char turn[16], count[16], delay[32];

	snprintf(turn, sizeof(turn), "%d", entry->turn);
	snprintf(count, sizeof(count), "%d", failures);
	snprintf(delay, sizeof(delay), "%lld.%03d", (long long)(delay_ms / 1000),
	         (int)(delay_ms % 1000));
	const char *params[] = {entry->deletion_id, turn, count,
	                        entry->mail,        why,  delay_ms < 0 ? NULL : delay};
	enum ledger_answer answer = run_last(worker, "pass_on", 6, params, copy);
	if (answer == LEDGER_OK) {
		entry->turn++;
		entry->attempts += failures;
		CRASH_POINT("worker-after-turn");
	}
	return answer;
}

enum ledger_answer ledger_park(struct worker *worker, const struct ledger_entry *entry,
                               int failures, const char *why, PGresult **copy)
{
	char turn[16], count[16];

	snprintf(turn, sizeof(turn), "%d", entry->turn);
	snprintf(count, sizeof(count), "%d", failures);
	const char *params[] = {entry->deletion_id, turn, count, entry->mail, why};
	return run_last(worker, "park", 5, params, copy);
}

enum ledger_answer ledger_cancel(struct worker *worker, const char *deletion_id,
                                 const char *user_id, PGresult **copy)
{
	const char *params[] = {deletion_id, user_id};
	enum ledger_answer answer = run_row(worker, "cancel", 2, params, copy);

	return answer == LEDGER_SUPERSEDED ? LEDGER_FINISHED : answer;
}

enum ledger_answer ledger_uncount(struct worker *worker, const struct ledger_entry *entry,
                                  const char *mail)
{
	char turn[16];

	snprintf(turn, sizeof(turn), "%d", entry->turn);
	const char *params[] = {entry->deletion_id, turn, mail};
	if (db_run(worker->ledger, "uncount", 3, params, NULL, worker_db_deadline(worker)) != DB_OK)
		return lost(worker);
	return LEDGER_OK;
}
