/* The UserDeleted message (doc/DESIGN.md, section 3): JSON in three shapes, one of them ours. */
#ifndef FAREWELL_MESSAGE_H
#define FAREWELL_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/clock.h"
#include "lib/base/ids.h"

#define MESSAGE_TYPE "UserDeleted"
#define MESSAGE_MAX_BYTES (64 * 1024) /* ours has some 200; a larger one is not read */

struct message {
	char user_id[ID_SIZE];
	char deletion_id[ID_UUID_SIZE]; /* empty: from another producer, which knows no deletion ids */
	char requested_at[CLOCK_RFC3339_SIZE + 8];
	int turn; /* from 1; fences duplicates */
};

/* Reads BODY in one of three shapes; a userId may be a JSON string or integer:
 *     ours      {"userId", "deletionId", "requestedAt", "turn"}
 *     plain     {"userId"}
 *     NestJS's  {"pattern": "UserDeleted", "data": {"userId"}}
 * False: WHY says what is wrong with it. Its deletion id and turn are read all the same, if they
 * are valid, and so is a user id that is one in another ID_FORMAT; else these are empty. */
bool message_read(const void *body, size_t length, int id_format, size_t id_max_length,
                  struct message *, char *why, size_t why_size);

/* Our shape as JSON text; free() it. NULL only without memory. */
char *message_write(const struct message *);

#endif
