/* Ids: user ids come from outside and are text of a configured format; deletion ids are UUIDs of
 * our own. */
#ifndef FAREWELL_IDS_H
#define FAREWELL_IDS_H

#include <stdbool.h>
#include <stddef.h>

#define ID_SIZE 256 /* a user id and its NUL */
#define ID_UUID_SIZE 37

enum id_format { ID_INTEGER, ID_UUID, ID_TEXT };

/* Whether TEXT of LENGTH bytes may be a user id of FORMAT (enum id_format), before any
 * database is asked: integer: an optional minus and 1 to 19 digits without leading zeros; uuid:
 * 8-4-4-4-12 hex digits (RFC 9562), either case; text: 1 to MAX_LENGTH bytes of valid UTF-8 without
 * control characters, `/`, `.` alone or `..`. */
bool id_valid(int format, const char *text, size_t length, size_t max_length);

/* Writes TEXT as the database would most likely write it: a UUID in lower case, anything else as it
 * is. */
void id_canonical(int format, const char *text, char canonical[ID_SIZE]);

/* A fresh random UUID in lower case. */
void id_fresh(char uuid[ID_UUID_SIZE]);

#endif
