/* Judges the health of a running program by its scoreboard, from another process. */
#include "lib/supervisor/health.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/supervisor/program.h"
#include "lib/supervisor/scoreboard.h"

#define WHY_SIZE 512

static bool health_is_alive(int64_t pid)
{
	return pid > 0 && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}

static bool health_is_ready(const struct scoreboard_slot *slot)
{
	return (slot->state == SLOT_IDLE || slot->state == SLOT_BUSY) && (slot->flags & SLOT_SERVING) &&
	       !(slot->flags & SLOT_AWAY) && health_is_alive(slot->pid);
}

static int health_count_ready(const struct scoreboard *board, const char *kind)
{
	struct scoreboard_slot slot;
	int ready = 0;

	for (int number = 0; number < scoreboard_slots(board); number++)
		if (scoreboard_read_slot(board, number, &slot) && strcmp(slot.kind, kind) == 0 &&
		    health_is_ready(&slot))
			ready++;
	return ready;
}

bool health_good(const struct program *program, const struct conf *conf)
{
	char why[WHY_SIZE];
	const char *kind = program->kinds[0].name;
	struct scoreboard_totals totals;
	struct scoreboard *board =
		scoreboard_open_readonly(conf->common.run_dir, program->name, why, sizeof(why));

	if (board == NULL) {
		log_error("%s", why);
		return false;
	}
	bool alive = scoreboard_read_totals(board, &totals) && health_is_alive(totals.master);
	int ready = health_count_ready(board, kind);
	scoreboard_close(board, false);
	if (!alive)
		log_error("%s does not run: its master has ended", program->name);
	else
		printf("%d %s %s ready\n", ready, kind, ready == 1 ? "child is" : "children are");
	return alive && ready > 0;
}
