/* The guard: a message is only a hint; the user database says whether there is anything to do. */
#ifndef FAREWELL_GUARD_H
#define FAREWELL_GUARD_H

#include <stdbool.h>

#include "lib/deletion/message.h"
#include "lib/session/db.h"

enum guard_verdict {
	GUARD_GO, /* committed, and the user still carries this request's mark; started_at is stamped */
	GUARD_FINISHED,  /* that request was finished before  */
	GUARD_ABORTED,   /* no such request was committed   */
	GUARD_CANCELLED, /* it was, and then the user was restored */
	GUARD_ACTIVE,    /* another producer's message for a user that isn't deleted (yet)	*/
	GUARD_LATER,     /* the row is locked by somebody for longer than the lock time-out	 */
	GUARD_REFUSED,   /* a statement can't cope with this user's data; logged   */
	GUARD_LOST,      /* the database is away or refuses; logged	  */
};

/* Who to write to; empty strings where the application knows nothing. Filled by GUARD_GO. */
struct guard_contact {
	char address[321];
	char name[256];
	char locale[36];
};

/* Judges MESSAGE. For a message without a deletion id, finds or makes the request of the user's
 * present mark, and fills the id in. REQUEST_ID may be NULL. */
enum guard_verdict guard_judge(struct db *users, struct message *, const char *request_id,
                               struct guard_contact *);

#endif
