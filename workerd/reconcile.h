/* The reconciler: finds committed requests whose deletion does not get on, and publishes them
 * again. */
#ifndef FAREWELL_RECONCILE_H
#define FAREWELL_RECONCILE_H

#include "lib/config/conf.h"
#include "lib/supervisor/child.h"

/* A child's whole life. Any number of hosts may run one; a lock on the user database lets one work
 * at a time. */
int reconcile_run(struct child *, const struct conf *);

#endif
