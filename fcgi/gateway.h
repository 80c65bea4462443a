/* One process of the gateway: its sessions with the user database and the broker, and how it
 * answers a request. */
#ifndef FAREWELL_GATEWAY_H
#define FAREWELL_GATEWAY_H

#include <stdbool.h>

#include "fcgi/broker.h"
#include "fcgi/http.h"
#include "fcgi/listen.h"
#include "lib/deletion/account.h"
#include "lib/deletion/lineage.h"
#include "lib/session/db.h"
#include "lib/session/mq.h"

struct child;
struct conf;

/* What the children share, opened before the first of them: child_shared. */
struct gateway_shared {
	struct listener listener;
	struct broker_alarm *alarm; /* or NULL */
};

struct gateway {
	const struct conf *conf;
	struct child *child; /* NULL under -t */
	struct db *db;
	struct mq *mq;
	struct broker broker;
	struct lineage lineage;
	/* for the sessions, which keep pointers: */
	struct db_options db_options;
	struct mq_options mq_options;
	struct pump db_pump, mq_pump;
	struct db_statement statements[USER_DB_STATEMENTS];
	struct request_texts texts;
};

/* Makes the sessions; they connect when first needed. CONF and CHILD must outlive it. False: no
 * memory. */
bool gateway_open(struct gateway *, const struct conf *, struct child *);
void gateway_close(struct gateway *);

/* Connects to both servers, so that the first request need not. A server that can't be reached is
 * logged, and connected to by the first request that needs it. */
void gateway_connect(struct gateway *);

/* To be called at least every second while idle: heartbeats, and a look whether a server has closed
 * its connection. */
void gateway_look(struct gateway *);

/* Answers REQUEST, whatever it is, and logs one line about it. Free RESPONSE with
 * http_response_free. */
void gateway_answer(struct gateway *, const struct http_request *, struct http_response *);

#endif
