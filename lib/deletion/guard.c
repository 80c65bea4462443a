#include "lib/deletion/guard.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/crash.h"
#include "lib/base/ids.h"
#include "lib/base/log.h"

#define COPY_COLUMNS 8

/* The users row and the request as they were under the lock. */
struct finding {
	bool user_exists, user_marked;
	char user_id[ID_SIZE]; /* canonical, when the row exists */
	char mark[128];        /* when marked */
	bool request_exists, request_finished;
	char request_user_id[ID_SIZE];
	char request_mark[128];
};

static void roll_back(struct worker *worker)
{
	if (db_is_open(worker->users) &&
	    db_command(worker->users, "ROLLBACK", NULL, worker_db_deadline(worker)) == DB_REFUSED)
		db_close(worker->users);
}

/* Whether the server says that the column of the users' ids can hold no such value: no user has
 * that id. */
static bool no_such_id(struct worker *worker)
{
	/* invalid_text_representation, numeric_value_out_of_range, character_not_in_repertoire,
	 * untranslatable_character */
	static const char *const states[] = {"22P02", "22003", "22021", "22P05"};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(db_sqlstate(worker->users), states[i]) == 0)
			return true;
	return false;
}

/* What a refusal by the server means for the job. */
static enum guard_verdict judge_refusal(struct worker *worker)
{
	const char *state = db_sqlstate(worker->users);

	/* 55P03 lock_not_available, 57014 query_canceled (a time-out), 40P01 deadlock_detected */
	if (strcmp(state, "55P03") == 0 || strcmp(state, "57014") == 0 || strcmp(state, "40P01") == 0)
		return GUARD_LATER;
	log_error("the guard's question was refused: %s", db_why(worker->users));
	return db_refused_data(worker->users) ? GUARD_REFUSED : GUARD_LOST;
}

static enum guard_verdict lost(struct worker *worker)
{
	log_warning("the guard has no answer: %s", db_why(worker->users));
	return GUARD_LOST;
}

static void copy_field(char *place, size_t size, const PGresult *result, int row, int column)
{
	snprintf(place, size, "%s",
	         PQgetisnull(result, row, column) ? "" : PQgetvalue(result, row, column));
}

static void read_user_row(const PGresult *row, struct finding *finding)
{
	finding->user_exists = PQntuples(row) > 0;
	if (!finding->user_exists)
		return;
	finding->user_marked = !PQgetisnull(row, 0, 1);
	copy_field(finding->user_id, sizeof(finding->user_id), row, 0, 0);
	copy_field(finding->mark, sizeof(finding->mark), row, 0, 1);
}

static void read_request_row(const PGresult *row, struct message *message, struct finding *finding)
{
	finding->request_exists = PQntuples(row) > 0;
	if (!finding->request_exists)
		return;
	copy_field(finding->request_user_id, sizeof(finding->request_user_id), row, 0, 0);
	copy_field(finding->request_mark, sizeof(finding->request_mark), row, 0, 1);
	finding->request_finished = strcmp(PQgetvalue(row, 0, 3), "t") == 0;
	copy_field(message->requested_at, sizeof(message->requested_at), row, 0, 4);
}

/* Locks the users row, which waits for a gateway that holds it, and then, in a statement of its
 * own, reads the request: one joined statement would see the table as it was before the wait.
 * Leaves the transaction open, but on GUARD_LOST. */
static enum guard_verdict look(struct worker *worker, struct message *message,
                               struct finding *finding)
{
	const char *user[] = {message->user_id}, *deletion[] = {message->deletion_id};
	bool ours = message->deletion_id[0] != '\0';
	PGresult *results[3] = {NULL};
	int count = ours ? 3 : 2, failed = 0;

	db_queue(worker->users, "BEGIN", 0, NULL);
	db_queue(worker->users, "lock_user", 1, user);
	if (ours)
		db_queue(worker->users, "read_request", 1, deletion);
	enum db_result answer =
		db_flush(worker->users, results, count, &failed, worker_db_deadline(worker));
	if (answer == DB_OK) {
		read_user_row(results[1], finding);
		if (ours)
			read_request_row(results[2], message, finding);
	}
	for (int i = 0; i < count; i++)
		PQclear(results[i]);
	/* Only the lock can say that: of another statement the same error is about its own text, and
	 * the request may well be there. */
	if (answer == DB_REFUSED && failed == 1 && no_such_id(worker))
		return GUARD_ABORTED;
	if (answer == DB_REFUSED)
		return judge_refusal(worker);
	return answer == DB_OK ? GUARD_GO : lost(worker);
}

/* Another producer's message: the users row decides, and its mark finds or makes the request. */
static enum guard_verdict adopt(struct worker *worker, struct message *message,
                                const char *request_id, const struct finding *finding)
{
	char fresh[ID_UUID_SIZE];
	PGresult *results[2] = {NULL};

	if (!finding->user_exists)
		return GUARD_ABORTED;
	if (!finding->user_marked)
		return GUARD_ACTIVE;
	id_fresh(fresh);
	const char *row[] = {fresh, finding->user_id, finding->mark, request_id};
	const char *which[] = {finding->user_id, finding->mark};
	db_queue(worker->users, "adopt_request", 4, row);
	db_queue(worker->users, "find_request", 2, which);
	enum db_result answer = db_flush(worker->users, results, 2, NULL, worker_db_deadline(worker));
	bool found = answer == DB_OK && PQntuples(results[1]) == 1;
	if (found) {
		copy_field(message->deletion_id, sizeof(message->deletion_id), results[1], 0, 0);
		clock_rfc3339(time(NULL), message->requested_at);
	}
	PQclear(results[0]);
	PQclear(results[1]);
	if (found)
		return GUARD_GO;
	return answer == DB_REFUSED ? judge_refusal(worker) : lost(worker);
}

static enum guard_verdict judge_ours(const struct message *message, const struct finding *finding)
{
	if (!finding->request_exists ||
	    strcmp(finding->request_user_id,
	           finding->user_exists ? finding->user_id : message->user_id) != 0)
		return GUARD_ABORTED;
	if (finding->request_finished)
		return GUARD_FINISHED;
	/* No row but a committed request: the account was removed altogether, its files are still ours
	 * to delete. */
	if (finding->user_exists &&
	    (!finding->user_marked || strcmp(finding->mark, finding->request_mark) != 0))
		return GUARD_CANCELLED;
	return GUARD_GO;
}

/* Stamps the point of no return, reads whom to write to, and commits. */
static enum guard_verdict commit_start(struct worker *worker, const struct message *message,
                                       struct guard_contact *contact)
{
	const char *user[] = {message->user_id}, *deletion[] = {message->deletion_id};
	PGresult *results[3] = {NULL};

	db_queue(worker->users, "stamp_start", 1, deletion);
	db_queue(worker->users, "user_contact", 1, user);
	db_queue(worker->users, "COMMIT", 0, NULL);
	enum db_result answer = db_flush(worker->users, results, 3, NULL, worker_db_deadline(worker));
	bool committed = answer == DB_OK && strcmp(PQcmdStatus(results[2]), "COMMIT") == 0;
	if (committed && PQntuples(results[1]) > 0) {
		copy_field(contact->address, sizeof(contact->address), results[1], 0, 0);
		copy_field(contact->name, sizeof(contact->name), results[1], 0, 1);
		copy_field(contact->locale, sizeof(contact->locale), results[1], 0, 2);
	}
	for (int i = 0; i < 3; i++)
		PQclear(results[i]);
	if (committed)
		return GUARD_GO;
	return answer == DB_REFUSED ? judge_refusal(worker) : lost(worker);
}

enum guard_verdict guard_judge(struct worker *worker, struct message *message,
                               const char *request_id, struct guard_contact *contact)
{
	struct finding finding = {0};
	bool ours = message->deletion_id[0] != '\0';

	memset(contact, 0, sizeof(*contact));
	enum guard_verdict verdict = look(worker, message, &finding);
	if (verdict == GUARD_GO)
		verdict =
			ours ? judge_ours(message, &finding) : adopt(worker, message, request_id, &finding);
	if (verdict == GUARD_GO && finding.user_exists)
		snprintf(message->user_id, sizeof(message->user_id), "%s", finding.user_id);
	if (verdict == GUARD_GO)
		verdict = commit_start(worker, message, contact);
	if (verdict != GUARD_GO)
		roll_back(worker);
	else
		CRASH_POINT("worker-after-guard");
	return verdict;
}

enum db_result guard_report(struct worker *worker, const PGresult *copy)
{
	const char *params[COPY_COLUMNS];

	for (int i = 0; i < COPY_COLUMNS; i++)
		params[i] = PQgetisnull(copy, 0, i) ? NULL : PQgetvalue(copy, 0, i);
	enum db_result result =
		db_run(worker->users, "report", COPY_COLUMNS, params, NULL, worker_db_deadline(worker));
	if (result != DB_OK)
		log_warning("the request could not be brought up to date: %s", db_why(worker->users));
	return result;
}
