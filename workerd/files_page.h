/* One pass over a user's files: what files.c and files_page.c share. For nobody else. */
#ifndef FAREWELL_FILES_PAGE_H
#define FAREWELL_FILES_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/deletion/ledger.h"
#include "lib/deletion/retry.h"
#include "lib/s3/s3.h"
#include "workerd/files.h"

#define BUCKETS_MAX 32 /* that are remembered for failing in one pass */

/* One row of the page in hand. */
struct file {
	const char *id; /* points into the page's result */
	struct s3_path path;
	bool gone, versions_left; /* the second: older versions of it remain */
};

/* A bucket whose batches failed in this pass. */
struct bucket {
	char name[sizeof((struct s3_path){.key = NULL}.bucket)];
	int failures;
};

/* A pass over all of the user's files. */
struct pass {
	const struct files_means *means;
	const struct message *message;
	struct ledger_entry *entry;
	struct failure *failure;
	struct bucket buckets[BUCKETS_MAX];
	uint32_t away; /* stores that have been found to be, and keep some of the user's files */
	const struct breaker *refusing; /* that of a bucket that refuses, and keeps some */
	int64_t found, deleted, failed;
	time_t lock_first, lock_last; /* the dates of the locks that were met; 0: none */
	int prefix;                   /* the number of the one in hand; 0: rows are */
	int rows;                     /* of the page in hand: what was read but for one row more */
	bool whole;                   /* with the page in hand all rows were read that there are */
	bool useless; /* the pages behind would fare no better: the statements don't fit each other */
	bool stopped;
	bool lost;          /* the ledger's session is */
	bool bucket_proven; /* the bucket in hand is known to be in its store */
	const char *before; /* id of the first row of the pass before, which is done; NULL: none */
	char *first;        /* of this one; NULL: none yet */
	char *top;          /* id of the first row of the page in hand, or of the last one */
	char *after;        /* id of the last row read; NULL: none yet */
};

/* Notes a failure; the one that heals by itself wins, since then it's worth while to come back. */
void files_note_failure(struct pass *, enum retry_cause, const char *what, const char *why);

/* Notes what keeps a bucket from being listed. */
void files_note_bucket(struct pass *, int store, const char *bucket,
                       const struct s3_object *failed);

/* The store of BUCKET, in which COUNT files lie, the first of them that of the row ID; -1: they are
 * left alone, which has been noted. */
int files_store_of(struct pass *, const char *bucket, const char *id, size_t count);

/* What an answer of the ledger that is not LEDGER_OK makes of the pass. */
enum files_result files_result_of(enum ledger_answer);
/* Whether it is time to hand over, or to stop. */
bool files_must_stop(const struct pass *);

/* The same of a lock that ends at a date. */
void files_note_lock(struct pass *, const char *what, const char *why, time_t until);

/* Looks whether to go on: S3 knows nothing of leases, so who has lost his, or whose user was
 * restored after the page was read, leaves the objects alone. FILES_GONE means: go on. */
enum files_result files_look_again(const struct pass *);

/* Deletes the COUNT files in ORDER, which all lie in one bucket. OBJECTS has room for them. */
void files_delete_from_bucket(struct pass *, struct file **order, size_t count,
                              struct s3_object *objects);

/* Deletes the objects of the first pass->rows rows of PAGE, bucket by bucket, and says in FILES
 * which are gone. The arrays have room for as many. */
void files_delete_objects(struct pass *, const PGresult *page, struct file *files,
                          struct file **order, struct s3_object *objects);

#endif
