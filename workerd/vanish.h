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
	unsigned int
		compared; /* the session of the user database that the unfinished were compared in */
};

/* In each session compares the unfinished of the ledger with the requests once; what changed since
 * a day before, if the user database has another lineage than the one seen last. What vanished is
 * logged, counted and marked, and if it is unfinished parked; after that the lineage is stored. To
 * be called again and again: it mostly does nothing. False: a server is away, or CHILD is told to
 * stop. */
bool vanish_pass(struct vanish *, struct sessions *, struct child *);

#endif
