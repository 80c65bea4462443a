/* -t of farewell-workerd: whether its settings work with the servers. */
#ifndef FAREWELL_WORKER_CHECK_H
#define FAREWELL_WORKER_CHECK_H

#include "lib/supervisor/program.h"

/* Each check opens what it needs and closes it again, so one that fails hides no other. Ends with a
 * NULL name. */
extern const struct program_check worker_checks[];

#endif
