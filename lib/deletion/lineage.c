/* Reading the lineage of a user database, and comparing two. */
#include "lib/deletion/lineage.h"

#include <stdio.h>
#include <string.h>

/* Only what a server may refuse is caught: a lock or a time-out is no answer. The settings are this
 * session's own, a way for DO to return something. */
#define ASK(name, question)                                                                        \
	"DO $farewell$ BEGIN PERFORM set_config('farewell." name "', (" question "), false);"          \
	" EXCEPTION WHEN insufficient_privilege OR undefined_function OR feature_not_supported OR"     \
	" object_not_in_prerequisite_state THEN"                                                       \
	" PERFORM set_config('farewell." name "', '" LINEAGE_UNTOLD "', false); END $farewell$"

static const char ask_system[] =
	ASK("system", "SELECT system_identifier::text FROM pg_control_system()");
static const char ask_timeline[] =
	ASK("timeline", "substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)");
static const char ask_all[] =
	"SELECT installation_id || '/' || current_setting('farewell.system') || '/'"
	" || current_setting('farewell.timeline') FROM farewell.installation";

enum db_result lineage_read(struct lineage *lineage, struct db *db, int64_t deadline_ms)
{
	PGresult *results[3] = {NULL};

	if (lineage->session == db_session(db) && lineage->session != 0)
		return DB_OK;
	lineage->session = 0;
	db_queue_sql(db, ask_system);
	db_queue_sql(db, ask_timeline);
	db_queue_sql(db, ask_all);
	enum db_result result = db_flush(db, results, 3, NULL, deadline_ms);
	if (result == DB_OK) {
		if (PQntuples(results[2]) == 1 &&
		    db_copy(results[2], 0, 0, lineage->text, sizeof(lineage->text)))
			lineage->session = db_session(db);
		else
			result = db_refuse(db, "farewell.installation has no row; apply the migrations");
	}
	db_clear(results, 3);
	return result;
}

/* The length of the first part of TEXT. */
static size_t lineage_part_length(const char *text)
{
	return strcspn(text, "/");
}

bool lineage_agrees(const char *one, const char *other)
{
	for (;;) {
		size_t length = lineage_part_length(one), others = lineage_part_length(other);
		bool told = !(length == 1 && *one == '-') && !(others == 1 && *other == '-');

		if (told && (length != others || memcmp(one, other, length) != 0))
			return false;
		one += length;
		other += others;
		if (*one != *other)
			return false;
		if (*one == '\0')
			return true;
		one++;
		other++;
	}
}

bool lineage_same_installation(const char *one, const char *other)
{
	size_t length = lineage_part_length(one), others = lineage_part_length(other);

	return one[length] == '\0' || other[others] == '\0' ||
	       (length == others && memcmp(one, other, length) == 0);
}

const char *lineage_gap(const char *lineage)
{
	const char *system = lineage + lineage_part_length(lineage);
	const char *timeline = *system == '/' ? system + 1 + lineage_part_length(system + 1) : system;
	bool no_system = strncmp(system, "/-/", 3) == 0, no_timeline = strcmp(timeline, "/-") == 0;

	if (no_system && no_timeline)
		return "its system identifier and its timeline: a fail-over, a restore or a clone of it "
			   "can't "
			   "be noticed";
	if (no_system)
		return "its system identifier: a clone of it can't be noticed";
	if (no_timeline)
		return "its timeline: a fail-over or a restore of it can't be noticed";
	return NULL;
}
