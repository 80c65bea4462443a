/* Carrying a deletion's state from the ledger, which is the truth, to its request, the copy.
 *
 * A request never has a later version than the ledger, but where the ledger was set back: its
 * database was restored from a backup, or has lost rows. Then the row catches up with the request;
 * where that is finished, the row is closed as the request is. */
#ifndef FAREWELL_LEDGER_REPORT_H
#define FAREWELL_LEDGER_REPORT_H

#include "lib/deletion/ledger.h"

/* Carries STATE, which was read from the ledger, to the request in the user database USERS, and
 * notes in the ledger that it was. A state that is not the ledger's present one never replaces a
 * later one. False: one of the databases refused, or is away; logged. */
bool ledger_report(struct ledger *, struct db *users, const struct deletion_state *);

#endif
