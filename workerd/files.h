/* A user's files: read in pages, deleted from S3 in batches, progress committed a batch at a time.
 */
#ifndef FAREWELL_FILES_H
#define FAREWELL_FILES_H

#include "lib/deletion/ledger.h"
#include "lib/deletion/retry.h"
#include "workerd/worker.h"

enum files_result {
	FILES_GONE,       /* a whole pass found none                                             */
	FILES_FAILED,     /* some could not be deleted: cause and why; the rest is gone          */
	FILES_UNFINISHED, /* told to hurry, or handover_after has passed: hand the rest over     */
	FILES_SUPERSEDED, /* the turn has passed to somebody else                                */
	FILES_LOST,       /* a database or the broker is away: abandon                           */
};

struct files_failure {
	enum retry_cause cause;
	char why[WHY_SIZE];
};

/* Works until nothing is left or something is in the way. HANDOVER_AT_MS: clock_now_ms from which
 * to stop. *PROGRESS: files were deleted. */
enum files_result files_delete(struct worker *, struct ledger_entry *, int64_t handover_at_ms,
                               bool *progress, struct files_failure *);

#endif
