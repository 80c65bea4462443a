/* A user's files: read in pages, deleted from S3 in batches, progress committed a batch at a time.
 */
#ifndef FAREWELL_FILES_H
#define FAREWELL_FILES_H

#include "lib/config/conf.h"
#include "lib/deletion/breaker.h"
#include "lib/deletion/ledger.h"
#include "lib/deletion/retry.h"
#include "lib/deletion/served.h"
#include "lib/s3/s3_stores.h"
#include "lib/session/pump.h"
#include "workerd/refusals.h"

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
	struct s3_stores *stores;
	struct breaker *breakers;  /* one a store: is told what became of each request */
	struct refusals *refusals; /* is told, too */
	uint32_t avoided;          /* the stores that are not to be asked, as bits by their numbers */
	struct served *served;
	const struct pump *pump;
	int64_t handover_at_ms; /* clock_now_ms from which to stop */
};

/* What is to be said beside the result. */
struct files_end {
	bool progress; /* files were deleted */
	uint32_t away; /* stores that are away and keep files, as bits by their numbers */
	const struct breaker *refusing; /* that of a bucket that keeps files, or NULL */
	struct failure failure;         /* of FILES_FAILED */
};

/* Works until nothing is left or something is in the way. */
enum files_result files_delete(const struct files_means *, const struct message *,
                               struct ledger_entry *, struct files_end *);

#endif
