/* Fuzzes the configuration file: reading it ends, says what it refuses, and a file that is accepted
 * says the same when its settings are written down again, each in quotes. */
/* links: lib/config/conf.c lib/config/conf_allow.c lib/config/conf_check.c */
/* links: lib/config/conf_environment.c lib/config/conf_file.c lib/config/conf_lexer.c */
/* links: lib/config/conf_names.c lib/config/conf_secret.c lib/config/conf_store.c */
/* links: lib/config/conf_table.c */
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
	FUZZ_CHECK(conf_loader_init(loader, file_name, CONF_WORKER));
	return conf_file_read(loader);
}

static void loader_free(struct conf_loader *loader)
{
	conf_loader_free(loader);
	conf_free(loader->conf);
}

/* Setting INDEX of SCOPE in single quotes, in which only the two characters that a backslash
 * precedes here mean anything. */
static void setting_write(const struct conf_scope *scope, size_t index, FILE *out)
{
	fprintf(out, "%s = '", scope->table[index].key);
	for (const char *at = scope->given[index].text; *at != '\0'; at++)
		fprintf(out, "%s%c", *at == '\'' || *at == '\\' ? "\\" : "", *at);
	fprintf(out, "'\n");
}

/* The settings of SCOPE that were given, below the head of each section. */
static void scope_write(const struct conf_scope *scope, FILE *out)
{
	const char *section = "";

	for (size_t i = 0; i < scope->length; i++) {
		if (strcmp(scope->table[i].section, section) != 0) {
			fprintf(out, "%s%s", i > 0 ? "}\n" : "", scope->table[i].section);
			if (scope->store != NULL)
				fprintf(out, " \"%s\"", scope->store);
			fprintf(out, " {\n");
			section = scope->table[i].section;
		}
		if (scope->given[i].text != NULL)
			setting_write(scope, i, out);
	}
	fprintf(out, "}\n");
}

static void check_same(const struct conf_scope *first, const struct conf_scope *again)
{
	FUZZ_CHECK(first->length == again->length);
	for (size_t i = 0; i < first->length; i++) {
		const char *a = first->given[i].text, *b = again->given[i].text;

		FUZZ_CHECK((a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0));
	}
}

static void check_again(const struct conf_loader *first)
{
	int stores = first->conf->stores.count;
	struct conf_loader again;
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	FUZZ_CHECK(out != NULL);
	scope_write(&first->sections, out);
	for (int i = 0; i < stores; i++)
		scope_write(&first->stores[i], out);
	FUZZ_CHECK(fclose(out) == 0);
	file_put(text, length);
	FUZZ_CHECK(loader_read(&again) && again.errors == 0);
	check_same(&first->sections, &again.sections);
	FUZZ_CHECK(again.conf->stores.count == stores);
	for (int i = 0; i < stores; i++)
		check_same(&first->stores[i], &again.stores[i]);
	loader_free(&again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool quiet;
	struct conf_loader loader;

	quiet = quiet || log_open("fuzz", "/dev/null", LOG_ERROR);
	file_put(data, size);
	if (!loader_read(&loader))
		FUZZ_CHECK(loader.errors > 0);
	else if (loader.errors == 0)
		check_again(&loader);
	loader_free(&loader);
	return 0;
}
