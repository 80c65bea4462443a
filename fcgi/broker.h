/* When the broker is not asked at all: while it blocks publishers, and for a while after it did not
 * answer. Nobody's row is held for either. */
#ifndef FAREWELL_BROKER_H
#define FAREWELL_BROKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/session/mq.h"

/* What the children tell each other, for the broker tells of an alarm only who publishes. */
struct broker_alarm {
	_Atomic int64_t seen_ms; /* when a child last was blocked (clock_now_ms); 0: it is over */
};

/* In memory that children made afterwards share; NULL: there is none. */
struct broker_alarm *broker_alarm_new(void);
void broker_alarm_free(struct broker_alarm *);

struct broker {
	struct broker_alarm *alarm; /* or NULL */
	bool blocked;               /* this child was, when it last looked */
	int missed;                 /* time-outs in a row */
	bool probed;                /* it has answered since the last of them */
	int64_t pause_ms;           /* the present back-off */
	int64_t again_ms;           /* when it ends (clock_now_ms) */
};

/* Whether a message may be published now; reads what the broker has said meanwhile. False: WHY, a
 * sentence's end after "The message broker ". */
bool broker_may_publish(struct broker *, struct mq *, const char **why);

/* Whether an alarm blocks publishers, as far as any child knows; reads what the broker has said. */
bool broker_is_blocked(struct broker *, struct mq *);

/* What came of publishing, connecting included. */
void broker_note(struct broker *, enum mq_result);

/* In between requests: when a back-off is over, asks the broker for EXCHANGE, at most a second. If
 * it answers, the next request may publish; if not, the back-off is doubled. */
void broker_look(struct broker *, struct mq *, const char *exchange);

#endif
