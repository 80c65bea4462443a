#include "lib/supervisor/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WAIT_MS 60000

static int read_answer(int fd, const char *program, const char *log_file)
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

static void wait_and_end(int fd, const char *program, const char *log_file)
	__attribute__((noreturn));
static void wait_and_end(int fd, const char *program, const char *log_file)
{
	_exit(read_answer(fd, program, log_file[0] != '\0' ? log_file : "the lines above"));
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
		wait_and_end(ends[0], program, log_file);
	}
	close(ends[0]);
	setsid();
	if ((pid = fork()) != 0)
		_exit(pid < 0 ? EXIT_FAILURE : 0);
	daemon->tell = ends[1];
	return true;
}

static void tell(struct daemon *daemon, int code)
{
	unsigned char byte = (unsigned char)code;

	if (daemon->tell < 0)
		return;
	if (write(daemon->tell, &byte, 1) < 0)
		errno = 0; /* nobody waits any more */
	close(daemon->tell);
	daemon->tell = -1;
}

static void let_go(const struct daemon *daemon)
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

/* Only now are the standard descriptors let go: until here a library's last words reach the person
 * at the terminal. */
void daemon_up(struct daemon *daemon)
{
	if (daemon->tell < 0)
		return;
	let_go(daemon);
	tell(daemon, 0);
}

void daemon_down(struct daemon *daemon, int code)
{
	tell(daemon, code);
}

void daemon_child(struct daemon *daemon)
{
	if (daemon->tell < 0)
		return;
	let_go(daemon);
	close(daemon->tell);
	daemon->tell = -1;
}
