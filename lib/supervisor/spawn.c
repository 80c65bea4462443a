/* Offers forking, reaping and the pipe that shows the master's death. */
#include "lib/supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/supervisor/child.h"

pid_t spawn_child(int (*body)(void *arg), void *arg)
{
	pid_t pid;

	fflush(NULL); /* or both would write what is buffered */
	if ((pid = fork()) == 0)
		exit(body(arg));
	return pid;
}

bool spawn_reap(pid_t *pid, int *status)
{
	do
		*pid = waitpid(-1, status, WNOHANG);
	while (*pid < 0 && errno == EINTR);
	return *pid > 0;
}

bool spawn_parent_pipe_open(struct spawn_parent_pipe *line)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	line->read_end = ends[0];
	line->write_end = ends[1];
	return true;
}

void spawn_parent_pipe_close(struct spawn_parent_pipe *line)
{
	close(line->read_end);
	close(line->write_end);
}

void spawn_parent_pipe_inherit(struct spawn_parent_pipe *line)
{
	close(line->write_end);
	line->write_end = -1;
}

static const char *spawn_code_text(int code)
{
	switch (code) {
	case CHILD_RECYCLE: return "ended as it should";
	case CHILD_SHORT: return "gave up (exit code 71: no memory or descriptors)";
	case CHILD_TRY_LATER: return "gave up (exit code 75: a server is away or refuses us)";
	case CHILD_MISCONFIGURED: return "refused the configuration (exit code 78)";
	default: return NULL;
	}
}

void spawn_end_text(int status, char text[SPAWN_TEXT])
{
	if (WIFSIGNALED(status)) {
		const char *core = WCOREDUMP(status) ? ", core dumped" : "";

		snprintf(text, SPAWN_TEXT, "was killed by signal %d (%s)%s", WTERMSIG(status),
		         strsignal(WTERMSIG(status)), core);
		return;
	}
	const char *words = spawn_code_text(WEXITSTATUS(status));
	if (words != NULL)
		snprintf(text, SPAWN_TEXT, "%s", words);
	else
		snprintf(text, SPAWN_TEXT, "ended with exit code %d", WEXITSTATUS(status));
}

void spawn_time_text(int64_t ms, char text[SPAWN_TEXT])
{
	long long seconds = ms / 1000, minutes = seconds / 60, hours = minutes / 60;

	if (ms < 1000)
		snprintf(text, SPAWN_TEXT, "%lldms", (long long)ms);
	else if (minutes == 0)
		snprintf(text, SPAWN_TEXT, "%lld.%llds", seconds, (long long)ms % 1000 / 100);
	else if (hours == 0)
		snprintf(text, SPAWN_TEXT, "%lldm%02llds", minutes, seconds % 60);
	else if (hours < 24)
		snprintf(text, SPAWN_TEXT, "%lldh%02lldm", hours, minutes % 60);
	else
		snprintf(text, SPAWN_TEXT, "%lldd%lldh", hours / 24, hours % 24);
}
