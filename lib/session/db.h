/* One PostgreSQL session: prepared statements, pipelines, and a deadline on every wait.
 *
 * db_open connects, also after the server was away. After DB_LOST, DB_TIMEOUT or DB_STOPPED the
 * connection is closed; whatever transaction was open is gone or, if COMMIT was under way, of
 * unknown outcome. */
#ifndef FAREWELL_DB_H
#define FAREWELL_DB_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/session/pump.h"
#include "lib/session/sqlstate.h"

struct db;

enum db_result {
	DB_OK,
	DB_REFUSED, /* the server answered with an error: db_sqlstate, db_why */
	DB_TIMEOUT, /* no answer by the deadline */
	DB_LOST,    /* no connection, or it broke */
	DB_STOPPED, /* the pump said stop */
};

/* The lock that a statement must take on the row it finds, at least. */
enum db_lock {
	DB_LOCK_NONE,
	DB_LOCK_SHARE,  /* FOR SHARE: waits for who changes the row */
	DB_LOCK_CHANGE, /* FOR NO KEY UPDATE: waits for those, too */
};

/* A row of a session's table of statements, which an enum of the owner indexes. */
struct db_statement {
	const char *name;    /* of the prepared statement; shown in errors unless there is: */
	const char *setting; /* "gateway.lock_user_sql", or NULL for Farewell's own */
	const char *sql;     /* NULL: not prepared in this session */
	int params, columns; /* how many it takes and returns, for db_check; columns -1: any number */
	enum db_lock lock;   /* and it must find the row by $1 alone */
	int prose; /* the number of the parameter that is a sentence for a person: what the database
	              can't store of it becomes "?"; 0: none is */
};

struct db_options {
	const char *name; /* "user_db": named in errors */
	const char *conninfo;
	const char *password; /* NULL: conninfo's */
	const char *application_name;
	int64_t connect_timeout_ms, lock_timeout_ms, statement_timeout_ms,
		idle_in_transaction_timeout_ms;
	bool custom_plans; /* plan anew each time, knowing the parameters: for `$2 IS NULL OR id > $2`
	                      to use an index */
	bool whole_tables; /* what a row-level security policy would filter is refused (42501): rows
	                      that it hides would look as if there were none */
	const struct db_statement *statements; /* prepared after each connect */
	int statement_count;
};

/* NULL only without memory. Does not connect. OPTIONS' strings must outlive it. PUMP may be NULL.
 */
struct db *db_new(const struct db_options *options, const struct pump *pump);
void db_free(struct db *);
void db_close(struct db *); /* the connection only */

/* Connects, makes the session's settings (READ COMMITTED, UTC, ISO dates, UTF-8, time-outs,
 * warnings, synchronous_commit raised to on if lower, row_security off where whole_tables asks for
 * it) and prepares every statement, unless that is
 * so already. DB_REFUSED: a wrong password, no such database, a statement that doesn't prepare; the
 * connection is closed then too. */
enum db_result db_open(struct db *, int64_t deadline_ms);
bool db_is_open(const struct db *); /* as far as we know */
/* False when the server has closed the connection meanwhile; asks the kernel, not the server. */
bool db_is_alive(struct db *);
const char *db_why(const struct db *);      /* one line for a person */
const char *db_sqlstate(const struct db *); /* five characters, or "" */
/* The setting or statement that was refused last; "" if none was. */
const char *db_refused_title(const struct db *);
/* What the last DB_REFUSED is about. */
enum sqlstate_kind db_kind(const struct db *);
/* The encoding in which this session's database stores text, "UTF8"; "" while it is not open. */
const char *db_encoding(const struct db *);
/* The text of a statement of the session's table. */
const char *db_sql(const struct db *, int statement);
/* What the server warned of during the last db_run, db_run_sql or db_flush, or "". What a function
 * raises does not count, so after a COMMIT it is that the wait for a standby was given up: whether
 * the commit will last is unknown then. */
const char *db_warning(const struct db *);
/* The number of the present session, or of the last one; each connect that succeeds has the next.
 */
unsigned int db_session(const struct db *);
/* Whether the last refusal may pass by itself; if not, it is about a setting, a right or data. */
bool db_may_pass(const struct db *);
/* For an answer of the server's that is none: db_why says WHAT of it, without an SQLSTATE. */
enum db_result db_refuse(struct db *, const char *what);
/* The same, for what the server would have refused with SQLSTATE. */
enum db_result db_refuse_as(struct db *, const char *sqlstate, const char *what);
/* A deadline for one exchange: a little after the server's own statement_timeout, which then comes
 * first and says what it was. */
int64_t db_deadline(const struct db *);

/* STATEMENT is an index of the session's table; one of Farewell's that is not prepared in this
 * session is a bug of ours. One round trip. PARAMS are text, NULL is SQL's. *RESULT (PQclear it) is
 * set on DB_OK only; RESULT may be NULL. */
enum db_result db_run(struct db *, int statement, const char *const *params, PGresult **result,
                      int64_t deadline_ms);
/* The same for SQL text without parameters: BEGIN, COMMIT, SET. */
enum db_result db_run_sql(struct db *, const char *sql, PGresult **result, int64_t deadline_ms);

/* Several statements, one round trip (libpq pipeline). The first call after db_flush begins anew,
 * then db_flush sends all and takes the results in order. After an error the rest is aborted by the
 * server; with BEGIN inside, ROLLBACK is the caller's. */
void db_queue(struct db *, int statement, const char *const *params);
/* The same for SQL text without parameters; a literal. */
void db_queue_sql(struct db *, const char *sql);
/* RESULTS has room for COUNT, as many as were queued; each is set to a PGresult or NULL, PQclear
 * those that are set whatever the answer. DB_OK: all succeeded. DB_REFUSED: FAILED (may be NULL) is
 * the index of the first that did not. */
enum db_result db_flush(struct db *, PGresult **results, int count, int *failed,
                        int64_t deadline_ms);
/* Ends a transaction that is not to be committed; a session that can't is closed, which ends it
 * too. */
void db_roll_back(struct db *);

/* A trigger or a function may change the session's settings, for itself and for who comes later:
 * the zone in which a mark is written, synchronous_commit, what is warned of, the search_path. */

/* Queues a statement that puts back what was changed of them, right before a COMMIT for one; its
 * result is for db_note_settings. */
void db_queue_settings(struct db *);
/* Logs a warning, once a session, if that result says that something was changed. May be NULL. */
void db_note_settings(struct db *, const PGresult *);
/* Whether zone, date style and encoding are as db_open made them, as far as the server has reported
 * until now; no round trip. False: db_why says what was changed; db_close ends it. */
bool db_settings_intact(struct db *);

/* Checks a prepared statement, for -t and at start-up, against what its row says of parameters,
 * columns and locks. DB_REFUSED with db_why naming the setting when it does not fit. */
enum db_result db_check(struct db *, int statement, int64_t deadline_ms);

/* Copies a column of ROW into TEXT; null becomes "". False if it is null or did not fit
 * (then it is cut, never inside a character). */
bool db_copy(const PGresult *, int row, int column, char *text, size_t size);
/* Whether a boolean column is true. */
bool db_is_true(const PGresult *, int row, int column);
/* A column of whole numbers; null, and text that is not a number, are 0. */
int64_t db_number(const PGresult *, int row, int column);
/* PQclear for each of COUNT. */
void db_clear(PGresult **results, int count);

#endif
