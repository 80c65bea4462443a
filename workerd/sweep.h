/* Sweeps: a completed deletion looks for files that were recorded after its last look. */
#ifndef FAREWELL_SWEEP_H
#define FAREWELL_SWEEP_H

#include <stdbool.h>

#include "lib/deletion/sessions.h"

/* Makes the sweeps that are due, LIMIT at a time, and at most LIMIT that a repeated DELETE has
 * asked for. What is found reopens its deletion, if the user still carries the request's mark.
 * DELAYS are those between the sweeps of one deletion. False: a server is away. */
bool sweep_pass(struct sessions *, const struct conf_durations *delays, int64_t limit);

#endif
