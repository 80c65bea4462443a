/* Where log lines go: nobody waits for a reader, and what is lost is counted and told. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/log_unit.h"

/* What can be read from FD without waiting, in log_said. */
static const char *drain(int fd)
{
	size_t length = 0;
	ssize_t got;
	struct pollfd ready = {.fd = fd, .events = POLLIN};

	while (poll(&ready, 1, 0) == 1 && length < sizeof(log_said) - 1 &&
	       (got = read(fd, log_said + length, sizeof(log_said) - 1 - length)) > 0)
		length += (size_t)got;
	log_said[length] = '\0';
	return log_said;
}

static size_t count_of(const char *text, const char *words)
{
	size_t count = 0;

	for (; (text = strstr(text, words)) != NULL; text++)
		count++;
	return count;
}

/* Writes MANY lines to ENDS[1] that nobody reads, reads what is there from ENDS[0], and one more.
 */
static void nobody_reads(int ends[2])
{
	enum { MANY = 1000 };
	char notice[256];
	int flags = fcntl(ends[1], F_GETFL);

	log_context_clear();
	for (int i = 0; i < MANY; i++)
		log_info("line %d", i);
	CU_ASSERT_EQUAL(fcntl(ends[1], F_GETFL), flags);
	size_t written = count_of(drain(ends[0]), ": line ");
	CU_ASSERT(written > 0 && written < (size_t)MANY);
	CU_ASSERT_PTR_NULL(strstr(log_said, "lost"));
	CU_ASSERT_EQUAL(log_said[strlen(log_said) - 1], '\n');
	log_info("somebody reads");
	log_info("and goes on");
	snprintf(notice, sizeof(notice),
	         "^[^\n]* warning unit\\[[0-9]+\\]: %zu lines were lost because nobody read the log\n"
	         "[^\n]*: somebody reads\n[^\n]*: and goes on\n$",
	         (size_t)MANY - written);
	CU_ASSERT(matches(drain(ends[0]), notice));
}

static void unread_pipe(void)
{
	int ends[2];

	CU_ASSERT_FATAL(pipe(ends) == 0);
	fcntl(ends[1], F_SETPIPE_SZ, 4096);
	standard_error_is(ends[1]);
	CU_ASSERT_FATAL(log_open("unit", NULL, LOG_INFO));
	nobody_reads(ends);
	standard_error_back();
	close(ends[0]);
	close(ends[1]);
}

/* As for a user who may not open the pipe again: here because no descriptor is left. */
static void unread_pipe_of_others(void)
{
	struct rlimit most = {0}, none;
	int ends[2];

	CU_ASSERT_FATAL(pipe(ends) == 0 && getrlimit(RLIMIT_NOFILE, &most) == 0);
	fcntl(ends[1], F_SETPIPE_SZ, 4096);
	standard_error_is(ends[1]);
	none = most;
	none.rlim_cur = 3;
	CU_ASSERT_FATAL(setrlimit(RLIMIT_NOFILE, &none) == 0);
	CU_ASSERT_FATAL(log_open("unit", NULL, LOG_INFO));
	CU_ASSERT_FATAL(setrlimit(RLIMIT_NOFILE, &most) == 0);
	CU_ASSERT_EQUAL(log_descriptor(), STDERR_FILENO);
	nobody_reads(ends);
	standard_error_back();
	close(ends[0]);
	close(ends[1]);
}

/* As systemd gives it: what is said goes to the journal. */
static void unread_socket(void)
{
	int ends[2];

	CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	CU_ASSERT_FATAL(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &(int){8192}, sizeof(int)) == 0);
	standard_error_is(ends[1]);
	CU_ASSERT_FATAL(log_open("unit", NULL, LOG_INFO));
	nobody_reads(ends);
	standard_error_back();
	close(ends[0]);
	close(ends[1]);
}

/* A reader that is gone is no reason to die, and who has nothing to say catches up all the same. */
static void catching_up(void)
{
	int ends[2];

	CU_ASSERT_FATAL(pipe(ends) == 0);
	fcntl(ends[1], F_SETPIPE_SZ, 4096);
	standard_error_is(ends[1]);
	CU_ASSERT_FATAL(log_open("unit", NULL, LOG_INFO));
	for (int i = 0; i < 3; i++)
		log_info("%02000d", i); /* two fit */
	log_catch_up();
	CU_ASSERT_PTR_NULL(strstr(drain(ends[0]), "lost"));
	log_catch_up();
	CU_ASSERT(matches(drain(ends[0]), "^[^\n]*: 1 line was lost because nobody read the log\n$"));
	log_catch_up();
	CU_ASSERT_STRING_EQUAL(drain(ends[0]), "");
	close(ends[0]);
	log_info("nobody will read this");
	standard_error_back();
	log_begin(LOG_INFO);
	log_catch_up();
	CU_ASSERT(matches(log_read_back(log_path), ": 1 line was lost because nobody read the log\n$"));
	close(ends[1]);
}

/* What a forked child lost is its own, and what its parent lost is not its. */
static void each_process_tells_its_own(void)
{
	int ends[2];
	pid_t child;

	CU_ASSERT_FATAL(pipe(ends) == 0);
	fcntl(ends[1], F_SETPIPE_SZ, 4096);
	standard_error_is(ends[1]);
	CU_ASSERT_FATAL(log_open("unit", NULL, LOG_INFO));
	for (int i = 0; i < 5; i++)
		log_info("%02000d", i);
	drain(ends[0]);
	if ((child = fork()) == 0) {
		log_catch_up();
		log_info("a child");
		_exit(0);
	}
	CU_ASSERT_FATAL(child > 0 && waitpid(child, NULL, 0) == child);
	CU_ASSERT(matches(drain(ends[0]), "^[^\n]*: a child\n$"));
	log_catch_up();
	CU_ASSERT_PTR_NOT_NULL(strstr(drain(ends[0]), ": 3 lines were lost"));
	standard_error_back();
	close(ends[0]);
	close(ends[1]);
}

/* Four processes and a slow reader: each line that comes is whole, and each that doesn't is
 * counted. */
static void several_processes(void)
{
	enum { WRITERS = 4, LINES = 500 };
	static char all[WRITERS * LINES * 100];
	int ends[2], whole = 0, lost = 0;
	size_t length = 0;
	ssize_t got;

	CU_ASSERT_FATAL(pipe(ends) == 0);
	fcntl(ends[1], F_SETPIPE_SZ, 4096);
	standard_error_is(ends[1]);
	for (int writer = 0; writer < WRITERS; writer++)
		if (fork() == 0) {
			close(ends[0]);
			log_open("unit", NULL, LOG_INFO);
			for (int i = 0; i < LINES; i++)
				log_info("line %03d end", i);
			while (!log_catch_up())
				usleep(1000);
			_exit(0);
		}
	standard_error_return();
	close(ends[1]);
	while ((got = read(ends[0], all + length, sizeof(all) - 1 - length)) > 0) {
		length += (size_t)got;
		usleep(500);
	}
	all[length] = '\0';
	standard_error_back();
	close(ends[0]);
	while (waitpid(-1, NULL, 0) > 0)
		;
	for (char *line = strtok(all, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		const char *body = strstr(line, "]: ");
		int number;

		if (matches(line, "^[0-9T:.-]+Z info unit\\[[0-9]+\\]: line [0-9]{3} end$"))
			whole++;
		else if (body != NULL && sscanf(body, "]: %d line", &number) == 1 &&
		         matches(line, "^[0-9T:.-]+Z warning unit\\[[0-9]+\\]: [0-9]+ lines? w[aser]+ lost "
		                       "because nobody read the log$"))
			lost += number;
		else
			CU_FAIL("a line that is not whole");
	}
	CU_ASSERT_EQUAL(whole + lost, WRITERS * LINES);
	CU_ASSERT(lost > 0);
}

/* A disk that is full takes a part of a line. */
static void full_file(void)
{
	struct rlimit most, little;
	int pieces;

	log_begin(LOG_INFO);
	CU_ASSERT_FATAL(getrlimit(RLIMIT_FSIZE, &most) == 0);
	signal(SIGXFSZ, SIG_IGN);
	little = most;
	little.rlim_cur = 1000;
	CU_ASSERT_FATAL(setrlimit(RLIMIT_FSIZE, &little) == 0);
	for (pieces = 0; pieces < 5; pieces++)
		log_info("%0300d", pieces);
	CU_ASSERT_FATAL(setrlimit(RLIMIT_FSIZE, &most) == 0);
	log_info("room again");
	log_read_back(log_path);
	CU_ASSERT_EQUAL(log_said[1000], '\n');
	CU_ASSERT(matches(log_said + 1001,
	                  "^[^\n]*: 3 lines were lost because the log could not be written: "
	                  "No space left on device\n[^\n]*: room again\n$"));
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"a pipe that nobody reads", unread_pipe},
		{"a pipe of somebody else that nobody reads", unread_pipe_of_others},
		{"a socket that nobody reads", unread_socket},
		{"catching up", catching_up},
		{"each process tells of its own lines", each_process_tells_its_own},
		{"several processes and a slow reader", several_processes},
		{"a full file", full_file},
		{NULL, NULL},
	};
	signal(SIGPIPE, SIG_IGN);
	return log_unit_main("log_sink", tests);
}
