/* Finds a file id that is null, or stands in two rows: by ids alone a page is followed by the next
 * one, and rows are marked as done. */
#include "workerd/files_ids.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/base/text.h"

#define SHOWN_ID 40 /* bytes in a sentence */

static const char null_id[] =
	"worker.files_sql returned a row whose id is null: nothing of that page was deleted, as the "
	"row "
	"could neither be marked as done nor be followed by the next page; let the statement return an "
	"id with each row";

static int compare_ids(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* Not only those of neighbours: the statement may order them by something else. */
static const char *find_twin(const char **ids, size_t count)
{
	qsort(ids, count, sizeof(*ids), compare_ids);
	for (size_t i = 1; i < count; i++)
		if (strcmp(ids[i - 1], ids[i]) == 0)
			return ids[i];
	return NULL;
}

static void refuse_page(struct pass *pass, const char *why)
{
	files_note_failure(pass, RETRY_HOPELESS, "worker.files_sql", why);
	pass->useless = true;
}

static void refuse_twin(struct pass *pass, const char *id)
{
	char why[FAILURE_WHY_SIZE];

	snprintf(
		why, sizeof(why),
		"worker.files_sql returned the id %.*s in two rows: nothing of that page was deleted, as "
		"what is done for one row would be taken for done for both; the id must be different in "
		"each row of an account: make it so in worker.files_sql and worker.files_done_sql, as "
		"with id || '/' || path",
		(int)text_utf8_fit(id, SHOWN_ID), id);
	refuse_page(pass, why);
}

enum files_result files_check_ids(struct pass *pass, const PGresult *rows)
{
	size_t count = (size_t)PQntuples(rows);
	const char **ids = calloc(count, sizeof(*ids));

	if (ids == NULL) {
		log_error("out of memory for the ids of %zu files; lower worker.files_page", count);
		return FILES_LOST;
	}
	bool null = false;
	for (size_t i = 0; i < count; i++) {
		null = null || PQgetisnull(rows, (int)i, FILE_ID);
		ids[i] = PQgetvalue(rows, (int)i, FILE_ID);
	}
	const char *twin = null ? NULL : find_twin(ids, count);
	if (null)
		refuse_page(pass, null_id);
	else if (twin != NULL)
		refuse_twin(pass, twin);
	free(ids);
	return FILES_GONE;
}
