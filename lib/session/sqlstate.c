/* The table of SQLSTATE codes and classes, and the look-up in it. */
#include "lib/session/sqlstate.h"

#include <stddef.h>
#include <string.h>

/* The first row that STATE begins with counts, so codes stand before their class. */
static const struct {
	const char *prefix;
	enum sqlstate_kind kind;
} kinds[] = {
	{"08", SQLSTATE_ENDED},         /* connection exception */
	{"0A000", SQLSTATE_STALE},      /* cached plan must not change result type */
	{"22P02", SQLSTATE_NO_SUCH_ID}, /* invalid_text_representation */
	{"22003", SQLSTATE_NO_SUCH_ID}, /* numeric_value_out_of_range */
	{"22021", SQLSTATE_NO_SUCH_ID}, /* character_not_in_repertoire */
	{"22P05", SQLSTATE_NO_SUCH_ID}, /* untranslatable_character */
	{"22", SQLSTATE_DATA},          /* data exception */
	{"23", SQLSTATE_DATA},          /* integrity constraint violation */
	{"25006", SQLSTATE_STALE},      /* read-only: the server has become a standby */
	{"25P03", SQLSTATE_ENDED},      /* idle_in_transaction_session_timeout */
	{"25", SQLSTATE_PASSING},       /* invalid transaction state */
	{"26000", SQLSTATE_STALE},      /* somebody threw the prepared statements away */
	{"28", SQLSTATE_LOGIN},         /* invalid authorization */
	{"3D", SQLSTATE_LOGIN},         /* no such database */
	{"40", SQLSTATE_BUSY},          /* serialization failure, deadlock */
	{"53", SQLSTATE_PASSING},       /* insufficient resources */
	{"55P03", SQLSTATE_BUSY},       /* lock_not_available */
	{"55", SQLSTATE_PASSING},       /* object not in prerequisite state */
	{"57014", SQLSTATE_BUSY},       /* query_canceled: statement_timeout */
	{"57P", SQLSTATE_ENDED},        /* shutdown, crash, idle_session_timeout */
	{"57", SQLSTATE_PASSING},       /* operator intervention */
	{"58", SQLSTATE_PASSING},       /* system error */
	{"P0", SQLSTATE_DATA},          /* raised by a function or a trigger */
};

enum sqlstate_kind sqlstate_kind(const char *state)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strncmp(state, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
			return kinds[i].kind;
	return SQLSTATE_SETTING;
}

bool sqlstate_may_come(const char *state)
{
	static const char *const names[] = {
		"42P01", "42703", "42883", /* table, column, function */
		"42704", "42501",          /* type or role, right */
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(state, names[i]) == 0)
			return true;
	/* What else these classes have is the statement's text. */
	return *state != '\0' && strncmp(state, "42", 2) != 0 && strncmp(state, "22", 2) != 0;
}
