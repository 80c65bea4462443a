/* A log file in a directory of its own, what was written to it, and another standard error. */
#include "tests/unit/log_unit.h"

#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char directory[] = "/tmp/farewell-log-XXXXXX";
static int standard_error_kept;

char log_path[128], log_moved_path[128];
char log_said[LOG_SAID_SIZE];

const char *log_read_back(const char *name)
{
	int fd = open(name, O_RDONLY);
	ssize_t length = fd < 0 ? 0 : read(fd, log_said, sizeof(log_said) - 1);

	log_said[length < 0 ? 0 : length] = '\0';
	if (fd >= 0)
		close(fd);
	return log_said;
}

void log_begin(enum log_level level)
{
	unlink(log_path);
	CU_ASSERT_FATAL(log_open("unit", log_path, level));
	log_context_clear();
}

bool matches(const char *text, const char *pattern)
{
	regex_t regex;
	bool matched;

	CU_ASSERT_FATAL(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) == 0);
	matched = regexec(&regex, text, 0, NULL, 0) == 0;
	regfree(&regex);
	return matched;
}

void standard_error_is(int to)
{
	fflush(stderr);
	standard_error_kept = dup(STDERR_FILENO);
	CU_ASSERT_FATAL(standard_error_kept >= 0 && dup2(to, STDERR_FILENO) >= 0);
}

void standard_error_return(void)
{
	dup2(standard_error_kept, STDERR_FILENO);
}

void standard_error_back(void)
{
	standard_error_return();
	close(standard_error_kept);
	log_open("unit", NULL, LOG_INFO);
}

int log_unit_main(const char *suite, const struct unit_test *tests)
{
	int code;

	if (mkdtemp(directory) == NULL)
		return EXIT_FAILURE;
	snprintf(log_path, sizeof(log_path), "%s/log", directory);
	snprintf(log_moved_path, sizeof(log_moved_path), "%s/log.1", directory);
	code = unit_main(suite, tests);
	unlink(log_path);
	unlink(log_moved_path);
	rmdir(directory);
	log_open("unit", NULL, LOG_INFO);
	return code;
}
