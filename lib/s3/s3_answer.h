/* Reading what S3 answers: DeleteResult, Error and ListAllMyBucketsResult.
 *
 * A document with a DOCTYPE is refused (so there are no entities to expand), and so is one that is
 * deeper than S3's are. */
#ifndef FAREWELL_S3_ANSWER_H
#define FAREWELL_S3_ANSWER_H

#include <stddef.h>

enum s3_answer_kind {
	S3_ANSWER_BROKEN,  /* empty, cut, malformed, refused */
	S3_ANSWER_DELETED, /* DeleteResult                   */
	S3_ANSWER_BUCKETS, /* ListAllMyBucketsResult         */
	S3_ANSWER_ERROR,   /* Error                          */
	S3_ANSWER_OTHER,   /* some other XML                 */
};

/* What an Error document says; letters, digits, `.`, `-`, `_` and `:` only, so that it can stand in
 * a log line. */
struct s3_answer {
	enum s3_answer_kind kind;
	char code[48];      /* "NoSuchBucket"; empty when absent */
	char region[48];    /* where the bucket is, with AuthorizationHeaderMalformed and
	                       PermanentRedirect; empty when absent */
	char endpoint[256]; /* the host, perhaps with a port, to ask instead; empty when absent */
};

/* Called for each Deleted (CODE NULL) and Error in a DeleteResult, with the key byte by byte as the
 * answer has it. What comes from a document that turns out S3_ANSWER_BROKEN must be forgotten. CODE
 * is clean as above. */
typedef void s3_answer_object(void *arg, const char *key, const char *code);

/* Reads BODY. OBJECT may be NULL. */
struct s3_answer s3_answer_read(const char *body, size_t length, s3_answer_object *object,
                                void *arg);

#endif
