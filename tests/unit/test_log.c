/* Log lines: their shape, levels, fields, length, and what may stand in them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/text.h"
#include "tests/unit/log_unit.h"

static void shape(void)
{
	char pattern[256];

	log_begin(LOG_INFO);
	log_info("account deleted files=%d", 12);
	snprintf(pattern, sizeof(pattern),
	         "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z info "
	         "unit\\[%ld\\]: account deleted files=12\n$",
	         (long)getpid());
	CU_ASSERT(matches(log_read_back(log_path), pattern));
}

static void levels(void)
{
	log_begin(LOG_WARNING);
	log_error("one");
	log_warning("two");
	log_info("three");
	log_debug("four");
	log_read_back(log_path);
	CU_ASSERT_PTR_NOT_NULL(strstr(log_said, " error unit["));
	CU_ASSERT_PTR_NOT_NULL(strstr(log_said, " warning unit["));
	CU_ASSERT_PTR_NULL(strstr(log_said, "three"));
	log_set_level(LOG_DEBUG);
	log_debug("five");
	CU_ASSERT(matches(log_read_back(log_path), " debug unit.*: five\n$"));
}

static void context(void)
{
	log_begin(LOG_INFO);
	log_context("deletion=%s user=%d", "abc", 42);
	log_info("first");
	log_context("request=r");
	log_info("second");
	log_context(NULL);
	log_info("third");
	log_read_back(log_path);
	CU_ASSERT_PTR_NOT_NULL(strstr(log_said, ": first deletion=abc user=42\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(log_said, ": second request=r\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(log_said, ": third\n"));
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
	log_begin(LOG_INFO);
	log_context("user=%s", "x\n2026-11-22T00:00:00.000Z error");
	log_info("id=%s", "a\nb\r\x1b[31mc\x7f \xC2\x9B"
	                  "d \xEA\xB0\x80");
	log_read_back(log_path);
	CU_ASSERT_EQUAL(count_lines(log_said), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(log_said, "id=a?b??[31mc? ??d \xEA\xB0\x80 user=x?2026"));
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
		log_begin(LOG_INFO);
		log_context("deletion=abc");
		log_info("%.*s%s", shift, "abcd", text);
		log_read_back(log_path);
		CU_ASSERT(strlen(log_said) <= 4096 && strlen(log_said) > 4000);
		CU_ASSERT(matches(log_said, "\xE2\x82\xAC\\.\\.\\. deletion=abc\n$"));
	}
	log_context("%s", longer);
	log_info("short");
	CU_ASSERT_PTR_NOT_NULL(strstr(log_read_back(log_path), "xxx\n"));
	CU_ASSERT_PTR_NULL(strstr(log_said, longer));
	log_info("%s", text);
	CU_ASSERT_EQUAL(count_lines(log_read_back(log_path)), 3);
}

/* The fields too are cut between characters. */
static void long_context(void)
{
	char text[400];

	for (size_t i = 0; i + 3 < sizeof(text); i += 3)
		memcpy(text + i, "\xE2\x82\xAC", 4);
	log_begin(LOG_INFO);
	for (int shift = 0; shift < 3; shift++) {
		log_context("%.*s%s", shift, "ab", text);
		log_info("short");
	}
	log_read_back(log_path);
	CU_ASSERT_EQUAL(count_lines(log_said), 3);
	CU_ASSERT_TRUE(text_utf8_valid(log_said, strlen(log_said)));
}

/* A datagram socket keeps writes apart. */
static void one_write_a_line(void)
{
	int ends[2];
	char line[5000];

	CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0);
	standard_error_is(ends[1]);
	CU_ASSERT_FATAL(log_open("unit", NULL, LOG_INFO));
	CU_ASSERT_EQUAL(log_descriptor(), STDERR_FILENO);
	log_context("a=b");
	log_info("%0900d", 7);
	log_info("second");
	standard_error_return();
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
	standard_error_back();
}

static void reopening(void)
{
	struct stat status;

	log_begin(LOG_INFO);
	int fd = log_descriptor();
	CU_ASSERT(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	log_info("before");
	CU_ASSERT_FATAL(rename(log_path, log_moved_path) == 0);
	CU_ASSERT(log_reopen());
	CU_ASSERT_EQUAL(log_descriptor(), fd);
	log_info("after");
	CU_ASSERT_PTR_NOT_NULL(strstr(log_read_back(log_moved_path), "before"));
	CU_ASSERT_PTR_NULL(strstr(log_said, "after"));
	CU_ASSERT_PTR_NOT_NULL(strstr(log_read_back(log_path), "after"));
	CU_ASSERT_FATAL(stat(log_path, &status) == 0);
	CU_ASSERT_EQUAL(status.st_mode & 07, 0);
	CU_ASSERT(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

/* When the file can't be opened anew, lines go on to where they went. */
static void reopening_fails(void)
{
	log_begin(LOG_INFO);
	CU_ASSERT_FATAL(rename(log_path, log_moved_path) == 0 && mkdir(log_path, 0700) == 0);
	errno = 0;
	CU_ASSERT_FALSE(log_reopen());
	CU_ASSERT_EQUAL(errno, EISDIR);
	log_info("still here");
	CU_ASSERT_PTR_NOT_NULL(strstr(log_read_back(log_moved_path), "still here"));
	rmdir(log_path);
}

static void opening_fails(void)
{
	log_begin(LOG_INFO);
	errno = 0;
	CU_ASSERT_FALSE(log_open("other", "/nonexistent/farewell.log", LOG_INFO));
	CU_ASSERT_EQUAL(errno, ENOENT);
	log_info("still here");
	CU_ASSERT_PTR_NOT_NULL(strstr(log_read_back(log_path), " unit["));
}

static void errno_is_kept(void)
{
	CU_ASSERT_FATAL(log_open("unit", "/dev/full", LOG_INFO));
	errno = EAGAIN;
	log_info("nobody reads this");
	CU_ASSERT_EQUAL(errno, EAGAIN);
	log_begin(LOG_INFO);
	log_catch_up();
	CU_ASSERT(matches(log_read_back(log_path),
	                  ": 1 line was lost because the log could not be written: "
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
	return log_unit_main("log", tests);
}
