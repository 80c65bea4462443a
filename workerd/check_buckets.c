/* Tries, for -t, each bucket that the settings name, and says what is to be granted. */
#include "workerd/check_buckets.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/ids.h"
#include "lib/base/log.h"
#include "lib/s3/s3_probe.h"
#include "workerd/files_home.h"

#define SCHEME "s3://"
#define SCHEME_BYTES (sizeof(SCHEME) - 1)
#define ID_MARK "{id}"
#define LINE_BYTES 512

/* One bucket to be tried. */
struct candidate {
	char bucket[64];
	char prefix[S3_KEY_BYTES + 1]; /* of its keys, with {id} in it; empty: all of them */
	const char *setting;           /* that names it */
};

/* ---- one bucket ---- */

/* A key below the prefix that no object has: {id} is an id that nobody has. False: too long. */
static bool candidate_key(const struct candidate *candidate, char *key, size_t size)
{
	const char *prefix = candidate->prefix, *mark = strstr(prefix, ID_MARK);
	size_t before = mark == NULL ? strlen(prefix) : (size_t)(mark - prefix);
	const char *after = mark == NULL ? "" : mark + strlen(ID_MARK);
	size_t length = strlen(prefix);
	char id[ID_UUID_SIZE], name[ID_UUID_SIZE];

	id_fresh(id);
	id_fresh(name);
	return snprintf(key, size, "%.*s%s%s%sfarewell-check-%s", (int)before, prefix,
	                mark == NULL ? "" : id, after,
	                length == 0 || prefix[length - 1] == '/' ? "" : "/", name) < (int)size;
}

/* What a permission is to be given on, as IAM and others write it. */
static void candidate_arn(const struct candidate *candidate, bool of_bucket, char *arn, size_t size)
{
	const char *prefix = candidate->prefix, *mark = strstr(prefix, ID_MARK);
	size_t length = mark == NULL ? strlen(prefix) : (size_t)(mark - prefix);

	if (of_bucket)
		snprintf(arn, size, "arn:aws:s3:::%s", candidate->bucket);
	else
		snprintf(arn, size, "arn:aws:s3:::%s/%.*s*", candidate->bucket, (int)length, prefix);
}

/* The sentence about a trial that is not good. */
static void trial_explain(const struct candidate *candidate, struct s3_stores *stores, int store,
                          const struct s3_trial *trial, char *out, size_t size)
{
	char arn[LINE_BYTES], why[LINE_BYTES];

	s3_stores_explain(stores, store, trial->why, why, sizeof(why));
	candidate_arn(candidate, trial->of_bucket, arn, sizeof(arn));
	if (trial->denied)
		snprintf(out, size, "%.300s; grant %s on %s", why, trial->permission, arn);
	else if (trial->no_bucket)
		snprintf(out, size, "there is no such bucket there; fix %s, or the store's endpoint",
		         candidate->setting);
	else
		snprintf(out, size, "%s", why);
}

static bool candidate_try(const struct candidate *candidate, struct s3_stores *stores, int store)
{
	struct s3_trial trials[S3_TRIALS];
	char key[2 * S3_KEY_BYTES], line[LINE_BYTES] = "", why[2 * LINE_BYTES];
	bool good = true;

	if (!candidate_key(candidate, key, sizeof(key)) || strlen(key) > S3_KEY_BYTES) {
		log_warning("bucket %s: not tried, the prefix is too long", candidate->bucket);
		return true;
	}
	s3_probe(s3_stores_client(stores, store), candidate->bucket, key, trials);
	for (int i = 0; i < S3_TRIALS; i++) {
		const struct s3_trial *trial = &trials[i];
		size_t length = strlen(line);

		if (trial->name == NULL)
			continue;
		snprintf(line + length, sizeof(line) - length, "%s%s %s", i > 0 ? ", " : "", trial->name,
		         trial->good ? "ok" : "refused");
		if (trial->good && trial->why[0] == '\0')
			continue;
		trial_explain(candidate, stores, store, trial, why, sizeof(why));
		if (trial->good)
			log_warning("bucket %s: %s: %s", candidate->bucket, trial->name, why);
		else
			log_error("bucket %s in %s (%s): %s: %s", candidate->bucket,
			          s3_stores_name(stores, store), s3_stores_place(stores, store), trial->name,
			          why);
		good = good && trial->good;
	}
	log_info("bucket %s: %s", candidate->bucket, line);
	return good;
}

static bool candidate_check(const struct candidate *candidate, struct s3_stores *stores,
                            uint32_t left_out)
{
	char why[LINE_BYTES];
	int store = s3_stores_of(stores, candidate->bucket, why, sizeof(why));

	if (store < 0)
		log_error("%s: %s", candidate->setting, why);
	else if ((left_out & 1u << store) == 0)
		return candidate_try(candidate, stores, store);
	return store >= 0;
}

/* ---- those that the settings name ---- */

/* The entry of worker.s3_allow, of LENGTH bytes. */
static bool check_entry(const char *entry, size_t length, struct s3_stores *stores,
                        uint32_t left_out)
{
	struct candidate candidate = {.setting = "worker.s3_allow"};
	const char *bucket = entry + SCHEME_BYTES;
	size_t bytes = length - SCHEME_BYTES;
	const char *slash = memchr(bucket, '/', bytes);
	size_t name = slash == NULL ? bytes : (size_t)(slash - bucket);

	if (memchr(bucket, '{', name) != NULL) {
		log_info("bucket %.*s: not tried, its name depends on the account", (int)name, bucket);
		return true;
	}
	if (name >= sizeof(candidate.bucket) || bytes - name > sizeof(candidate.prefix)) {
		log_error("worker.s3_allow: s3://%.*s is too long to be a bucket's name and a prefix",
		          (int)length < 80 ? (int)length : 80, bucket);
		return false;
	}
	snprintf(candidate.bucket, sizeof(candidate.bucket), "%.*s", (int)name, bucket);
	if (slash != NULL)
		snprintf(candidate.prefix, sizeof(candidate.prefix), "%.*s", (int)(bytes - name - 1),
		         slash + 1);
	return candidate_check(&candidate, stores, left_out);
}

static bool check_allowed_buckets(const char *allowed, struct s3_stores *stores, uint32_t left_out)
{
	bool good = true;

	for (allowed += strspn(allowed, " "); *allowed != '\0'; allowed += strspn(allowed, " ")) {
		size_t length = strcspn(allowed, " ");

		good = check_entry(allowed, length, stores, left_out) && good;
		allowed += length;
	}
	return good;
}

/* The buckets that a store has by name; a pattern names none. */
static bool check_store_buckets(const struct conf_store *store, struct s3_stores *stores,
                                uint32_t left_out)
{
	const char *list = store->buckets;
	bool good = true;

	for (list += strspn(list, " "); *list != '\0'; list += strspn(list, " ")) {
		struct candidate candidate = {.setting = "the store's buckets"};
		size_t length = strcspn(list, " ");

		snprintf(candidate.bucket, sizeof(candidate.bucket), "%.*s", (int)length, list);
		if (memchr(list, '*', length) == NULL)
			good = candidate_check(&candidate, stores, left_out) && good;
		list += length;
	}
	return good;
}

bool check_buckets(const struct conf *conf, struct s3_stores *stores, uint32_t left_out)
{
	bool good = true;

	if (conf->worker.s3_allow[0] != '\0')
		return check_allowed_buckets(conf->worker.s3_allow, stores, left_out);
	for (int i = 0; i < conf->stores.count; i++)
		good = check_store_buckets(&conf->stores.item[i], stores, left_out) && good;
	return good;
}

bool check_buckets_homes(struct ledger *ledger, const struct s3_stores *stores)
{
	char sentence[2 * LINE_BYTES];
	PGresult *rows = NULL;
	bool good = true;

	if (db_open(ledger->db, db_deadline(ledger->db)) != DB_OK ||
	    ledger_buckets(ledger, &rows) != LEDGER_OK)
		return false;
	for (int row = 0; row < PQntuples(rows); row++) {
		const char *bucket = PQgetvalue(rows, row, 0), *seen = PQgetvalue(rows, row, 1);
		int store = s3_stores_of(stores, bucket, sentence, sizeof(sentence));

		if (store < 0 || strcmp(s3_stores_block(stores, store), seen) == 0)
			continue;
		files_home_explain(stores, store, bucket, seen, sentence, sizeof(sentence));
		log_error("%s", sentence);
		good = false;
	}
	PQclear(rows);
	return good;
}
