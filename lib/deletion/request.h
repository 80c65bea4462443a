/* farewell.request, what was asked for: its statements, and those of the application that are run
 * in the same session, the user database's. No other module names that table in SQL.
 *
 * Statements that belong to a transaction are queued by account.c (the gateway's) and guard.c (the
 * worker's); what stands alone has a function here. */
#ifndef FAREWELL_REQUEST_H
#define FAREWELL_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/config/conf.h"
#include "lib/deletion/status.h"
#include "lib/session/db.h"

enum user_db_statement {
	/* The application's, from the settings. */
	USERS_LOCK,    /* $1 id: enum users_column; the row is locked */
	USERS_MARK,    /* gateway.mark_user_sql: $1 id; one row: the mark it returned, null if none */
	USERS_CONTACT, /* $1 id: enum contact_column */
	/* The gateway's. */
	REQUEST_READ_LIVE, /* $1 user: enum request_column of those not cancelled; one row at least, for
	                      the time */
	REQUEST_HOLD,      /* $1 deletion: enum request_new_column; the row is locked */
	REQUEST_ASK_SWEEP, /* $1 deletion: if it is completed, that late files be looked for */
	REQUEST_INSERT,    /* $1 deletion, user, mark, by whom, request id: enum request_new_column */
	REQUEST_SET_APART, /* $1 id, user, deletion: earlier ones of the mark that the row has now are
	                      not of that mark any more */
	REQUEST_INSERT_SEEN, /* $1 id, deletion, user, by whom, request id: as REQUEST_INSERT, with the
	                        mark that the row has now; none is refused (23502) */
	TABLE_LOCKS, /* $1 a statement's text: enum table_lock_column of a lock that another session has
	                or wants on a table it names, or on farewell.request */
	COARSE_COLUMNS, /* $1 a statement's text: enum coarse_column of those it returns as text */
	REQUEST_NEWEST, /* $1 user: enum request_newest_column */
	/* The worker's. */
	REQUEST_READ,      /* $1 deletion: enum request_read_column */
	REQUEST_ADOPT,     /* $1 deletion, user, mark, request id; nothing if there is one */
	REQUEST_FIND,      /* $1 user, mark: enum request_find_column */
	REQUEST_REMARK,    /* $1 deletion, mark */
	REQUEST_START,     /* $1 deletion: the point of no return */
	REQUEST_CANCEL,    /* $1 deletion: nobody's deletion from now on; the report finishes it */
	REQUEST_REPORT,    /* see request_report */
	REQUEST_STATE,     /* see request_state */
	REQUEST_CLAIM,     /* see request_claim */
	REQUEST_UNCLAIM,   /* see request_give_back */
	REQUEST_HASTEN,    /* see request_hasten */
	REQUEST_MISSING,   /* see request_missing */
	REQUEST_PUBLISHED, /* $1 deletion */
	REQUEST_REOPEN,    /* see request_reopen */
	REQUEST_ASKED,     /* see request_sweeps_asked */
	REQUEST_SWEPT,     /* see request_note_swept */
	REQUEST_STARTED,   /* see request_started */
	PAIRING_READ,      /* pairing.c's, as the next */
	PAIRING_TAKE,
	REQUEST_LEAD,   /* see request_lead */
	REQUEST_UNLEAD, /* see request_follow */
	USER_DB_STATEMENTS
};

enum users_column { USERS_ID, USERS_DELETED_AT, USERS_COLUMNS };
enum contact_column { CONTACT_ADDRESS, CONTACT_NAME, CONTACT_LOCALE, CONTACT_COLUMNS };
enum request_column { REQUEST_NOW, REQUEST_ID, REQUEST_MARK, REQUEST_STATUS, REQUEST_REQUESTED_AT };
enum request_new_column { REQUEST_NEW_STATUS, REQUEST_NEW_REQUESTED_AT, REQUEST_NEW_COLUMNS };
enum request_find_column { FIND_DELETION_ID, FIND_FINISHED };
enum table_lock_column { LOCK_TABLE, LOCK_MODE, LOCK_PID, LOCK_COLUMNS };
enum coarse_column { COARSE_TABLE, COARSE_COLUMN, COARSE_TYPE };
enum missing_column { MISSING_RECOVERY, MISSING_IDS, MISSING_FINISHED_IDS };
enum request_read_column {
	READ_USER_ID,
	READ_MARK,
	READ_FINISHED,
	READ_REQUESTED_AT,
	READ_AGE_MS,
	READ_CANCELLED
};

/* In the order of REQUEST_NEWEST. */
enum request_newest_column {
	NEWEST_USER_ID,
	NEWEST_DELETION_ID,
	NEWEST_STATUS,
	NEWEST_MAIL,
	NEWEST_FILES_DELETED,
	NEWEST_ATTEMPTS,
	NEWEST_LAST_ERROR,
	NEWEST_REQUESTED_AT,
	NEWEST_STARTED_AT,
	NEWEST_FINISHED_AT,
	NEWEST_NEXT_ATTEMPT_AT,
	NEWEST_VERSIONS_LEFT,
	NEWEST_COLUMNS
};

/* Statements of ours around a setting's. */
struct request_texts {
	char *mark, *insert_seen, *set_apart;
};

/* Fill TABLE for the session of one of the programs. The texts are CONF's and literals, but
 * TEXTS, to be freed after the session. False: no memory. */
bool request_gateway_statements(const struct conf *, struct db_statement table[USER_DB_STATEMENTS],
                                struct request_texts *);
void request_free_texts(struct request_texts *);
void request_worker_statements(const struct conf *, struct db_statement table[USER_DB_STATEMENTS]);

/* Carries the ledger's state to the request, unless that is finished or has heard of a later one:
 * *HEARD, which may be NULL, says whether it took it. Errors are the session's, and logged. */
enum db_result request_report(struct db *, const struct deletion_state *, bool *heard);
/* What the request has heard of; no request: the deletion id is "". Errors as above. */
enum db_result request_state(struct db *, const char *deletion_id, struct deletion_state *);

/* ---- for the reconciler ---- */

enum claim_column { CLAIM_DELETION_ID, CLAIM_USER_ID, CLAIM_REQUESTED_AT, CLAIM_REQUEST_ID };

/* Claims up to LIMIT unfinished requests that were not looked at for AFTER_MS, twice as long each
 * time, and whose message is older than PASSED_MS: rows of enum claim_column in *ROWS, the oldest
 * request first, PQclear it. */
enum db_result request_claim(struct db *, int64_t after_ms, int64_t passed_ms, int64_t limit,
                             PGresult **rows);

/* Notes that a deletion's message was published again. */
enum db_result request_note_published(struct db *, const char *deletion_id);

/* Takes the session lock that lets one reconciler work at a time; *LEADING: whether it is ours. */
enum db_result request_lead(struct db *, bool *leading);

/* Gives that lock back, so that another host may lead. */
enum db_result request_follow(struct db *);

/* Gives back the claims of ROWS from row FIRST on: they were not got to. */
enum db_result request_give_back(struct db *, const PGresult *rows, int first);

/* Makes the requests of ROWS, whose first column is a deletion id, due at once. */
enum db_result request_hasten(struct db *, const PGresult *rows);

/* Which of the deletions IDS, an array literal, have no request, and which have one that is
 * finished: *MISSING and *FINISHED are others, free() them; NULL: none. Refused on a standby, which
 * may lag behind. */
enum db_result request_missing(struct db *, const char *ids, char **missing, char **finished);

/* Some deletions that a worker has begun, the latest ones: *IDS is an array literal, free() it;
 * NULL: none. */
enum db_result request_started(struct db *, char **ids);

/* ---- sweeps: completed deletions whose files are looked for once more ---- */

/* The completed requests, at most LIMIT, for which a repeated DELETE has asked for a sweep: rows of
 * enum claim_column. */
enum db_result request_sweeps_asked(struct db *, int64_t limit, PGresult **rows);
/* The sweep was made, AGAIN_MS -1, or is to be tried again after that time. */
enum db_result request_note_swept(struct db *, const char *deletion_id, int64_t again_ms);

/* Reopens a completed request under the lock of the user's row, and only if that still carries this
 * request's mark: *REOPENED. */
enum db_result request_reopen(struct db *, const char *deletion_id, const char *user_id,
                              bool *reopened);

#endif
