/* A client for what Farewell needs of S3: deleting objects, many at a time.
 *
 * s3.c has the whole of it, s3_batch.c and s3_single.c delete, as fast as s3_pace.c says; a request
 * is made and signed by s3_request.c and s3_sign.c and sent by lib/session/http.c; its answer is
 * read by s3_answer.c and s3_fault.c says what its errors mean. */
#ifndef FAREWELL_S3_H
#define FAREWELL_S3_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "lib/s3/credentials.h"
#include "lib/session/pump.h"

#define S3_KEY_BYTES 1024      /* the longest key, or version id, without its NUL */
#define S3_BATCH_KEYS 1000     /* what a multi-object delete may hold */
#define S3_BATCH_BYTES 1000000 /* above 1 MiB radosgw and others refuse the body */

struct s3;

enum s3_result {
	S3_PENDING,  /* not asked yet, or the answer did not mention it: try again          */
	S3_DELETED,  /* gone, or was not there                                              */
	S3_LOCKED,   /* an object lock keeps a version of it until a date                    */
	S3_RETRY,    /* could not be deleted now: network, 5xx, SlowDown, RequestTimeTooSkewed */
	S3_OPERATOR, /* only a person can fix it: AccessDenied, NoSuchBucket, bad signature  */
	S3_STOPPED,  /* the pump said stop while the request was under way                  */
};

/* Whose fault the worst failure of an s3_delete was (doc/DESIGN.md, "Whose fault is it"). */
enum s3_blame {
	S3_BLAME_NONE,  /* nobody's, or an object's, or a path's                                      */
	S3_BLAME_DOUBT, /* an object's, a bucket's or the store's: only another deletion tells. 5xx,
	                 * SlowDown, AccessDenied, no answer                                          */
	S3_BLAME_STORE, /* the store takes nothing from us: credentials, clock, region, name, TLS, no
	                 * connection                                                                 */
};

/* Every value has been checked (lib/config); none but ca_file, and of the credentials, may be NULL
 * or empty. */
struct s3_options {
	const char *endpoint; /* http(s)://host[:port] */
	const char *region;
	struct s3_credential_options credentials;
	bool requester_pays;                    /* for requests to a bucket */
	bool virtual_hosts;                     /* bucket in the host name, not in the path */
	const char *ca_file;                    /* empty: the system's */
	int64_t connect_timeout_ms, timeout_ms; /* the second for one whole request */
	size_t batch_keys, batch_bytes;         /* 1 to S3_BATCH_KEYS, 1 to S3_BATCH_BYTES */
	bool all_versions; /* with all versions, delete markers and unfinished uploads; else s3_delete
	                    * only does what a DELETE does */
	int list_entries;  /* of a listing's page, at most; 0: 1000 */
	bool verify;       /* asks afterwards what is there still */
	const char *user_agent;
};

struct s3_object {
	const char *key;        /* NUL-terminated UTF-8, 1 to 1024 bytes, as in the path */
	const char *version_id; /* this version of it, or this delete marker; NULL: none is named, and
	                         * it is the whole object */
	enum s3_result result;  /* set by s3_delete, and so is all below */
	bool marker;         /* S3_DELETED, no version named: the store only put a delete marker before
	                      * its versions, whose data remain */
	unsigned char tries; /* for lib/s3: failures that may have passed meanwhile */
	bool no_bucket;      /* refused because there is no such bucket, or can be none */
	bool denied;         /* refused for this object alone: it may be locked */
	bool locked;         /* an object lock or a legal hold keeps it */
	time_t locked_until; /* of S3_LOCKED: the last date of its versions */
	char why[160];       /* for a person: S3's code, HTTP status; never the key */
};

/* Where a file lies, as `s3://bucket/key` says it. */
struct s3_path {
	char bucket[64];
	const char *key; /* points into the text that was parsed */
};

/* Reads PATH; false: WHY says what is wrong (never quoting the path). Refused: another scheme, a
 * bucket name outside S3's rules (3 to 63 of [a-z0-9.-], beginning and ending with a letter or
 * digit, no "..", not an IP address), an empty key, `.`, `..`, more than 1024 bytes, not UTF-8. The
 * key is everything after the bucket's slash, byte for byte: `//`, `%`, `+`, spaces, `?`, `#` have
 * no meaning. */
bool s3_path_read(const char *path, struct s3_path *, char *why, size_t why_size);

/* Whether the LENGTH bytes at NAME, followed by any byte, are a bucket's name by the rules above.
 */
bool s3_bucket_valid(const char *name, size_t length);
/* NULL, or why KEY can't be deleted safely: one of the refusals above. */
const char *s3_key_fault(const char *key);

/* NULL: WHY says that ca_file can't be read, that there are no credentials, or that there is no
 * memory. Connects, and fetches credentials, when something is asked for the first time. The
 * strings of OPTIONS and the pump, which may be NULL, must outlive it.
 */
struct s3 *s3_new(const struct s3_options *, const struct pump *, char *why, size_t why_size);
void s3_free(struct s3 *);

/* From DEADLINE_MS on (clock_now_ms; 0: never) an s3_delete waits for nothing, and after its first
 * request begins no other: S3_STOPPED. */
void s3_set_deadline(struct s3 *, int64_t deadline_ms);

/* Deletes OBJECTS of one BUCKET, none of which names a version: with all_versions, everything that
 * the bucket has of exactly these keys (s3_erase.c). Multi-object deletes of at most batch_keys
 * keys and batch_bytes bytes each, one by one, some at a time, where key or store can't. Every
 * object's result and why are set. Returns the worst over all (order: S3_DELETED < S3_LOCKED <
 * S3_RETRY < S3_OPERATOR < S3_STOPPED; only after S3_STOPPED is anything left S3_PENDING).
 *
 * What may pass by itself (SlowDown, 429, 500, 503, time-outs) is asked again after a wait, fewer
 * at a time, and is a failure only if that does not help within the bounds of s3_pace.h. After a
 * request that failed as a whole the rest is not tried and fares as it did: S3_RETRY for a reason
 * of the network or the server, S3_OPERATOR when all would be refused alike. So do three single
 * requests in a row that came to S3_RETRY. */
enum s3_result s3_delete(struct s3 *, const char *bucket, struct s3_object *objects, size_t count);

/* Whose fault it was if the last s3_delete left anything undeleted; the worst of its failures. */
enum s3_blame s3_blame(const struct s3 *);

/* For -t: asks the endpoint for the bucket list (signed GET /): true when it answered and accepted
 * the signature (AccessDenied for the listing counts as accepted). WHY says what is wrong. */
bool s3_check(struct s3 *, char *why, size_t why_size);

/* Where its credentials come from, for a person: `from the environment (AWS_ACCESS_KEY_ID …)`. */
void s3_describe_credentials(const struct s3 *, char *text, size_t size);

#endif
