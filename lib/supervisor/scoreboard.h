/* The scoreboard: what every child of a program is doing, in a memory-mapped file that others may
 * read, too.
 *
 * `<program>.scoreboard` in the run directory: a head, the program's totals, and a fixed number of
 * slots, one for each child there can be. Every cell has one writer at a time (a slot: the master
 * while it is free, the child while it lives; the totals: the master) and a sequence lock, so a
 * reader never sees half of one and never waits for a writer that died. Times named _ms are
 * clock_now_ms of this machine. */
#ifndef FAREWELL_SCOREBOARD_H
#define FAREWELL_SCOREBOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCOREBOARD_VERSION 1
#define SCOREBOARD_NAME 32 /* bytes of a name with its NUL */
#define SCOREBOARD_JOB 64
#define SCOREBOARD_COUNTERS 16

enum scoreboard_state { SLOT_FREE, SLOT_STARTING, SLOT_IDLE, SLOT_BUSY, SLOT_LEAVING };

enum scoreboard_flag {
	SLOT_SERVING = 1,  /* it has called child_serving                         */
	SLOT_STOPPING = 2, /* it takes no more work                               */
	SLOT_FIRST = 4,    /* it was tried alone before the others                */
	SLOT_AWAY = 8,     /* it waits for a server, and takes no work until then */
};

struct scoreboard_slot {
	int64_t pid;
	int64_t started_at; /* seconds since 1970 */
	int64_t started_ms;
	int64_t since_ms;               /* of the state; for a busy child: when it took the job */
	int64_t step_ms;                /* of the step */
	int64_t rss;                    /* bytes, as of the last job */
	uint64_t taken, jobs, failures; /* jobs begun, jobs ended, jobs ended without success */
	uint64_t counters[SCOREBOARD_COUNTERS];
	uint32_t generation; /* of the configuration: 1, and one more after each reload */
	uint32_t state;      /* enum scoreboard_state */
	uint32_t flags;      /* enum scoreboard_flag */
	uint32_t away;       /* the program's own bits, one for each server that it found to be away */
	char kind[SCOREBOARD_NAME];
	char step[SCOREBOARD_NAME];
	char job[SCOREBOARD_JOB]; /* deletion or request id; empty: none */
	int64_t away_until_ms;    /* what AWAY says is not to be believed any longer */
};

struct scoreboard_totals {
	int64_t master;     /* pid */
	int64_t started_at; /* seconds since 1970 */
	uint64_t generation;
	uint64_t reloads, reloads_refused;
	uint64_t spawned;
	uint64_t restarts; /* children replaced that nobody had told to leave */
	uint64_t crashes;  /* of those: killed by a signal that was not ours, or a bad exit code */
	uint64_t kills;    /* by the master, for hanging or not leaving */
	uint64_t max_children_reached;
	uint64_t taken, jobs, failures; /* of the children that have ended */
	uint64_t counters[SCOREBOARD_COUNTERS];
};

struct scoreboard;

/* Makes the file anew in RUN_DIR, with its space allocated, and moves it into place. COUNTERS:
 * names, ends with NULL, or NULL. On failure NULL, and WHY says why. */
struct scoreboard *scoreboard_create(const char *run_dir, const char *program, int slots,
                                     const char *const *counters, char *why, size_t why_size);
/* Opens another process's to read. Whether that process still lives, the caller must find out by
 * totals.master. On failure NULL, and WHY says why: not there, not a scoreboard, another
 * version. */
struct scoreboard *scoreboard_open_readonly(const char *run_dir, const char *program, char *why,
                                            size_t why_size);
/* REMOVE: the file too. NULL is fine. */
void scoreboard_close(struct scoreboard *, bool remove);

int scoreboard_slots(const struct scoreboard *);
/* The name of a counter, or NULL. */
const char *scoreboard_counter(const struct scoreboard *, int counter);

/* False: no whole copy could be read, because the writer is writing, or was stopped or killed while
 * it did. Then nothing is changed. */
bool scoreboard_read_slot(const struct scoreboard *, int number, struct scoreboard_slot *);
bool scoreboard_read_totals(const struct scoreboard *, struct scoreboard_totals *);

/* For the cell's one writer only. */
void scoreboard_write_slot(struct scoreboard *, int number, const struct scoreboard_slot *);
void scoreboard_write_totals(struct scoreboard *, const struct scoreboard_totals *);

/* Whether the children are to take no work for now; written by the master only. */
bool scoreboard_paused(const struct scoreboard *);
void scoreboard_set_paused(struct scoreboard *, bool paused);

/* How often a child has seen that a server is back after it was away, since the program started;
 * any child may count one. It outlives the child that did. */
void scoreboard_note_recovered(struct scoreboard *);
uint32_t scoreboard_recovered(const struct scoreboard *);

/* The newest publication of which a child has noted that it has the message in hand: clock_now_ms,
 * negative for one of before the machine's start, 0: none was noted yet. It only grows, and
 * outlives the child that noted it. */
void scoreboard_note_published(struct scoreboard *, int64_t published_ms);
int64_t scoreboard_published(const struct scoreboard *);

/* "idle", "busy", … */
const char *scoreboard_state_name(uint32_t state);

#endif
