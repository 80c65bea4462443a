/* -H: looks at the scoreboard of the worker that runs on this machine. */
#ifndef FAREWELL_HEALTH_H
#define FAREWELL_HEALTH_H

#include <stdbool.h>

struct conf;

/* True if the master lives and at least one child is consuming or at work; logs what is there, or
 * why not. */
bool health_good(const struct conf *, const char *program);

#endif
