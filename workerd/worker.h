/* What a worker child holds: its sessions, what it knows of its servers, and the job in hand. */
#ifndef FAREWELL_WORKER_H
#define FAREWELL_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/config/conf.h"
#include "lib/deletion/breaker.h"
#include "lib/deletion/served.h"
#include "lib/deletion/sessions.h"
#include "lib/mail/mail.h"
#include "lib/s3/s3_stores.h"
#include "lib/session/mq.h"
#include "lib/session/pump.h"
#include "lib/supervisor/child.h"
#include "workerd/job.h"
#include "workerd/refusals.h"

#define WHY_SIZE 384

/* The servers that can be away without the message coming again by itself; the bits of child_flag.
 * From SERVER_STORE on they are the object stores, by their numbers. */
enum server {
	SERVER_USER_DB,
	SERVER_WORKER_DB,
	SERVER_PAIRING, /* no server, but the two databases together */
	SERVER_MAIL,
	SERVER_STORE,
	SERVERS_MAX = SERVER_STORE + S3_STORES_MAX
};
_Static_assert(SERVERS_MAX <= 32, "child_flag has a bit for each server");

/* What keeps this child from a database. In the last two it may be this child's alone. */
enum trouble {
	TROUBLE_NONE, /* as far as is known, or none of these */
	TROUBLE_AWAY, /* it can't be connected, or refuses */
	TROUBLE_LOST, /* the session broke */
	TROUBLE_FULL, /* it has no session left for us */
};

struct worker {
	struct child *child; /* NULL with -t */
	const struct conf *conf;
	struct pump pump;      /* heartbeats, and a look at the signals; never says stop */
	struct pump work_pump; /* the same, and stop when the message is no longer ours or we were told
	                          to hurry: for what can be broken off */
	bool broker_lost;   /* the connection the message in hand came on is gone: it will come again */
	bool queue_missing; /* the broker refused to let us consume: whoever we are, declare what is
	                       missing before the next attempt */
	bool cancelled;     /* this child has ended consuming, for whatever reason */
	struct mq_options consumer_options;
	struct mq *consumer;
	struct sessions sessions;
	struct served served; /* what has served whom, in this child */
	struct breaker breakers[SERVERS_MAX];
	struct refusals refusals;                    /* of buckets */
	enum trouble troubles[SERVER_WORKER_DB + 1]; /* with the databases */
	int64_t avoided_ms[S3_STORES_MAX]; /* since when others have been saying that the store is away,
	                                      as far as this child has seen; 0: they are not */
	uint32_t recoveries;               /* child_recoveries when it was looked at last */
	struct job_memory memory; /* of the job in hand, or of the last one: what is not written yet */
	struct s3_stores *stores;
	struct mailer *mailer;
};

/* The step of whoever waits because the two databases don't belong together. */
#define DATABASES_DIFFER "waiting, databases do not match"

/* Opens no connection, but says what is wrong with the options: false, and it has been logged. */
bool worker_init(struct worker *, struct child *, const struct conf *);
void worker_free(struct worker *);

/* How long a worker that marked a mail may still be sending it, whatever became of its sessions. */
int64_t worker_mail_bound_ms(const struct conf *);

/* Waits for a server to come back: *PAUSE_MS, which it doubles up to half a minute, with jitter;
 * less when CHILD is told to stop. */
void worker_back_off(struct child *, const struct pump *, int *pause_ms);

#endif
