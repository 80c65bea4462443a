/* Whether this process is short of what every process needs. So that a failure for want of it is
 * not taken for a mistake in the configuration, or for a server that is away. */
#ifndef FAREWELL_RESOURCES_H
#define FAREWELL_RESOURCES_H

#include <stdbool.h>
#include <stddef.h>

#define RESOURCES_WHY_SIZE 128

/* Whether memory can't be had: asks for a little more than a job usually needs, and gives it back
 * untouched. Two system calls. */
bool resources_no_memory(void);
/* The same, or that descriptors can't be had: so many as a child needs to start. WHY: in words. */
bool resources_short(char *why, size_t why_size);

#endif
