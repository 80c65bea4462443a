/* The environment variables that override the file: FAREWELL_<SECTION>_<KEY>. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/config/conf_load.h"

/* Kubernetes tells every pod of its services: FAREWELL_GATEWAY_SERVICE_HOST, …_PORT, …_PORT_80_TCP.
 * No setting may begin like that. */
static bool is_service_link(const char *rest)
{
	return strncmp(rest, "SERVICE_", 8) == 0 || strcmp(rest, "PORT") == 0 ||
	       strncmp(rest, "PORT_", 5) == 0;
}

/* A service called farewell-store, or farewell-store-eu. No setting of a store ends like that. */
static bool is_store_service_link(const char *rest)
{
	return strstr(rest, "SERVICE_HOST") != NULL || strstr(rest, "SERVICE_PORT") != NULL ||
	       strstr(rest, "PORT_") != NULL ||
	       (strlen(rest) >= 4 && strcmp(rest + strlen(rest) - 4, "PORT") == 0);
}

/* Whether NAME claims to be one of ours. */
static bool is_ours(const char *name)
{
	for (size_t i = 0; i < conf_table_length; i++) {
		char prefix[CONF_NAME_SIZE];

		if (conf_variable_name(conf_table[i].section, "", prefix) &&
		    strncmp(name, prefix, strlen(prefix)) == 0)
			return !is_service_link(name + strlen(prefix));
	}
	return false;
}

static bool is_of_store(const char *name)
{
	char prefix[CONF_NAME_SIZE];

	return conf_variable_name(conf_store_section, "", prefix) &&
	       strncmp(name, prefix, strlen(prefix)) == 0;
}

/* The setting of SCOPE that NAME overrides, or -1. */
static int find_variable(const struct conf_scope *scope, const char *name)
{
	for (size_t i = 0; i < scope->length; i++) {
		const struct conf_setting *setting = &scope->table[i];
		char candidate[CONF_NAME_SIZE], section[CONF_NAME_SIZE];

		snprintf(section, sizeof(section), "%s%s%s", setting->section,
		         scope->store != NULL ? "_" : "", scope->store != NULL ? scope->store : "");
		if (conf_variable_name(section, setting->key, candidate) && strcmp(name, candidate) == 0)
			return (int)i;
	}
	return -1;
}

/* Takes VALUE for the setting of SCOPE that NAME overrides. False: it overrides none. */
static bool take_variable(struct conf_loader *loader, struct conf_scope *scope, const char *name,
                          const char *value)
{
	int index = find_variable(scope, name);
	char *origin;

	if (index < 0)
		return false;
	if (asprintf(&origin, "environment variable %s", name) < 0)
		origin = NULL;
	scope->given[index].from_environment = true;
	conf_take(loader, scope, index, value, origin);
	return true;
}

/* PARSED: stores that are not known are none. */
static void read_variable(struct conf_loader *loader, const char *name, const char *value,
                          bool parsed)
{
	if (take_variable(loader, &loader->sections, name, value))
		return;
	for (int i = 0; i < loader->conf->stores.count; i++)
		if (take_variable(loader, &loader->stores[i], name, value))
			return;
	if (is_of_store(name) ? parsed && !is_store_service_link(name) : is_ours(name))
		conf_unknown_variable(loader, name);
}

void conf_environment_read(struct conf_loader *loader, bool parsed)
{
	for (char **entry = environ; *entry != NULL; entry++) {
		size_t length = strcspn(*entry, "=");
		char *name = strndup(*entry, length);

		if (name == NULL) {
			conf_complain_line(loader, 0, "out of memory");
			return;
		}
		read_variable(loader, name, *entry + length + ((*entry)[length] == '='), parsed);
		free(name);
	}
}
