/* What served which deletion when, in one process: whether a failing statement, bucket or mail
 * server fails everybody or only one. */
#ifndef FAREWELL_SERVED_H
#define FAREWELL_SERVED_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/ids.h"
#include "lib/deletion/retry.h"

#define SERVED_THINGS 64 /* the longest unused one makes room */

struct served {
	struct {
		char what[FAILURE_WHAT_SIZE];
		/* The last deletion it served, and the last other one. */
		struct {
			char deletion_id[ID_UUID_SIZE];
			int64_t at_ms;
		} last[2];
	} things[SERVED_THINGS];
};

/* WHAT has just served DELETION_ID. */
void served_note(struct served *, const char *what, const char *deletion_id);

/* Whether WHAT has served a deletion other than DELETION_ID in the last AGE_MS. */
bool served_another(const struct served *, const char *what, const char *deletion_id,
                    int64_t age_ms);

#endif
