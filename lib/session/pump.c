/* Waiting while a pump takes its turns. */
#include "lib/session/pump.h"

#include <poll.h>

#include "lib/base/clock.h"

#define SLICE_MS 250 /* how late a stop may be noticed */

bool pump_wait(const struct pump *pump, int64_t ms)
{
	int64_t until_ms = clock_now_ms() + ms;

	for (;;) {
		int left_ms = clock_left_ms(until_ms);

		if (!pump_turn(pump))
			return false;
		if (left_ms == 0)
			return true;
		poll(NULL, 0, left_ms < SLICE_MS ? left_ms : SLICE_MS);
	}
}
