/* Reports, and what is done when the request knows more than the ledger. */
#include "lib/deletion/ledger_report.h"

#include <string.h>

#include "lib/base/log.h"
#include "lib/deletion/request.h"

/* Whether STATE, which the request did not take, is older than what that has: a later version, or
 * the same one of another history. The mail's state and the next attempt change without one. What
 * was cancelled hears only of that, which the guard tells the ledger. */
static bool state_is_behind(const struct deletion_state *state, const struct deletion_state *known)
{
	if (strcmp(known->status, "cancelled") == 0 && strcmp(state->status, "cancelled") != 0)
		return false;
	if (known->version != state->version)
		return known->version > state->version;
	return strcmp(known->status, state->status) != 0 ||
	       known->files_deleted != state->files_deleted || known->attempts != state->attempts;
}

/* The request is finished, the ledger is not. */
static bool report_follow(struct ledger *ledger, const struct deletion_state *state,
                          const struct deletion_state *known)
{
	enum ledger_answer answer = ledger_follow(ledger, state, known);

	if (answer == LEDGER_OK)
		log_warning("the ledger says %s, but its request is finished (%s): was the worker database "
		            "restored? The ledger's row is closed as the request is; deletion=%s",
		            state->status, known->status, state->deletion_id);
	return answer == LEDGER_OK || answer == LEDGER_SUPERSEDED;
}

static bool report_catch_up(struct ledger *ledger, struct db *users,
                            const struct deletion_state *state, const struct deletion_state *known)
{
	struct deletion_state raised;
	bool heard = false;

	enum ledger_answer answer = ledger_catch_up(ledger, state, known->version, &raised);
	if (answer != LEDGER_OK)
		return answer == LEDGER_SUPERSEDED; /* who has the present state reports it */
	log_warning("the ledger is behind its request (version %lld, the request has heard of %lld): "
	            "was the worker database restored? Reporting again as version %lld; deletion=%s",
	            (long long)state->version, (long long)known->version, (long long)raised.version,
	            state->deletion_id);
	if (request_report(users, &raised, &heard) != DB_OK)
		return false;
	return !heard || ledger_note_reported(ledger, &raised) == LEDGER_OK;
}

bool ledger_report(struct ledger *ledger, struct db *users, const struct deletion_state *state)
{
	struct deletion_state known;
	bool heard = false;

	if (request_report(users, state, &heard) != DB_OK)
		return false;
	if (!heard) {
		if (request_state(users, state->deletion_id, &known) != DB_OK)
			return false;
		bool finished = known.finished_at[0] != '\0';
		if (finished && state->finished_at[0] == '\0')
			return report_follow(ledger, state, &known);
		if (!finished && known.deletion_id[0] != '\0' && state_is_behind(state, &known))
			return report_catch_up(ledger, users, state, &known);
	}
	/* A request that is not there any more hears of nothing: vanish.c says so. */
	return ledger_note_reported(ledger, state) == LEDGER_OK;
}
