/* Offers a child what it does about servers that are away. */
#include "workerd/away.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"

#define LOOK_EVERY_MS 250
/* How much longer than until its next trial a child is believed that a server is away: it may die
 * or hang, and the trial may be a long job. */
#define TRIAL_MS 30000

/* Without these a child consumes nothing. Files go on while only mail waits. */
static const uint32_t needed_to_consume =
	1u << SERVER_USER_DB | 1u << SERVER_WORKER_DB | 1u << SERVER_STORE;

static const struct {
	const char *name, *step;
} servers[SERVERS] = {
	[SERVER_USER_DB] = {"the user database", "waiting for the user database"},
	[SERVER_WORKER_DB] = {"the worker database", "waiting for the worker database"},
	[SERVER_STORE] = {"the store", "waiting for the store"},
	[SERVER_MAIL] = {"the mail server", "waiting, mail server is away"},
};

/* ---- telling ---- */

static void away_show(struct worker *worker)
{
	uint32_t away = 0;
	int64_t until_ms = 0;

	if (worker->child == NULL)
		return;
	for (int i = 0; i < SERVERS; i++) {
		const struct breaker *breaker = &worker->breakers[i];
		if (!breaker->open)
			continue;
		away |= 1u << i;
		if (breaker->trial_ms + TRIAL_MS > until_ms)
			until_ms = breaker->trial_ms + TRIAL_MS;
	}
	child_flag(worker->child, away, until_ms);
}

void away_say(struct worker *worker, enum server server)
{
	struct breaker *breaker = &worker->breakers[server];

	if (breaker->open && breaker_say(breaker, clock_now_ms()))
		log_error("%s is away, and no deletion is charged for it; %s: %s", servers[server].name,
		          server == SERVER_MAIL ? "files are deleted, mails wait" :
		                                  "this child takes no work until it is back",
		          breaker->why);
	away_show(worker);
}

/* SERVER did for a job what it was asked for, after it was away. What an outage made wait no longer
 * than the first delay comes again soon enough. */
static void away_welcome(struct worker *worker, enum server server)
{
	struct breaker *breaker = &worker->breakers[server];
	int64_t away_ms = breaker->away_ms;

	breaker->away_ms = 0;
	breaker->said_ms = 0;
	log_info("%s is back after %lld.%lld s", servers[server].name, (long long)(away_ms / 1000),
	         (long long)(away_ms % 1000 / 100));
	if (away_ms >= worker->conf->common.retry_delays.item[0].ms)
		child_recovered(worker->child);
	away_show(worker);
}

void away_update(struct worker *worker)
{
	if (worker->child == NULL)
		return;
	for (int i = 0; i < SERVERS; i++)
		if (worker->breakers[i].away_ms > 0)
			away_welcome(worker, (enum server)i);
	uint32_t recoveries = child_recoveries(worker->child);
	if (recoveries == worker->recoveries)
		return;
	worker->recoveries = recoveries;
	for (int i = 0; i < SERVERS; i++)
		breaker_hasten(&worker->breakers[i], clock_now_ms());
}

/* ---- noticing ---- */

static struct db *away_database(struct worker *worker, enum server server)
{
	return server == SERVER_USER_DB ? worker->sessions.users : worker->sessions.ledger.db;
}

void away_note_lost(struct worker *worker)
{
	for (int i = SERVER_USER_DB; i <= SERVER_WORKER_DB; i++) {
		struct db *db = away_database(worker, (enum server)i);
		if (db_is_alive(db))
			continue;
		breaker_fault(&worker->breakers[i], db_why(db), clock_now_ms());
		away_say(worker, (enum server)i);
	}
}

enum sessions_state away_connect(struct worker *worker)
{
	enum sessions_state state = sessions_connect_databases(&worker->sessions);
	enum server server = db_is_alive(worker->sessions.users) ? SERVER_WORKER_DB : SERVER_USER_DB;

	if (state == SESSIONS_READY && job_remember(worker, &worker->memory))
		return SESSIONS_READY;
	if (state == SESSIONS_READY) {
		state = SESSIONS_AWAY;
		if (db_is_alive(worker->sessions.users))
			server = SERVER_WORKER_DB;
	}
	breaker_fault(&worker->breakers[server], db_why(away_database(worker, server)), clock_now_ms());
	away_say(worker, server);
	return state;
}

/* ---- waiting ---- */

/* The server that keeps this child from consuming; SERVERS: none. Who has found one to be away goes
 * by his own back-off alone, so that no two wait for each other. */
static enum server away_obstacle(struct worker *worker)
{
	uint32_t others;
	bool own = false;
	int64_t now_ms = clock_now_ms();

	for (int i = 0; i < SERVERS; i++) {
		if (!(needed_to_consume & 1u << i))
			continue;
		if (breaker_waits(&worker->breakers[i], now_ms))
			return (enum server)i;
		own = own || worker->breakers[i].open;
	}
	others = own ? 0 : child_others_away(worker->child) & needed_to_consume;
	for (int i = 0; i < SERVERS; i++)
		if (others & 1u << i)
			return (enum server)i;
	return SERVERS;
}

bool away_may_consume(struct worker *worker)
{
	away_update(worker);
	return away_obstacle(worker) == SERVERS;
}

void away_wait(struct worker *worker)
{
	enum server server;

	while (!child_stopping(worker->child)) {
		away_update(worker);
		server = away_obstacle(worker);
		if (server == SERVERS)
			return;
		child_away(worker->child, servers[server].step);
		child_wait(worker->child, -1, 0, LOOK_EVERY_MS);
		pump_turn(&worker->pump);
	}
}

const char *away_idle_step(const struct worker *worker)
{
	return worker->breakers[SERVER_MAIL].open ? servers[SERVER_MAIL].step : "waiting";
}
