/* What a worker child holds: its sessions, and the job in hand. */
#ifndef FAREWELL_WORKER_H
#define FAREWELL_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/config/conf.h"
#include "lib/deletion/message.h"
#include "lib/deletion/statements.h"
#include "lib/mail/mail.h"
#include "lib/s3/s3.h"
#include "lib/session/db.h"
#include "lib/session/mq.h"
#include "lib/session/pump.h"
#include "lib/supervisor/pool.h"

#define WHY_SIZE 384

struct worker {
	struct child *child; /* NULL with -t */
	const struct conf *conf;
	struct pump pump;      /* heartbeats, and a look at the signals; never says stop */
	struct pump work_pump; /* the same, and stop when the message is no longer ours or we were told
	                          to hurry: for what can be broken off */
	bool
		broker_lost; /* the connection the message in hand came on is gone, so it will come again */
	bool queue_missing; /* the broker refused to let us consume: whoever we are, declare what is
	                       missing before the next attempt */
	bool leased;        /* the ledger's connection holds a lease */
	struct mq_options consumer_options, publisher_options;
	struct mq *consumer;
	struct mq *publisher; /* another connection: an alarm blocks those that publish */
	struct db_options users_options, ledger_options;
	struct db_statement users_statements[STATEMENTS_MAX], ledger_statements[STATEMENTS_MAX];
	struct db *users, *ledger;
	struct s3 *s3; /* these two only with_stores */
	struct mailer *mailer;
};

/* Opens no connection, but says what is wrong with the options: false, and it has been logged.
 * WITH_STORES: S3 and mail too. */
bool worker_init(struct worker *, struct child *, const struct conf *, bool with_stores);
void worker_free(struct worker *);

/* Deadlines for one exchange with a database or the broker, from the settings. */
int64_t worker_db_deadline(const struct worker *);
int64_t worker_mq_deadline(const struct worker *);

enum worker_state {
	WORKER_READY,
	WORKER_AWAY,          /* a server can't be reached or refuses; logged      */
	WORKER_MISCONFIGURED, /* a statement or a password is not right; logged    */
};

/* Connects those of the two databases that are not connected. */
enum worker_state worker_connect_databases(struct worker *);
/* Checks the application's statements in the sessions that are open. */
enum worker_state worker_check_statements(struct worker *);

/* Waits for a server to come back: PAUSE_MS, which it doubles up to half a minute, with jitter;
 * less when told to stop. */
void worker_back_off(struct worker *, int *pause_ms);

#endif
