/* What a mark, deleted_at as text, can't be. */
#ifndef FAREWELL_MARK_H
#define FAREWELL_MARK_H

#include <stdbool.h>

/* In SQL, what mark_is_infinite says of the expression MARK. */
#define MARK_IS_INFINITE_SQL(mark) mark " IN ('infinity', '-infinity')"

/* What to do about it. */
#define MARK_INFINITE_ADVICE                                                                       \
	"infinity is no time of a deletion, and in many tables means active; if it does in this one, " \
	"return NULLIF(deleted_at, 'infinity')::text"

/* Whether MARK is infinity or -infinity, as PostgreSQL writes them of a timestamp or a date. */
bool mark_is_infinite(const char *mark);

#endif
