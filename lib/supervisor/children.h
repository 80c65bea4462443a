/* The master's table of its children: starts them, reads what they show, tells them to leave,
 * removes those that have ended. Decides nothing. */
#ifndef FAREWELL_CHILDREN_H
#define FAREWELL_CHILDREN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/supervisor/child_main.h"
#include "lib/supervisor/policy.h"
#include "lib/supervisor/scoreboard.h"
#include "lib/supervisor/spawn.h"

/* What the master has told a child. LEAVE: finish the job in hand; STOP: hand it over if you can.
 */
enum child_order { ORDER_NONE, ORDER_LEAVE, ORDER_STOP };

/* Times are clock_now_ms of this machine. */
struct child_record {
	pid_t pid; /* 0: the slot is free */
	int kind;  /* index of the master's kinds */
	uint32_t generation;
	bool first;
	enum child_order order;
	int64_t started_ms;
	int64_t ordered_ms;  /* when it was told to leave; moved on by gaps, see children_discount */
	int64_t aborted_ms;  /* when it was sent SIGABRT, moved on likewise; 0: never */
	bool killed;         /* it was sent SIGKILL */
	int64_t discount_ms; /* time within the present state or step that does not count */
	int64_t discount_for_ms;     /* the start of that state or step */
	int64_t slow_since_ms;       /* start of the job that was reported as slow */
	struct scoreboard_slot seen; /* as last read */
};

struct children {
	struct child_record *records;
	int slots;
	struct scoreboard *board;
	struct scoreboard_totals totals;
	struct spawn_parent_pipe parent_pipe;
	int news; /* eventfd that children write to */
};

/* For every child there is. */
#define CHILDREN_EACH(child, children)                                                             \
	for (struct child_record *child = (children)->records;                                         \
	     child < (children)->records + (children)->slots; child++)                                 \
		if (child->pid == 0) {                                                                     \
		} else

/* What starting a child takes. */
struct child_start {
	const struct child_kind *kind;
	int kind_index;
	uint32_t generation;
	bool first;
	bool replaces; /* for child_replaces */
	const struct conf *conf;
	const struct conf_pool *limits;
	void *shared;                    /* for child_shared */
	void (*close_parent)(void *arg); /* called in the child: closes what is the master's only */
	void *arg;
};

/* Takes over BOARD. False: no memory or descriptors (errno); then children_close all the same. */
bool children_open(struct children *, struct scoreboard *board);
/* REMOVE the scoreboard's file as well. */
void children_close(struct children *, bool remove);

/* Forks a child. False when the system refuses (errno) or no slot is free (EAGAIN). */
bool children_start(struct children *, const struct child_start *);
/* Reads every child's slot into its record. */
void children_read(struct children *);
/* Counts the children of KIND; GENERATION is the present one. */
struct policy_counts children_count(const struct children *, int kind, uint32_t generation);
/* How many of KIND wait for a server. */
int children_count_away(const struct children *, int kind);
/* How many there are of all kinds. */
int children_size(const struct children *);

/* The one to tell first when one has to leave: starting (if ANY_STARTING), then idle, then busy
 * ones, each the oldest first. Only those of other generations than GENERATION, unless that is 0.
 * NULL: none. */
struct child_record *children_choose(struct children *, int kind, uint32_t generation,
                                     bool any_starting);
/* Tells a child to leave or to stop, unless it was told that or more before. */
void child_record_tell(struct child_record *, enum child_order, int64_t now_ms);
/* Sends a signal to every child. */
void children_signal(const struct children *, int signal_number);

/* How the child's present state looks to policy_watch. */
struct policy_progress child_record_progress(const struct child_record *, int64_t now_ms);
/* The master did not run for GAP_MS until NOW_MS: no time-out of a child counts that time. */
void children_discount(struct children *, int64_t gap_ms, int64_t now_ms);

/* The child with PID, or NULL. */
struct child_record *children_find(struct children *, pid_t pid);
/* For a child that has ended with STATUS (of waitpid): logs how, adds what it did to the totals,
 * frees its slot. Returns its record as it was at the end. */
struct child_record children_remove(struct children *, struct child_record *, int status,
                                    int64_t now_ms);

#endif
