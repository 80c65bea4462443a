/* Remembering in which store a bucket is. */
#include <stdio.h>

#include "lib/deletion/ledger_sql.h"

enum ledger_answer ledger_bucket(struct ledger *ledger, const char *bucket, const char *store,
                                 char *seen, size_t seen_size)
{
	const char *params[] = {bucket, store};
	PGresult *row = NULL;
	enum db_result result =
		db_run(ledger->db, LEDGER_BUCKET, params, &row, db_deadline(ledger->db));

	if (result == DB_OK)
		db_copy(row, 0, 0, seen, seen_size);
	PQclear(row);
	return result == DB_OK ? LEDGER_OK : ledger_failed(ledger, result);
}

enum ledger_answer ledger_bucket_missing(struct ledger *ledger, const char *bucket,
                                         const char *store)
{
	const char *params[] = {bucket, store};
	PGresult *row = NULL;
	enum db_result result =
		db_run(ledger->db, LEDGER_BUCKET_MISSING, params, &row, db_deadline(ledger->db));

	PQclear(row);
	return result == DB_OK ? LEDGER_OK : ledger_failed(ledger, result);
}

enum ledger_answer ledger_buckets(struct ledger *ledger, PGresult **rows)
{
	enum db_result result = db_run(ledger->db, LEDGER_BUCKETS, NULL, rows, db_deadline(ledger->db));

	return result == DB_OK ? LEDGER_OK : ledger_failed(ledger, result);
}
