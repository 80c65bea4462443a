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

void conf_complain(struct conf_loader *loader, int index, const char *format, ...)
{
	char what[CONF_WHY_SIZE * 2];
	struct conf_given *given = &loader->given[index];
	const char *origin = loader->conf->origins[index];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	given->wrong = true;
	loader->errors++;
	log_error("%s: %s.%s: %s", given->line > 0 || given->from_environment ? origin : loader->file,
	          conf_table[index].section, conf_table[index].key, what);
}

/* ---- settings ---- */

void conf_take(struct conf_loader *loader, int index, const char *text, char *origin)
{
	struct conf_given *given = &loader->given[index];
	char why[CONF_WHY_SIZE], *copy = strdup(text);

	if (copy == NULL || origin == NULL) {
		free(copy);
		free(origin);
		conf_complain_line(loader, 0, "out of memory");
		return;
	}
	free(given->text);
	free(loader->conf->origins[index]);
	given->text = copy;
	loader->conf->origins[index] = origin;
	if (!conf_value_set(&conf_table[index], text, loader->conf, why, sizeof(why)))
		conf_complain(loader, index, "%s", why);
}

static void take_defaults(struct conf_loader *loader)
{
	for (size_t i = 0; i < conf_table_length; i++)
		if (loader->given[i].text == NULL && conf_table[i].fallback != NULL)
			conf_take(loader, (int)i, conf_table[i].fallback, strdup("default"));
}

static void require_settings(struct conf_loader *loader)
{
	for (size_t i = 0; i < conf_table_length; i++) {
		const struct conf_setting *s = &conf_table[i];

		if (loader->given[i].text == NULL && s->fallback == NULL &&
		    conf_owns(loader->program, s->section))
			conf_complain(loader, (int)i, "must be set, in the section %s of the file", s->section);
	}
}

static void *setting_place(struct conf *conf, const struct conf_setting *setting)
{
	char *base = (char *)conf;

	return base + setting->place;
}

static void read_secrets(struct conf_loader *loader)
{
	char why[CONF_WHY_SIZE];

	for (size_t i = 0; i < conf_table_length; i++) {
		const struct conf_setting *s = &conf_table[i];
		struct conf_secret *secret = setting_place(loader->conf, s);

		if (s->type != CONF_SECRET || loader->given[i].wrong ||
		    !conf_owns(loader->program, s->section))
			continue;
		if (secret->file != NULL && secret->file[0] != '\0' &&
		    !conf_secret_read(secret, why, sizeof(why)))
			conf_complain(loader, (int)i, "%s", why);
	}
}

/* Texts without a default that nobody set (those of the other program's section) are empty rather
 * than NULL. */
static bool fill_texts(struct conf *conf)
{
	for (size_t i = 0; i < conf_table_length; i++) {
		char **text = NULL;

		switch (conf_table[i].type) {
		case CONF_STRING:
		case CONF_SQL:
		case CONF_URL:
		case CONF_ENDPOINT:
		case CONF_ALLOW: text = setting_place(conf, &conf_table[i]); break;
		case CONF_SECRET:
			text = &((struct conf_secret *)setting_place(conf, &conf_table[i]))->file;
			break;
		default: break;
		}
		if (text != NULL && *text == NULL && (*text = strdup("")) == NULL)
			return false;
	}
	return true;
}

/* ---- the whole ---- */

static void load_all(struct conf_loader *loader)
{
	bool parsed = conf_file_read(loader);

	conf_environment_read(loader);
	if (!parsed)
		return; /* what is missing may stand in the rest of the file */
	take_defaults(loader);
	require_settings(loader);
	read_secrets(loader);
	if (!fill_texts(loader->conf))
		conf_complain_line(loader, 0, "out of memory");
	else
		conf_check(loader);
}

struct conf *conf_load(const char *file, enum conf_program program)
{
	struct conf_loader loader = {.file = file, .program = program};

	loader.conf = calloc(1, sizeof(*loader.conf));
	loader.given = calloc(conf_table_length, sizeof(*loader.given));
	if (loader.conf != NULL)
		loader.conf->origins = calloc(conf_table_length, sizeof(*loader.conf->origins));
	if (loader.conf == NULL || loader.given == NULL || loader.conf->origins == NULL)
		conf_complain_line(&loader, 0, "out of memory");
	else
		load_all(&loader);

	for (size_t i = 0; loader.given != NULL && i < conf_table_length; i++)
		free(loader.given[i].text);
	free(loader.given);
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
	free(conf->origins);
	free(conf);
}

const char *conf_origin(const struct conf *conf, const char *section, const char *key)
{
	int index = conf_find(section, key);

	assert(index >= 0);
	return conf->origins[index] != NULL ? conf->origins[index] : "not set";
}
