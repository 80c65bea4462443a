/* How fast a bucket is asked: how many keys at a time, how many single requests at once, and when
 * again after the store was too slow or asked for less. Pure: times and random numbers are given.
 *
 * As TCP does it: halved by trouble, grown again by success. Waits are drawn between nothing and a
 * limit that doubles with each failure in a row ("full jitter"). */
#ifndef FAREWELL_S3_PACE_H
#define FAREWELL_S3_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/s3/s3.h"

#define S3_AT_ONCE_MAX 16        /* single requests under way at a time */
#define S3_FAILURES_MAX 8        /* requests in a row that failed as a whole */
#define S3_TIMEOUTS_MAX 3        /* of them, those that took all of the time-out */
#define S3_TRIES_MAX 16          /* of one object, while others go */
#define S3_WAITING_MAX_MS 60000  /* in one s3_delete */
#define S3_HOLD_MAX_MS 300000    /* what a Retry-After counts for at most */
#define S3_PACE_FORGET_MS 600000 /* after so long without trouble it is forgotten */
#define S3_PACE_FIRST_WAIT_MS 50 /* the limit of the wait after one failure */
#define S3_PACE_LONGEST_WAIT_MS 6400
#define S3_PACE_SLOW_KEYS 50 /* fewer keys a batch do no store good that asks for less */
#define S3_PACES 16          /* buckets that are remembered */

/* What may pass by itself soon. */
enum s3_trouble {
	S3_TROUBLE_NONE,
	S3_TROUBLE_SLOW,    /* the store asks for less, or has an error of its own */
	S3_TROUBLE_TIMEOUT, /* it was not done in time */
};

struct s3_pace {
	char bucket[64];             /* empty: free */
	size_t keys, keys_max;       /* in a batch, now and at most */
	size_t at_once;              /* single requests, now */
	int failures, timeouts;      /* in a row */
	int64_t waited_ms;           /* in this s3_delete */
	int64_t not_before_ms;       /* the next request */
	int64_t troubled_ms;         /* the last trouble; 0: none */
	int64_t no_batches_until_ms; /* the bucket takes no multi-object delete, as far as is known */
	int64_t used_ms;
};

struct s3_paces {
	struct s3_pace at[S3_PACES];
};

/* The pace of BUCKET at the beginning of an s3_delete; when all places are taken the one that was
 * not used for longest is forgotten. */
struct s3_pace *s3_pace_find(struct s3_paces *, const char *bucket, size_t keys_max,
                             int64_t now_ms);

/* A batch of KEYS was answered well after TOOK_MS. It grows only if one of twice as many keys may
 * be expected to be done in good time. */
void s3_pace_batch_done(struct s3_pace *, size_t keys, int64_t took_ms, int64_t timeout_ms);
void s3_pace_single_done(struct s3_pace *);

/* A request for KEYS (1: a single one) failed. RANDOM is any number, each as likely. */
void s3_pace_trouble(struct s3_pace *, enum s3_trouble, size_t keys, int64_t now_ms,
                     uint32_t random);
/* Of a batch that was done some keys met with trouble: they wait, but nothing shrinks. */
void s3_pace_some_trouble(struct s3_pace *, int64_t now_ms, uint32_t random);
/* The store says how long it wants to be left alone. */
void s3_pace_hold(struct s3_pace *, int64_t retry_after_ms, int64_t now_ms);

/* Whether so much has failed in a row that the next trial is another time's. */
bool s3_pace_gives_up(const struct s3_pace *);
/* How long to wait before the next request; -1: longer than may be waited in this s3_delete, or
 * until DEADLINE_MS (0: none). */
int64_t s3_pace_wait_ms(const struct s3_pace *, int64_t now_ms, int64_t deadline_ms);
void s3_pace_waited(struct s3_pace *, int64_t ms);

#endif
