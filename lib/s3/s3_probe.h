/* For -t: whether a bucket lets us do what deleting takes, tried on a key that no object has. */
#ifndef FAREWELL_S3_PROBE_H
#define FAREWELL_S3_PROBE_H

#include <stdbool.h>

#include "lib/s3/s3.h"

enum s3_trial_kind {
	S3_TRIAL_DELETE, /* one object */
	S3_TRIAL_BATCH,  /* a multi-object delete, of which there is one; so its body is tried, too */
	S3_TRIAL_VERSIONING, /* whether the bucket keeps versions; this and those below as the settings
	                      * need them */
	S3_TRIAL_VERSIONS,   /* their list */
	S3_TRIAL_UPLOADS,    /* the list of unfinished uploads */
	S3_TRIAL_ABORT,      /* ending one of these, which is not there */
	S3_TRIAL_OBJECTS,    /* the list of objects */
	S3_TRIALS
};

/* What one attempt came to. */
struct s3_trial {
	const char *name;       /* "delete"; NULL: it is not needed */
	const char *permission; /* what it takes, as IAM calls it: "s3:DeleteObject" */
	bool of_bucket;         /* which is granted on the bucket, not on objects in it */
	bool good;
	bool denied;    /* the permission is missing */
	bool no_bucket; /* there is no such bucket */
	char why[200];  /* if it is not good; or what is to be known all the same; else empty */
};

/* Tries all of it with KEY, of which there is no object in BUCKET: in one that keeps versions as
 * the client deletes there, a version of it, which makes no delete marker. One that was made
 * because the client does not look for versions, or may not, is taken away. */
void s3_probe(struct s3 *, const char *bucket, const char *key, struct s3_trial trials[S3_TRIALS]);

#endif
