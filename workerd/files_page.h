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
	bool gone;
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
	int64_t found, deleted, failed;
	bool whole;   /* with the page in hand all rows were read that there are */
	bool useless; /* the pages behind would fare no better: the statements don't fit each other */
	bool stopped;
	const char *before; /* id of the first row of the pass before, which is done; NULL: none */
	char *first;        /* of this one; NULL: none yet */
	char *top;          /* id of the first row of the page in hand, or of the last one */
	char *after;        /* id of the last row read; NULL: none yet */
};

/* Notes a failure; the one that heals by itself wins, since then it's worth while to come back. */
void files_note_failure(struct pass *, enum retry_cause, const char *what, const char *why);

/* Deletes the objects of the rows of PAGE, bucket by bucket, and says in FILES which are gone. The
 * arrays have room for as many as there are rows. */
void files_delete_objects(struct pass *, const PGresult *page, struct file *files,
                          struct file **order, struct s3_object *objects);

#endif
