/* A user's files: read in pages, deleted from S3 in batches, progress committed a batch at a time.
 */
#ifndef FAREWELL_FILES_H
#define FAREWELL_FILES_H

#include "lib/config/conf.h"
#include "lib/deletion/breaker.h"
#include "lib/deletion/ledger.h"
#include "lib/deletion/retry.h"
#include "lib/deletion/served.h"
#include "lib/s3/s3.h"
#include "lib/session/pump.h"

enum files_result {
	FILES_GONE,          /* a whole pass found none                                             */
	FILES_FAILED,        /* some could not be deleted: see the failure; the rest is gone        */
	FILES_UNFINISHED,    /* the pump said stop, or HANDOVER_AT_MS has passed                    */
	FILES_SUPERSEDED,    /* the turn has passed to somebody else                                */
	FILES_CHANGED,       /* the user does not carry this request's mark any more                */
	FILES_REFUSED,       /* a statement was refused by the ledger's session: db_kind            */
	FILES_GUARD_REFUSED, /* likewise by the user database's, when the guard looked again */
	FILES_LOST,          /* a database is away: abandon                                         */
};

/* What deleting takes. */
struct files_means {
	const struct conf *conf;
	struct ledger *ledger; /* its session has the files' statements too */
	struct db *users;      /* the guard looks again there, and progress is reported */
	struct s3 *s3;
	struct served *served;
	struct breaker *store; /* is told what became of each request */
	const struct pump *pump;
	int64_t handover_at_ms; /* clock_now_ms from which to stop */
};

/* Works until nothing is left or something is in the way. *PROGRESS: files were deleted. */
enum files_result files_delete(const struct files_means *, const struct message *,
                               struct ledger_entry *, bool *progress, struct failure *);

#endif
