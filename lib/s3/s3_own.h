/* What the files of the S3 client share. For lib/s3 only. */
#ifndef FAREWELL_S3_OWN_H
#define FAREWELL_S3_OWN_H

#include "lib/s3/s3.h"
#include "lib/s3/s3_fault.h"
#include "lib/s3/s3_request.h"
#include "lib/session/http.h"

struct s3_versioning;

/* ---- s3.c ---- */

struct http_client_answer s3_send(struct s3 *, const struct s3_request *);
/* What a request came to that has no answer of the server. */
struct s3_fault s3_fault_of_transport(const struct http_client_answer *);
/* Whose fault something was, for s3_blame: the worst counts. */
void s3_note_blame(struct s3 *, enum s3_blame);
enum s3_blame s3_take_blame(struct s3 *);
void s3_object_set(struct s3_object *, enum s3_result, const char *why);
enum s3_result s3_objects_worst(const struct s3_object *, size_t count);
/* Makes them pending, but for those that can't be deleted safely. */
void s3_objects_refuse_unsafe(const char *bucket, struct s3_object *, size_t count);

const struct s3_options *s3_options(const struct s3 *);
/* What is known of the buckets; kept in the client. */
struct s3_versioning *s3_versioning(struct s3 *);

/* Deletes OBJECTS as they are named, each version by its id: what s3_delete does where there is no
 * more to it. */
enum s3_result s3_delete_named(struct s3 *, const char *bucket, struct s3_object *objects,
                               size_t count);

/* ---- s3_ask.c ---- */

/* Sends a request that may be made with PERMISSION ("s3:GetBucketVersioning"), and whose answer is
 * not the deletion of an object. True: 2xx, and ANSWER is the caller's to free. False: FAULT; of
 * S3_OPERATOR where PERMISSION is missing, which the sentence names. */
bool s3_ask(struct s3 *, const struct s3_request *, const char *permission,
            struct http_client_answer *answer, struct s3_fault *fault);
/* Such a question was answered with what is no answer: S3_RETRY. */
struct s3_fault s3_fault_of_nonsense(const char *what);

#endif
