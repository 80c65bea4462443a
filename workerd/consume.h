/* A worker child's life: consume, one message at a time. */
#ifndef FAREWELL_CONSUME_H
#define FAREWELL_CONSUME_H

#include "lib/config/conf.h"
#include "lib/supervisor/child.h"

/* Runs until told to stop; returns the child's exit code. */
int consume_run(struct child *, const struct conf *);

#endif
