/* The guard's two statements under the lock, and what they mean for the message. */
#include "lib/deletion/guard.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/crash.h"
#include "lib/base/ids.h"
#include "lib/base/log.h"
#include "lib/deletion/lineage.h"
#include "lib/deletion/mark.h"
#include "lib/deletion/request.h"

#define MARK_SIZE 128

/* The users row and the request as they were under the lock. */
struct finding {
	int users; /* rows of this id; more than one is an error of the setting */
	bool user_marked;
	char user_id[ID_SIZE]; /* canonical, when the row exists */
	char mark[MARK_SIZE];  /* when marked */
	bool request_exists, request_finished, request_cancelled;
	int64_t request_age_ms;
	char request_user_id[ID_SIZE];
	char request_mark[MARK_SIZE];
};

/* One question on its way. */
struct guard {
	struct db *users;
	struct message *message;
	const struct guard_question *question;
	struct guard_answer *answer;
	struct finding finding;
};

/* What an exchange that did not go well means. */
static enum guard_verdict guard_failed(const struct guard *guard, enum db_result result)
{
	log_warning("the guard's question failed: %s", db_why(guard->users));
	return result == DB_REFUSED && db_is_open(guard->users) ? GUARD_REFUSED : GUARD_LOST;
}

__attribute__((format(printf, 2, 3))) static enum guard_verdict guard_park(
	const struct guard *guard, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(guard->answer->why, sizeof(guard->answer->why), format, args);
	va_end(args);
	return GUARD_PARK;
}

static enum guard_verdict guard_cancelled(const struct guard *guard, const char *why)
{
	snprintf(guard->answer->why, sizeof(guard->answer->why), "%s", why);
	return GUARD_CANCELLED;
}

static enum guard_verdict park_ambiguous(const struct guard *guard)
{
	return guard_park(
		guard, "worker.lock_user_sql returned %d rows for one id; it must select by a unique key",
		guard->finding.users);
}

static bool is_infinite(const struct finding *finding)
{
	return finding->user_marked && mark_is_infinite(finding->mark);
}

static enum guard_verdict park_infinite(const struct guard *guard)
{
	return guard_park(
		guard,
		"worker.lock_user_sql returned %.10s as the time of deletion: " MARK_INFINITE_ADVICE
		" in it and in gateway.lock_user_sql",
		guard->finding.mark);
}

/* ---- lock and read ---- */

static void read_user_row(const PGresult *row, struct finding *finding)
{
	finding->users = PQntuples(row);
	if (finding->users == 0)
		return;
	finding->user_marked = !PQgetisnull(row, 0, USERS_DELETED_AT);
	db_copy(row, 0, USERS_ID, finding->user_id, sizeof(finding->user_id));
	db_copy(row, 0, USERS_DELETED_AT, finding->mark, sizeof(finding->mark));
}

static void read_request_row(const PGresult *row, struct message *message, struct finding *finding)
{
	finding->request_exists = PQntuples(row) > 0;
	if (!finding->request_exists)
		return;
	db_copy(row, 0, READ_USER_ID, finding->request_user_id, sizeof(finding->request_user_id));
	db_copy(row, 0, READ_MARK, finding->request_mark, sizeof(finding->request_mark));
	finding->request_finished = db_is_true(row, 0, READ_FINISHED);
	finding->request_cancelled = db_is_true(row, 0, READ_CANCELLED);
	finding->request_age_ms = db_number(row, 0, READ_AGE_MS);
	db_copy(row, 0, READ_REQUESTED_AT, message->requested_at, sizeof(message->requested_at));
}

/* The request alone, when nobody can have the message's user id. */
static enum guard_verdict read_request_alone(struct guard *guard)
{
	const char *deletion[] = {guard->message->deletion_id};
	PGresult *row = NULL;

	if (guard->message->deletion_id[0] == '\0')
		return GUARD_GO;
	enum db_result result =
		db_run(guard->users, REQUEST_READ, deletion, &row, db_deadline(guard->users));
	if (result != DB_OK)
		return guard_failed(guard, result);
	read_request_row(row, guard->message, &guard->finding);
	PQclear(row);
	return GUARD_GO;
}

/* Locks the users row, which waits for a gateway that holds it, and then, in a statement of its
 * own, reads the request: one joined statement would see the table as it was before the wait.
 * GUARD_GO leaves the transaction open. */
static enum guard_verdict lock_and_read(struct guard *guard)
{
	struct message *message = guard->message;
	const char *user[] = {message->user_id}, *deletion[] = {message->deletion_id};
	bool ours = message->deletion_id[0] != '\0';
	PGresult *results[3] = {NULL};
	int count = ours ? 3 : 2, failed = 0;

	db_queue_sql(guard->users, "BEGIN");
	db_queue(guard->users, USERS_LOCK, user);
	if (ours)
		db_queue(guard->users, REQUEST_READ, deletion);
	enum db_result result =
		db_flush(guard->users, results, count, &failed, db_deadline(guard->users));
	if (result == DB_OK) {
		read_user_row(results[1], &guard->finding);
		if (ours)
			read_request_row(results[2], message, &guard->finding);
	}
	db_clear(results, count);
	if (result == DB_OK)
		return GUARD_GO;
	/* Only the lock can say that, and only in a session that knows the column's present type. */
	if (result == DB_REFUSED && failed == 1 && guard->question->fresh &&
	    db_kind(guard->users) == SQLSTATE_NO_SUCH_ID) {
		db_roll_back(guard->users); /* the column of the users' ids can hold no such value */
		return read_request_alone(guard);
	}
	return guard_failed(guard, result);
}

/* ---- the request of a message ---- */

/* *FOUND: the live request of this mark. In the open transaction. */
static enum guard_verdict find_live_request(struct guard *guard, char found[ID_UUID_SIZE])
{
	const char *which[] = {guard->finding.user_id, guard->finding.mark};
	PGresult *row = NULL;
	enum db_result result =
		db_run(guard->users, REQUEST_FIND, which, &row, db_deadline(guard->users));

	found[0] = '\0';
	if (result == DB_OK && PQntuples(row) > 0)
		db_copy(row, 0, FIND_DELETION_ID, found, ID_UUID_SIZE);
	PQclear(row);
	return result == DB_OK ? GUARD_GO : guard_failed(guard, result);
}

/* Another producer's message: the users row decides, and its mark finds or makes the request. */
static enum guard_verdict adopt_request(struct guard *guard)
{
	struct message *message = guard->message;
	const struct finding *finding = &guard->finding;
	char fresh[ID_UUID_SIZE];
	PGresult *results[2] = {NULL};

	if (finding->users == 0)
		return GUARD_ABSENT;
	if (finding->users > 1)
		return park_ambiguous(guard);
	if (!finding->user_marked)
		return GUARD_ACTIVE;
	if (is_infinite(finding))
		return park_infinite(guard);
	id_fresh(fresh);
	const char *row[] = {fresh, finding->user_id, finding->mark, guard->question->request_id};
	const char *which[] = {finding->user_id, finding->mark};
	db_queue(guard->users, REQUEST_ADOPT, row);
	db_queue(guard->users, REQUEST_FIND, which);
	enum db_result result = db_flush(guard->users, results, 2, NULL, db_deadline(guard->users));
	bool found = result == DB_OK && PQntuples(results[1]) == 1, finished = false;
	if (found) {
		db_copy(results[1], 0, FIND_DELETION_ID, message->deletion_id,
		        sizeof(message->deletion_id));
		finished = db_is_true(results[1], 0, FIND_FINISHED);
		clock_rfc3339(time(NULL), message->requested_at);
	}
	db_clear(results, 2);
	if (result != DB_OK)
		return guard_failed(guard, result);
	if (!found)
		return guard_park(guard, "the request of this mark could not be made");
	return finished ? GUARD_FINISHED : GUARD_GO;
}

/* In an application in which a mark can only mean deleted, the request takes the present one. */
static enum guard_verdict adopt_mark(struct guard *guard)
{
	const char *params[] = {guard->message->deletion_id, guard->finding.mark};
	enum db_result result =
		db_run(guard->users, REQUEST_REMARK, params, NULL, db_deadline(guard->users));

	if (result != DB_OK)
		return guard_failed(guard, result);
	log_warning("deleted_at was written again: the deletion goes on with %s instead of %s",
	            guard->finding.mark, guard->finding.request_mark);
	return GUARD_GO;
}

/* The user carries another mark than the request: another deletion, or the same written twice. */
static enum guard_verdict judge_mark(struct guard *guard)
{
	const struct finding *finding = &guard->finding;
	char other[ID_UUID_SIZE];
	enum guard_verdict verdict = find_live_request(guard, other);

	if (verdict != GUARD_GO)
		return verdict;
	if (other[0] != '\0') {
		snprintf(guard->answer->why, sizeof(guard->answer->why),
		         "the user was restored and deleted again, by the deletion %s", other);
		return GUARD_CANCELLED;
	}
	if (guard->question->conf->worker.touched_mark == TOUCHED_MARK_ADOPT)
		return adopt_mark(guard);
	return guard_park(guard,
	                  "the user is deleted, but since %.60s and not since %.60s as this request "
	                  "says: deleted_at was written again, or he was restored and deleted by other "
	                  "means; set farewell.request.mark to the new value, or cancel the request",
	                  finding->mark, finding->request_mark);
}

/* No such request: one that was rolled back, unless the database is not the one that it was
 * committed to. */
static enum guard_verdict judge_ghost(struct guard *guard)
{
	const char *published_for = guard->question->lineage;
	struct lineage here = {0};

	if (published_for == NULL)
		return GUARD_ABORTED;
	enum db_result result = lineage_read(&here, guard->users, db_deadline(guard->users));
	if (result != DB_OK)
		return guard_failed(guard, result);
	if (lineage_agrees(published_for, here.text))
		return GUARD_ABORTED;
	return guard_park(guard,
	                  "there is no such request, but it was asked for in another database (%.90s) "
	                  "than this one (%.90s): a fail-over, a restore or a clone may have lost it",
	                  published_for, here.text);
}

static enum guard_verdict judge_ours(struct guard *guard)
{
	const struct finding *finding = &guard->finding;
	const char *named = guard->message->user_id;

	if (finding->users > 1)
		return park_ambiguous(guard);
	if (!finding->request_exists && guard->question->seen)
		return guard_park(guard, "the request was seen before and is gone from the user database: "
		                         "was it restored from a backup, has a standby taken over, or is "
		                         "worker.user_db another database?");
	if (!finding->request_exists)
		return judge_ghost(guard);
	if (strcmp(finding->request_user_id, named) != 0 &&
	    (finding->users == 0 || strcmp(finding->request_user_id, finding->user_id) != 0)) {
		guard_park(guard, "the message names another user than its request");
		return GUARD_MISMATCH;
	}
	if (finding->request_finished)
		return GUARD_FINISHED;
	if (finding->request_cancelled)
		return guard_cancelled(guard, "the request was cancelled");
	if (finding->users == 0 && guard->question->conf->worker.absent_user == ABSENT_USER_PARK)
		return guard_park(guard, "there is no row of this user, though the request was committed; "
		                         "if rows are removed on purpose, set worker.absent_user to "
		                         "continue; else look at row-level security, views and the "
		                         "search_path of worker.lock_user_sql");
	if (finding->users == 0)
		return GUARD_GO;
	if (!finding->user_marked)
		return guard_cancelled(guard, "the user was restored");
	if (is_infinite(finding))
		return park_infinite(guard);
	return strcmp(finding->mark, finding->request_mark) == 0 ? GUARD_GO : judge_mark(guard);
}

/* A message of ours with a user id that common.id_format does not have. If it is its request's, the
 * setting is not the one that the request was made with. */
static enum guard_verdict judge_misfit(struct guard *guard)
{
	const struct finding *finding = &guard->finding;

	if (!finding->request_exists ||
	    strcmp(finding->request_user_id, guard->message->user_id) != 0) {
		guard_park(guard, "%s", guard->question->misfit);
		return GUARD_MISMATCH;
	}
	if (finding->request_finished)
		return GUARD_FINISHED;
	if (finding->request_cancelled)
		return guard_cancelled(guard, "the request was cancelled");
	return guard_park(guard, "%s, but a request has it: does the gateway have another setting?",
	                  guard->question->misfit);
}

/* ---- the point of no return ---- */

/* The user was restored: from here on the request is nobody's, also if its mark comes back. */
static enum guard_verdict commit_cancelling(struct guard *guard)
{
	const char *deletion[] = {guard->message->deletion_id};
	PGresult *results[2] = {NULL};

	db_queue(guard->users, REQUEST_CANCEL, deletion);
	db_queue_sql(guard->users, "COMMIT");
	enum db_result result = db_flush(guard->users, results, 2, NULL, db_deadline(guard->users));
	bool committed = result == DB_OK && strcmp(PQcmdStatus(results[1]), "COMMIT") == 0;
	db_clear(results, 2);
	if (committed)
		return GUARD_CANCELLED;
	return guard_failed(guard, result == DB_OK ? DB_LOST : result);
}

/* Stamps it, reads whom to write to, and commits. */
static enum guard_verdict commit_start(struct guard *guard)
{
	const char *user[] = {guard->message->user_id}, *deletion[] = {guard->message->deletion_id};
	struct guard_contact *contact = &guard->answer->contact;
	PGresult *results[3] = {NULL};

	db_queue(guard->users, REQUEST_START, deletion);
	db_queue(guard->users, USERS_CONTACT, user);
	db_queue_sql(guard->users, "COMMIT");
	enum db_result result = db_flush(guard->users, results, 3, NULL, db_deadline(guard->users));
	bool committed = result == DB_OK && strcmp(PQcmdStatus(results[2]), "COMMIT") == 0 &&
	                 strcmp(PQcmdTuples(results[0]), "1") == 0;
	if (committed && PQntuples(results[1]) > 0) {
		db_copy(results[1], 0, CONTACT_ADDRESS, contact->address, sizeof(contact->address));
		db_copy(results[1], 0, CONTACT_NAME, contact->name, sizeof(contact->name));
		db_copy(results[1], 0, CONTACT_LOCALE, contact->locale, sizeof(contact->locale));
	}
	db_clear(results, 3);
	if (committed)
		return GUARD_GO;
	return guard_failed(guard, result == DB_OK ? DB_LOST : result);
}

enum guard_verdict guard_judge(struct db *users, struct message *message,
                               const struct guard_question *question, struct guard_answer *answer)
{
	struct guard guard = {users, message, question, answer, {0}};
	bool ours = message->deletion_id[0] != '\0';

	memset(answer, 0, sizeof(*answer));
	enum guard_verdict verdict =
		question->misfit != NULL ? read_request_alone(&guard) : lock_and_read(&guard);
	if (verdict == GUARD_GO && question->misfit != NULL)
		verdict = judge_misfit(&guard);
	else if (verdict == GUARD_GO)
		verdict = ours ? judge_ours(&guard) : adopt_request(&guard);
	if (verdict == GUARD_GO && guard.finding.users > 0)
		snprintf(message->user_id, sizeof(message->user_id), "%s", guard.finding.user_id);
	if (verdict == GUARD_GO)
		verdict = commit_start(&guard);
	else if (verdict == GUARD_CANCELLED)
		verdict = commit_cancelling(&guard);
	if (verdict != GUARD_GO)
		db_roll_back(users);
	else
		CRASH_POINT("worker-after-guard");
	answer->requested_ms = guard.finding.request_exists ? guard.finding.request_age_ms : -1;
	answer->verdict = verdict;
	return verdict;
}

enum guard_verdict guard_look_again(struct db *users, const struct message *message, bool absent_ok)
{
	const char *user[] = {message->user_id}, *deletion[] = {message->deletion_id};
	struct guard guard = {.users = users};
	struct message read = *message;
	PGresult *results[4] = {NULL};
	const struct finding *finding = &guard.finding;

	db_queue_sql(users, "BEGIN");
	db_queue(users, USERS_LOCK, user);
	db_queue(users, REQUEST_READ, deletion);
	db_queue_sql(users, "COMMIT");
	enum db_result result = db_flush(users, results, 4, NULL, db_deadline(users));
	bool committed = result == DB_OK && strcmp(PQcmdStatus(results[3]), "COMMIT") == 0;
	if (committed) {
		read_user_row(results[1], &guard.finding);
		read_request_row(results[2], &read, &guard.finding);
	}
	db_clear(results, 4);
	if (!committed) {
		enum guard_verdict failed = guard_failed(&guard, result == DB_OK ? DB_LOST : result);
		db_roll_back(users);
		return failed;
	}
	if (!finding->request_exists || finding->request_finished || finding->request_cancelled)
		return GUARD_FINISHED;
	if (finding->users == 0)
		return absent_ok ? GUARD_GO : GUARD_PARK;
	return finding->user_marked && !is_infinite(finding) &&
	               strcmp(finding->mark, finding->request_mark) == 0 ?
	           GUARD_GO :
	           GUARD_CANCELLED;
}
