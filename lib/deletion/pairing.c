/* Looking whether user database and ledger belong together, and making them a pair. */
#include "lib/deletion/pairing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ids.h"
#include "lib/base/log.h"
#include "lib/deletion/lineage.h"
#include "lib/deletion/request.h"

#define NAME_SIZE 64
#define TIME_SIZE 40
#define WRONG_SETTING "; one of the two settings names another database"

enum pairing_column { PAIRING_DATABASE, PAIRING_LEDGER, PAIRING_SINCE };
enum own_column { OWN_ID, OWN_DATABASE };

const char pairing_read_sql[] =
	"SELECT current_database(), p.ledger_id, date_trunc('second', p.paired_at)"
	" FROM (SELECT 1) AS one LEFT JOIN farewell.pairing p ON true";
const char pairing_take_sql[] =
	"INSERT INTO farewell.pairing (ledger_id) VALUES ($1) ON CONFLICT (only_one) DO NOTHING";
const char pairing_ledger_sql[] = "SELECT ledger_id, current_database() FROM farewell.ledger";

/* What both databases say of themselves and of each other. */
struct sides {
	struct lineage here;
	char users_database[NAME_SIZE], paired[ID_UUID_SIZE], since[TIME_SIZE];
	char ledger_database[NAME_SIZE], ledger[ID_UUID_SIZE];
	char seen[LINEAGE_SIZE]; /* by the ledger */
};

/* ---- reading ---- */

static enum pairing_answer pairing_read_users(struct sides *sides, struct db *users)
{
	PGresult *row = NULL;
	enum db_result result = db_run(users, PAIRING_READ, NULL, &row, db_deadline(users));

	if (result == DB_OK) {
		db_copy(row, 0, PAIRING_DATABASE, sides->users_database, sizeof(sides->users_database));
		db_copy(row, 0, PAIRING_LEDGER, sides->paired, sizeof(sides->paired));
		db_copy(row, 0, PAIRING_SINCE, sides->since, sizeof(sides->since));
	}
	PQclear(row);
	return result == DB_OK ? PAIRING_GOOD : PAIRING_USERS_FAILED;
}

static enum pairing_answer pairing_read_ledger(struct sides *sides, struct ledger *ledger)
{
	PGresult *row = NULL;
	enum db_result result = db_run(ledger->db, PAIRING_OWN, NULL, &row, db_deadline(ledger->db));

	if (result == DB_OK && PQntuples(row) != 1)
		result = db_refuse(ledger->db, "farewell.ledger has no row; apply the migrations");
	if (result == DB_OK) {
		db_copy(row, 0, OWN_ID, sides->ledger, sizeof(sides->ledger));
		db_copy(row, 0, OWN_DATABASE, sides->ledger_database, sizeof(sides->ledger_database));
		if (ledger_lineage_seen(ledger, sides->seen, sizeof(sides->seen)) != LEDGER_OK)
			result = DB_LOST;
	}
	PQclear(row);
	return result == DB_OK ? PAIRING_GOOD : PAIRING_LEDGER_FAILED;
}

/* ---- judging ---- */

/* The length of an installation's id. */
static int installation_length(const char *lineage)
{
	return (int)strcspn(lineage, "/");
}

static enum pairing_answer pairing_judge(struct pairing *pairing, const struct sides *sides)
{
	const char *here = sides->here.text, *seen = sides->seen;

	if (sides->paired[0] != '\0' && strcmp(sides->paired, sides->ledger) != 0) {
		pairing->why = "worker.worker_db is not the ledger of worker.user_db";
		log_error("worker.worker_db (database %s, ledger %s) is not the ledger of worker.user_db "
		          "(database %s), which belongs to ledger %s since %s" WRONG_SETTING
		          ". If the ledger was replaced on purpose, run in the user database: INSERT INTO "
		          "farewell.pairing (ledger_id) VALUES ('%s') ON CONFLICT (only_one) DO UPDATE SET "
		          "ledger_id = EXCLUDED.ledger_id, paired_at = now()",
		          sides->ledger_database, sides->ledger, sides->users_database, sides->paired,
		          sides->since, sides->ledger);
	} else if (seen[0] != '\0' && !lineage_same_installation(seen, here)) {
		pairing->why = "worker.user_db is not the user database of worker.worker_db";
		log_error("worker.user_db (database %s, installation %.*s) is not the user database of "
		          "worker.worker_db (database %s), which belongs to installation %.*s" WRONG_SETTING
		          ". If the user database was replaced on purpose, run in the worker database: "
		          "UPDATE farewell.lineage SET lineage = '%.*s/compare'",
		          sides->users_database, installation_length(here), here, sides->ledger_database,
		          installation_length(seen), seen, installation_length(here), here);
	}
	return pairing->why != NULL ? PAIRING_WRONG : PAIRING_GOOD;
}

/* Before the two have become a pair: a ledger that knows none of the deletions that were begun for
 * this user database is not its. */
static enum pairing_answer pairing_ask_witnesses(struct pairing *pairing, const struct sides *sides,
                                                 struct db *users, struct ledger *ledger)
{
	char *ids = NULL;
	bool known = true;

	if (request_started(users, &ids) != DB_OK)
		return PAIRING_USERS_FAILED;
	enum ledger_answer answer = ids != NULL ? ledger_knows(ledger, ids, &known) : LEDGER_OK;
	free(ids);
	if (answer != LEDGER_OK)
		return PAIRING_LEDGER_FAILED;
	if (known)
		return PAIRING_GOOD;
	pairing->why = "the ledger of worker.worker_db knows nothing of what worker.user_db has";
	log_error("worker.user_db (database %s) has deletions that were begun, none of which the "
	          "ledger of worker.worker_db (database %s, ledger %s) knows" WRONG_SETTING
	          ". If the ledger was replaced on purpose, run in the user database: INSERT INTO "
	          "farewell.pairing (ledger_id) VALUES ('%s') ON CONFLICT (only_one) DO UPDATE SET "
	          "ledger_id = EXCLUDED.ledger_id, paired_at = now()",
	          sides->users_database, sides->ledger_database, sides->ledger, sides->ledger);
	return PAIRING_WRONG;
}

/* ---- making a pair ---- */

/* Whoever comes first, on each side; then what is there now is judged again. */
static enum pairing_answer pairing_take(struct pairing *pairing, struct sides *sides,
                                        struct db *users, struct ledger *ledger)
{
	const char *params[] = {sides->ledger};

	if (sides->seen[0] == '\0' && ledger_lineage_first(ledger, sides->here.text) != LEDGER_OK)
		return PAIRING_LEDGER_FAILED;
	if (sides->paired[0] == '\0' &&
	    db_run(users, PAIRING_TAKE, params, NULL, db_deadline(users)) != DB_OK)
		return PAIRING_USERS_FAILED;
	enum pairing_answer answer = pairing_read_users(sides, users);
	if (answer == PAIRING_GOOD)
		answer = pairing_read_ledger(sides, ledger);
	if (answer == PAIRING_GOOD)
		answer = pairing_judge(pairing, sides);
	if (answer == PAIRING_GOOD)
		log_info("user database %s and worker database %s belong together from now on: "
		         "installation %.*s, ledger %s",
		         sides->users_database, sides->ledger_database,
		         installation_length(sides->here.text), sides->here.text, sides->ledger);
	return answer;
}

enum pairing_answer pairing_check(struct pairing *pairing, struct db *users, struct ledger *ledger,
                                  bool take)
{
	struct sides sides = {.here = {0}};

	pairing->why = NULL;
	if (pairing->users == db_session(users) && pairing->ledger == db_session(ledger->db))
		return PAIRING_GOOD;
	if (lineage_read(&sides.here, users, db_deadline(users)) != DB_OK)
		return PAIRING_USERS_FAILED;
	enum pairing_answer answer = pairing_read_users(&sides, users);
	if (answer == PAIRING_GOOD)
		answer = pairing_read_ledger(&sides, ledger);
	if (answer == PAIRING_GOOD)
		answer = pairing_judge(pairing, &sides);
	if (answer == PAIRING_GOOD && sides.paired[0] == '\0')
		answer = pairing_ask_witnesses(pairing, &sides, users, ledger);
	if (answer == PAIRING_GOOD && take && (sides.paired[0] == '\0' || sides.seen[0] == '\0'))
		answer = pairing_take(pairing, &sides, users, ledger);
	if (answer == PAIRING_GOOD) {
		pairing->users = db_session(users);
		pairing->ledger = db_session(ledger->db);
	}
	return answer;
}
