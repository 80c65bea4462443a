/* A child's own data, for child.c and child_show.c. */
#ifndef FAREWELL_CHILD_OWN_H
#define FAREWELL_CHILD_OWN_H

#include "lib/supervisor/child_main.h"

struct child {
	struct child_place place;
	struct scoreboard_slot slot; /* our copy; written to the scoreboard by child_show */
	int epoll, signals, statm;
	bool told_leave, told_stop, paused;
	bool leave_reported, hurry_reported, paused_reported; /* child_wait has returned for it */
	const char *recycle;                                  /* why we leave by ourselves, or NULL */
	bool no_memory;                                       /* that is why */
	int64_t memory_ms;                                    /* when that was looked at */
	uint64_t max_jobs;                                    /* 0: no limit */
	int64_t leave_at_ms;                                  /* end of lifetime; 0: none */
};

/* Writes our copy of the slot to the scoreboard. */
void child_show(struct child *);
/* Sets the step in our copy. */
void child_set_step(struct child *, const char *step);
/* Whether the system gives memory; looks only if the last look was EVERY_MS ago. */
void child_check_memory(struct child *, int64_t every_ms);

#endif
