/* Offers the way into the background. */
#include "lib/supervisor/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WAIT_MS 60000

static int daemon_read_code(int fd, const char *program, const char *log_file)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	unsigned char code = EXIT_FAILURE;

	int count = poll(&ready, 1, WAIT_MS);
	if (count == 0) {
		fprintf(stderr, "%s: not serving yet, but still trying; see %s\n", program, log_file);
		return 0;
	}
	if (read(fd, &code, 1) != 1)
		code = EXIT_FAILURE;
	if (code != 0)
		fprintf(stderr, "%s: did not start (exit code %d); see %s\n", program, code, log_file);
	return code;
}

static void daemon_wait_and_exit(int fd, const char *program, const char *log_file)
	__attribute__((noreturn));
static void daemon_wait_and_exit(int fd, const char *program, const char *log_file)
{
	_exit(daemon_read_code(fd, program, log_file[0] != '\0' ? log_file : "the lines above"));
}

bool daemon_detach(struct daemon *daemon, const char *program, const char *log_file,
                   bool keep_stderr)
{
	int ends[2];
	pid_t pid;

	daemon->keep_stderr = keep_stderr;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	if ((pid = fork()) < 0) {
		close(ends[0]);
		close(ends[1]);
		return false;
	}
	if (pid > 0) {
		close(ends[1]);
		daemon_wait_and_exit(ends[0], program, log_file);
	}
	close(ends[0]);
	setsid();
	if ((pid = fork()) != 0)
		_exit(pid < 0 ? EXIT_FAILURE : 0);
	daemon->report = ends[1];
	return true;
}

static void daemon_report(struct daemon *daemon, int code)
{
	unsigned char byte = (unsigned char)code;

	if (daemon->report < 0)
		return;
	if (write(daemon->report, &byte, 1) < 0)
		errno = 0; /* nobody waits any more */
	close(daemon->report);
	daemon->report = -1;
}

static void daemon_release_terminal(const struct daemon *daemon)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	if (!daemon->keep_stderr)
		dup2(null, STDERR_FILENO);
	close(null);
}

/* Only now: until here what a library prints reaches the person at the terminal. */
void daemon_up(struct daemon *daemon)
{
	if (daemon->report < 0)
		return;
	daemon_release_terminal(daemon);
	daemon_report(daemon, 0);
}

void daemon_down(struct daemon *daemon, int code)
{
	daemon_report(daemon, code);
}

void daemon_child(struct daemon *daemon)
{
	if (daemon->report < 0)
		return;
	daemon_release_terminal(daemon);
	close(daemon->report);
	daemon->report = -1;
}
