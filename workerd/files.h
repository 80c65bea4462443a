/* A user's files: read in pages, deleted from S3 in batches, progress committed a batch at a time.
 */
#ifndef FAREWELL_FILES_H
#define FAREWELL_FILES_H

#include "lib/deletion/ledger.h"
#include "lib/deletion/retry.h"
#include "lib/s3/s3.h"
#include "lib/session/pump.h"

#define FILES_WHY_SIZE 384

enum files_result {
	FILES_GONE,       /* a whole pass found none                                             */
	FILES_FAILED,     /* some could not be deleted: cause and why; the rest is gone          */
	FILES_UNFINISHED, /* the pump said stop, or HANDOVER_AT_MS has passed                    */
	FILES_SUPERSEDED, /* the turn has passed to somebody else                                */
	FILES_LOST,       /* a database is away: abandon                                         */
};

struct files_failure {
	enum retry_cause cause;
	char why[FILES_WHY_SIZE];
};

/* What deleting takes. */
struct files_means {
	struct ledger *ledger; /* its session has the files' statements too */
	struct db *users;      /* progress is reported there */
	struct s3 *s3;
	const struct pump *pump;
	int64_t page;           /* rows to read at a time */
	int64_t handover_at_ms; /* clock_now_ms from which to stop */
};

/* Works until nothing is left or something is in the way. *PROGRESS: files were deleted. */
enum files_result files_delete(const struct files_means *, struct ledger_entry *, bool *progress,
                               struct files_failure *);

#endif
