/* Whether a bucket is still in the store in which it was looked for first. A key that a store does
 * not have counts as deleted, so a bucket of the same name in another one, of which the settings
 * say now that it is the bucket's, would make a deletion complete whose objects are all there. */
#ifndef FAREWELL_FILES_HOME_H
#define FAREWELL_FILES_HOME_H

#include <stdbool.h>

#include "lib/deletion/ledger.h"
#include "lib/s3/s3_stores.h"

/* Asks the ledger, before each page, since a person may change what it says. LEDGER_SUPERSEDED: it
 * says another store than STORE, and WHY what to do. LEDGER_REFUSED: WHY says of what. */
enum ledger_answer files_home_look(struct ledger *, const struct s3_stores *, int store,
                                   const char *bucket, bool *proven, char *why, size_t why_size);

/* The sentence about a bucket that is in STORE by the settings, and in another one, the block SEEN,
 * by the ledger. */
void files_home_explain(const struct s3_stores *, int store, const char *bucket, const char *seen,
                        char *why, size_t why_size);

#endif
