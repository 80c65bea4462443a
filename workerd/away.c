/* Offers a child what it does about servers that are away. */
#include "workerd/away.h"

#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"

#define LOOK_EVERY_MS 250
/* How much longer than until its next trial a child is believed that a server is away: it may die
 * or hang, and the trial may be a long job. */
#define TRIAL_MS 30000
#define TOO_MANY_CONNECTIONS "53300"

/* Without these, and without any store, a child consumes nothing. Files go on while only mail
 * waits, and those of another store while one waits. */
static const uint32_t needed_to_consume =
	1u << SERVER_USER_DB | 1u << SERVER_WORKER_DB | 1u << SERVER_PAIRING;

#define IS_AWAY "is away", "is back"

/* From SERVER_STORE on it is one for all. */
static const struct {
	const char *name, *step, *away, *back;
} servers[] = {
	[SERVER_USER_DB] = {"the user database", "waiting for the user database", IS_AWAY},
	[SERVER_WORKER_DB] = {"the worker database", "waiting for the worker database", IS_AWAY},
	[SERVER_PAIRING] = {"the two databases", DATABASES_DIFFER, "do not belong together",
                        "belong together again"},
	[SERVER_MAIL] = {"the mail server", "waiting, mail server is away", IS_AWAY},
	[SERVER_STORE] = {NULL, "waiting for the store", IS_AWAY},
};

/* So many there are: the stores are as many as the configuration has. */
static int away_servers(const struct worker *worker)
{
	return SERVER_STORE + (worker->stores != NULL ? s3_stores_count(worker->stores) : 0);
}

/* The row of SERVER. */
static int away_row(int server)
{
	return server < SERVER_STORE ? server : SERVER_STORE;
}

static const char *away_name(const struct worker *worker, int server)
{
	return server < SERVER_STORE ? servers[server].name :
	                               s3_stores_name(worker->stores, server - SERVER_STORE);
}

/* The bits of all stores. */
static uint32_t away_every_store(const struct worker *worker)
{
	return ((1u << (away_servers(worker) - SERVER_STORE)) - 1) << SERVER_STORE;
}

/* ---- the databases ---- */

static struct db *away_database(struct worker *worker, enum server server)
{
	return server == SERVER_USER_DB ? worker->sessions.users : worker->sessions.ledger.db;
}

/* A database can't be asked, with its reason. */
static void away_database_fault(struct worker *worker, enum server server, enum trouble trouble)
{
	const struct db *db = away_database(worker, server);
	struct breaker *breaker = &worker->breakers[server];

	if (strcmp(db_sqlstate(db), TOO_MANY_CONNECTIONS) == 0)
		trouble = TROUBLE_FULL;
	if (trouble != worker->troubles[server])
		breaker->said_ms = 0; /* that is news */
	worker->troubles[server] = trouble;
	breaker_fault(breaker, db_why(db), clock_now_ms());
	away_say(worker, server);
}

/* The databases, as bits, with which this child has a session. */
static uint32_t away_own_sessions(struct worker *worker)
{
	uint32_t open = 0;

	for (int i = SERVER_USER_DB; i <= SERVER_WORKER_DB; i++)
		open |= db_is_alive(away_database(worker, (enum server)i)) ? 1u << i : 0;
	return open;
}

/* What the others say of servers, as bits. Of a database they are believed only by who has no
 * session with it: it may be they alone that it has none left for, and one that is away ends
 * everybody's. Whether the two belong together each child finds in its own sessions. */
static uint32_t away_others(struct worker *worker)
{
	uint32_t others = child_others_away(worker->child) & ~(1u << SERVER_PAIRING);

	return (others & needed_to_consume) != 0 ? others & ~away_own_sessions(worker) : others;
}

/* ---- telling ---- */

static void away_show(struct worker *worker)
{
	uint32_t away = 0;
	int64_t until_ms = 0;

	if (worker->child == NULL)
		return;
	for (int i = 0; i < away_servers(worker); i++) {
		const struct breaker *breaker = &worker->breakers[i];
		if (!breaker->open)
			continue;
		away |= 1u << i;
		if (breaker->trial_ms + TRIAL_MS > until_ms)
			until_ms = breaker->trial_ms + TRIAL_MS;
	}
	child_flag(worker->child, away, until_ms);
}

/* What becomes of the work while SERVER is away. */
static const char *away_meanwhile(const struct worker *worker, int server)
{
	if (server == SERVER_MAIL)
		return "files are deleted, mails wait";
	if (server >= SERVER_STORE && s3_stores_count(worker->stores) > 1)
		return "files in other stores are deleted, those in this one wait";
	if (server == SERVER_PAIRING)
		return "this child takes no work until they do";
	return "this child takes no work until it is back";
}

static enum trouble away_trouble(const struct worker *worker, int server)
{
	return server <= SERVER_WORKER_DB ? worker->troubles[server] : TROUBLE_NONE;
}

void away_say(struct worker *worker, int server)
{
	struct breaker *breaker = &worker->breakers[server];
	const char *name = away_name(worker, server);
	enum trouble trouble = away_trouble(worker, server);

	away_show(worker);
	if (!breaker->open || !breaker_say(breaker, clock_now_ms()))
		return;
	if (trouble == TROUBLE_FULL)
		log_error("this child can't log in to %s, and no deletion is charged for it; it takes no "
		          "work until it can, the others go on with the sessions that they have: %s; raise "
		          "max_connections, or the CONNECTION LIMIT of the role or the database "
		          "(doc/OPERATE.md says how many sessions are needed)",
		          name, breaker->why);
	else if (trouble == TROUBLE_LOST)
		log_error("this child has lost its session with %s, and no deletion is charged for it; it "
		          "takes no work until it has another: %s",
		          name, breaker->why);
	else
		log_error("%s %s, and no deletion is charged for it; %s: %s", name,
		          servers[away_row(server)].away, away_meanwhile(worker, server), breaker->why);
}

/* SERVER did for a job what it was asked for, after it was away. What an outage made wait no longer
 * than the first delay comes again soon enough. */
static void away_welcome(struct worker *worker, int server)
{
	struct breaker *breaker = &worker->breakers[server];
	int64_t away_ms = breaker->away_ms;
	bool own = away_trouble(worker, server) >= TROUBLE_LOST;

	if (server <= SERVER_WORKER_DB)
		worker->troubles[server] = TROUBLE_NONE;
	breaker->away_ms = 0;
	breaker->said_ms = 0;
	log_info("%s%s %s after %lld.%lld s", own ? "this child is logged in to " : "",
	         away_name(worker, server), own ? "again" : servers[away_row(server)].back,
	         (long long)(away_ms / 1000), (long long)(away_ms % 1000 / 100));
	if (away_ms >= worker->conf->common.retry_delays.item[0].ms)
		child_recovered(worker->child);
	away_show(worker);
}

void away_update(struct worker *worker)
{
	if (worker->child == NULL)
		return;
	for (int i = 0; i < away_servers(worker); i++)
		if (worker->breakers[i].away_ms > 0)
			away_welcome(worker, i);
	uint32_t recoveries = child_recoveries(worker->child);
	if (recoveries == worker->recoveries)
		return;
	worker->recoveries = recoveries;
	for (int i = 0; i < away_servers(worker); i++)
		breaker_hasten(&worker->breakers[i], clock_now_ms());
	refusals_hasten(&worker->refusals, clock_now_ms());
}

/* ---- noticing ---- */

void away_note_lost(struct worker *worker)
{
	for (int i = SERVER_USER_DB; i <= SERVER_WORKER_DB; i++) {
		if (!db_is_alive(away_database(worker, (enum server)i)))
			away_database_fault(worker, (enum server)i, TROUBLE_LOST);
	}
}

/* The look itself is the trial: no job can say more of it. */
static void away_note_pairing(struct worker *worker, enum sessions_state state)
{
	struct breaker *breaker = &worker->breakers[SERVER_PAIRING];

	if (worker->sessions.pairing.why != NULL) {
		breaker_fault(breaker, worker->sessions.pairing.why, clock_now_ms());
		away_say(worker, SERVER_PAIRING);
	} else if (state == SESSIONS_READY && breaker->open) {
		breaker_success(breaker, clock_now_ms());
		away_update(worker);
	}
}

enum sessions_state away_connect(struct worker *worker)
{
	enum sessions_state state = sessions_connect_databases(&worker->sessions);
	enum server server = db_is_alive(worker->sessions.users) ? SERVER_WORKER_DB : SERVER_USER_DB;

	away_note_pairing(worker, state);
	if (worker->sessions.pairing.why != NULL)
		return state;
	if (state == SESSIONS_READY && job_remember(worker, &worker->memory))
		return SESSIONS_READY;
	if (state == SESSIONS_READY) {
		state = SESSIONS_AWAY;
		if (db_is_alive(worker->sessions.users))
			server = SERVER_WORKER_DB;
	}
	away_database_fault(worker, server, TROUBLE_AWAY);
	return state;
}

/* ---- waiting ---- */

/* Of the stores, as bits of servers: which WAIT for this child's own trial, and which are OPEN. */
static void away_own_stores(const struct worker *worker, uint32_t *wait, uint32_t *open)
{
	int64_t now_ms = clock_now_ms();

	*wait = *open = 0;
	for (int i = SERVER_STORE; i < away_servers(worker); i++) {
		*wait |= breaker_waits(&worker->breakers[i], now_ms) ? 1u << i : 0;
		*open |= worker->breakers[i].open ? 1u << i : 0;
	}
}

/* The server that keeps this child from consuming, SERVER_STORE for all stores together;
 * SERVERS_MAX: none. Who has found one to be away goes by his own back-off alone, so that no two
 * wait for each other. */
static enum server away_obstacle(struct worker *worker)
{
	uint32_t others, wait, open, every_store = away_every_store(worker);
	bool own = false;
	int64_t now_ms = clock_now_ms();

	for (int i = 0; i < SERVER_STORE; i++) {
		if (!(needed_to_consume & 1u << i))
			continue;
		if (breaker_waits(&worker->breakers[i], now_ms))
			return (enum server)i;
		own = own || worker->breakers[i].open;
	}
	away_own_stores(worker, &wait, &open);
	others = away_others(worker);
	/* A store of which a trial is due is one that is there; its own trial ends each wait. */
	if ((wait | (others & ~open & every_store)) == every_store && (wait != 0 || !own))
		return SERVER_STORE;
	if (own || open != 0)
		return SERVERS_MAX;
	for (int i = 0; i < SERVER_STORE; i++)
		if (others & needed_to_consume & 1u << i)
			return (enum server)i;
	return SERVERS_MAX;
}

uint32_t away_stores(struct worker *worker)
{
	uint32_t others = child_others_away(worker->child), wait, open;

	away_own_stores(worker, &wait, &open);
	for (int i = SERVER_STORE; i < away_servers(worker); i++) {
		int64_t *avoided_ms = &worker->avoided_ms[i - SERVER_STORE];

		if (!(others & ~open & 1u << i))
			*avoided_ms = 0;
		else if (*avoided_ms == 0)
			*avoided_ms = clock_now_ms();
	}
	return (wait | (others & ~open & away_every_store(worker))) >> SERVER_STORE;
}

/* While this child takes no work, messages may be back as soon as it does; while it goes on with
 * those of other stores, as with mail, they must leave room. */
int away_delay(struct worker *worker, uint32_t stores, const char **why)
{
	int store = __builtin_ctz(stores);
	const struct breaker *breaker = &worker->breakers[SERVER_STORE + store];
	int64_t now_ms = clock_now_ms();
	struct breaker seen = {.open = worker->avoided_ms[store] != 0,
	                       .opened_ms = worker->avoided_ms[store]};

	if (breaker->open)
		seen.opened_ms = breaker->opened_ms;
	seen.open = seen.open || breaker->open;
	*why =
		breaker->open ? breaker->why : "another child has found the store of some files to be away";
	return s3_stores_count(worker->stores) == 1 ? 0 : breaker_delay(&seen, worker->conf, now_ms);
}

bool away_may_consume(struct worker *worker)
{
	away_update(worker);
	return away_obstacle(worker) == SERVERS_MAX;
}

void away_wait(struct worker *worker)
{
	enum server server;

	while (!child_stopping(worker->child)) {
		away_update(worker);
		server = away_obstacle(worker);
		if (server == SERVERS_MAX)
			return;
		child_away(worker->child, servers[server].step);
		child_wait(worker->child, -1, 0, LOOK_EVERY_MS);
		pump_turn(&worker->pump);
	}
}

const char *away_idle_step(const struct worker *worker)
{
	uint32_t wait, open;

	away_own_stores(worker, &wait, &open);
	if (open != 0 && s3_stores_count(worker->stores) > 1)
		return "waiting, a store is away";
	return worker->breakers[SERVER_MAIL].open ? servers[SERVER_MAIL].step : "waiting";
}
