/* Offers circuit breakers: opening, backing off with jitter, trials, closing. */
#include "lib/deletion/breaker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/text.h"

#define SAY_EVERY_MS 60000

static void breaker_keep_why(struct breaker *breaker, const char *why)
{
	snprintf(breaker->why, sizeof(breaker->why), "%.*s",
	         (int)text_utf8_fit(why, sizeof(breaker->why) - 1), why);
}

/* Puts the next trial off, twice as long each time. What follows before that trial is due belongs
 * to the same one. */
static void breaker_back_off(struct breaker *breaker, int64_t now_ms)
{
	int64_t pause_ms = breaker->pause_ms;

	if (breaker_waits(breaker, now_ms))
		return;
	breaker->trial_ms = now_ms + pause_ms + arc4random_uniform((uint32_t)pause_ms / 2 + 1);
	breaker->pause_ms =
		pause_ms * 2 < BREAKER_PAUSE_LONGEST_MS ? pause_ms * 2 : BREAKER_PAUSE_LONGEST_MS;
}

static void breaker_open(struct breaker *breaker, int64_t now_ms)
{
	breaker->open = true;
	breaker->opened_ms = now_ms;
	breaker->trial_ms = now_ms;
	breaker->pause_ms = BREAKER_PAUSE_FIRST_MS;
	breaker->failures = 0;
}

void breaker_fault(struct breaker *breaker, const char *why, int64_t now_ms)
{
	breaker_keep_why(breaker, why);
	breaker->uncharged++;
	if (!breaker->open)
		breaker_open(breaker, now_ms);
	breaker_back_off(breaker, now_ms);
}

static bool breaker_knows(const struct breaker *breaker, const char *deletion_id)
{
	for (int i = 0; i < breaker->failures; i++)
		if (strcmp(breaker->failed[i], deletion_id) == 0)
			return true;
	return false;
}

bool breaker_failure(struct breaker *breaker, const char *why, const char *deletion_id,
                     int64_t now_ms)
{
	bool was_open = breaker->open;

	breaker_keep_why(breaker, why);
	if (was_open) {
		breaker->uncharged++;
		breaker_back_off(breaker, now_ms);
	} else if (!breaker_knows(breaker, deletion_id)) {
		snprintf(breaker->failed[breaker->failures++], ID_UUID_SIZE, "%s", deletion_id);
		if (breaker->failures == BREAKER_DIFFERENT) {
			breaker_open(breaker, now_ms);
			breaker_back_off(breaker, now_ms);
		}
	}
	return was_open;
}

void breaker_success(struct breaker *breaker, int64_t now_ms)
{
	if (breaker->open)
		breaker->away_ms = now_ms > breaker->opened_ms ? now_ms - breaker->opened_ms : 1;
	breaker->open = false;
	breaker->failures = 0;
}

bool breaker_waits(const struct breaker *breaker, int64_t now_ms)
{
	return breaker->open && now_ms < breaker->trial_ms;
}

void breaker_hasten(struct breaker *breaker, int64_t now_ms)
{
	if (breaker_waits(breaker, now_ms))
		breaker->trial_ms = now_ms;
}

int breaker_delay(const struct breaker *breaker, const struct conf *conf, int64_t now_ms)
{
	const struct conf_durations *delays = &conf->common.retry_delays;
	int64_t away_ms = breaker->open ? now_ms - breaker->opened_ms : 0;
	int delay = 0;

	while (delay < delays->count - 1 && delays->item[delay].ms < away_ms)
		delay++;
	return delay;
}

bool breaker_say(struct breaker *breaker, int64_t now_ms)
{
	if (breaker->said_ms != 0 && now_ms - breaker->said_ms < SAY_EVERY_MS)
		return false;
	breaker->said_ms = now_ms;
	return true;
}
