/* The master's table of its children: starts them, looks at them, tells them things, buries them.
 * Decides nothing. */
#ifndef FAREWELL_CHILDREN_H
#define FAREWELL_CHILDREN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/supervisor/child_main.h"
#include "lib/supervisor/policy.h"
#include "lib/supervisor/scoreboard.h"
#include "lib/supervisor/spawn.h"

enum child_order { ORDER_NONE, ORDER_LEAVE, ORDER_STOP };

struct child_record {
	pid_t pid; /* 0: nobody is in this slot */
	int kind;  /* index of pool_options.kinds */
	uint32_t generation;
	bool first;
	enum child_order told;
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

struct children {
	struct child_record *records;
	int slots;
	struct scoreboard *board;
	struct scoreboard_totals totals;
	struct spawn_lifeline lifeline;
	int news; /* eventfd that children write to */
};

/* For every child there is. */
#define CHILDREN_EACH(child, children)                                                             \
	for (struct child_record *child = (children)->records;                                         \
	     child < (children)->records + (children)->slots; child++)                                 \
		if (child->pid == 0) {                                                                     \
		} else

/* What a fork needs to know. */
struct child_start {
	const struct child_kind *kinds;
	int kind;
	uint32_t generation;
	bool first;
	const struct conf *conf;
	const struct conf_pool *limits;
	void (*let_go)(void *arg); /* called in the child: close what is the master's only */
	void *arg;
};

/* Takes over BOARD. False: no memory or descriptors (errno); then children_close all the same. */
bool children_open(struct children *, struct scoreboard *board);
/* REMOVE the scoreboard's file as well. */
void children_close(struct children *, bool remove);

/* Forks a child. False when the system refuses (errno) or no slot is free. */
bool children_start(struct children *, const struct child_start *);
/* Reads all slots anew. */
void children_read(struct children *);
/* Counts the children of KIND. */
struct policy_counts children_count(const struct children *, int kind, uint32_t generation);
int children_size(const struct children *);

/* The one to tell first when one has to leave: starting (if ANY_STARTING), then idle, then busy
 * ones, each the oldest first. Only those before GENERATION, unless that is 0. NULL: none. */
struct child_record *children_choose(struct children *, int kind, uint32_t generation,
                                     bool any_starting);
/* Tells a child to leave or to stop; nothing new to it is no signal. */
void children_tell(struct child_record *, enum child_order, int64_t now_ms);
/* A signal to every child. */
void children_signal(const struct children *, int signal_number);

/* How the child's present state looks to policy_watch. */
struct policy_progress child_record_progress(const struct child_record *, int64_t now_ms);
/* The master stood still for GAP_MS until NOW_MS: that time counts against nobody. */
void children_discount(struct children *, int64_t gap_ms, int64_t now_ms);

/* The child with PID, or NULL. */
struct child_record *children_find(struct children *, pid_t pid);
/* Logs how CHILD ended, adds what it did to the totals, clears its slot. */
void children_remove(struct children *, struct child_record *child, const char *kind, int status,
                     int64_t now_ms);

#endif
