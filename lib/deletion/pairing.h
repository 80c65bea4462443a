/* Which ledger belongs to which user database (doc/DESIGN.md 1.5). The user database remembers the
 * id of its ledger (farewell.pairing), the ledger the installation of its user database (the
 * lineage seen last). Who has one of the two wrong would call deletions done whose files are
 * elsewhere, or delete an active user's: so nobody works with two that do not belong together. No
 * other module names farewell.pairing and farewell.ledger in SQL. */
#ifndef FAREWELL_PAIRING_H
#define FAREWELL_PAIRING_H

#include <stdbool.h>

#include "lib/deletion/ledger.h"
#include "lib/session/db.h"

/* Of the user database's session. */
extern const char pairing_read_sql[]; /* enum pairing_column */
extern const char pairing_take_sql[]; /* $1 ledger: it belongs to us, unless another one does */
/* Of the worker database's. */
extern const char pairing_ledger_sql[]; /* its id and the name of its database */

struct pairing {
	/* The sessions that were found to belong together: a name may lead elsewhere in the next. */
	unsigned int users, ledger;
	const char *why; /* why those looked at last do not, in short; NULL: they do, or that is not
	                    known */
};

enum pairing_answer {
	PAIRING_GOOD,
	PAIRING_WRONG,         /* they don't belong together: logged, with what to do about it */
	PAIRING_USERS_FAILED,  /* that session's error; not logged */
	PAIRING_LEDGER_FAILED, /* likewise */
};

/* Looks, unless it has in these sessions, which must be open. TAKE: what is not paired yet becomes
 * a pair, if nothing speaks against it; otherwise nothing is written. Begin with {0}. */
enum pairing_answer pairing_check(struct pairing *, struct db *users, struct ledger *ledger,
                                  bool take);

#endif
