/* The sessions that whoever works on deletions needs: both databases, and a connection to publish
 * with. Connected when first needed, and again after a server was away. */
#ifndef FAREWELL_SESSIONS_H
#define FAREWELL_SESSIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/config/conf.h"
#include "lib/deletion/dispatch.h"
#include "lib/deletion/ledger.h"
#include "lib/deletion/pairing.h"
#include "lib/deletion/request.h"
#include "lib/session/db.h"
#include "lib/session/mq.h"

struct sessions {
	const struct conf *conf;
	struct db *users;
	struct ledger ledger;
	struct pairing pairing; /* of these two */
	struct mq *publisher;
	struct dispatch dispatch; /* with that publisher */
	/* Which the sessions point to: */
	struct db_options users_options, ledger_options;
	struct mq_options publisher_options;
	char publisher_name[64];
	struct db_statement users_statements[USER_DB_STATEMENTS];
	struct db_statement ledger_statements[WORKER_DB_STATEMENTS];
};

enum sessions_state {
	SESSIONS_READY,
	SESSIONS_AWAY,          /* a server can't be reached or refuses; logged      */
	SESSIONS_MISCONFIGURED, /* a setting is not right, and waiting won't help; logged */
};

/* Opens no connection. PROGRAM names the sessions at the servers, which sign in as the worker of
 * CONF does. PUMP is for waits that are never given up, DISPATCH_PUMP for the pauses in which
 * publishing again may be. All must outlive the sessions. False: no memory, logged. */
bool sessions_new(struct sessions *, const struct conf *, const char *program,
                  const struct pump *pump, const struct pump *dispatch_pump);
void sessions_free(struct sessions *);

/* Connects those of the two databases that are not connected, and looks in each new session whether
 * they belong together. SESSIONS_AWAY with pairing.why: they don't, and both are closed. */
enum sessions_state sessions_connect_databases(struct sessions *);
/* Check the application's statements in one of the two databases, which is connected if need be. */
enum sessions_state sessions_check_user_db(struct sessions *);
enum sessions_state sessions_check_worker_db(struct sessions *);
/* Checks that the ledger can store what the user database may have in an id. A database that is not
 * connected and can't be is not judged: the two above say why. */
enum sessions_state sessions_check_encodings(struct sessions *);
/* Checks, likewise, that the two databases belong together; makes no pair of them. */
enum sessions_state sessions_check_pairing(struct sessions *);

#endif
