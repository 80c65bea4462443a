/* Where a bucket lies, if an answer says that it is elsewhere. Pure.
 *
 * Reference: Amazon S3 User Guide, "Making requests": "Request redirection and the REST API". */
#ifndef FAREWELL_S3_REGION_H
#define FAREWELL_S3_REGION_H

#include "lib/s3/s3_request.h"

/* Whom to ask about a bucket, and for which region to sign. */
struct s3_place {
	char host[sizeof((struct s3_endpoint *)0)->host]; /* without the bucket, and the port */
	char region[48]; /* as long as the setting may be (lib/config/settings_worker.h) */
};

/* What an answer says of the place; empty what it does not. */
struct s3_hint {
	long status;
	const char *code, *region, *endpoint; /* of the Error in its body */
	const char *bucket_region, *location; /* x-amz-bucket-region and Location of its header */
};

enum s3_redirect {
	S3_REDIRECT_NONE,    /* it names no other place */
	S3_REDIRECT_FOR_NOW, /* go there now; the store's names will have caught up in some minutes */
	S3_REDIRECT_FOLLOW,  /* go there from now on */
	S3_REDIRECT_REFUSED, /* PLACE.host, cut where need be, is not where requests may go */
};

/* What the answer to a request about BUCKET means, which was sent to ASKED: sets PLACE. Requests go
 * only to hosts within the domain of the configured ENDPOINT, with its scheme and port: `s3.eu-
 * central-1.amazonaws.com` may send us to `s3.eu-west-1.amazonaws.com`. The domain is what is left
 * without the host's first label, `dualstack` and REGION, the configured one; the host itself where
 * less than two labels, or a public suffix such as co.uk, were left. An IP address has no domain.
 */
enum s3_redirect s3_region_read(const struct s3_endpoint *endpoint, const char *region,
                                const char *bucket, const struct s3_place *asked,
                                const struct s3_hint *, struct s3_place *place);

#endif
