/* What the files of the S3 client share: the client itself, and how each asks and waits. */
#ifndef FAREWELL_S3_INSIDE_H
#define FAREWELL_S3_INSIDE_H

#include "lib/s3/s3.h"
#include "lib/s3/s3_fault.h"
#include "lib/s3/s3_pace.h"
#include "lib/s3/s3_places.h"
#include "lib/s3/s3_request.h"
#include "lib/s3/s3_versioning.h"
#include "lib/session/http.h"

struct s3 {
	struct s3_options options;
	struct s3_endpoint endpoint;
	const struct pump *pump;
	struct http_client *http;
	struct s3_credential_source *credentials;
	unsigned renewed; /* counts the renewals of credentials that were refused */
	/* Why there were none for the last request; empty: there were, or the pump said stop. */
	char credentials_why[S3_CREDENTIALS_WHY_SIZE];
	struct s3_places places;
	int64_t deadline_ms; /* 0: none */
	/* Of the s3_delete under way, or the last one. */
	enum s3_blame blamed;
	bool asked;           /* a request was sent */
	bool clock_corrected; /* since it began */
	/* How far the store's clock is ahead of this machine's, as it said when it refused a time. */
	int64_t clock_ahead_s;
	bool clock_told; /* in the log */
	struct s3_paces paces;
	struct s3_versioning versioning;
	/* The objects that s3_batch.c is at, in the order of a body, and of which the store said that
	 * they may do better soon. */
	struct s3_object *batch[S3_BATCH_KEYS];
	bool batch_again[S3_BATCH_KEYS];
	size_t batch_count;
};

void s3_object_set(struct s3_object *, enum s3_result, const char *why);
/* Whose fault something was, for s3_blame: the worst counts. */
void s3_note_blame(struct s3 *, enum s3_blame);
/* What was noted so far, which is forgotten. */
enum s3_blame s3_take_blame(struct s3 *);
enum s3_result s3_objects_worst(const struct s3_object *, size_t count);
/* Makes them pending, but for those that can't be deleted safely. */
void s3_objects_refuse_unsafe(const char *bucket, struct s3_object *, size_t count);
/* An s3_delete begins, or another call of its kind. */
void s3_begin(struct s3 *);
/* Deletes OBJECTS as they are named, each version by its id: what s3_delete does where there is no
 * more to it. */
enum s3_result s3_delete_named(struct s3 *, const char *bucket, struct s3_object *objects,
                               size_t count);

/* What a request came to that has no answer of the server. */
struct s3_fault s3_fault_of_transport(const struct s3 *, const struct http_client_answer *);

/* ---- s3_send.c ---- */

/* How a request was sent, or is to be. */
struct s3_sent {
	struct s3_way way;
	enum s3_redirect followed; /* what led there */
	unsigned renewed;          /* of the client, at that time */
	bool refused;              /* credentials were, before */
	int again;                 /* so many times it was sent again */
};

/* Dresses REQUEST with the headers that settings ask for, and says in SENT how it is to be sent,
 * unless that is known already: all zeros for a first time. What SENT points to changes with the
 * next call. False: there are no credentials, and ANSWER is what s3_fault_of_transport wants. */
bool s3_dress(struct s3 *, struct s3_request *request, struct s3_sent *,
              struct http_client_answer *answer);
/* Whether the ANSWER to a request about BUCKET, which may be NULL, says what was wrong with the way
 * it was sent: then SENT is put right, and the request is worth sending once more, at once. */
bool s3_learn(struct s3 *, const char *bucket, struct s3_sent *, const struct http_client_answer *);
/* Sends it, and again as often as there is something to learn. */
struct http_client_answer s3_send(struct s3 *, const struct s3_request *);

/* ---- s3.c ---- */

/* Whether the deadline is over for another request, after one was sent. */
bool s3_is_late(const struct s3 *);
/* Waits until the bucket may be asked again. False: not in this s3_delete; FAULT says why, and is
 * left as it is if it says already what the trouble was. */
bool s3_wait(struct s3 *, struct s3_pace *, struct s3_fault *);
/* A request for so many keys came to FAULT, which has a trouble: takes it into the pace. False: it
 * is not to be repeated in this s3_delete. */
bool s3_may_repeat(struct s3_pace *, const struct s3_fault *, size_t keys,
                   const struct http_client_answer *);

/* Both set the results of those of OBJECTS that are S3_PENDING. False: the rest must not be tried,
 * and FAULT says why. s3_batch.c: multi-object deletes; what stays S3_PENDING needs a request of
 * its own, which s3_single.c sends. */
bool s3_delete_in_batches(struct s3 *, struct s3_pace *, struct s3_object *objects, size_t count,
                          struct s3_fault *);
bool s3_delete_singly(struct s3 *, struct s3_pace *, struct s3_object *objects, size_t count,
                      struct s3_fault *);

/* ---- s3_ask.c ---- */

/* Sends a request that may be made with PERMISSION ("s3:GetBucketVersioning"), and whose answer is
 * not the deletion of an object; again after a wait if the store asks for that. True: 2xx, and
 * ANSWER is the caller's to free. False: FAULT; of S3_OPERATOR where PERMISSION is missing, which
 * the sentence names. */
bool s3_ask(struct s3 *, const struct s3_request *, const char *permission,
            struct http_client_answer *answer, struct s3_fault *fault);
/* Such a question was answered with what is no answer: S3_RETRY. */
struct s3_fault s3_fault_of_nonsense(const char *what);

#endif
