/* Makes a client for each object store of the configuration, and finds the one for a bucket. */
#include "lib/s3/s3_stores.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/s3/s3_pick.h"

#define DEFAULT_NAME "the store"
#define USER_AGENT "farewell"
/* What the default store's settings are called. */
#define SECTION "worker."
#define SETTING "s3_"

struct store {
	const struct conf_store *conf; /* NULL: the default one */
	struct s3 *s3;
	char name[CONF_STORE_NAME_BYTES + sizeof("store \"\"")];
};

struct s3_stores {
	const struct conf *conf;
	struct store item[S3_STORES_MAX];
	int count;
	bool has_default;                   /* then it is the first */
	const char *lists[CONF_STORES_MAX]; /* the buckets of the others */
	char place[512];
};

static const enum s3_credentials_from froms[] = {
	[CREDENTIALS_AUTO] = S3_FROM_AUTO,
	[CREDENTIALS_SETTINGS] = S3_FROM_SETTINGS,
	[CREDENTIALS_FILES] = S3_FROM_FILES,
	[CREDENTIALS_ENVIRONMENT] = S3_FROM_ENVIRONMENT,
	[CREDENTIALS_WEB_IDENTITY] = S3_FROM_WEB_IDENTITY,
	[CREDENTIALS_CONTAINER] = S3_FROM_CONTAINER,
	[CREDENTIALS_INSTANCE] = S3_FROM_INSTANCE,
};

/* What is the same for every store. */
static struct s3_options options_common(const struct conf *conf)
{
	return (struct s3_options){
		.connect_timeout_ms = conf->worker.sessions.connect_timeout_ms,
		.timeout_ms = conf->worker.s3_timeout_ms,
		.batch_keys = (size_t)conf->worker.s3_batch_keys,
		.batch_bytes = (size_t)conf->worker.s3_batch_bytes,
		.all_versions = conf->worker.s3_versions == VERSIONS_ALL,
		.verify = conf->worker.s3_verify,
		.requester_pays = conf->worker.s3_request_payer == PAYER_REQUESTER,
		.user_agent = USER_AGENT,
	};
}

static struct s3_options options_of_default(const struct conf *conf)
{
	struct s3_options options = options_common(conf);

	options.endpoint = conf->worker.s3_endpoint;
	options.region = conf->worker.s3_region;
	options.credentials = (struct s3_credential_options){
		.from = froms[conf->worker.s3_credentials],
		.access_key = conf->worker.s3_access_key,
		.access_key_file = conf->worker.s3_access_key_secret.file,
		.secret_key_file = conf->worker.s3_secret_key.file,
		.session_token_file = conf->worker.s3_session_token.file,
		.region = conf->worker.s3_region,
		.user_agent = USER_AGENT,
	};
	options.virtual_hosts = conf->worker.s3_addressing == ADDRESSING_VIRTUAL;
	options.ca_file = conf->worker.s3_ca_file;
	return options;
}

static struct s3_options options_of_store(const struct conf *conf, const struct conf_store *store)
{
	struct s3_options options = options_common(conf);

	options.endpoint = store->endpoint;
	options.region = store->region;
	options.credentials = (struct s3_credential_options){
		.from = froms[store->credentials],
		.access_key = store->access_key,
		.access_key_file = store->access_key_secret.file,
		.secret_key_file = store->secret_key.file,
		.session_token_file = store->session_token.file,
		.region = store->region,
		.user_agent = USER_AGENT,
	};
	options.virtual_hosts = store->addressing == ADDRESSING_VIRTUAL;
	options.ca_file = store->ca_file;
	return options;
}

/* One more; CONF_STORE NULL: the default one. */
static bool stores_add(struct s3_stores *stores, const struct conf_store *conf_store,
                       const struct pump *pump, char *why, size_t why_size)
{
	struct store *store = &stores->item[stores->count];
	struct s3_options options = conf_store == NULL ? options_of_default(stores->conf) :
	                                                 options_of_store(stores->conf, conf_store);
	char reason[256];

	store->conf = conf_store;
	if (conf_store == NULL)
		snprintf(store->name, sizeof(store->name), DEFAULT_NAME);
	else
		snprintf(store->name, sizeof(store->name), "store \"%s\"", conf_store->name);
	store->s3 = s3_new(&options, pump, reason, sizeof(reason));
	if (store->s3 == NULL) {
		snprintf(why, why_size, "%s: %s", store->name, reason);
		return false;
	}
	stores->count++;
	return true;
}

struct s3_stores *s3_stores_new(const struct conf *conf, const struct pump *pump, char *why,
                                size_t why_size)
{
	struct s3_stores *stores = calloc(1, sizeof(*stores));
	bool good = true;

	if (stores == NULL) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	stores->conf = conf;
	stores->has_default = conf->worker.s3_endpoint[0] != '\0';
	if (stores->has_default)
		good = stores_add(stores, NULL, pump, why, why_size);
	for (int i = 0; good && i < conf->stores.count; i++) {
		stores->lists[i] = conf->stores.item[i].buckets;
		good = stores_add(stores, &conf->stores.item[i], pump, why, why_size);
	}
	if (good)
		return stores;
	s3_stores_free(stores);
	return NULL;
}

void s3_stores_free(struct s3_stores *stores)
{
	if (stores == NULL)
		return;
	for (int i = 0; i < stores->count; i++)
		s3_free(stores->item[i].s3);
	free(stores);
}

int s3_stores_count(const struct s3_stores *stores)
{
	return stores->count;
}

int s3_stores_of(const struct s3_stores *stores, const char *bucket, char *why, size_t why_size)
{
	int both[2], picked = s3_pick(stores->lists, stores->conf->stores.count, bucket, both);

	if (picked >= 0)
		return picked + (stores->has_default ? 1 : 0);
	if (picked == S3_PICK_AMBIGUOUS)
		snprintf(
			why, why_size,
			"patterns of store \"%s\" and store \"%s\" that are equally long fit the bucket %s; "
			"name it in the buckets of one of them",
			stores->conf->stores.item[both[0]].name, stores->conf->stores.item[both[1]].name,
			bucket);
	else if (stores->has_default)
		return 0;
	else
		snprintf(why, why_size,
		         "no store has the bucket %s: name it in the buckets of one, or set "
		         "worker.s3_endpoint for all that are not named",
		         bucket);
	return -1;
}

struct s3 *s3_stores_client(const struct s3_stores *stores, int store)
{
	assert(store >= 0 && store < stores->count);
	return stores->item[store].s3;
}

const char *s3_stores_block(const struct s3_stores *stores, int store)
{
	assert(store >= 0 && store < stores->count);
	return stores->item[store].conf != NULL ? stores->item[store].conf->name : "";
}

const char *s3_stores_name(const struct s3_stores *stores, int store)
{
	assert(store >= 0 && store < stores->count);
	return stores->item[store].name;
}

const char *s3_stores_place(struct s3_stores *stores, int store)
{
	const struct conf_store *conf = stores->item[store].conf;

	if (conf == NULL)
		snprintf(stores->place, sizeof(stores->place), "worker.s3_endpoint, %s",
		         conf_origin(stores->conf, "worker", "s3_endpoint"));
	else
		snprintf(stores->place, sizeof(stores->place), "store \"%s\", %s", conf->name,
		         conf->origin);
	return stores->place;
}

/* The setting of a store, if WHY begins with the default store's: `worker.s3_region`, or, where a
 * word BEGINS, `s3_region`. */
static const char *setting_of_store(const char *why, bool begins, size_t *length)
{
	static const char *const keys[] = {"endpoint",           "region",      "addressing",
	                                   "access_key_file",    "access_key",  "secret_key_file",
	                                   "session_token_file", "credentials", "ca_file"};
	size_t prefix = 0;

	if (!begins)
		return NULL;
	if (strncmp(why, SECTION, sizeof(SECTION) - 1) == 0)
		prefix = sizeof(SECTION) - 1;
	if (strncmp(why + prefix, SETTING, sizeof(SETTING) - 1) != 0)
		return NULL;
	prefix += sizeof(SETTING) - 1;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strncmp(why + prefix, keys[i], strlen(keys[i])) == 0) {
			*length = prefix + strlen(keys[i]);
			return keys[i];
		}
	return NULL;
}

void s3_stores_explain(const struct s3_stores *stores, int store, const char *why, char *out,
                       size_t out_size)
{
	const char *name = s3_stores_name(stores, store);
	const char *text = why;
	size_t used = 0;

	assert(out_size > 0);
	out[0] = '\0';
	if (stores->item[store].conf == NULL) {
		snprintf(out, out_size, "%s", why);
		return;
	}
	while (*why != '\0' && used + 1 < out_size) {
		size_t length = 1;
		const char *key = setting_of_store(why, why == text || why[-1] == ' ', &length);
		int wrote = key != NULL ? snprintf(out + used, out_size - used, "%s of %s", key, name) :
		                          snprintf(out + used, out_size - used, "%c", *why);

		used += (size_t)wrote;
		why += length;
	}
}
