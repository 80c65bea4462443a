/* The XML of a multi-object delete, as it is sent. */
#ifndef FAREWELL_S3_BODY_H
#define FAREWELL_S3_BODY_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/s3/s3.h"

/* False for an object whose key, or version id, XML can't name, or that a careless reader of XML
 * might take for another key: control characters, U+FFFE and U+FFFF, a space at either end. Such an
 * object is deleted by a request of its own. */
bool s3_body_can_name(const struct s3_object *);

/* Bytes of a body with no object, and of one object in it. */
size_t s3_body_frame_bytes(void);
size_t s3_body_object_bytes(const struct s3_object *);

/* The order of the objects of a body, and which are one and the same: key, then version id. */
int s3_body_compare(const struct s3_object *, const struct s3_object *);

/* The body that asks for COUNT objects, sorted as above; equal neighbours are named once. free()
 * it; NULL only without memory. */
char *s3_body_write(struct s3_object *const *objects, size_t count, size_t *length);

#endif
