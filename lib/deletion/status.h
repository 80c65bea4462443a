/* The one vocabulary for the state of a deletion and of its mail: ledger, request, HTTP, log. */
#ifndef FAREWELL_STATUS_H
#define FAREWELL_STATUS_H

#include <stdint.h>

#include "lib/base/ids.h"

/* Of the six of doc/DESIGN.md, section 2, the only one that the code looks for by its name. */
#define STATUS_PARKED "parked"

#define MAIL_NONE "none"
#define MAIL_PENDING "pending"
#define MAIL_SENDING "sending"
#define MAIL_SENT "sent"
#define MAIL_REFUSED "refused"
#define MAIL_UNKNOWN "unknown"

#define STATUS_SIZE 16
#define STATUS_TIME_SIZE 48
#define STATUS_ERROR_SIZE 512

/* What the ledger knows of a deletion and the request copies. Times are PostgreSQL's text in UTC;
 * an empty text is SQL's null. */
struct deletion_state {
	char deletion_id[ID_UUID_SIZE];
	char status[STATUS_SIZE], mail[STATUS_SIZE];
	int64_t files_deleted;
	int64_t versions_left; /* of them, those of which older versions remain */
	int attempts;
	char last_error[STATUS_ERROR_SIZE];
	char next_attempt_at[STATUS_TIME_SIZE], finished_at[STATUS_TIME_SIZE];
	int64_t version; /* of the ledger's row: a later one is truer */
};

#endif
