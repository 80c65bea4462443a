/* The SQL of the worker: Farewell's own, and the application's as configured. */
#ifndef FAREWELL_STATEMENTS_H
#define FAREWELL_STATEMENTS_H

#include "lib/config/conf.h"
#include "lib/session/db.h"

/* Fill TABLE, which ends up terminated; its texts live as long as CONF. */
#define STATEMENTS_MAX 16
void statements_users(const struct conf *, struct db_statement table[STATEMENTS_MAX]);
void statements_ledger(const struct conf *, struct db_statement table[STATEMENTS_MAX]);

/* Checks the application's statements in an open session: parameters, columns, row lock. */
enum db_result statements_check_users(struct db *, int64_t deadline_ms);
enum db_result statements_check_ledger(struct db *, int64_t deadline_ms);

#endif
