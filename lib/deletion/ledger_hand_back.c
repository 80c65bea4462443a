/* Writing down that a deletion waits for a server, for which nobody is charged. */
#include <stdio.h>

#include "lib/deletion/ledger_sql.h"

enum ledger_answer ledger_hand_back(struct ledger *ledger, const struct ledger_entry *entry,
                                    const char *why, int64_t delay_ms, struct deletion_state *state)
{
	char turn[16], starts[16], delay[32];
	PGresult *row = NULL;
	enum ledger_answer answer = LEDGER_OK;

	snprintf(turn, sizeof(turn), "%d", entry->turn);
	snprintf(starts, sizeof(starts), "%d", entry->starts);
	snprintf(delay, sizeof(delay), "%lld.%03d", (long long)(delay_ms / 1000),
	         (int)(delay_ms % 1000));
	const char *params[] = {entry->deletion_id, turn, starts, why, delay};
	enum db_result result =
		db_run(ledger->db, LEDGER_HAND_BACK, params, &row, db_deadline(ledger->db));
	if (result != DB_OK)
		answer = ledger_failed(ledger, result);
	else if (PQntuples(row) == 0)
		answer = LEDGER_SUPERSEDED;
	else
		ledger_read_state(row, 0, state);
	PQclear(row);
	return answer;
}
