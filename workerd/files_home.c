/* Keeps in mind which buckets are where the ledger says. */
#include "workerd/files_home.h"

#include <stdio.h>
#include <string.h>

bool homes_has(const struct homes *homes, const char *bucket)
{
	for (int i = 0; i < HOMES_MAX; i++)
		if (strcmp(homes->bucket[i], bucket) == 0)
			return true;
	return false;
}

void homes_note(struct homes *homes, const char *bucket)
{
	char *place = homes->bucket[homes->next++ % HOMES_MAX];

	snprintf(place, sizeof(homes->bucket[0]), "%s", bucket);
}

void homes_forget(struct homes *homes, const char *bucket)
{
	for (int i = 0; i < HOMES_MAX; i++)
		if (strcmp(homes->bucket[i], bucket) == 0)
			homes->bucket[i][0] = '\0';
}

void homes_explain(const struct s3_stores *stores, int store, const char *bucket, const char *seen,
                   char *why, size_t why_size)
{
	const char *quote = seen[0] == '\0' ? "" : "\"";

	snprintf(
		why, why_size,
		"bucket %s was in %s%s%s when it was used last, and is in %s by the settings: put them "
		"right, or, if it has moved, say so in the worker's database: UPDATE farewell.bucket SET "
		"store = '%s' WHERE bucket = '%s'",
		bucket, seen[0] == '\0' ? "the default store" : "store \"", seen, quote,
		s3_stores_name(stores, store), s3_stores_block(stores, store), bucket);
}
