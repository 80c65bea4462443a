/* What the files of db*.c share: the session itself. For nobody else. */
#ifndef FAREWELL_DB_SESSION_H
#define FAREWELL_DB_SESSION_H

#include "lib/session/db.h"

#define DB_WHY_SIZE 512
#define DB_WARNING_SIZE 256
#define DB_QUEUE_MAX 8 /* statements in one pipeline */
#define DB_REPORTED 4  /* settings whose changes the server reports by itself */
#define DB_PARAMS_MAX 16
#define DB_PROSE_SIZE 1024

struct db {
	const struct db_options *options;
	const struct pump *pump;
	PGconn *conn;
	bool ready;                      /* connected, set up and prepared */
	int queued;                      /* statements in the pipeline that was begun */
	const char *queue[DB_QUEUE_MAX]; /* what they are called in errors */
	bool queue_failed;
	unsigned int session; /* counts those that were opened */
	char sqlstate[6];
	char refused[96]; /* what was refused last */
	char why[DB_WHY_SIZE];
	char warning[DB_WARNING_SIZE];
	char reported[DB_REPORTED][64]; /* as the session was set up */
	bool settings_said;             /* that they were changed */
};

/* The parameters of one statement with a sentence that the database can store. */
struct db_params {
	const char *params[DB_PARAMS_MAX];
	char prose[DB_PROSE_SIZE];
};

/* PARAMS of STATEMENT as they can be sent: themselves, or a copy in ROOM. */
const char *const *db_storable(const struct db *, const struct db_statement *,
                               const char *const *params, struct db_params *room);
/* Sets what db_why says: one line. */
void db_say(struct db *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The connection broke while DOING: says so, and closes it. */
enum db_result db_lose(struct db *, const char *doing);
/* Waits for EVENTS on the connection's socket, the pump taking its turns. */
enum db_result db_wait(struct db *, short events, int64_t deadline_ms, const char *doing);
/* Takes every result of what was sent outside a pipeline; the last good one is *RESULT, which may
 * be NULL. */
enum db_result db_collect(struct db *, const char *title, PGresult **result, int64_t deadline_ms);
/* What STATEMENT is called in errors: its setting if it has one. */
const char *db_title(const struct db *, int statement);
/* How statements are planned in this session; a value of plan_cache_mode. */
const char *db_plan_mode(const struct db *);

/* Makes the settings of a new connection, and prepares the statement that puts them back. */
enum db_result db_set_up(struct db *, int64_t deadline_ms);
/* Queues a prepared statement by its name; TITLE in errors. */
void db_queue_prepared(struct db *, const char *title, const char *name, int count,
                       const char *const *params);

#endif
