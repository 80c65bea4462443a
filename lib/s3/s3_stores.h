/* The clients of all object stores of a configuration, and which of them has a bucket.
 *
 * A store is known by its number, 0 to s3_stores_count - 1; the default one, which the worker's
 * s3_* settings are, comes first if there is one. */
#ifndef FAREWELL_S3_STORES_H
#define FAREWELL_S3_STORES_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/config/conf.h"
#include "lib/s3/s3.h"
#include "lib/session/pump.h"

#define S3_STORES_MAX (CONF_STORES_MAX + 1)

struct s3_stores;

/* NULL: WHY says what is wrong with the options, or that there is no memory. Connects to nothing.
 * CONF and the pump must outlive it. */
struct s3_stores *s3_stores_new(const struct conf *, const struct pump *, char *why,
                                size_t why_size);
void s3_stores_free(struct s3_stores *);

int s3_stores_count(const struct s3_stores *);
/* The number of the store that BUCKET lies in; -1: WHY says why no store is it, and which setting
 * would change that. */
int s3_stores_of(const struct s3_stores *, const char *bucket, char *why, size_t why_size);
struct s3 *s3_stores_client(const struct s3_stores *, int store);
/* The name of its block; empty: it is the default one. */
const char *s3_stores_block(const struct s3_stores *, int store);
/* For sentences: "the store", or store "eu". */
const char *s3_stores_name(const struct s3_stores *, int store);
/* Where its endpoint is set, as `worker.s3_endpoint, FILE:LINE`. Lives until the next call. */
const char *s3_stores_place(struct s3_stores *, int store);

/* Copies WHY, in which lib/s3 names the settings of the default store, into OUT, where they are
 * those of this one: `worker.s3_region` becomes `region of store "eu"`. */
void s3_stores_explain(const struct s3_stores *, int store, const char *why, char *out,
                       size_t out_size);

#endif
