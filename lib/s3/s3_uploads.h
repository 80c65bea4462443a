/* Ending the unfinished multipart uploads of keys. */
#ifndef FAREWELL_S3_UPLOADS_H
#define FAREWELL_S3_UPLOADS_H

#include "lib/s3/s3_inside.h"

/* Aborts every unfinished upload of exactly the COUNT keys of OBJECTS, which are as s3_walk wants
 * them. FAILED has one for each: its uploads may be there still, and FAULT says why, for the worst
 * of them. False: at least one. A store that has no such thing has no uploads. */
bool s3_uploads_abort(struct s3 *, const char *bucket, struct s3_object *const *objects,
                      size_t count, bool *failed, struct s3_fault *fault);

#endif
