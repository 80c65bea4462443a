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
	FILES_PAGE,     /* $1 user, last file id or null, limit: enum file_column */
	FILES_DONE,     /* $1 user, array of file ids */
	FILES_PREFIXES, /* $1 user; one column; not prepared if there are none */
	/* The ledger's own; parameters and columns are ledger.c's. */
	LEDGER_LEASE,
	LEDGER_RELEASE,
	LEDGER_HOLDER,
	LEDGER_LOOK,
	LEDGER_BEGIN,
	LEDGER_PROGRESS,
	LEDGER_SENDING,
	LEDGER_NOT_SENT,
	LEDGER_SENT,
	LEDGER_UNANSWERED,
	LEDGER_COMPLETE,
	LEDGER_PASS_ON,
	LEDGER_PARK,
	LEDGER_CANCEL,
	LEDGER_UNCOUNT,
	LEDGER_HAND_BACK,
	LEDGER_REPORTED,
	LEDGER_CATCH_UP,
	LEDGER_FOLLOW,
	LEDGER_UNTOLD,
	LEDGER_UNREPORTED,
	LEDGER_SWEEPS,
	LEDGER_SWEPT,
	LEDGER_REOPEN,
	LEDGER_NEXT_TURN,
	LEDGER_BRING_FORWARD,
	LEDGER_UNFINISHED,
	LEDGER_CHANGED,
	LEDGER_VANISH,
	LEDGER_VANISHED,
	LEDGER_FOUND,
	LEDGER_KNOWS,
	LEDGER_BUCKET,
	LEDGER_BUCKET_PROVEN,
	LEDGER_BUCKET_MISSING,
	LEDGER_BUCKETS,
	LINEAGE_SEEN,
	LINEAGE_STORE,
	LINEAGE_FIRST,
	PAIRING_OWN, /* pairing.c's */
	WORKER_DB_STATEMENTS
};

enum file_column { FILE_ID, FILE_PATH, FILE_COLUMNS };

/* The session, and whether its connection holds a lease. */
struct ledger {
	struct db *db;
	bool leased;
};

#define LEDGER_CAUSE_SIZE 96

/* A deletion as it stands, whoever works on it. */
struct ledger_row {
	struct deletion_state state;
	int turn;
	bool waiting; /* its next attempt lies in the future */
	char cause[LEDGER_CAUSE_SIZE];
	int cause_attempts;
	int64_t failing_ms, cause_ms;
	int64_t turned_ms; /* the age of the present turn: its message was not published before; 0: not
	                      known */
	int64_t due_ms;    /* since its message was due in the queue; 0: not known */
};

struct ledger_entry {
	char deletion_id[ID_UUID_SIZE];
	char user_id[ID_SIZE];
	int turn;
	int attempts; /* failures since the last progress */
	int starts;   /* this one included; 0: none was counted yet */
	int64_t files_deleted;
	int64_t versions_left; /* of them, those of which older versions remain */
	char mail[STATUS_SIZE];
	int mails;                     /* begun, and not taken back by a definite failure */
	char cause[LEDGER_CAUSE_SIZE]; /* what failed last, or "" */
	int cause_attempts;            /* so many times in a row */
	/* Ages; 0: never. */
	int64_t failing_ms; /* since the first failure of this series */
	int64_t cause_ms;   /* since the first of that cause */
	int64_t sending_ms; /* since the mail was marked */
	int64_t passed_ms;  /* since the first whole pass over the files */
};

enum ledger_answer {
	LEDGER_OK,
	LEDGER_BUSY,       /* lease: another child works on it             */
	LEDGER_FINISHED,   /* cancel: completed or cancelled before        */
	LEDGER_SUPERSEDED, /* a later turn has taken over, or it is finished */
	LEDGER_REFUSED,    /* the server answered with an error, db_kind has which; the session and its
	                      lease are still there; logged                */
	LEDGER_LOST,       /* the database is away; logged                 */
};

/* Fills TABLE for a session; its texts live as long as CONF. */
void ledger_statements(const struct conf *, struct db_statement table[WORKER_DB_STATEMENTS]);

/* Takes the lease, a session advisory lock, and reads the deletion: ROW's turn is 0 if there is
 * none. Without LEDGER_OK there is no lease. */
enum ledger_answer ledger_lease(struct ledger *, const char *deletion_id, struct ledger_row *);
/* Gives it back, if it is still held. */
void ledger_release(struct ledger *, const char *deletion_id);

/* After LEDGER_BUSY, for a line of the log: names in WHO the session that holds the lease, and how
 * it is ended, "pid 123 of farewell-workerd from 10.0.0.3 as farewell since 2026-03-01 09:30:00+00;
 * to end it: SELECT pg_terminate_backend(123)". WHO is never empty: "nobody any more" if it was
 * given back meanwhile, and if the question fails, that it is not known. */
enum ledger_answer ledger_lease_holder(struct ledger *, const char *deletion_id, char *who,
                                       size_t size);

/* Reads a deletion; ROW's turn is 0 if there is none. */
enum ledger_answer ledger_look(struct ledger *, const char *deletion_id, struct ledger_row *);

/* An entry for a job of which no start is counted yet: with the failures that ROW counts, or those
 * of none (NULL). */
void ledger_entry_init(struct ledger_entry *, const struct message *, const struct ledger_row *);

/* Counts a start of the entry's turn and fills in the rest. */
enum ledger_answer ledger_begin(struct ledger *, struct ledger_entry *);

/* COUNT files with the row ids IDS (a PostgreSQL array literal) are gone, but for older versions of
 * VERSIONS_LEFT of them: marks their rows and counts them, in one transaction, which ends a series
 * of failures. PASSED: with them every row
 * that there was is done. *CHANGED: rows that worker.files_done_sql changed. */
enum ledger_answer ledger_progress(struct ledger *, struct ledger_entry *, const char *ids,
                                   int64_t count, int64_t versions_left, bool passed,
                                   int64_t *changed, struct deletion_state *);

/* The mark before a mail is sent, which counts it. */
enum ledger_answer ledger_sending(struct ledger *, struct ledger_entry *);
/* Takes mark and count back: it was certainly not sent. */
enum ledger_answer ledger_not_sent(struct ledger *, struct ledger_entry *);
/* The attempt is over without an answer: whoever is next may decide at once. */
enum ledger_answer ledger_unanswered(struct ledger *, const struct ledger_entry *);
/* It was sent: a fact, whoever has the lease by now. */
enum ledger_answer ledger_sent(struct ledger *, const struct ledger_entry *);

/* The outcomes. Each also gives the lease back, and fills STATE. WHY may be NULL.
 * SWEEP_AFTER_MS -1: no sweep. */
enum ledger_answer ledger_complete(struct ledger *, const struct ledger_entry *, const char *mail,
                                   const char *why, int64_t sweep_after_ms,
                                   struct deletion_state *);
/* turn + 1 in ENTRY as in the table, also before there is a row. FAILURES to count, for CAUSE (or
 * NULL), which HEALS with time or doesn't; DELAY_MS -1: a continuation. */
enum ledger_answer ledger_pass_on(struct ledger *, struct ledger_entry *, int failures,
                                  const char *cause, bool heals, const char *why, int64_t delay_ms,
                                  struct deletion_state *);
/* Likewise. */
enum ledger_answer ledger_park(struct ledger *, struct ledger_entry *, int failures,
                               const char *why, struct deletion_state *);

/* The user was restored: needs no lease. LEDGER_FINISHED: it was finished before. */
enum ledger_answer ledger_cancel(struct ledger *, const char *deletion_id, const char *user_id,
                                 struct deletion_state *);

/* Takes back the start of a job that was given up for a server's sake, if it is still the last. */
enum ledger_answer ledger_uncount(struct ledger *, const struct ledger_entry *);

/* The same with the reason WHY it was given up, for who looks: the message of this turn comes again
 * in DELAY_MS, and nobody is charged. LEDGER_SUPERSEDED: the start is no longer the last. */
enum ledger_answer ledger_hand_back(struct ledger *, const struct ledger_entry *, const char *why,
                                    int64_t delay_ms, struct deletion_state *);

/* What is known of a bucket. Stores are names of blocks, empty is the default one. */
struct ledger_bucket {
	char store[CONF_STORE_NAME_BYTES + 1]; /* in which it was looked for first */
	bool proven;                           /* and which has answered for it */
};

/* Reads what is known of BUCKET; if that is nothing, STORE is written down. */
enum ledger_answer ledger_bucket(struct ledger *, const char *bucket, const char *store,
                                 struct ledger_bucket *known);
/* STORE has answered for BUCKET: from now on only a person can say that it is in another one. */
enum ledger_answer ledger_bucket_proven(struct ledger *, const char *bucket, const char *store);
/* STORE says that it has no such bucket: unless it had, nothing is known any more. */
enum ledger_answer ledger_bucket_missing(struct ledger *, const char *bucket, const char *store);
/* A row each for the last 1,000 of them: bucket, store. */
enum ledger_answer ledger_buckets(struct ledger *, PGresult **rows);

/* ---- reports ---- */

/* The request has heard of this state. To carry it there: ledger_report.h. */
enum ledger_answer ledger_note_reported(struct ledger *, const struct deletion_state *);

/* STATE is behind its request, which has heard of version HEARD: raises the version above that,
 * *RAISED. LEDGER_SUPERSEDED: STATE is not the present one any more. */
enum ledger_answer ledger_catch_up(struct ledger *, const struct deletion_state *, int64_t heard,
                                   struct deletion_state *raised);
/* The request, FINISHED, is finished, and STATE is not: closes the row as the request is, and has a
 * sweep look at once whether the files' rows say so too. LEDGER_SUPERSEDED: as above. */
enum ledger_answer ledger_follow(struct ledger *, const struct deletion_state *,
                                 const struct deletion_state *finished);
/* Has the unfinished ones of the deletions IDS, an array literal, reported once more. */
enum ledger_answer ledger_untold(struct ledger *, const char *ids);

/* The states, at most LIMIT, that no request has heard of for AFTER_MS: *ROWS, PQclear it; each is
 * read by ledger_read_state. */
enum ledger_answer ledger_unreported(struct ledger *, int64_t after_ms, int64_t limit,
                                     PGresult **rows);
void ledger_read_state(const PGresult *rows, int row, struct deletion_state *);

/* The next turn of an unfinished deletion that is not parked, for the reconciler: *TURN, and the
 * *ATTEMPTS counted so far. LEDGER_SUPERSEDED: there is none. */
enum ledger_answer ledger_next_turn(struct ledger *, const char *deletion_id, const char *user_id,
                                    int *turn, int *attempts);

/* Makes up to LIMIT retries due whose failure heals with time, which wait for more than BEYOND_MS:
 * *ROWS have their deletion ids. Nothing is published. */
enum ledger_answer ledger_bring_forward(struct ledger *, int64_t beyond_ms, int64_t limit,
                                        PGresult **rows);

/* ---- the comparison with the requests ---- */

/* The lineage of the user database that was seen last; "": none. */
enum ledger_answer ledger_lineage_seen(struct ledger *, char *lineage, size_t size);
/* This one was seen now, and all was compared; unless another one than SEEN, which was read before,
 * has been written meanwhile: then it is to be compared again. */
enum ledger_answer ledger_lineage_store(struct ledger *, const char *lineage, const char *seen);

/* This one, if none was seen yet. */
enum ledger_answer ledger_lineage_first(struct ledger *, const char *lineage);
/* Whether the ledger has any of the deletions IDS, an array literal. */
enum ledger_answer ledger_knows(struct ledger *, const char *ids, bool *knows);

enum page_column { PAGE_IDS, PAGE_LAST };

/* Looks at up to LIMIT deletions after the id AFTER: one row of enum page_column in *ROW. PAGE_IDS
 * is an array literal of those to compare, PAGE_LAST the last id that was looked at; null: none.
 * ALL: what changed since a day before the lineage was last seen, not only what is unfinished. What
 * was cancelled, or is known to have vanished, is left out. */
enum ledger_answer ledger_page(struct ledger *, bool all, const char *after, int limit,
                               PGresult **row);

enum vanish_column {
	VANISH_DELETION_ID,
	VANISH_USER_ID,
	VANISH_STATUS,
	VANISH_CHANGED_AT,
	VANISH_FINISHED
};

/* Notes of the deletions IDS, an array literal, that their requests are gone: what is unfinished is
 * parked for the reason WHY. Rows of enum vanish_column: those of which it was not known yet. */
enum ledger_answer ledger_vanish(struct ledger *, const char *ids, const char *why,
                                 PGresult **rows);

/* Looks at up to LIMIT deletions after the id AFTER whose requests were found to be gone: *ROW as
 * ledger_page. */
enum ledger_answer ledger_vanished(struct ledger *, const char *after, int limit, PGresult **row);

enum found_column { FOUND_DELETION_ID, FOUND_USER_ID, FOUND_STATUS };

/* Notes of the deletions IDS that their requests are there, all but those of MISSING; both are
 * array literals. What was parked for the reason WHY, and for no other, is to go on; a completed
 * one is swept. *ROWS of enum found_column. */
enum ledger_answer ledger_found(struct ledger *, const char *ids, const char *missing,
                                const char *why, PGresult **rows);

/* ---- sweeps ---- */

enum sweep_column { SWEEP_DELETION_ID, SWEEP_USER_ID, SWEEP_SWEPT };

/* The completed deletions, at most LIMIT, that are due for a sweep: rows of enum sweep_column. */
enum ledger_answer ledger_sweeps(struct ledger *, int64_t limit, PGresult **rows);
/* Nothing was found; the next sweep in AFTER_MS, -1: never. Not LOOKED: the same one then. */
enum ledger_answer ledger_note_swept(struct ledger *, const char *deletion_id, bool looked,
                                     int64_t after_ms);
/* Something was: the deletion goes on with *TURN, and its sweeps begin anew when it is completed
 * again. LEDGER_SUPERSEDED: it is not completed. */
enum ledger_answer ledger_reopen(struct ledger *, const char *deletion_id, int *turn);
/* Whether worker.files_sql has a row of this user. */
enum ledger_answer ledger_has_files(struct ledger *, const char *user_id, bool *has);

#endif
