#include "lib/config/conf.h"

#include <assert.h>
#include <confuse.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/config/conf_load.h"

#define VARIABLE_PREFIX "FAREWELL_"
#define NAME_SIZE 64 /* longer than any key, section and variable of ours */

static const char *const sections[] = {"common", "gateway", "worker"};
#define SECTIONS (sizeof(sections) / sizeof(sections[0]))

/* libconfuse's callbacks have no argument of ours. Set while cfg_parse_fp runs. */
static struct conf_loader *loading;

/* ---- the table ---- */

static size_t table_length(void)
{
	size_t length = 0;

	while (conf_table[length].key != NULL)
		length++;
	return length;
}

int conf_find(const char *section, const char *key)
{
	for (int i = 0; conf_table[i].key != NULL; i++)
		if (strcmp(conf_table[i].section, section) == 0 && strcmp(conf_table[i].key, key) == 0)
			return i;
	return -1;
}

bool conf_owns(enum conf_program program, const char *section)
{
	return strcmp(section, "common") == 0 ||
	       strcmp(section, program == CONF_GATEWAY ? "gateway" : "worker") == 0;
}

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;
	return least < c ? least : c;
}

/* Levenshtein's distance, in one row; SIZE_MAX for names too long to be a slip. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t row[NAME_SIZE], length = strlen(b);

	if (strlen(a) >= NAME_SIZE || length >= NAME_SIZE)
		return SIZE_MAX;
	for (size_t j = 0; j <= length; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= length; j++) {
			size_t above = row[j];
			row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[length];
}

/* Keeps NAME in *NEAREST if it is nearer to WORD than what is there, and near enough for a slip. */
static void consider(const char *word, const char *name, const char **nearest, size_t *distance)
{
	size_t its = edit_distance(word, name), allowed = strlen(name) / 3;

	if (its > (allowed < 2 ? 2 : allowed) || its >= *distance)
		return;
	*nearest = name;
	*distance = its;
}

/* The key of SECTION that KEY was probably meant to be, or NULL. */
static const char *nearest_key(const char *section, const char *key)
{
	const char *nearest = NULL;
	size_t distance = SIZE_MAX;

	for (const struct conf_setting *s = conf_table; s->key != NULL; s++)
		if (strcmp(s->section, section) == 0)
			consider(key, s->key, &nearest, &distance);
	return nearest;
}

/* A section other than SECTION that has KEY, or NULL. */
static const char *other_section(const char *section, const char *key)
{
	for (const struct conf_setting *s = conf_table; s->key != NULL; s++)
		if (strcmp(s->key, key) == 0 && strcmp(s->section, section) != 0)
			return s->section;
	return NULL;
}

/* ---- errors ---- */

/* One error at LINE of the file (0: in no line). */
__attribute__((format(printf, 3, 4))) static void complain_line(struct conf_loader *loader,
                                                                int line, const char *format, ...)
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

/* ---- one value ---- */

static char *print(const char *format, ...) __attribute__((format(printf, 1, 2)));

static char *print(const char *format, ...)
{
	char *text;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return text;
}

/* Takes TEXT as the value of setting INDEX; ORIGIN is malloc'ed and taken over. */
static void take(struct conf_loader *loader, int index, const char *text, char *origin)
{
	struct conf_given *given = &loader->given[index];
	char why[CONF_WHY_SIZE], *copy = strdup(text);

	if (copy == NULL || origin == NULL) {
		free(copy);
		free(origin);
		complain_line(loader, 0, "out of memory");
		return;
	}
	free(given->text);
	free(loader->conf->origins[index]);
	given->text = copy;
	loader->conf->origins[index] = origin;
	if (!conf_value_set(&conf_table[index], text, loader->conf, why))
		conf_complain(loader, index, "%s", why);
}

/* ---- the file ---- */

/* Where a value that ends in line LAST begins; libconfuse knows only where it ended. */
static int first_line(int last, const char *text)
{
	for (; *text != '\0'; text++)
		last -= *text == '\n';
	return last < 1 ? 1 : last;
}

/* libconfuse calls this after each setting it read. Always 0, so that it goes on and every error is
 * found. */
static int on_setting(cfg_t *cfg, cfg_opt_t *opt)
{
	int index = conf_find(cfg_name(cfg), cfg_opt_name(opt));
	struct conf_given *given;

	cfg->flags &= ~CFGF_IGNORE_UNKNOWN; /* see on_error */
	if (index < 0) {                    /* `gateway|auth = jwt` outside of a section */
		complain_line(loading, cfg->line,
		              "a setting belongs into a section: %s { … } %s { … } %s { … }", sections[0],
		              sections[1], sections[2]);
		return 0;
	}
	given = &loading->given[index];
	if (given->line > 0) {
		complain_line(loading, cfg->line, "%s.%s: set twice, first in line %d", cfg_name(cfg),
		              cfg_opt_name(opt), given->line);
		given->wrong = true;
		return 0;
	}
	given->line = first_line(cfg->line, cfg_opt_getstr(opt));
	take(loading, index, cfg_opt_getstr(opt), print("%s:%d", loading->file, given->line));
	return 0;
}

static void unknown_key(const char *section, int line, const char *key)
{
	const char *nearest = nearest_key(section, key), *other = other_section(section, key);

	if (other != NULL)
		complain_line(loading, line, "there is no setting %s in the section %s; it belongs into %s",
		              key, section, other);
	else if (nearest != NULL)
		complain_line(loading, line, "there is no setting %s in the section %s; did you mean %s?",
		              key, section, nearest);
	else
		complain_line(
			loading, line,
			"there is no setting %.60s in the section %s; a value with spaces in it needs quotes",
			key, section);
}

static void unknown_section(int line, const char *name)
{
	const char *nearest = NULL, *home = other_section("", name);
	size_t distance = SIZE_MAX;

	for (size_t i = 0; i < SECTIONS; i++)
		consider(name, sections[i], &nearest, &distance);
	if (home != NULL)
		complain_line(loading, line, "%s belongs into a section: %s { %s = … }", name, home, name);
	else if (nearest != NULL)
		complain_line(loading, line, "there is no section %s; did you mean %s?", name, nearest);
	else
		complain_line(loading, line,
		              "there is no section %.60s; there are common, gateway and worker", name);
}

/* What libconfuse has to complain about. After a setting it doesn't know it would give up: it is
 * told to skip that one, and on_setting takes this back, so that not all that is unknown is skipped
 * silently. */
__attribute__((format(printf, 2, 0))) static void on_error(cfg_t *cfg, const char *format,
                                                           va_list args)
{
	bool inside = strcmp(cfg_name(cfg), "root") != 0;
	char what[CONF_WHY_SIZE];

	if (strcmp(format, "no such option '%s'") == 0) {
		const char *name = va_arg(args, const char *);
		if (!inside) {
			unknown_section(cfg->line, name);
			return;
		}
		unknown_key(cfg_name(cfg), cfg->line, name);
		cfg->flags |= CFGF_IGNORE_UNKNOWN;
		return;
	}
	if ((cfg->flags & CFGF_IGNORE_UNKNOWN) != 0)
		return; /* it stumbled over the rest of what was complained about already */
	vsnprintf(what, sizeof(what), format, args);
	complain_line(loading, cfg->line, "%s", what);
}

/* The options of one section, every one as text. OPTS has room for all of the table and an end. */
static void fill_options(const char *section, cfg_opt_t *opts)
{
	static const cfg_opt_t end = CFG_END();

	for (const struct conf_setting *s = conf_table; s->key != NULL; s++) {
		if (strcmp(s->section, section) != 0)
			continue;
		cfg_opt_t option = CFG_STR(s->key, NULL, CFGF_NONE);
		option.validcb = on_setting;
		*opts++ = option;
	}
	*opts = end;
}

/* libconfuse's view of the table; it copies the arrays. */
static cfg_t *describe(void)
{
	size_t room = table_length() + 1;
	cfg_opt_t *opts = calloc(SECTIONS * room, sizeof(*opts));
	cfg_t *cfg = NULL;

	if (opts == NULL)
		return NULL;
	for (size_t i = 0; i < SECTIONS; i++)
		fill_options(sections[i], opts + i * room);
	cfg_opt_t root[] = {
		CFG_SEC(sections[0], opts, CFGF_NONE),
		CFG_SEC(sections[1], opts + room, CFGF_NONE),
		CFG_SEC(sections[2], opts + 2 * room, CFGF_NONE),
		CFG_END(),
	};
	cfg = cfg_init(root, CFGF_NONE);
	free(opts);
	if (cfg != NULL)
		cfg_set_error_function(cfg, on_error);
	return cfg;
}

/* False when the rest of the file could not be made sense of. */
static bool parse_text(struct conf_loader *loader, char *text)
{
	cfg_t *cfg = describe();
	size_t length = strlen(text); /* not 0: conf_text_read sees to it */
	FILE *in = fmemopen(text, length, "r");
	int result = CFG_FILE_ERROR, errors = loader->errors;

	if (cfg == NULL || in == NULL) {
		complain_line(loader, 0, "out of memory");
	} else {
		loading = loader;
		result = cfg_parse_fp(cfg, in);
		loading = NULL;
		if (result != CFG_SUCCESS && loader->errors == errors)
			complain_line(loader, 0, "can't be understood"); /* libconfuse gave up without a word */
	}
	if (in != NULL)
		fclose(in);
	if (cfg != NULL)
		cfg_free(cfg);
	return result == CFG_SUCCESS;
}

static bool parse_file(struct conf_loader *loader)
{
	char why[CONF_WHY_SIZE];
	int line;
	char *text = conf_text_read(loader->file, &line, why);
	bool parsed;

	if (text == NULL) {
		complain_line(loader, line, "%s", why);
		return false;
	}
	parsed = parse_text(loader, text);
	free(text);
	return parsed;
}

/* ---- the environment ---- */

static bool variable_name(const struct conf_setting *setting, char name[NAME_SIZE])
{
	int length = snprintf(name, NAME_SIZE, VARIABLE_PREFIX "%s_%s", setting->section, setting->key);

	for (char *c = name; *c != '\0'; c++)
		*c = (char)toupper((unsigned char)*c);
	return length < NAME_SIZE;
}

/* Kubernetes tells every pod of its services: FAREWELL_GATEWAY_SERVICE_HOST, …_PORT, …_PORT_80_TCP.
 * No setting may begin like that. */
static bool is_service_link(const char *rest)
{
	return strncmp(rest, "SERVICE_", 8) == 0 || strcmp(rest, "PORT") == 0 ||
	       strncmp(rest, "PORT_", 5) == 0;
}

/* Whether NAME claims to be one of ours: FAREWELL_<SECTION>_… */
static bool is_ours(const char *name)
{
	for (size_t i = 0; i < SECTIONS; i++) {
		char prefix[NAME_SIZE];
		struct conf_setting none = {.section = sections[i], .key = ""};
		variable_name(&none, prefix);
		if (strncmp(name, prefix, strlen(prefix)) == 0)
			return !is_service_link(name + strlen(prefix));
	}
	return false;
}

static void unknown_variable(struct conf_loader *loader, const char *name)
{
	char nearest[NAME_SIZE] = "";
	size_t distance = SIZE_MAX;

	for (const struct conf_setting *s = conf_table; s->key != NULL; s++) {
		char candidate[NAME_SIZE];
		const char *found = NULL;
		variable_name(s, candidate);
		consider(name, candidate, &found, &distance);
		if (found != NULL)
			memcpy(nearest, candidate, sizeof(nearest));
	}
	loader->errors++;
	if (nearest[0] != '\0')
		log_error("environment variable %s: there is no such setting; did you mean %s?", name,
		          nearest);
	else
		log_error("environment variable %s: there is no such setting", name);
}

static void check_environment(struct conf_loader *loader)
{
	for (char **entry = environ; *entry != NULL; entry++) {
		char *name = strndup(*entry, strcspn(*entry, "="));
		bool known = false;
		if (name == NULL)
			return;
		for (const struct conf_setting *s = conf_table; s->key != NULL && !known; s++) {
			char candidate[NAME_SIZE];
			known = variable_name(s, candidate) && strcmp(name, candidate) == 0;
		}
		if (!known && is_ours(name))
			unknown_variable(loader, name);
		free(name);
	}
}

static void take_environment(struct conf_loader *loader)
{
	for (int i = 0; conf_table[i].key != NULL; i++) {
		char name[NAME_SIZE];
		const char *text;
		bool fits = variable_name(&conf_table[i], name);
		assert(fits);
		(void)fits;
		if ((text = getenv(name)) == NULL)
			continue;
		loader->given[i].from_environment = true;
		take(loader, i, text, print("environment variable %s", name));
	}
}

/* ---- what was not said, and secrets ---- */

static void take_defaults(struct conf_loader *loader)
{
	for (int i = 0; conf_table[i].key != NULL; i++)
		if (loader->given[i].text == NULL && conf_table[i].fallback != NULL)
			take(loader, i, conf_table[i].fallback, strdup("default"));
}

static void require_settings(struct conf_loader *loader)
{
	for (int i = 0; conf_table[i].key != NULL; i++) {
		const struct conf_setting *s = &conf_table[i];
		if (loader->given[i].text == NULL && s->fallback == NULL &&
		    conf_owns(loader->program, s->section))
			conf_complain(loader, i, "must be set, in the section %s of the file", s->section);
	}
}

static struct conf_secret *secret_at(struct conf *conf, const struct conf_setting *setting)
{
	char *base = (char *)conf;
	void *place = base + setting->place;

	return setting->type == CONF_SECRET ? place : NULL;
}

static void read_secrets(struct conf_loader *loader)
{
	char why[CONF_WHY_SIZE];

	for (int i = 0; conf_table[i].key != NULL; i++) {
		struct conf_secret *secret = secret_at(loader->conf, &conf_table[i]);
		if (secret == NULL || secret->file == NULL || secret->file[0] == '\0' ||
		    loader->given[i].wrong || !conf_owns(loader->program, conf_table[i].section))
			continue;
		if (!conf_secret_read(secret, why))
			conf_complain(loader, i, "%s", why);
	}
}

/* Strings without a default that nobody set (those of the other program's section) are empty rather
 * than NULL. */
static bool fill_strings(struct conf *conf)
{
	char *base = (char *)conf;

	for (const struct conf_setting *s = conf_table; s->key != NULL; s++) {
		void *place = base + s->place;
		char **string = s->type == CONF_SECRET ? &((struct conf_secret *)place)->file : place;
		if ((s->type == CONF_STRING || s->type == CONF_SQL || s->type == CONF_SECRET) &&
		    *string == NULL)
			if ((*string = strdup("")) == NULL)
				return false;
	}
	return true;
}

/* ---- the whole ---- */

static void load(struct conf_loader *loader)
{
	bool parsed = parse_file(loader);

	take_environment(loader);
	check_environment(loader);
	if (!parsed)
		return; /* what is missing may stand in the rest of the file */
	take_defaults(loader);
	require_settings(loader);
	read_secrets(loader);
	if (!fill_strings(loader->conf))
		complain_line(loader, 0, "out of memory");
	else
		conf_check(loader);
}

struct conf *conf_load(const char *file, enum conf_program program)
{
	struct conf_loader loader = {.file = file, .program = program};
	size_t length = table_length();

	loader.conf = calloc(1, sizeof(*loader.conf));
	loader.given = calloc(length, sizeof(*loader.given));
	if (loader.conf != NULL)
		loader.conf->origins = calloc(length, sizeof(*loader.conf->origins));
	if (loader.conf == NULL || loader.given == NULL || loader.conf->origins == NULL)
		complain_line(&loader, 0, "out of memory");
	else
		load(&loader);

	for (size_t i = 0; loader.given != NULL && i < length; i++)
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
	for (int i = 0; conf_table[i].key != NULL; i++) {
		char *base = (char *)conf;
		void *place = base + conf_table[i].place;
		if (conf_table[i].type == CONF_STRING || conf_table[i].type == CONF_SQL)
			free(*(char **)place);
		else if (conf_table[i].type == CONF_SECRET)
			conf_secret_wipe(place);
		if (conf->origins != NULL)
			free(conf->origins[i]);
	}
	for (int i = 0; i < CONF_MAX_RETRY_DELAYS; i++)
		free(conf->common.retry_delay_text[i]);
	free(conf->origins);
	free(conf);
}

const char *conf_origin(const struct conf *conf, const char *section, const char *key)
{
	int index = conf_find(section, key);

	assert(index >= 0);
	return conf->origins[index] != NULL ? conf->origins[index] : "not set";
}
