/* The lineage of a user database (DESIGN 5.2): which installation it is, which server, and which
 * timeline: "installation/system identifier/timeline". After a fail-over, a restore or in a clone
 * it is another one, and a deletion that was committed before may not be there. */
#ifndef FAREWELL_LINEAGE_H
#define FAREWELL_LINEAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/session/db.h"

#define LINEAGE_SIZE 96
/* Stands for the system identifier or the timeline where the server doesn't tell them, as managed
 * services may. */
#define LINEAGE_UNTOLD "-"

/* As a session has read it. A session is one server's, and its server's timeline changes by no
 * other way than a restart: so once a session is enough. Begin with {0}. */
struct lineage {
	unsigned int session; /* db_session; 0: not read */
	char text[LINEAGE_SIZE];
};

/* Reads the lineage unless it is this session's already; in a transaction or without. The session
 * must be open. */
enum db_result lineage_read(struct lineage *, struct db *, int64_t deadline_ms);

/* Whether both may be one database's: equal, but for parts that one of them does not tell. */
bool lineage_agrees(const char *one, const char *other);

/* Whether both are one installation's, whatever servers. What has no parts, as a person may write
 * it to have all compared, is any's. */
bool lineage_same_installation(const char *one, const char *other);

/* What the server does not tell, for a person; NULL: it tells all. */
const char *lineage_gap(const char *lineage);

#endif
