/* The guard's two statements under the lock, and what they mean for the message. */
#include "lib/deletion/guard.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/crash.h"
#include "lib/base/ids.h"
#include "lib/base/log.h"
#include "lib/deletion/request.h"

/* The users row and the request as they were under the lock. */
struct finding {
	bool user_exists, user_marked;
	char user_id[ID_SIZE]; /* canonical, when the row exists */
	char mark[128];        /* when marked */
	bool request_exists, request_finished;
	char request_user_id[ID_SIZE];
	char request_mark[128];
};

/* What a refusal by the server means for the job. */
static enum guard_verdict judge_refusal(struct db *users)
{
	enum sqlstate_kind kind = db_kind(users);

	if (kind == SQLSTATE_BUSY)
		return GUARD_LATER;
	log_error("the guard's question was refused: %s", db_why(users));
	return kind == SQLSTATE_DATA || kind == SQLSTATE_NO_SUCH_ID ? GUARD_REFUSED : GUARD_LOST;
}

static enum guard_verdict guard_lost(struct db *users)
{
	log_warning("the guard has no answer: %s", db_why(users));
	return GUARD_LOST;
}

static void read_user_row(const PGresult *row, struct finding *finding)
{
	finding->user_exists = PQntuples(row) > 0;
	if (!finding->user_exists)
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
	db_copy(row, 0, READ_REQUESTED_AT, message->requested_at, sizeof(message->requested_at));
}

/* Locks the users row, which waits for a gateway that holds it, and then, in a statement of its
 * own, reads the request: one joined statement would see the table as it was before the wait.
 * Leaves the transaction open, but on GUARD_LOST. */
static enum guard_verdict lock_and_read(struct db *users, struct message *message,
                                        struct finding *finding)
{
	const char *user[] = {message->user_id}, *deletion[] = {message->deletion_id};
	bool ours = message->deletion_id[0] != '\0';
	PGresult *results[3] = {NULL};
	int count = ours ? 3 : 2, failed = 0;

	db_queue_sql(users, "BEGIN");
	db_queue(users, USERS_LOCK, user);
	if (ours)
		db_queue(users, REQUEST_READ, deletion);
	enum db_result answer = db_flush(users, results, count, &failed, db_deadline(users));
	if (answer == DB_OK) {
		read_user_row(results[1], finding);
		if (ours)
			read_request_row(results[2], message, finding);
	}
	db_clear(results, count);
	/* Only the lock can say that: of another statement the same error is about its own text, and
	 * the request may well be there. */
	if (answer == DB_REFUSED && failed == 1 && db_kind(users) == SQLSTATE_NO_SUCH_ID)
		return GUARD_ABORTED;
	if (answer == DB_REFUSED)
		return judge_refusal(users);
	return answer == DB_OK ? GUARD_GO : guard_lost(users);
}

/* Another producer's message: the users row decides, and its mark finds or makes the request. */
static enum guard_verdict adopt_request(struct db *users, struct message *message,
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
	db_queue(users, REQUEST_ADOPT, row);
	db_queue(users, REQUEST_FIND, which);
	enum db_result answer = db_flush(users, results, 2, NULL, db_deadline(users));
	bool found = answer == DB_OK && PQntuples(results[1]) == 1;
	if (found) {
		db_copy(results[1], 0, 0, message->deletion_id, sizeof(message->deletion_id));
		clock_rfc3339(time(NULL), message->requested_at);
	}
	db_clear(results, 2);
	if (found)
		return GUARD_GO;
	return answer == DB_REFUSED ? judge_refusal(users) : guard_lost(users);
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
static enum guard_verdict commit_start(struct db *users, const struct message *message,
                                       struct guard_contact *contact)
{
	const char *user[] = {message->user_id}, *deletion[] = {message->deletion_id};
	PGresult *results[3] = {NULL};

	db_queue(users, REQUEST_START, deletion);
	db_queue(users, USERS_CONTACT, user);
	db_queue_sql(users, "COMMIT");
	enum db_result answer = db_flush(users, results, 3, NULL, db_deadline(users));
	bool committed = answer == DB_OK && strcmp(PQcmdStatus(results[2]), "COMMIT") == 0;
	if (committed && PQntuples(results[1]) > 0) {
		db_copy(results[1], 0, CONTACT_ADDRESS, contact->address, sizeof(contact->address));
		db_copy(results[1], 0, CONTACT_NAME, contact->name, sizeof(contact->name));
		db_copy(results[1], 0, CONTACT_LOCALE, contact->locale, sizeof(contact->locale));
	}
	db_clear(results, 3);
	if (committed)
		return GUARD_GO;
	return answer == DB_REFUSED ? judge_refusal(users) : guard_lost(users);
}

enum guard_verdict guard_judge(struct db *users, struct message *message, const char *request_id,
                               struct guard_contact *contact)
{
	struct finding finding = {0};
	bool ours = message->deletion_id[0] != '\0';

	memset(contact, 0, sizeof(*contact));
	enum guard_verdict verdict = lock_and_read(users, message, &finding);
	if (verdict == GUARD_GO)
		verdict = ours ? judge_ours(message, &finding) :
		                 adopt_request(users, message, request_id, &finding);
	if (verdict == GUARD_GO && finding.user_exists)
		snprintf(message->user_id, sizeof(message->user_id), "%s", finding.user_id);
	if (verdict == GUARD_GO)
		verdict = commit_start(users, message, contact);
	if (verdict != GUARD_GO)
		db_roll_back(users);
	else
		CRASH_POINT("worker-after-guard");
	return verdict;
}
