/* Text that a database can store: a sentence for a person loses the characters that it can't. */
#include <assert.h>
#include <string.h>

#include "lib/base/text.h"
#include "lib/session/db_session.h"

const char *db_encoding(const struct db *db)
{
	const char *encoding = db->ready ? PQparameterStatus(db->conn, "server_encoding") : NULL;

	return encoding != NULL ? encoding : "";
}

/* Copies TEXT with "?" for each character that is not ASCII, or if UTF8, for each byte that is part
 * of none. */
static void db_copy_storable(const char *text, bool utf8, char *copy, size_t size)
{
	size_t length = strlen(text), used = 0, step;
	uint32_t code;

	for (size_t i = 0; i < length; i += step) {
		step = text_utf8_next(text + i, length - i, &code);
		bool stored = step == 1 || (step > 1 && utf8);
		if (step == 0)
			step = 1;
		size_t takes = stored ? step : 1;
		if (used + takes >= size)
			break;
		memcpy(copy + used, stored ? text + i : "?", takes);
		used += takes;
	}
	copy[used] = '\0';
}

const char *const *db_storable(const struct db *db, const struct db_statement *statement,
                               const char *const *params, struct db_params *room)
{
	const char *prose = statement->prose > 0 ? params[statement->prose - 1] : NULL;

	if (prose == NULL)
		return params;
	assert(statement->params <= DB_PARAMS_MAX);
	memcpy(room->params, params, (size_t)statement->params * sizeof(params[0]));
	db_copy_storable(prose, strcmp(db_encoding(db), "UTF8") == 0, room->prose, sizeof(room->prose));
	room->params[statement->prose - 1] = room->prose;
	return room->params;
}
