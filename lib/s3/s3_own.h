/* What the files of the S3 client share. For lib/s3 only. */
#ifndef FAREWELL_S3_OWN_H
#define FAREWELL_S3_OWN_H

#include "lib/s3/s3.h"
#include "lib/s3/s3_fault.h"
#include "lib/s3/s3_request.h"
#include "lib/session/http.h"

/* ---- s3.c ---- */

struct http_client_answer s3_send(struct s3 *, const struct s3_request *);
/* What a request came to that has no answer of the server. */
struct s3_fault s3_fault_of_transport(const struct http_client_answer *);

#endif
