/* Loads configurations for unit tests and looks at what was reported. */
#include "tests/unit/conf_unit.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"

char directory[] = "/tmp/farewell-conf-XXXXXX";
char conf_file[128], log_file[128], secret_file[128];
char said[SAID_SIZE];

void put_file(const char *name, const void *bytes, size_t length, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_FATAL(write(fd, bytes, length) == (ssize_t)length && fchmod(fd, mode) == 0);
	close(fd);
}

void put_secret(const char *text, mode_t mode)
{
	put_file(secret_file, text, strlen(text), mode);
}

char *read_file(const char *name)
{
	FILE *in = fopen(name, "r");
	char *text = calloc(1, sizeof(said));

	CU_ASSERT_FATAL(in != NULL && text != NULL);
	CU_ASSERT_FATAL(fread(text, 1, sizeof(said) - 1, in) < sizeof(said) - 1);
	fclose(in);
	return text;
}

struct conf *load_bytes(enum conf_program program, const char *text, size_t length)
{
	char *log;

	put_file(conf_file, text, length, 0600);
	unlink(log_file);
	CU_ASSERT_FATAL(log_open("unit", log_file, LOG_WARNING));
	struct conf *conf = conf_load(conf_file, program);
	log_open("unit", NULL, LOG_WARNING);
	log = read_file(log_file);
	snprintf(said, sizeof(said), "%s", log);
	free(log);
	return conf;
}

struct conf *load(enum conf_program program, const char *format, ...)
{
	static char text[64 * 1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return load_bytes(program, text, strlen(text));
}

bool complained(int line, const char *sentence)
{
	char wanted[1024];

	if (line > 0)
		snprintf(wanted, sizeof(wanted), "]: %s:%d: %s", conf_file, line, sentence);
	else
		snprintf(wanted, sizeof(wanted), "]: %s: %s", conf_file, sentence);
	if (strstr(said, wanted) != NULL)
		return true;
	fprintf(stderr, "wanted: %s\nsaid: %s\n", wanted, said);
	return false;
}

int count_errors(void)
{
	int count = 0;

	for (const char *at = said; (at = strstr(at, " error unit[")) != NULL; at++)
		count++;
	return count;
}

void refused(const char *more, const char *sentence)
{
	struct conf *conf = load(CONF_GATEWAY, GATEWAY "%s\n", more);

	CU_ASSERT_PTR_NULL(conf);
	CU_ASSERT(complained(2, sentence));
	CU_ASSERT_EQUAL(count_errors(), 1);
	conf_free(conf);
}

void accepted(const char *more)
{
	struct conf *conf = load(CONF_GATEWAY, GATEWAY "%s\n", more);

	if (conf == NULL)
		fprintf(stderr, "%s: %s\n", more, said);
	CU_ASSERT_PTR_NOT_NULL(conf);
	conf_free(conf);
}

int conf_unit_main(const char *suite, const struct unit_test *tests)
{
	int code;

	if (mkdtemp(directory) == NULL)
		return EXIT_FAILURE;
	snprintf(conf_file, sizeof(conf_file), "%s/farewell.conf", directory);
	snprintf(log_file, sizeof(log_file), "%s/log", directory);
	snprintf(secret_file, sizeof(secret_file), "%s/secret", directory);
	code = unit_main(suite, tests);
	unlink(conf_file);
	unlink(log_file);
	rmdir(directory);
	return code;
}
