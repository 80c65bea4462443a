/* Remembering in which store a bucket is. */
#include <stdio.h>

#include "lib/deletion/ledger_sql.h"

#define TRIES_MAX 3 /* each of them but the first meets a row that has just been removed */

enum ledger_answer ledger_bucket(struct ledger *ledger, const char *bucket, const char *store,
                                 struct ledger_bucket *known)
{
	const char *params[] = {bucket, store};

	for (int i = 0; i < TRIES_MAX; i++) {
		PGresult *row = NULL;
		enum db_result result =
			db_run(ledger->db, LEDGER_BUCKET, params, &row, db_deadline(ledger->db));
		bool found = result == DB_OK && PQntuples(row) == 1;

		if (found) {
			db_copy(row, 0, 0, known->store, sizeof(known->store));
			known->proven = PQgetvalue(row, 0, 1)[0] == 't';
		}
		PQclear(row);
		if (result != DB_OK)
			return ledger_failed(ledger, result);
		if (found)
			return LEDGER_OK;
	}
	return LEDGER_SUPERSEDED;
}

/* Runs STATEMENT on BUCKET and STORE. */
static enum ledger_answer bucket_change(struct ledger *ledger, enum worker_db_statement statement,
                                        const char *bucket, const char *store)
{
	const char *params[] = {bucket, store};
	PGresult *row = NULL;
	enum db_result result = db_run(ledger->db, statement, params, &row, db_deadline(ledger->db));

	PQclear(row);
	return result == DB_OK ? LEDGER_OK : ledger_failed(ledger, result);
}

enum ledger_answer ledger_bucket_proven(struct ledger *ledger, const char *bucket,
                                        const char *store)
{
	return bucket_change(ledger, LEDGER_BUCKET_PROVEN, bucket, store);
}

enum ledger_answer ledger_bucket_missing(struct ledger *ledger, const char *bucket,
                                         const char *store)
{
	return bucket_change(ledger, LEDGER_BUCKET_MISSING, bucket, store);
}

enum ledger_answer ledger_buckets(struct ledger *ledger, PGresult **rows)
{
	enum db_result result = db_run(ledger->db, LEDGER_BUCKETS, NULL, rows, db_deadline(ledger->db));

	return result == DB_OK ? LEDGER_OK : ledger_failed(ledger, result);
}
