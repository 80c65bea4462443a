/* What the files of account*.c share. For nobody else. */
#ifndef FAREWELL_ACCOUNT_SESSION_H
#define FAREWELL_ACCOUNT_SESSION_H

#include "lib/deletion/account.h"

/* What a failed step means. Unless the session is in order it is closed, and with it the
 * transaction and whatever made it fail: a standby, a statement that is no longer prepared, a plan
 * that does not fit its table any more. */
enum account_result account_failed(struct db *, enum db_result, int64_t deadline_ms);

/* account_lock without the second attempt for a connection that has died; connects if need be. */
enum account_result account_lock_once(struct db *, const char *user_id, int64_t deadline_ms,
                                      struct account *);

#endif
