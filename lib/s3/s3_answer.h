/* Reading what S3 answers: DeleteResult, Error and ListAllMyBucketsResult.
 *
 * A document with a DOCTYPE is refused (so there are no entities to expand), and so is one that is
 * deeper than S3's are. */
#ifndef FAREWELL_S3_ANSWER_H
#define FAREWELL_S3_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

enum s3_answer_kind {
	S3_ANSWER_BROKEN,  /* empty, cut, malformed, refused */
	S3_ANSWER_DELETED, /* DeleteResult                   */
	S3_ANSWER_BUCKETS, /* ListAllMyBucketsResult         */
	S3_ANSWER_ERROR,   /* Error                          */
	S3_ANSWER_OTHER,   /* some other XML                 */
};

/* What an Error document says; letters, digits, `.`, `-` and `_` only, so that it can stand in a
 * log line. */
struct s3_answer {
	enum s3_answer_kind kind;
	char code[48];   /* "NoSuchBucket"; empty when absent */
	char region[48]; /* where the bucket is, with AuthorizationHeaderMalformed and
	                    PermanentRedirect; empty when absent */
};

/* One Deleted or Error in a DeleteResult; key and ids byte by byte as the answer has them. */
struct s3_answer_entry {
	const char *key;
	const char *version_id; /* NULL: none, or an empty one */
	const char *code;       /* of an Error, clean as above; NULL: Deleted */
	bool marker;            /* of a Deleted: DeleteMarker is true: a marker was made, or, with a
	                         * version id, that version was one */
	const char *marker_version_id; /* the marker's; NULL: none */
};

/* Called for each of them. What comes from a document that turns out S3_ANSWER_BROKEN must be
 * forgotten. */
typedef void s3_answer_object(void *arg, const struct s3_answer_entry *);

/* Reads BODY. OBJECT may be NULL. */
struct s3_answer s3_answer_read(const char *body, size_t length, s3_answer_object *object,
                                void *arg);

#endif
