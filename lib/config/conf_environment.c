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

/* The setting that NAME overrides, or -1. */
static int find_variable(const char *name)
{
	for (size_t i = 0; i < conf_table_length; i++) {
		char candidate[CONF_NAME_SIZE];

		if (conf_variable_name(conf_table[i].section, conf_table[i].key, candidate) &&
		    strcmp(name, candidate) == 0)
			return (int)i;
	}
	return -1;
}

static void take_variable(struct conf_loader *loader, int index, const char *name,
                          const char *value)
{
	char *origin;

	if (asprintf(&origin, "environment variable %s", name) < 0)
		origin = NULL;
	loader->given[index].from_environment = true;
	conf_take(loader, index, value, origin);
}

void conf_environment_read(struct conf_loader *loader)
{
	for (char **entry = environ; *entry != NULL; entry++) {
		size_t length = strcspn(*entry, "=");
		char *name = strndup(*entry, length);
		int index;

		if (name == NULL) {
			conf_complain_line(loader, 0, "out of memory");
			return;
		}
		index = find_variable(name);
		if (index >= 0)
			take_variable(loader, index, name, *entry + length + ((*entry)[length] == '='));
		else if (is_ours(name))
			conf_unknown_variable(loader, name);
		free(name);
	}
}
