/* What is special about stores: `store "eu" { buckets = "media-* avatars" … }`, several of them,
 * and the default one, which is there unless only stores are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/config/conf_load.h"

#define BUCKET_BYTES 63

/* ---- buckets ---- */

static const char *buckets_entry_fault(const char *entry, size_t length)
{
	int stars = 0;

	if (length > BUCKET_BYTES)
		return "has a name that is longer than a bucket's, which is 63 bytes";
	for (size_t i = 0; i < length; i++) {
		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789.-*", entry[i]) == NULL)
			return "names a bucket that can't be one";
		stars += entry[i] == '*';
	}
	return stars > 1 ? "has a pattern with more than one *" : NULL;
}

const char *conf_buckets_fault(const char *text)
{
	const char *fault = NULL;

	if (text[strspn(text, " ")] == '\0')
		return "must not be empty";
	for (text += strspn(text, " "); *text != '\0' && fault == NULL; text += strspn(text, " ")) {
		size_t length = strcspn(text, " ");

		fault = buckets_entry_fault(text, length);
		text += length;
	}
	return fault;
}

/* Whether ENTRY, of LENGTH bytes, is one of those in TEXT. */
static bool buckets_have(const char *text, const char *entry, size_t length)
{
	for (text += strspn(text, " "); *text != '\0'; text += strspn(text, " ")) {
		size_t bytes = strcspn(text, " ");

		if (bytes == length && strncmp(text, entry, length) == 0)
			return true;
		text += bytes;
	}
	return false;
}

/* ---- blocks ---- */

/* Of what becomes a variable's name, too: no two names give the same one. */
static bool store_name_fits(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return length >= 1 && length <= CONF_STORE_NAME_BYTES && name[length] == '\0' &&
	       name[0] != '-' && name[length - 1] != '-';
}

/* The store that has NAME, or NULL. */
static const struct conf_scope *store_find(const struct conf_loader *loader, const char *name)
{
	for (int i = 0; i < loader->conf->stores.count; i++)
		if (strcmp(loader->stores[i].store, name) == 0)
			return &loader->stores[i];
	return NULL;
}

/* False: it was refused, and reported. */
static bool store_may_begin(struct conf_loader *loader, const char *name, int line)
{
	const struct conf_scope *other = NULL;

	if (!store_name_fits(name)) {
		conf_complain_line(loader, line,
		                   "\"%.60s\" is not a store's name; it has 1 to %d small letters, digits "
		                   "and hyphens between them",
		                   name, CONF_STORE_NAME_BYTES);
		return false;
	}
	if ((other = store_find(loader, name)) != NULL) {
		conf_complain_line(loader, line, "store \"%s\": there are two, the first in line %d", name,
		                   other->line);
		return false;
	}
	if (loader->conf->stores.count < CONF_STORES_MAX)
		return true;
	conf_complain_line(loader, line, "store \"%s\": is one too many; there may be %d", name,
	                   CONF_STORES_MAX);
	return false;
}

struct conf_scope *conf_store_begin(struct conf_loader *loader, const char *name, int line)
{
	struct conf_store *store = NULL;
	struct conf_scope *scope = NULL;
	int count = loader->conf->stores.count;

	if (!store_may_begin(loader, name, line))
		return NULL;
	store = &loader->conf->stores.item[count];
	scope = &loader->stores[count];
	loader->conf->stores.count++;
	store->name = strdup(name);
	store->origins = calloc(conf_store_table_length, sizeof(*store->origins));
	if (asprintf(&store->origin, "%s:%d", loader->file, line) < 0)
		store->origin = NULL;
	*scope = (struct conf_scope){.table = conf_store_table,
	                             .length = conf_store_table_length,
	                             .base = store,
	                             .given = calloc(conf_store_table_length, sizeof(*scope->given)),
	                             .origins = store->origins,
	                             .store = store->name,
	                             .line = line};
	if (store->name != NULL && store->origin != NULL && store->origins != NULL &&
	    scope->given != NULL)
		return scope;
	conf_complain_line(loader, line, "out of memory");
	free(scope->given);
	*scope = (struct conf_scope){.table = NULL};
	conf_store_free(store);
	loader->conf->stores.count = count;
	return NULL;
}

void conf_store_free(struct conf_store *store)
{
	for (size_t i = 0; i < conf_store_table_length; i++) {
		conf_value_free(&conf_store_table[i], store);
		if (store->origins != NULL)
			free(store->origins[i]);
	}
	free(store->origins);
	free(store->origin);
	free(store->name);
	*store = (struct conf_store){.name = NULL};
}

/* ---- the default store ---- */

static const char *const default_keys[] = {"s3_endpoint", "s3_access_key", "s3_secret_key_file"};
#define DEFAULT_KEYS (sizeof(default_keys) / sizeof(default_keys[0]))

/* Whether INDEX is one of those that make the default store. */
static bool makes_default(int index)
{
	for (size_t i = 0; i < DEFAULT_KEYS; i++)
		if (conf_find("worker", default_keys[i]) == index)
			return true;
	return false;
}

static bool store_key_is_written(const struct conf_loader *loader, const char *key)
{
	const struct conf_given *given = &loader->given[conf_find("worker", key)];

	return given->line > 0 || given->from_environment;
}

/* Who sets one of them means the others, too. */
bool conf_store_replaces(const struct conf_loader *loader, int index)
{
	if (loader->conf->stores.count == 0 || !makes_default(index))
		return false;
	for (size_t i = 0; i < DEFAULT_KEYS; i++)
		if (store_key_is_written(loader, default_keys[i]))
			return false;
	return true;
}

/* ---- checks ---- */

static const char *store_buckets(const struct conf_loader *loader, int store)
{
	return loader->conf->stores.item[store].buckets;
}

/* What store I claims and one before it does as well. */
static void check_claims(struct conf_loader *loader, int i)
{
	const struct conf_store *stores = loader->conf->stores.item;
	const char *entry = store_buckets(loader, i);

	for (entry += strspn(entry, " "); *entry != '\0'; entry += strspn(entry, " ")) {
		size_t length = strcspn(entry, " ");

		for (int j = 0; j < i; j++)
			if (buckets_have(store_buckets(loader, j), entry, length))
				conf_complain_in(loader, &loader->stores[i], conf_store_find("buckets"),
				                 "%.*s is claimed by store \"%s\" as well (%s)", (int)length, entry,
				                 stores[j].name, conf_store_origin(&stores[j], "buckets"));
		entry += length;
	}
}

/* Whoever has every bucket leaves the default store none. */
static void check_everything(const struct conf_loader *loader, int i)
{
	const struct conf_store *store = &loader->conf->stores.item[i];

	if (loader->given[conf_find("worker", "s3_endpoint")].text != NULL &&
	    buckets_have(store->buckets, "*", 1))
		log_warning("%s: store \"%s\" buckets: * leaves no bucket to worker.s3_endpoint (%s)",
		            conf_store_origin(store, "buckets"), store->name,
		            conf_origin(loader->conf, "worker", "s3_endpoint"));
}

/* As for the default store: a key and its secret go together. */
static void check_keys(struct conf_loader *loader, int i)
{
	const struct conf_store *store = &loader->conf->stores.item[i];
	bool has_key = store->access_key[0] != '\0' || store->access_key_secret.file[0] != '\0',
		 has_secret = store->secret_key.file[0] != '\0';

	if (has_key != has_secret)
		conf_complain_in(loader, &loader->stores[i],
		                 conf_store_find(has_key ? "access_key" : "secret_key_file"),
		                 has_key ? "needs secret_key_file as well" :
		                           "needs access_key or access_key_file as well");
	else if (store->session_token.file[0] != '\0' && !has_secret)
		conf_complain_in(loader, &loader->stores[i], conf_store_find("session_token_file"),
		                 "needs secret_key_file as well");
}

void conf_store_check(struct conf_loader *loader)
{
	for (int i = 0; i < loader->conf->stores.count; i++) {
		check_keys(loader, i);
		check_claims(loader, i);
		check_everything(loader, i);
	}
}
