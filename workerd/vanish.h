/* Vanished requests: deletions that the ledger knows and the user database does not (any more). */
#ifndef FAREWELL_VANISH_H
#define FAREWELL_VANISH_H

#include <stdbool.h>

#include "lib/deletion/lineage.h"
#include "lib/deletion/sessions.h"
#include "lib/supervisor/child.h"

/* Begin with {0}. */
struct vanish {
	struct lineage here;
	/* The sessions of the two databases in which the unfinished were compared. */
	unsigned int compared, compared_ledger;
};

/* In each session of either database compares the unfinished of the ledger with the requests once;
 * what changed since a day before, if the user database has another lineage than the one seen last.
 * What vanished is logged, counted and marked, and if it is unfinished parked; what is finished by
 * its request is made known as unreported (ledger_report.h closes it); what had vanished and is
 * there again is not marked any more, and goes on. After that the lineage is stored. To be called
 * again and again: it mostly does nothing. False: a server is away, or CHILD is told to stop. */
bool vanish_pass(struct vanish *, struct sessions *, struct child *);

#endif
