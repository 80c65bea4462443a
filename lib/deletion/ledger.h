/* The ledger: what has been done for each deletion, in the worker database, beside the files.
 *
 * Every call that changes a deletion is fenced by its turn, on the connection that holds its lease.
 * A copy (*COPY, PQclear it) is the row's state for guard_report. Errors are the session's: DB_LOST
 * and DB_TIMEOUT mean that the lease is gone too; DB_STOPPED that the message is. */
#ifndef FAREWELL_LEDGER_H
#define FAREWELL_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/ids.h"
#include "workerd/worker.h"

struct ledger_entry {
	char deletion_id[ID_UUID_SIZE];
	char user_id[ID_SIZE];
	int turn;
	int attempts;
	int starts; /* this one included */
	int64_t files_deleted;
	char mail[16];      /* status.h */
	int64_t failing_ms; /* since the first failure of this series; 0: none */
};

enum ledger_answer {
	LEDGER_OK,
	LEDGER_BUSY,       /* lease: another child works on it             */
	LEDGER_FINISHED,   /* completed or cancelled before                */
	LEDGER_PARKED,     /* parked before, and this is the echo          */
	LEDGER_SUPERSEDED, /* a later turn has taken over                  */
	LEDGER_REFUSED,    /* progress: worker.files_done_sql fails on these rows; db_why says how */
	LEDGER_LOST,       /* the database is away or refuses; logged      */
};

/* Takes the lease, a session advisory lock. */
enum ledger_answer ledger_lease(struct worker *, const char *deletion_id);
/* Gives it back, if it is still held. */
enum ledger_answer ledger_release(struct worker *, const char *deletion_id);

/* Counts a start of TURN and fills ENTRY. ATTEMPTS as the message's header has it. On
 * LEDGER_FINISHED and LEDGER_PARKED *COPY is set. */
enum ledger_answer ledger_begin(struct worker *, const struct message *, int attempts,
                                bool redelivered, struct ledger_entry *, PGresult **copy);

/* COUNT files with the row ids IDS (a PostgreSQL array literal) are gone: marks their rows and
 * counts them, in one transaction. *CHANGED: rows that worker.files_done_sql changed. */
enum ledger_answer ledger_progress(struct worker *, struct ledger_entry *, const char *ids,
                                   int64_t count, int64_t *changed, PGresult **copy);

/* The mark before a mail is sent. */
enum ledger_answer ledger_sending(struct worker *, struct ledger_entry *);

/* The outcomes. Each also gives the lease back. WHY may be NULL. */
enum ledger_answer ledger_complete(struct worker *, const struct ledger_entry *, const char *mail,
                                   const char *why, PGresult **copy);
/* turn + 1 in ENTRY as in the table. FAILURES to count; DELAY_MS -1: a continuation. */
enum ledger_answer ledger_pass_on(struct worker *, struct ledger_entry *, int failures,
                                  const char *why, int64_t delay_ms, PGresult **copy);
enum ledger_answer ledger_park(struct worker *, const struct ledger_entry *, int failures,
                               const char *why, PGresult **copy);

/* The user was restored: needs no lease. *COPY stays NULL when it was finished before. */
enum ledger_answer ledger_cancel(struct worker *, const char *deletion_id, const char *user_id,
                                 PGresult **copy);

/* Takes back the start of a job that was given up for a server's sake. A mail still marked
 * `sending` becomes MAIL; NULL: stays. */
enum ledger_answer ledger_uncount(struct worker *, const struct ledger_entry *, const char *mail);

#endif
