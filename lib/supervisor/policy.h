/* How many children to start and to stop now, and which child hangs: pure functions of numbers and
 * a clock.
 *
 * Sizing follows Apache's prefork; throttling of children that die before their first job follows
 * Postfix's master. */
#ifndef FAREWELL_POLICY_H
#define FAREWELL_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/supervisor/scoreboard.h"

/* Children started in one second while spares are missing. */
#define POLICY_MAX_RATE 32
/* Children starting at the same time, so that no server is flooded. */
#define POLICY_MAX_STARTING 32
#define POLICY_FIRST_DELAY_MS 1000
#define POLICY_MAX_DELAY_MS 60000
/* A child that has served this long is no crash loop, even without a job. */
#define POLICY_PROOF_MS 10000
/* From the request for a backtrace to the kill. */
#define POLICY_KILL_AFTER_MS 2000

struct policy_settings {
	int children; /* fixed number; 0: the next four */
	int start, min_spare, max_spare, max_children;
	int surplus; /* with a fixed number: how many more there may be while old ones are replaced */
};

/* The children of one kind. One that was told to leave, or says it is leaving, counts as leaving
 * and as nothing else. */
struct policy_counts {
	int starting, idle, busy; /* of every generation; starting: not serving yet */
	int leaving;
	int fresh_starting, fresh_serving; /* of those above: of the present generation */
	int old;                           /* of starting, idle and busy: of earlier generations */
	int old_starting;
	int free_slots;
};

/* What has to be remembered from one decision to the next. */
struct policy {
	bool probing;          /* one child alone, until it serves */
	bool filled;           /* start_children was reached once */
	int replace_target;    /* how many there were when the reload came */
	int rate;              /* children to start in the next second */
	int64_t rate_at_ms;    /* when the last were started for want of spares */
	int64_t stopped_at_ms; /* when the last spare one was told to leave */
	int64_t delay_ms;      /* back-off; 0: none */
	int64_t not_before_ms; /* no start until then */
	bool at_max;           /* wants more than max_children */
};

struct policy_advice {
	int start;        /* so many of the present generation */
	int stop_spare;   /* tell so many to leave: the oldest, idle ones first */
	int stop_old;     /* of earlier generations; starting ones first, then idle ones */
	bool max_reached; /* just now */
	int64_t again_ms; /* ask again by then even if nothing happens; INT64_MAX: no need */
};

/* Before the first decision. */
void policy_init(struct policy *);
/* After a reload, with ACTIVE children of the old generation; forgets the back-off. */
void policy_renew(struct policy *, int active);

/* SETTINGS after TTIN and TTOU: ADJUST children more or fewer, at least one. */
struct policy_settings policy_adjusted(struct policy_settings settings, int adjust);

/* What to do now for the children of one kind. */
struct policy_advice policy_decide(struct policy *, const struct policy_settings *,
                                   const struct policy_counts *, int64_t now_ms);

/* A child ended before its first job, or because a server is away or the
 * system gives no memory: back off, 1 s doubling to 60 s.
 * Others that end during that time are part of the same failure and don't double it again. */
void policy_failed(struct policy *, int64_t now_ms);
/* A child started at STARTED_MS took a job or has served for POLICY_PROOF_MS: forgets the back-off,
 * unless the child is older. */
void policy_proved(struct policy *, int64_t started_ms);

/* How long a child may stay where it is. */
struct policy_timeouts {
	int64_t slow_ms; /* 0: off */
	int64_t hard_ms, stop_ms;
};

struct policy_progress {
	enum scoreboard_state state;
	int64_t stuck_ms;   /* busy: since it took the job; else since its last step */
	int64_t ordered_ms; /* since it was told to leave; -1: it was not */
	int64_t aborted_ms; /* since it was asked for its backtrace; -1: it was not */
	bool slow_reported;
};

enum policy_action { POLICY_WAIT, POLICY_REPORT_SLOW, POLICY_ABORT, POLICY_KILL };

/* What to do about a child. Lowers IN_MS to the time after which the answer may be another one. */
enum policy_action policy_watch(const struct policy_timeouts *, const struct policy_progress *,
                                int64_t *in_ms);

#endif
