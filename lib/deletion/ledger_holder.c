/* Naming the session that holds a lease, for who has to end it. */
#include <stdio.h>

#include "lib/deletion/ledger_sql.h"

enum ledger_answer ledger_lease_holder(struct ledger *ledger, const char *deletion_id, char *who,
                                       size_t size)
{
	PGresult *row = NULL;
	enum ledger_answer answer = LEDGER_OK;

	enum db_result result =
		db_run(ledger->db, LEDGER_HOLDER, &deletion_id, &row, db_deadline(ledger->db));
	if (result != DB_OK) {
		snprintf(who, size, "a session that could not be found out");
		answer = ledger_failed(ledger, result);
	} else if (PQntuples(row) == 0) {
		snprintf(who, size, "nobody any more");
	} else {
		db_copy(row, 0, 0, who, size);
	}
	PQclear(row);
	return answer;
}
