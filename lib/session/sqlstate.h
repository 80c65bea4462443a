/* What a PostgreSQL error code means for the caller: the one list of SQLSTATE classes (PostgreSQL's
 * documentation, appendix A). Pure. */
#ifndef FAREWELL_SQLSTATE_H
#define FAREWELL_SQLSTATE_H

#include <stdbool.h>

enum sqlstate_kind {
	SQLSTATE_SETTING,    /* a right, a name, a statement: only a person can change that          */
	SQLSTATE_LOGIN,      /* user, password or database: likewise                                 */
	SQLSTATE_DATA,       /* this row's data, or a trigger that refuses it; others may fare better */
	SQLSTATE_NO_SUCH_ID, /* the type of a column can hold no such value                          */
	SQLSTATE_BUSY,       /* a lock, a time-out, a deadlock, a serialization failure               */
	SQLSTATE_PASSING,    /* the server is short of something, starting or stopping                */
	SQLSTATE_STALE,      /* as long as this session lasts, and not in a new one                   */
	SQLSTATE_ENDED,      /* the session is over                                                   */
};

/* STATE has five characters, or none: then SQLSTATE_SETTING. */
enum sqlstate_kind sqlstate_kind(const char *state);

/* Whether what was refused may be there or be granted later, with the settings as they are: a
 * log-in (somebody changes a password, or makes the database), a right, or a name that a migration
 * brings. Not so the text of a statement; STATE is "" where we refused it ourselves. */
bool sqlstate_may_come(const char *state);

#endif
