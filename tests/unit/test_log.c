/* Log lines: their shape, levels, fields, length, and what may stand in them. */
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "tests/unit/unit.h"

static char directory[] = "/tmp/farewell-log-XXXXXX";
static char file[128], moved[128];

static char said[65536];

/* What FILE holds, in SAID. */
static const char *read_back(const char *name)
{
	int fd = open(name, O_RDONLY);
	ssize_t length = fd < 0 ? 0 : read(fd, said, sizeof(said) - 1);

	said[length < 0 ? 0 : length] = '\0';
	if (fd >= 0)
		close(fd);
	return said;
}

static void begin(enum log_level level)
{
	unlink(file);
	CU_ASSERT_FATAL(log_open("unit", file, level));
	log_context_clear();
}

static bool matches(const char *text, const char *pattern)
{
	regex_t regex;
	bool matched;

	CU_ASSERT_FATAL(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) == 0);
	matched = regexec(&regex, text, 0, NULL, 0) == 0;
	regfree(&regex);
	return matched;
}

static void shape(void)
{
	char pattern[256];

	begin(LOG_INFO);
	log_info("account deleted files=%d", 12);
	snprintf(pattern, sizeof(pattern),
	         "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z info "
	         "unit\\[%ld\\]: account deleted files=12\n$",
	         (long)getpid());
	CU_ASSERT(matches(read_back(file), pattern));
}

static void levels(void)
{
	begin(LOG_WARNING);
	log_error("one");
	log_warning("two");
	log_info("three");
	log_debug("four");
	read_back(file);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, " error unit["));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, " warning unit["));
	CU_ASSERT_PTR_NULL(strstr(said, "three"));
	log_set_level(LOG_DEBUG);
	log_debug("five");
	CU_ASSERT(matches(read_back(file), " debug unit.*: five\n$"));
}

static void context(void)
{
	begin(LOG_INFO);
	log_context("deletion=%s user=%d", "abc", 42);
	log_info("first");
	log_context("request=r");
	log_info("second");
	log_context(NULL);
	log_info("third");
	read_back(file);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, ": first deletion=abc user=42\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, ": second request=r\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, ": third\n"));
}

static size_t count_lines(const char *text)
{
	size_t lines = 0;

	for (; *text != '\0'; text++)
		lines += *text == '\n';
	return lines;
}

static void no_injection(void)
{
	begin(LOG_INFO);
	log_context("user=%s", "x\n2026-11-22T00:00:00.000Z error");
	log_info("id=%s", "a\nb\r\x1b[31mc\x7f \xC2\x9B"
	                  "d \xEA\xB0\x80");
	read_back(file);
	CU_ASSERT_EQUAL(count_lines(said), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "id=a?b??[31mc? ??d \xEA\xB0\x80 user=x?2026"));
}

/* An over-long line is cut, but not its context, and not in the middle of a character. */
static void long_lines(void)
{
	char text[6000], longer[500];

	for (size_t i = 0; i + 3 < sizeof(text); i += 3)
		memcpy(text + i, "\xE2\x82\xAC", 4);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	for (int shift = 0; shift < 4; shift++) {
		begin(LOG_INFO);
		log_context("deletion=abc");
		log_info("%.*s%s", shift, "abcd", text);
		read_back(file);
		CU_ASSERT(strlen(said) <= 4096 && strlen(said) > 4000);
		CU_ASSERT(matches(said, "\xE2\x82\xAC\\.\\.\\. deletion=abc\n$"));
	}
	log_context("%s", longer);
	log_info("short");
	CU_ASSERT_PTR_NOT_NULL(strstr(read_back(file), "xxx\n"));
	CU_ASSERT_PTR_NULL(strstr(said, longer));
	log_info("%s", text);
	CU_ASSERT_EQUAL(count_lines(read_back(file)), 3);
}

/* The fields too are cut between characters. */
static void long_context(void)
{
	char text[400];

	for (size_t i = 0; i + 3 < sizeof(text); i += 3)
		memcpy(text + i, "\xE2\x82\xAC", 4);
	begin(LOG_INFO);
	for (int shift = 0; shift < 3; shift++) {
		log_context("%.*s%s", shift, "ab", text);
		log_info("short");
	}
	read_back(file);
	CU_ASSERT_EQUAL(count_lines(said), 3);
	CU_ASSERT_TRUE(text_utf8_valid(said, strlen(said)));
}

/* A datagram socket keeps writes apart. */
static void one_write_a_line(void)
{
	int ends[2], kept = dup(STDERR_FILENO);
	char line[5000];

	CU_ASSERT_FATAL(kept >= 0 && socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0);
	fflush(stderr);
	dup2(ends[1], STDERR_FILENO);
	CU_ASSERT_FATAL(log_open("unit", NULL, LOG_INFO));
	CU_ASSERT_EQUAL(log_descriptor(), STDERR_FILENO);
	log_context("a=b");
	log_info("%0900d", 7);
	log_info("second");
	dup2(kept, STDERR_FILENO);
	ssize_t length = recv(ends[0], line, sizeof(line) - 1, MSG_DONTWAIT);
	CU_ASSERT_FATAL(length > 900);
	line[length] = '\0';
	CU_ASSERT(matches(line, "7 a=b\n$"));
	length = recv(ends[0], line, sizeof(line) - 1, MSG_DONTWAIT);
	CU_ASSERT_FATAL(length > 0);
	line[length] = '\0';
	CU_ASSERT(matches(line, ": second a=b\n$"));
	close(ends[0]);
	close(ends[1]);
	close(kept);
}

static void reopening(void)
{
	struct stat status;

	begin(LOG_INFO);
	int fd = log_descriptor();
	CU_ASSERT(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	log_info("before");
	CU_ASSERT_FATAL(rename(file, moved) == 0);
	CU_ASSERT(log_reopen());
	CU_ASSERT_EQUAL(log_descriptor(), fd);
	log_info("after");
	CU_ASSERT_PTR_NOT_NULL(strstr(read_back(moved), "before"));
	CU_ASSERT_PTR_NULL(strstr(said, "after"));
	CU_ASSERT_PTR_NOT_NULL(strstr(read_back(file), "after"));
	CU_ASSERT_FATAL(stat(file, &status) == 0);
	CU_ASSERT_EQUAL(status.st_mode & 07, 0);
	CU_ASSERT(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

/* When the file can't be opened anew, lines go on to where they went. */
static void reopening_fails(void)
{
	begin(LOG_INFO);
	CU_ASSERT_FATAL(rename(file, moved) == 0 && mkdir(file, 0700) == 0);
	errno = 0;
	CU_ASSERT_FALSE(log_reopen());
	CU_ASSERT_EQUAL(errno, EISDIR);
	log_info("still here");
	CU_ASSERT_PTR_NOT_NULL(strstr(read_back(moved), "still here"));
	rmdir(file);
}

static void opening_fails(void)
{
	begin(LOG_INFO);
	errno = 0;
	CU_ASSERT_FALSE(log_open("other", "/nonexistent/farewell.log", LOG_INFO));
	CU_ASSERT_EQUAL(errno, ENOENT);
	log_info("still here");
	CU_ASSERT_PTR_NOT_NULL(strstr(read_back(file), " unit["));
}

static void errno_is_kept(void)
{
	CU_ASSERT_FATAL(log_open("unit", "/dev/full", LOG_INFO));
	errno = EAGAIN;
	log_info("nobody reads this");
	CU_ASSERT_EQUAL(errno, EAGAIN);
	begin(LOG_INFO);
	log_catch_up();
	CU_ASSERT(matches(read_back(file), ": 1 line was lost because the log could not be written: "
	                                   "No space left on device\n$"));
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"shape of a line", shape},
		{"levels", levels},
		{"context", context},
		{"nobody writes lines of his own", no_injection},
		{"long lines are cut", long_lines},
		{"fields that are too long", long_context},
		{"one write a line", one_write_a_line},
		{"reopening after a rotation", reopening},
		{"reopening that fails", reopening_fails},
		{"opening that fails", opening_fails},
		{"errno is left alone", errno_is_kept},
		{NULL, NULL},
	};
	int code;

	if (mkdtemp(directory) == NULL)
		return EXIT_FAILURE;
	snprintf(file, sizeof(file), "%s/log", directory);
	snprintf(moved, sizeof(moved), "%s/log.1", directory);
	code = unit_main("log", tests);
	unlink(file);
	unlink(moved);
	rmdir(directory);
	log_open("unit", NULL, LOG_INFO);
	return code;
}
