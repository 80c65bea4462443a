/* Times: a monotonic clock in milliseconds, and RFC 3339 text. */
#ifndef FAREWELL_CLOCK_H
#define FAREWELL_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define CLOCK_RFC3339_SIZE 32

/* Milliseconds of CLOCK_MONOTONIC, which does not count a machine's suspension: a deadline is such
 * a value. */
int64_t clock_now_ms(void);
/* Milliseconds from now until DEADLINE_MS, at least 0, at most INT_MAX. */
int clock_left_ms(int64_t deadline_ms);
/* Writes WHEN as `2026-11-22T15:39:07Z`; a time beyond the calendar as "". */
void clock_rfc3339(time_t when, char text[CLOCK_RFC3339_SIZE]);

#endif
