/* What the reports ask of requests: to hear of a state, what they have heard of, and which are gone
 * or finished. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/deletion/request.h"

/* Of REQUEST_STATE. */
enum known_column {
	KNOWN_DELETION_ID,
	KNOWN_STATUS,
	KNOWN_MAIL,
	KNOWN_FILES_DELETED,
	KNOWN_ATTEMPTS,
	KNOWN_FINISHED_AT,
	KNOWN_VERSION
};

static const char *or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

enum db_result request_report(struct db *db, const struct deletion_state *state, bool *heard)
{
	char files[24], attempts[16], version[24], left[24];
	PGresult *done = NULL;

	snprintf(files, sizeof(files), "%lld", (long long)state->files_deleted);
	snprintf(attempts, sizeof(attempts), "%d", state->attempts);
	snprintf(version, sizeof(version), "%lld", (long long)state->version);
	snprintf(left, sizeof(left), "%lld", (long long)state->versions_left);
	const char *params[] = {state->deletion_id,
	                        state->status,
	                        state->mail,
	                        files,
	                        attempts,
	                        or_null(state->last_error),
	                        or_null(state->next_attempt_at),
	                        or_null(state->finished_at),
	                        version,
	                        left};
	enum db_result result = db_run(db, REQUEST_REPORT, params, &done, db_deadline(db));
	if (result != DB_OK)
		log_warning("the request could not be brought up to date: %s", db_why(db));
	if (heard != NULL)
		*heard = result == DB_OK && strcmp(PQcmdTuples(done), "1") == 0;
	PQclear(done);
	return result;
}

enum db_result request_state(struct db *db, const char *deletion_id, struct deletion_state *state)
{
	PGresult *row = NULL;
	enum db_result result = db_run(db, REQUEST_STATE, &deletion_id, &row, db_deadline(db));

	memset(state, 0, sizeof(*state));
	if (result != DB_OK)
		log_warning("what the request has heard of can't be read: %s", db_why(db));
	if (result == DB_OK && PQntuples(row) > 0) {
		db_copy(row, 0, KNOWN_DELETION_ID, state->deletion_id, sizeof(state->deletion_id));
		db_copy(row, 0, KNOWN_STATUS, state->status, sizeof(state->status));
		db_copy(row, 0, KNOWN_MAIL, state->mail, sizeof(state->mail));
		state->files_deleted = db_number(row, 0, KNOWN_FILES_DELETED);
		state->attempts = (int)db_number(row, 0, KNOWN_ATTEMPTS);
		db_copy(row, 0, KNOWN_FINISHED_AT, state->finished_at, sizeof(state->finished_at));
		state->version = db_number(row, 0, KNOWN_VERSION);
	}
	PQclear(row);
	return result;
}

/* A copy of an array literal; NULL if it has no element. False: no memory. */
static bool request_copy_ids(const PGresult *row, int column, char **ids)
{
	const char *text = PQgetvalue(row, 0, column);

	*ids = strcmp(text, "{}") != 0 ? strdup(text) : NULL;
	return *ids != NULL || strcmp(text, "{}") == 0;
}

enum db_result request_missing(struct db *db, const char *ids, char **missing, char **finished)
{
	PGresult *row = NULL;
	enum db_result result = db_run(db, REQUEST_MISSING, &ids, &row, db_deadline(db));

	*missing = *finished = NULL;
	if (result != DB_OK)
		return result;
	if (db_is_true(row, 0, MISSING_RECOVERY)) {
		result = db_refuse(db, "the user database is a standby: nothing is compared with it");
	} else if (!request_copy_ids(row, MISSING_IDS, missing) ||
	           !request_copy_ids(row, MISSING_FINISHED_IDS, finished)) {
		free(*missing);
		*missing = NULL;
		result = db_refuse(db, "out of memory");
	}
	PQclear(row);
	return result;
}

enum db_result request_started(struct db *db, char **ids)
{
	PGresult *row = NULL;
	enum db_result result = db_run(db, REQUEST_STARTED, NULL, &row, db_deadline(db));

	*ids = NULL;
	if (result == DB_OK && !request_copy_ids(row, 0, ids))
		result = db_refuse(db, "out of memory");
	PQclear(row);
	return result;
}
