/* Something to be done while a session waits for its server: heartbeats, and a look whether the
 * child was told to stop. */
#ifndef FAREWELL_PUMP_H
#define FAREWELL_PUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pump {
	bool (*turn)(void *arg); /* called at least once a second; false: give the wait up */
	void *arg;
};

/* Takes a turn; a NULL pump always says go on. */
static inline bool pump_turn(const struct pump *pump)
{
	return pump == NULL || pump->turn == NULL || pump->turn(pump->arg);
}

/* Waits MS milliseconds, the pump taking its turns. False, and earlier, when it says stop. */
bool pump_wait(const struct pump *pump, int64_t ms);

#endif
