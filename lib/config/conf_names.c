/* What to say about a name that is not known: where it belongs, or which one was probably meant. */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/config/conf_load.h"

#define VARIABLE_PREFIX "FAREWELL_"

static const char *const sections[] = {"common", "gateway", "worker"};
#define SECTIONS (sizeof(sections) / sizeof(sections[0]))

const char *conf_section(const char *name)
{
	for (size_t i = 0; i < SECTIONS; i++)
		if (strcmp(sections[i], name) == 0)
			return sections[i];
	return NULL;
}

bool conf_variable_name(const char *section, const char *key, char name[CONF_NAME_SIZE])
{
	int length = snprintf(name, CONF_NAME_SIZE, VARIABLE_PREFIX "%s_%s", section, key);

	for (char *c = name; *c != '\0'; c++)
		*c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
	return length < CONF_NAME_SIZE;
}

/* ---- the nearest name ---- */

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

/* Levenshtein's distance, in one row; SIZE_MAX for names too long to be a slip. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t row[CONF_NAME_SIZE], length = strlen(b);

	if (strlen(a) >= CONF_NAME_SIZE || length >= CONF_NAME_SIZE)
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

/* The name that is nearest to a word so far. */
struct nearest {
	char name[CONF_NAME_SIZE]; /* empty: none is near enough for a slip */
	size_t distance;
};

static void nearest_consider(struct nearest *nearest, const char *word, const char *name)
{
	size_t distance = edit_distance(word, name), allowed = strlen(name) / 3;

	if (distance > (allowed < 2 ? 2 : allowed) ||
	    (nearest->name[0] != '\0' && distance >= nearest->distance))
		return;
	snprintf(nearest->name, sizeof(nearest->name), "%s", name);
	nearest->distance = distance;
}

/* A section other than SECTION that has KEY, or NULL. */
static const char *other_section(const char *section, const char *key)
{
	for (size_t i = 0; i < conf_table_length; i++)
		if (strcmp(conf_table[i].key, key) == 0 && strcmp(conf_table[i].section, section) != 0)
			return conf_table[i].section;
	return NULL;
}

/* ---- errors ---- */

/* A store's settings are called as the default store's, without what those begin with. */
static void unknown_store_key(struct conf_loader *loader, int line, const char *key)
{
	const char *word = strncmp(key, "s3_", 3) == 0 ? key + 3 : key;
	struct nearest nearest = {.name = ""};

	for (size_t i = 0; i < conf_store_table_length; i++)
		nearest_consider(&nearest, word, conf_store_table[i].key);
	if (nearest.name[0] != '\0')
		conf_complain_line(loader, line, "a store has no setting %.60s; did you mean %s?", key,
		                   nearest.name);
	else
		conf_complain_line(loader, line,
		                   "a store has no setting %.60s; a value with spaces in it needs quotes",
		                   key);
}

void conf_unknown_key(struct conf_loader *loader, int line, const char *section, const char *key)
{
	const char *other = other_section(section, key);
	struct nearest nearest = {.name = ""};

	if (strcmp(section, conf_store_section) == 0) {
		unknown_store_key(loader, line, key);
		return;
	}
	for (size_t i = 0; i < conf_table_length; i++)
		if (strcmp(conf_table[i].section, section) == 0)
			nearest_consider(&nearest, key, conf_table[i].key);
	if (other != NULL)
		conf_complain_line(loader, line,
		                   "there is no setting %s in the section %s; it belongs in %s", key,
		                   section, other);
	else if (nearest.name[0] != '\0')
		conf_complain_line(loader, line,
		                   "there is no setting %s in the section %s; did you mean %s?", key,
		                   section, nearest.name);
	else
		conf_complain_line(loader, line,
		                   "there is no setting %.60s in the section %s; a value with spaces in it "
		                   "needs quotes",
		                   key, section);
}

void conf_unknown_section(struct conf_loader *loader, int line, const char *name)
{
	const char *home = other_section("", name);
	struct nearest nearest = {.name = ""};

	for (size_t i = 0; i < SECTIONS; i++)
		nearest_consider(&nearest, name, sections[i]);
	nearest_consider(&nearest, name, conf_store_section);
	if (home != NULL)
		conf_complain_line(loader, line, "%s belongs in a section: %s { %s = … }", name, home,
		                   name);
	else if (nearest.name[0] != '\0')
		conf_complain_line(loader, line, "there is no section %s; did you mean %s?", name,
		                   nearest.name);
	else
		conf_complain_line(loader, line,
		                   "there is no section %.60s; there are common, gateway, worker and store",
		                   name);
}

void conf_unknown_variable(struct conf_loader *loader, const char *name)
{
	struct nearest nearest = {.name = ""};

	for (size_t i = 0; i < conf_table_length; i++) {
		char candidate[CONF_NAME_SIZE];

		if (conf_variable_name(conf_table[i].section, conf_table[i].key, candidate))
			nearest_consider(&nearest, name, candidate);
	}
	for (int i = 0; i < loader->conf->stores.count; i++)
		for (size_t j = 0; j < conf_store_table_length; j++) {
			char candidate[CONF_NAME_SIZE], section[CONF_NAME_SIZE];

			snprintf(section, sizeof(section), "%s_%s", conf_store_section,
			         loader->stores[i].store);
			if (conf_variable_name(section, conf_store_table[j].key, candidate))
				nearest_consider(&nearest, name, candidate);
		}
	loader->errors++;
	if (nearest.name[0] != '\0')
		log_error("environment variable %s: there is no such setting; did you mean %s?", name,
		          nearest.name);
	else
		log_error("environment variable %s: there is no such setting", name);
}
