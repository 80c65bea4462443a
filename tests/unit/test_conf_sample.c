/* The table of settings, and the sample file that is made from it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/config/conf_load.h"
#include "tests/unit/conf_unit.h"

static char *read_source(const char *name)
{
	const char *source = getenv("srcdir");
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s", source != NULL ? source : ".", name);
	return read_file(path);
}

/* `	key = value` or `	#key = value`: KEY and whether it is commented out. */
static bool is_setting(const char *line, char *key, bool *off)
{
	if (*line++ != '\t')
		return false;
	*off = *line == '#';
	line += *off;
	size_t length = strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789_");
	if (length == 0 || length >= 64 || strncmp(line + length, " = ", 3) != 0)
		return false;
	memcpy(key, line, length);
	key[length] = '\0';
	return true;
}

/* The sample with every secret that is set at SECRET_FILE; EVERYTHING: with all that is commented
 * out switched on. */
static char *rewrite_sample(const char *sample, bool everything)
{
	char *copy = strdup(sample), *rest = copy, *line, *text = NULL, key[64];
	size_t size;
	FILE *out = open_memstream(&text, &size);
	bool off;

	CU_ASSERT_FATAL(copy != NULL && out != NULL);
	while ((line = strsep(&rest, "\n")) != NULL) {
		bool setting = is_setting(line, key, &off);

		if (setting && !off && strstr(key, "key_file") != NULL)
			fprintf(out, "\t%s = '%s'\n", key, secret_file);
		else if (setting && off && everything)
			fprintf(out, "\t%s\n", line + 2);
		else if (everything && line[0] == '#' && is_setting(line + 1, key, &off) &&
		         strstr(key, "key_file") != NULL)
			fprintf(out, "\t%s = '%s'\n", key, secret_file);
		else if (everything && (strncmp(line, "#store ", 7) == 0 || strncmp(line, "#\t", 2) == 0 ||
		                        strcmp(line, "#}") == 0))
			fprintf(out, "%s\n", line + 1);
		else
			fprintf(out, "%s\n", line);
	}
	fclose(out);
	free(copy);
	return text;
}

/* The sample taken alone, and with all that is commented out: no error in either. The second has
 * every setting. */
static void sample_loads(void)
{
	char *sample = read_source("conf/farewell.conf"), *plain = rewrite_sample(sample, false),
		 *full = rewrite_sample(sample, true);

	put_secret("0123456789abcdef0123456789abcdef", 0600);
	for (int program = CONF_GATEWAY; program <= CONF_WORKER; program++) {
		struct conf *conf = load_bytes((enum conf_program)program, plain, strlen(plain));

		CU_ASSERT_PTR_NOT_NULL(conf);
		CU_ASSERT_STRING_EQUAL(said, "");
		conf_free(conf);
		conf = load_bytes((enum conf_program)program, full, strlen(full));
		CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
		for (size_t i = 0; i < conf_table_length; i++)
			CU_ASSERT_PTR_NOT_NULL(
				strstr(conf_origin(conf, conf_table[i].section, conf_table[i].key), conf_file));
		CU_ASSERT_EQUAL_FATAL(conf->stores.count, 1);
		for (size_t i = 0; i < conf_store_table_length; i++)
			CU_ASSERT_PTR_NOT_NULL(strstr(
				conf_store_origin(&conf->stores.item[0], conf_store_table[i].key), conf_file));
		conf_free(conf);
	}
	unlink(secret_file);
	free(sample);
	free(plain);
	free(full);
}

/* What the sample shows commented out is the default, except where the data are. */
static void sample_shows_defaults(void)
{
	char *sample = read_source("conf/farewell.conf"), *rest = sample, *line;
	size_t seen = 0;

	while ((line = strsep(&rest, "\n")) != NULL) {
		char key[64];
		bool off;

		if (!is_setting(line, key, &off))
			continue;
		const struct conf_setting *setting = &conf_table[seen++];

		CU_ASSERT_STRING_EQUAL(key, setting->key);
		if (off && strcmp(key, "mail_templates") != 0)
			CU_ASSERT_PTR_NOT_NULL(strstr(line, setting->fallback));
		CU_ASSERT_EQUAL(off, setting->fallback != NULL && strcmp(key, "jwt_key_file") != 0 &&
		                         strcmp(key, "s3_access_key") != 0 &&
		                         strcmp(key, "s3_secret_key_file") != 0 &&
		                         strcmp(key, "s3_allow") != 0);
	}
	CU_ASSERT_EQUAL(seen, conf_table_length);
	free(sample);
}

/* Each row says what it means, is found by its name, and has a variable that fits and that
 * Kubernetes doesn't make. */
static void table_is_sound(void)
{
	for (size_t i = 0; i < conf_table_length; i++) {
		const struct conf_setting *setting = &conf_table[i];
		char name[CONF_NAME_SIZE];

		CU_ASSERT_EQUAL(conf_find(setting->section, setting->key), (int)i);
		CU_ASSERT(setting->text != NULL && strlen(setting->text) > 15);
		CU_ASSERT(setting->fallback != NULL || setting->example != NULL);
		CU_ASSERT(conf_variable_name(setting->section, setting->key, name));
		CU_ASSERT(strncmp(setting->key, "service_", 8) != 0 &&
		          strncmp(setting->key, "port", 4) != 0);
	}
	conf_free(NULL);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"the sample loads", sample_loads},
		{"the sample shows defaults", sample_shows_defaults},
		{"the table is sound", table_is_sound},
		{NULL, NULL},
	};

	return conf_unit_main("conf_sample", tests);
}
