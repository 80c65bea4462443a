/* The master's table of its children: starts them, looks at them, tells them things, buries them.
 * Decides nothing. */
#ifndef FAREWELL_BROOD_H
#define FAREWELL_BROOD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/supervisor/child.h"
#include "lib/supervisor/policy.h"
#include "lib/supervisor/scoreboard.h"
#include "lib/supervisor/spawn.h"

enum brood_told { TOLD_NOTHING, TOLD_LEAVE, TOLD_STOP };

struct brood_child {
	pid_t pid; /* 0: nobody is in this slot */
	int kind;  /* index of pool_options.kinds */
	uint32_t generation;
	bool first;
	enum brood_told told;
	int64_t started_ms;
	int64_t
		told_ms; /* when it was told to leave, later by the time the master itself stood still */
	int64_t aborted_ms;  /* when it was sent SIGABRT, likewise; 0: never */
	bool killed;         /* and SIGKILL */
	int64_t forgiven_ms; /* time within the present state or step in which the master stood still */
	int64_t forgiven_for_ms;     /* the start of that state or step */
	int64_t slow_since_ms;       /* start of the job that was reported as slow */
	struct scoreboard_slot seen; /* as last read */
};

struct brood {
	struct brood_child *children;
	int slots;
	struct scoreboard *board;
	struct scoreboard_totals totals;
	struct spawn_lifeline lifeline;
	int news; /* eventfd that children write to */
};

/* For every child there is. */
#define BROOD_EACH(child, brood)                                                                   \
	for (struct brood_child *child = (brood)->children;                                            \
	     child < (brood)->children + (brood)->slots; child++)                                      \
		if (child->pid == 0) {                                                                     \
		} else

/* What a fork needs to know. */
struct brood_birth {
	const struct child_kind *kinds;
	int kind;
	uint32_t generation;
	bool first;
	const struct conf *conf;
	const struct conf_pool *limits;
	void (*let_go)(void *arg); /* called in the child: close what is the master's only */
	void *arg;
};

/* Takes over BOARD. False: no memory or descriptors (errno); then brood_close all the same. */
bool brood_open(struct brood *, struct scoreboard *board);
/* REMOVE the scoreboard's file as well. */
void brood_close(struct brood *, bool remove);

/* Forks a child. False when the system refuses (errno) or no slot is free. */
bool brood_start(struct brood *, const struct brood_birth *);
/* Reads all slots anew. */
void brood_look(struct brood *);
/* Counts the children of KIND. */
struct policy_counts brood_count(const struct brood *, int kind, uint32_t generation);
int brood_size(const struct brood *);

/* The one to tell first when one has to leave: starting (if ANY_STARTING), then idle, then busy
 * ones, each the oldest first. Only those before GENERATION, unless that is 0. NULL: none. */
struct brood_child *brood_choose(struct brood *, int kind, uint32_t generation, bool any_starting);
/* Tells a child to leave or to stop; nothing new to it is no signal. */
void brood_tell(struct brood_child *, enum brood_told, int64_t now_ms);
/* A signal to every child. */
void brood_signal(const struct brood *, int signal_number);

/* How the child's present state looks to policy_watch. */
struct policy_progress brood_progress(const struct brood_child *, int64_t now_ms);
/* The master stood still for GAP_MS until NOW_MS: that time counts against nobody. */
void brood_forgive(struct brood *, int64_t gap_ms, int64_t now_ms);

/* The child with PID, or NULL. */
struct brood_child *brood_find(struct brood *, pid_t pid);
/* Logs how CHILD ended, adds what it did to the totals, clears its slot. */
void brood_bury(struct brood *, struct brood_child *child, const char *kind, int status,
                int64_t now_ms);

#endif
