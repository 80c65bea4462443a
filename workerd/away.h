/* Servers that are away: noticing it, telling the other children, and waiting (doc/DESIGN.md,
 * "Whose fault is it"). */
#ifndef FAREWELL_AWAY_H
#define FAREWELL_AWAY_H

#include "workerd/worker.h"

/* Whether the databases are there, connected if need be, and what the last job left to be written
 * is written. SESSIONS_READY, or the one that failed counts as away. */
enum sessions_state away_connect(struct worker *);

/* Notes which databases a job has lost, if any. */
void away_note_lost(struct worker *);

/* Says at most once a minute that a server is away, with the reason that its breaker has. */
void away_say(struct worker *, int server);

/* What changed since the last call, in the scoreboard and in the log: a server is back, here or as
 * another child has seen it. Cheap; the pump calls it. */
void away_update(struct worker *);

/* The stores that a job leaves alone, as bits by their numbers: their trial is not due; or, of
 * those that this child has found nothing wrong with, others say that they are away. */
uint32_t away_stores(struct worker *);
/* The index in common.retry_delays and the reason for a job that the STORES keep from its end,
 * which are bits. The reason lives until the next call. */
int away_delay(struct worker *, uint32_t stores, const char **why);

/* Whether this child may consume: the databases and at least one of the stores are there as far as
 * it knows; or a trial is due, which is the next message's job; or, if it knows of nothing itself,
 * no other child says that every store is away, or a database with which it has no session. */
bool away_may_consume(struct worker *);

/* Waits until it may, or is told to stop. */
void away_wait(struct worker *);

/* "waiting", or what else an idle child is to show. */
const char *away_idle_step(const struct worker *);

#endif
