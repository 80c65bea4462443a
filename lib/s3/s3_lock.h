/* What keeps a version of an object from being deleted: a retention, a legal hold, or nothing but
 * permissions. */
#ifndef FAREWELL_S3_LOCK_H
#define FAREWELL_S3_LOCK_H

#include <time.h>

#include "lib/s3/s3_inside.h"

/* Looks at the version of OBJECT, whose deletion was refused, and says in its result and why what
 * it is: S3_LOCKED with a date, or S3_OPERATOR. False: the store can't be asked, and FAULT says
 * why.
 */
bool s3_lock_look(struct s3 *, const char *bucket, struct s3_object *object,
                  struct s3_fault *fault);

/* Reads RFC 3339, of UTC and to the second. -1: it is none. Pure. */
time_t s3_lock_date(const char *text);

#endif
