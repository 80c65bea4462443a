/* What an error of S3 means for the objects, and the sentence for the person who has to fix it.
 * Pure. */
#ifndef FAREWELL_S3_FAULT_H
#define FAREWELL_S3_FAULT_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/s3/s3.h"
#include "lib/s3/s3_answer.h"
#include "lib/s3/s3_pace.h"

/* What a whole request came to. */
struct s3_fault {
	enum s3_result
		result;      /* for the objects that were asked for; S3_PENDING: one by one may do better */
	bool whole;      /* the next request would fare alike: don't try the rest */
	bool no_batches; /* this bucket has no multi-object delete */
	bool no_bucket;  /* it is the bucket's name that the store does not know or take */
	bool denied;     /* of a request for one object: as s3_fault_is_denial says */
	/* Of s3_ask: what the store answered; 0 and "": nothing. */
	long status;
	char code[sizeof((struct s3_answer *)0)->code];
	enum s3_blame blame;
	enum s3_trouble trouble; /* of S3_RETRY: what makes it worth asking again soon */
	char why[sizeof((struct s3_object *)0)->why];
};

/* One object's Error inside a DeleteResult. */
enum s3_result s3_fault_of_object(const char *code, char *why, size_t why_size);

/* Whether an object whose deletion was refused with CODE may be locked. */
bool s3_fault_is_denial(const char *code);

/* Whether a question (s3_ask) was answered so by a store that does not know it: R2 and Swift know
 * no versioning. In S3's own words, for any proxy can say 405. */
bool s3_fault_is_unknown(const struct s3_fault *);

/* Whose fault that is, as far as one answer tells. */
enum s3_blame s3_blame_of_object(const char *code);

/* Whether it may pass soon: SlowDown, InternalError and the like. */
enum s3_trouble s3_trouble_of_object(const char *code);

/* The answer to a whole request that is not the one hoped for. BATCH: it was a multi-object delete,
 * else one for a single object. */
struct s3_fault s3_fault_of_request(long status, const struct s3_answer *, bool batch);

/* Whether an answer says that the store does not take these credentials, or not any more. */
bool s3_fault_is_of_credentials(long status, const char *body, size_t length);

/* Sets why, cut where the space ends. */
void s3_fault_say(struct s3_fault *, const char *why);

#endif
