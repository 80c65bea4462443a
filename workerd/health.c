#include "workerd/health.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/config/conf.h"
#include "lib/supervisor/scoreboard.h"

static bool lives(int64_t pid)
{
	return pid > 0 && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}

static bool is_consuming(const struct scoreboard_slot *slot)
{
	return strcmp(slot->kind, "worker") == 0 && (slot->flags & SLOT_SERVING) &&
	       !(slot->flags & SLOT_AWAY) && lives(slot->pid) &&
	       (slot->state == SLOT_IDLE || slot->state == SLOT_BUSY);
}

static int count_consuming(const struct scoreboard *board)
{
	struct scoreboard_slot slot;
	int consuming = 0;

	for (int number = 0; number < scoreboard_slots(board); number++)
		if (scoreboard_read_slot(board, number, &slot) && is_consuming(&slot))
			consuming++;
	return consuming;
}

bool health_good(const struct conf *conf, const char *program)
{
	char why[256];
	struct scoreboard_totals totals;
	struct scoreboard *board =
		scoreboard_open_readonly(conf->common.run_dir, program, why, sizeof(why));

	if (board == NULL) {
		log_error("%s", why);
		return false;
	}
	bool alive = scoreboard_read_totals(board, &totals) && lives(totals.master);
	int consuming = count_consuming(board);
	scoreboard_close(board, false);
	if (!alive)
		log_error("the master is gone");
	else
		printf("%d consuming\n", consuming);
	return alive && consuming > 0;
}
