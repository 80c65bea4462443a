/* Compares the store of a bucket by the settings with that by the ledger. */
#include "workerd/files_home.h"

#include <stdio.h>
#include <string.h>

#define STORE_WORDS (CONF_STORE_NAME_BYTES + sizeof("the default store"))

static void home_name(const char *block, char *words, size_t size)
{
	if (block[0] == '\0')
		snprintf(words, size, "the default store");
	else
		snprintf(words, size, "store \"%s\"", block);
}

void files_home_explain(const struct s3_stores *stores, int store, const char *bucket,
                        const char *seen, char *why, size_t why_size)
{
	char before[STORE_WORDS], now[STORE_WORDS];

	home_name(seen, before, sizeof(before));
	home_name(s3_stores_block(stores, store), now, sizeof(now));
	snprintf(why, why_size,
	         "bucket %s was looked for in %s until now, and is in %s by these settings, so nothing "
	         "is asked of it: put the settings right, or, if all its objects have moved, change "
	         "its row in farewell.bucket (doc/S3.md, 1)",
	         bucket, before, now);
}

enum ledger_answer files_home_look(struct ledger *ledger, const struct s3_stores *stores, int store,
                                   const char *bucket, bool *proven, char *why, size_t why_size)
{
	const char *block = s3_stores_block(stores, store);
	struct ledger_bucket known;
	enum ledger_answer answer = ledger_bucket(ledger, bucket, block, &known);

	if (answer == LEDGER_SUPERSEDED) {
		snprintf(why, why_size, "bucket %s: its row in farewell.bucket comes and goes", bucket);
		return LEDGER_REFUSED;
	}
	if (answer != LEDGER_OK) {
		snprintf(why, why_size, "bucket %s: in which store it was is not known: %s", bucket,
		         db_why(ledger->db));
		return answer;
	}
	*proven = known.proven;
	if (strcmp(known.store, block) == 0)
		return LEDGER_OK;
	files_home_explain(stores, store, bucket, known.store, why, why_size);
	return LEDGER_SUPERSEDED;
}
