/* Reads and checks the configuration: the file, then the environment, defaults, secrets, and what
 * must hold between settings. */
#include "lib/config/conf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/config/conf_load.h"

/* ---- errors ---- */

void conf_complain_line(struct conf_loader *loader, int line, const char *format, ...)
{
	char what[CONF_WHY_SIZE * 2];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	loader->errors++;
	if (line > 0)
		log_error("%s:%d: %s", loader->file, line, what);
	else
		log_error("%s: %s", loader->file, what);
}

void conf_setting_name(const struct conf_scope *scope, int index, char name[CONF_NAME_SIZE])
{
	const struct conf_setting *setting = &scope->table[index];

	if (scope->store != NULL)
		snprintf(name, CONF_NAME_SIZE, "store \"%s\" %s", scope->store, setting->key);
	else
		snprintf(name, CONF_NAME_SIZE, "%s.%s", setting->section, setting->key);
}

/* What was not set is missing in the store's block, if it is a store's. */
static void setting_complain(struct conf_loader *loader, const struct conf_scope *scope, int index,
                             const char *what)
{
	struct conf_given *given = &scope->given[index];
	bool written = given->line > 0 || given->from_environment;
	char name[CONF_NAME_SIZE];

	given->wrong = true;
	conf_setting_name(scope, index, name);
	if (!written && scope->store != NULL) {
		conf_complain_line(loader, scope->line, "%s: %s", name, what);
		return;
	}
	loader->errors++;
	log_error("%s: %s: %s", written ? scope->origins[index] : loader->file, name, what);
}

void conf_complain(struct conf_loader *loader, int index, const char *format, ...)
{
	char what[CONF_WHY_SIZE * 2];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	setting_complain(loader, &loader->sections, index, what);
}

void conf_complain_in(struct conf_loader *loader, const struct conf_scope *scope, int index,
                      const char *format, ...)
{
	char what[CONF_WHY_SIZE * 2];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	setting_complain(loader, scope, index, what);
}

/* ---- settings ---- */

void conf_take(struct conf_loader *loader, struct conf_scope *scope, int index, const char *text,
               char *origin)
{
	struct conf_given *given = &scope->given[index];
	char why[CONF_WHY_SIZE], *copy = strdup(text);

	if (copy == NULL || origin == NULL) {
		free(copy);
		free(origin);
		conf_complain_line(loader, 0, "out of memory");
		return;
	}
	free(given->text);
	free(scope->origins[index]);
	given->text = copy;
	scope->origins[index] = origin;
	if (!conf_value_set(&scope->table[index], text, scope->base, why, sizeof(why)))
		conf_complain_in(loader, scope, index, "%s", why);
}

static void take_defaults(struct conf_loader *loader, struct conf_scope *scope)
{
	for (size_t i = 0; i < scope->length; i++)
		if (scope->given[i].text == NULL && scope->table[i].fallback != NULL)
			conf_take(loader, scope, (int)i, scope->table[i].fallback, strdup("default"));
}

static void require_settings(struct conf_loader *loader, const struct conf_scope *scope)
{
	for (size_t i = 0; i < scope->length; i++) {
		const struct conf_setting *s = &scope->table[i];

		if (scope->given[i].text != NULL || s->fallback != NULL)
			continue;
		if (scope->store != NULL)
			conf_complain_in(loader, scope, (int)i, "must be set, in the store's block");
		else if (conf_owns(loader->program, s->section) && !conf_store_replaces(loader, (int)i))
			conf_complain(loader, (int)i, "must be set, in the section %s of the file", s->section);
	}
}

static void *setting_place(const struct conf_scope *scope, size_t index)
{
	return (char *)scope->base + scope->table[index].place;
}

static void read_secrets(struct conf_loader *loader, const struct conf_scope *scope)
{
	char why[CONF_WHY_SIZE];

	for (size_t i = 0; i < scope->length; i++) {
		const struct conf_setting *s = &scope->table[i];
		struct conf_secret *secret = setting_place(scope, i);

		if (s->type != CONF_SECRET || scope->given[i].wrong ||
		    !conf_owns(loader->program, s->section))
			continue;
		if (secret->file != NULL && secret->file[0] != '\0' &&
		    !conf_secret_read(secret, why, sizeof(why)))
			conf_complain_in(loader, scope, (int)i, "%s", why);
	}
}

/* Texts without a default that nobody set (those of the other program's section) are empty rather
 * than NULL. */
static bool fill_texts(const struct conf_scope *scope)
{
	for (size_t i = 0; i < scope->length; i++) {
		char **text = NULL;

		switch (scope->table[i].type) {
		case CONF_STRING:
		case CONF_SQL:
		case CONF_URL:
		case CONF_ENDPOINT:
		case CONF_ALLOW:
		case CONF_BUCKETS: text = setting_place(scope, i); break;
		case CONF_SECRET: text = &((struct conf_secret *)setting_place(scope, i))->file; break;
		default: break;
		}
		if (text != NULL && *text == NULL && (*text = strdup("")) == NULL)
			return false;
	}
	return true;
}

/* ---- the whole ---- */

/* What is said in the file and the environment is known: the rest of SCOPE. */
static bool load_rest(struct conf_loader *loader, struct conf_scope *scope)
{
	take_defaults(loader, scope);
	require_settings(loader, scope);
	read_secrets(loader, scope);
	if (fill_texts(scope))
		return true;
	conf_complain_line(loader, 0, "out of memory");
	return false;
}

static void load_all(struct conf_loader *loader)
{
	bool parsed = conf_file_read(loader), good = true;

	conf_environment_read(loader, parsed);
	if (!parsed)
		return; /* what is missing may stand in the rest of the file */
	good = load_rest(loader, &loader->sections);
	for (int i = 0; i < loader->conf->stores.count; i++)
		good = load_rest(loader, &loader->stores[i]) && good;
	if (good)
		conf_check(loader);
}

static void given_free(struct conf_given *given, size_t length)
{
	for (size_t i = 0; given != NULL && i < length; i++)
		free(given[i].text);
	free(given);
}

bool conf_loader_init(struct conf_loader *loader, const char *file, enum conf_program program)
{
	struct conf *conf = calloc(1, sizeof(*conf));

	*loader = (struct conf_loader){.file = file, .program = program, .conf = conf};
	loader->given = calloc(conf_table_length, sizeof(*loader->given));
	if (conf != NULL)
		conf->origins = calloc(conf_table_length, sizeof(*conf->origins));
	if (conf == NULL || loader->given == NULL || conf->origins == NULL) {
		conf_complain_line(loader, 0, "out of memory");
		return false;
	}
	loader->sections = (struct conf_scope){.table = conf_table,
	                                       .length = conf_table_length,
	                                       .base = conf,
	                                       .given = loader->given,
	                                       .origins = conf->origins};
	return true;
}

void conf_loader_free(struct conf_loader *loader)
{
	for (int i = 0; i < CONF_STORES_MAX; i++)
		given_free(loader->stores[i].given, conf_store_table_length);
	given_free(loader->given, conf_table_length);
}

struct conf *conf_load(const char *file, enum conf_program program)
{
	struct conf_loader loader;

	if (conf_loader_init(&loader, file, program))
		load_all(&loader);
	conf_loader_free(&loader);
	if (loader.errors == 0)
		return loader.conf;
	conf_free(loader.conf);
	return NULL;
}

void conf_free(struct conf *conf)
{
	if (conf == NULL)
		return;
	for (size_t i = 0; i < conf_table_length; i++) {
		conf_value_free(&conf_table[i], conf);
		if (conf->origins != NULL)
			free(conf->origins[i]);
	}
	for (int i = 0; i < conf->stores.count; i++)
		conf_store_free(&conf->stores.item[i]);
	free(conf->origins);
	free(conf);
}

const char *conf_origin(const struct conf *conf, const char *section, const char *key)
{
	int index = conf_find(section, key);

	assert(index >= 0);
	return conf->origins[index] != NULL ? conf->origins[index] : "not set";
}

const char *conf_store_origin(const struct conf_store *store, const char *key)
{
	int index = conf_store_find(key);

	assert(index >= 0);
	return store->origins[index] != NULL ? store->origins[index] : "not set";
}
