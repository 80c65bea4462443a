/* The account being deleted, in the gateway: the transaction on the users row and its request.
 *
 * The order is the contract's: lock the users row, read the requests, (publish,) mark and insert,
 * commit. The row stays locked from account_lock to account_mark or account_unlock, and a worker
 * that is told of the deletion waits for that lock to learn whether it was committed. */
#ifndef FAREWELL_ACCOUNT_H
#define FAREWELL_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/ids.h"
#include "lib/deletion/request.h"
#include "lib/session/db.h"

#define ACCOUNT_MARK_SIZE 64
#define ACCOUNT_TIME_SIZE 32

enum account_result {
	ACCOUNT_OK,
	ACCOUNT_ABSENT,  /* no such user, or an id the column's type refuses, in a new session too */
	ACCOUNT_BUSY,    /* somebody else holds the row, or had it and was in our way */
	ACCOUNT_LOCKED,  /* somebody holds a lock on the whole table */
	ACCOUNT_DOWN,    /* the database is away or said no; nothing changed */
	ACCOUNT_WRONG,   /* a setting's statement did not do what it has to; nothing changed */
	ACCOUNT_REFUSED, /* a trigger, a policy, a constraint or a right is against it, and will be when
	                    asked again; nothing changed */
	ACCOUNT_UNKNOWN, /* COMMIT was sent, and what became of it could not be found out */
};

/* A request for deletion, as far as an answer needs it. */
struct account_deletion {
	char id[ID_UUID_SIZE];
	char status[16];
	char requested_at[ACCOUNT_TIME_SIZE]; /* RFC 3339 */
};

struct account {
	char user_id[ID_SIZE];       /* as the database writes it */
	char now[ACCOUNT_TIME_SIZE]; /* when the transaction began, by the database's clock */
	bool marked;                 /* users.deleted_at is set */
	char mark[ACCOUNT_MARK_SIZE];
	bool earlier;   /* farewell.request has live deletions of this user */
	bool requested; /* and one of that mark: */
	struct account_deletion deletion;
};

/* Who asked for what, for farewell.request. */
struct account_request {
	const char *deletion_id;
	const char *requested_by; /* or NULL */
	const char *request_id;
};

/* Checks the statements of an open session: parameters, columns, lock. DB_REFUSED: db_why names the
 * setting. */
enum db_result account_check(struct db *, int64_t deadline_ms);

/* Whether a deletion's mark may be that of an earlier one of the same user, a date for one: a
 * warning in the log. */
enum db_result account_warn_of_type(struct db *, int64_t deadline_ms);

/* Begins the transaction, locks the row of USER_ID and reads its requests. A result
 * other than ACCOUNT_OK has left no transaction open. Connects if need be; once more if the
 * connection turns out to be dead, refuses in an older session than now, or somebody changed the
 * row in a way that only a new transaction can follow. */
enum account_result account_lock(struct db *, const char *user_id, int64_t deadline_ms,
                                 struct account *);

/* Ends the transaction without a change. */
void account_unlock(struct db *, int64_t deadline_ms);

/* The account is requested already: ends the transaction so that what was read is committed, on a
 * synchronous standby too, as account_mark does. Of a completed one it asks for a sweep. */
enum account_result account_repeat(struct db *, struct account *, int64_t deadline_ms);

/* Marks the user unless that is so already, inserts the request with the mark that the row has
 * when every trigger has run, and commits; one round trip. Fills in account->deletion. When the
 * connection breaks under it, or COMMIT comes with a warning, finds out on a new one what became of
 * it. The transaction is over whatever the answer. */
enum account_result account_mark(struct db *, struct account *, const struct account_request *,
                                 int64_t deadline_ms);

/* The newest request of USER_ID, locking nothing. ACCOUNT_OK: ROW has one row of the columns of
 * enum request_newest_column; PQclear it. ACCOUNT_ABSENT: there is no request. */
enum account_result account_newest(struct db *, const char *user_id, int64_t deadline_ms,
                                   PGresult **row);

#endif
