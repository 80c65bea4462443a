/* One PostgreSQL session: prepared statements, pipelines, and a deadline on every wait.
 *
 * Connects when first needed and again after the server was away. After DB_LOST or DB_TIMEOUT the
 * connection is closed; whatever transaction was open is gone or, if COMMIT was under way, of
 * unknown outcome. */
#ifndef FAREWELL_DB_H
#define FAREWELL_DB_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/session/pump.h"

struct db;

enum db_result {
	DB_OK,
	DB_REFUSED, /* the server answered with an error: db_sqlstate, db_why */
	DB_TIMEOUT, /* no answer by the deadline */
	DB_LOST,    /* no connection, or it broke */
	DB_STOPPED, /* the pump said stop */
};

struct db_statement {
	const char *name;    /* of the prepared statement */
	const char *setting; /* "gateway.lock_user_sql", or NULL for Farewell's own: named in errors */
	const char *sql;
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
	const struct db_statement *statements; /* prepared after each connect; ends with a NULL name */
};

/* Never fails but for memory. OPTIONS' strings must outlive it. PUMP may be NULL. */
struct db *db_new(const struct db_options *options, const struct pump *pump);
void db_free(struct db *);
void db_close(struct db *); /* the connection only */

/* Connects, makes the session's settings (READ COMMITTED, UTC, ISO dates, UTF-8, time-outs,
 * synchronous_commit raised to on if lower) and prepares every statement, unless that is so
 * already. DB_REFUSED: a wrong password, no such database, a statement that doesn't prepare. */
enum db_result db_open(struct db *, int64_t deadline_ms);
bool db_is_open(const struct db *); /* as far as we know */
/* False when the server has closed the connection meanwhile; asks the kernel, not the server. */
bool db_is_alive(struct db *);
int db_descriptor(const struct db *);
const char *db_why(const struct db *); /* one line for a person */
/* Whether the last refusal may pass by itself; if not, it is about a setting, a right or a
 * statement. */
bool db_may_pass(const struct db *);
const char *db_sqlstate(const struct db *); /* five characters, or "" */
/* Whether the last DB_REFUSED is about the data in hand (class 22 or 23, or raised by a function or
 * trigger): others may fare better. */
bool db_refused_data(const struct db *);

/* One statement, one round trip. PARAMS are text, NULL is SQL's. *RESULT (PQclear it) is set on
 * DB_OK only; RESULT may be NULL. */
enum db_result db_run(struct db *, const char *statement, int count, const char *const *params,
                      PGresult **result, int64_t deadline_ms);
/* The same for SQL text without parameters: BEGIN, COMMIT, SET. */
enum db_result db_command(struct db *, const char *sql, PGresult **result, int64_t deadline_ms);

/* Several statements, one round trip (libpq pipeline). Queue with db_queue (a STATEMENT that is not
 * among the prepared ones is sent as SQL: BEGIN, COMMIT, ROLLBACK), whose first call after db_flush
 * begins anew, then db_flush sends all and takes the results in order. After an error the rest is
 * aborted by the server; with BEGIN inside, ROLLBACK is the caller's. */
void db_queue(struct db *, const char *statement, int count, const char *const *params);
/* RESULTS has room for COUNT, as many as were queued; each is set to a PGresult or NULL, PQclear
 * those that are set whatever the answer. DB_OK: all succeeded. DB_REFUSED: FAILED (may be NULL) is
 * the index of the first that did not. */
enum db_result db_flush(struct db *, PGresult **results, int count, int *failed,
                        int64_t deadline_ms);

/* Checks a prepared statement for -t and start-up: it takes PARAMS parameters and returns COLUMNS
 * columns (-1: any), and, if LOCKS, its plan has a LockRows node. DB_REFUSED with db_why naming the
 * setting when not so. */
enum db_result db_check(struct db *, const char *statement, int params, int columns, bool locks,
                        int64_t deadline_ms);

#endif
