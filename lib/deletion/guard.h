/* The guard: a message is only a hint; the user database says whether there is anything to do. It
 * fails closed: what is absent, refused or ambiguous is never taken for a reason to go on, nor for
 * one to forget a request that was seen. */
#ifndef FAREWELL_GUARD_H
#define FAREWELL_GUARD_H

#include <stdbool.h>

#include "lib/config/conf.h"
#include "lib/deletion/message.h"
#include "lib/session/db.h"

#define GUARD_WHY_SIZE 320

enum guard_verdict {
	GUARD_GO,        /* committed, and the user still carries this request's mark; started_at is
	                    stamped                                                                   */
	GUARD_FINISHED,  /* that request was finished before                                          */
	GUARD_ABORTED,   /* no such request was committed                                             */
	GUARD_CANCELLED, /* it was, and then the user was restored                                    */
	GUARD_ACTIVE,    /* another producer's message for a user that isn't deleted (yet)            */
	GUARD_ABSENT,    /* another producer's message for a user that is not there (yet)             */
	GUARD_PARK,      /* only a person can tell: why says what was found                           */
	GUARD_MISMATCH, /* the message is not its request's: park it, and leave the deletion alone    */
	GUARD_REFUSED,  /* a statement was refused, the session is still there: db_kind; logged      */
	GUARD_LOST,     /* the database is away; logged                                              */
};

/* What the guard is asked. */
struct guard_question {
	const struct conf *conf;
	const char *request_id; /* of the message, or NULL */
	const char *lineage;    /* of the database that the message was published for, or NULL */
	bool seen;              /* the request was seen before: a later turn, or a row in the ledger */
	bool fresh;             /* the session was opened for this question: its refusals are true */
	const char *misfit; /* why no user can have the message's user id; NULL: one can. Then only the
	                       request is read, and never is the verdict to go on */
};

/* Who to write to; empty strings where the application knows nothing. Filled by GUARD_GO. */
struct guard_contact {
	char address[321];
	char name[256];
	char locale[36];
};

struct guard_answer {
	enum guard_verdict verdict;
	struct guard_contact contact;
	int64_t requested_ms; /* the age of the request, by the user database's clock; -1: none found */
	char why[GUARD_WHY_SIZE]; /* of GUARD_CANCELLED, GUARD_PARK and GUARD_MISMATCH */
};

/* Judges MESSAGE, locking the user's row for the question only. For a message without a deletion
 * id, finds or makes the request of the user's present mark, and fills the id in. */
enum guard_verdict guard_judge(struct db *users, struct message *, const struct guard_question *,
                               struct guard_answer *);

/* Looks once more whether the user still carries the mark of MESSAGE's request, and commits: GO,
 * or what else was found. ABSENT_OK: his row may be gone. */
enum guard_verdict guard_look_again(struct db *users, const struct message *, bool absent_ok);

#endif
