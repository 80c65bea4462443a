/* The buckets that refuse, as one child has seen them. What a store answers to a request for one
 * bucket (AccessDenied, another region) says nothing about the others', so such a bucket has a
 * breaker of its own (lib/deletion/breaker.h): while it is open, its files wait, for which nobody
 * is charged, and everybody else's are deleted. */
#ifndef FAREWELL_REFUSALS_H
#define FAREWELL_REFUSALS_H

#include <stdint.h>

#include "lib/deletion/breaker.h"
#include "lib/s3/s3.h"
#include "lib/supervisor/child.h"

#define REFUSALS_MAX 16 /* the one that was looked for longest ago makes room */

struct refusals {
	struct {
		char bucket[sizeof((struct s3_path){.key = NULL}.bucket)]; /* empty: unused */
		struct breaker breaker;
		uint64_t used;
	} item[REFUSALS_MAX];
	uint64_t used;
};

/* The breaker of BUCKET, NULL: there is nothing against it. Lives until others make room. */
struct breaker *refusals_find(struct refusals *, const char *bucket);
/* The same, made if there is none. */
struct breaker *refusals_of(struct refusals *, const char *bucket);

/* Says of each open one that it is, once a minute, and of one that was closed since the last call
 * that it serves again; if it was open for LONG_MS, what waits in the retry queues is brought
 * forward. */
void refusals_say(struct refusals *, struct child *, int64_t long_ms);

/* Makes a trial due with each: somebody has seen a server that is back. */
void refusals_hasten(struct refusals *, int64_t now_ms);

#endif
