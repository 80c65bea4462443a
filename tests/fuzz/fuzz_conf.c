/* Fuzzes the configuration file: reading it ends, says what it refuses, and a file that is accepted
 * says the same when its settings are written down again, each in quotes. */
/* links: lib/config/conf.c lib/config/conf_allow.c lib/config/conf_check.c */
/* links: lib/config/conf_environment.c lib/config/conf_file.c lib/config/conf_lexer.c */
/* links: lib/config/conf_names.c lib/config/conf_secret.c lib/config/conf_table.c */
/* links: lib/config/conf_url.c lib/config/conf_value.c lib/base/ids.c lib/base/log.c */
/* links: lib/base/log_sink.c lib/base/clock.c lib/base/text.c */
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/config/conf_load.h"
#include "tests/fuzz/fuzz.h"

/* A file in memory, by the name under which the loader opens it. */
static int file_descriptor = -1;
static char file_name[64];

static void file_put(const void *bytes, size_t length)
{
	if (file_descriptor < 0) {
		file_descriptor = memfd_create("farewell.conf", 0);
		snprintf(file_name, sizeof(file_name), "/proc/self/fd/%d", file_descriptor);
	}
	FUZZ_CHECK(ftruncate(file_descriptor, 0) == 0);
	FUZZ_CHECK(pwrite(file_descriptor, bytes, length, 0) == (ssize_t)length);
}

/* The file's settings only: no environment, and no secret is opened, whatever it names. */
static bool loader_read(struct conf_loader *loader)
{
	loader->file = file_name;
	loader->conf = calloc(1, sizeof(*loader->conf));
	loader->given = calloc(conf_table_length, sizeof(*loader->given));
	FUZZ_CHECK(loader->conf != NULL && loader->given != NULL);
	loader->conf->origins = calloc(conf_table_length, sizeof(*loader->conf->origins));
	FUZZ_CHECK(loader->conf->origins != NULL);
	return conf_file_read(loader);
}

static void loader_free(struct conf_loader *loader)
{
	for (size_t i = 0; i < conf_table_length; i++)
		free(loader->given[i].text);
	free(loader->given);
	conf_free(loader->conf);
}

/* The settings that were given, in single quotes, in which only the two characters that a
 * backslash precedes here mean anything. */
static void settings_write(const struct conf_loader *loader, FILE *out)
{
	for (size_t i = 0; i < conf_table_length; i++) {
		const struct conf_setting *setting = &conf_table[i];

		if (i == 0 || strcmp(setting->section, conf_table[i - 1].section) != 0)
			fprintf(out, "%s%s {\n", i == 0 ? "" : "}\n", setting->section);
		if (loader->given[i].text == NULL)
			continue;
		fprintf(out, "%s = '", setting->key);
		for (const char *at = loader->given[i].text; *at != '\0'; at++)
			fprintf(out, "%s%c", *at == '\'' || *at == '\\' ? "\\" : "", *at);
		fprintf(out, "'\n");
	}
	fprintf(out, "}\n");
}

static void check_again(const struct conf_loader *first)
{
	struct conf_loader again = {.program = CONF_WORKER};
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	FUZZ_CHECK(out != NULL);
	settings_write(first, out);
	FUZZ_CHECK(fclose(out) == 0);
	file_put(text, length);
	FUZZ_CHECK(loader_read(&again) && again.errors == 0);
	for (size_t i = 0; i < conf_table_length; i++) {
		const char *a = first->given[i].text, *b = again.given[i].text;

		FUZZ_CHECK((a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0));
	}
	loader_free(&again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool quiet;
	struct conf_loader loader = {.program = CONF_WORKER};

	quiet = quiet || log_open("fuzz", "/dev/null", LOG_ERROR);
	file_put(data, size);
	if (!loader_read(&loader))
		FUZZ_CHECK(loader.errors > 0);
	else if (loader.errors == 0)
		check_again(&loader);
	loader_free(&loader);
	return 0;
}
