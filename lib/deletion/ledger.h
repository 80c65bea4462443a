/* The ledger, farewell.deletion: what has been done for each deletion; and the application's
 * statements on its files, which are run in the same session, the worker database's. No other
 * module names that table in SQL.
 *
 * Every call that changes a deletion is fenced by its turn, on the connection that holds its lease.
 * Errors are the session's: LEDGER_LOST means that the lease is gone too. */
#ifndef FAREWELL_LEDGER_H
#define FAREWELL_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/config/conf.h"
#include "lib/deletion/message.h"
#include "lib/deletion/status.h"
#include "lib/session/db.h"

enum worker_db_statement {
	/* The application's, from the settings. */
	FILES_PAGE, /* $1 user, last file id or null, limit: enum file_column */
	FILES_DONE, /* $1 user, array of file ids */
	/* The ledger's own; parameters and columns are ledger.c's. */
	LEDGER_LEASE,
	LEDGER_RELEASE,
	LEDGER_BEGIN,
	LEDGER_LOOK,
	LEDGER_PROGRESS,
	LEDGER_SENDING,
	LEDGER_COMPLETE,
	LEDGER_PASS_ON,
	LEDGER_PARK,
	LEDGER_CANCEL,
	LEDGER_UNCOUNT,
	LEDGER_NEXT_TURN,
	WORKER_DB_STATEMENTS
};

enum file_column { FILE_ID, FILE_PATH, FILE_COLUMNS };

/* The session, and whether its connection holds a lease. */
struct ledger {
	struct db *db;
	bool leased;
};

struct ledger_entry {
	char deletion_id[ID_UUID_SIZE];
	char user_id[ID_SIZE];
	int turn;
	int attempts;
	int starts; /* this one included */
	int64_t files_deleted;
	char mail[STATUS_SIZE];
	int64_t failing_ms; /* since the first failure of this series; 0: none */
};

/* A deletion as it stands, whoever works on it. */
struct ledger_row {
	struct deletion_state state;
	int turn;
	bool waiting; /* its next attempt lies in the future */
};

enum ledger_answer {
	LEDGER_OK,
	LEDGER_BUSY,       /* lease: another child works on it             */
	LEDGER_FINISHED,   /* completed or cancelled before                */
	LEDGER_PARKED,     /* parked before, and this is the echo          */
	LEDGER_SUPERSEDED, /* a later turn has taken over                  */
	LEDGER_ABSENT,     /* look: there is no such deletion              */
	LEDGER_REFUSED,    /* progress: worker.files_done_sql fails on these rows; db_why says how */
	LEDGER_LOST,       /* the database is away or refuses; logged      */
};

/* Fills TABLE for a session; its texts live as long as CONF. */
void ledger_statements(const struct conf *, struct db_statement table[WORKER_DB_STATEMENTS]);

/* Takes the lease, a session advisory lock. */
enum ledger_answer ledger_lease(struct ledger *, const char *deletion_id);
/* Gives it back, if it is still held. */
enum ledger_answer ledger_release(struct ledger *, const char *deletion_id);

/* Reads a deletion. */
enum ledger_answer ledger_look(struct ledger *, const char *deletion_id, struct ledger_row *);

/* Counts a start of the message's turn and fills ENTRY. ATTEMPTS as the message's header has it.
 * On LEDGER_FINISHED and LEDGER_PARKED STATE is filled. */
enum ledger_answer ledger_begin(struct ledger *, const struct message *, int attempts,
                                bool redelivered, struct ledger_entry *, struct deletion_state *);

/* COUNT files with the row ids IDS (a PostgreSQL array literal) are gone: marks their rows and
 * counts them, in one transaction. *CHANGED: rows that worker.files_done_sql changed. */
enum ledger_answer ledger_progress(struct ledger *, struct ledger_entry *, const char *ids,
                                   int64_t count, int64_t *changed, struct deletion_state *);

/* The mark before a mail is sent. */
enum ledger_answer ledger_sending(struct ledger *, struct ledger_entry *);

/* The outcomes. Each also gives the lease back, and fills STATE. WHY may be NULL. */
enum ledger_answer ledger_complete(struct ledger *, const struct ledger_entry *, const char *mail,
                                   const char *why, struct deletion_state *);
/* turn + 1 in ENTRY as in the table. FAILURES to count; DELAY_MS -1: a continuation. */
enum ledger_answer ledger_pass_on(struct ledger *, struct ledger_entry *, int failures,
                                  const char *why, int64_t delay_ms, struct deletion_state *);
enum ledger_answer ledger_park(struct ledger *, const struct ledger_entry *, int failures,
                               const char *why, struct deletion_state *);

/* The user was restored: needs no lease. LEDGER_FINISHED: it was finished before. */
enum ledger_answer ledger_cancel(struct ledger *, const char *deletion_id, const char *user_id,
                                 struct deletion_state *);

/* Takes back the start of a job that was given up for a server's sake. A mail still marked
 * `sending` becomes MAIL; NULL: stays. */
enum ledger_answer ledger_uncount(struct ledger *, const struct ledger_entry *, const char *mail);

/* The next turn of an unfinished deletion that is not parked, for the reconciler: *TURN, and the
 * *ATTEMPTS counted so far. LEDGER_SUPERSEDED: there is none. */
enum ledger_answer ledger_next_turn(struct ledger *, const char *deletion_id, const char *user_id,
                                    int *turn, int *attempts);

#endif
