/* -H: how the program that runs with a configuration is, by its scoreboard. */
#ifndef FAREWELL_HEALTH_H
#define FAREWELL_HEALTH_H

#include <stdbool.h>

struct conf;
struct program;

/* Whether the master lives and at least one child of the first kind serves and does not wait for a
 * server; prints how many do, or logs what is wrong. */
bool health_good(const struct program *, const struct conf *);

#endif
