/* A pool of children that do what they are told, to test the supervisor with: `demo_child -c FILE
 * [-f]`, DEMO_DIR in the environment.
 *
 * A job is a connection to DEMO_DIR/socket with one line on it: pid, sleep MS, read, hang, spin,
 * segv, exit CODE, leak BYTES, fail, count. What a child does before it serves is in
 * DEMO_DIR/start: misconfigured, sick, crash, leave, hang, wait MS, serve-and-die. A configuration
 * is not accepted at reload while DEMO_DIR/refuse exists. DEMO_AUX=1 adds a second kind. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/config/conf.h"
#include "lib/supervisor/child.h"

static int listener = -1;
static char *leaked;

static const char *in_dir(const char *name)
{
	static char path[sizeof((struct sockaddr_un *)NULL)->sun_path];

	snprintf(path, sizeof(path), "%s/%s", getenv("DEMO_DIR"), name);
	return path;
}

static void open_listener(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memcpy(address.sun_path, in_dir("socket"), sizeof(address.sun_path));
	unlink(address.sun_path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (bind(listener, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(listener, 128) != 0) {
		perror(address.sun_path);
		exit(EXIT_FAILURE);
	}
}

static void leak(size_t bytes)
{
	if ((leaked = malloc(bytes)) != NULL)
		memset(leaked, 1, bytes);
}

static __attribute__((noinline)) void hang_here(void)
{
	for (;;)
		pause();
}

static void spin(void)
{
	for (volatile int i = 0;; i++)
		;
}

static void crash(void)
{
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
}

static const char *sleep_for(struct child *me, int ms)
{
	for (; ms > 0; ms -= 50) {
		child_wait(me, -1, 0, ms < 50 ? ms : 50);
		if (child_hurry(me))
			return "hurried";
	}
	return "slept";
}

/* Blocks in a plain read, which must not see EINTR. */
static const char *read_more(int fd)
{
	char byte;

	return read(fd, &byte, 1) == 1 ? "read" : strerror(errno);
}

static const char *work(struct child *me, int fd, const char *line)
{
	static char pid[32];

	if (strncmp(line, "sleep ", 6) == 0)
		return sleep_for(me, atoi(line + 6));
	if (strcmp(line, "read") == 0)
		return read_more(fd);
	if (strcmp(line, "hang") == 0)
		hang_here();
	if (strcmp(line, "spin") == 0)
		spin();
	if (strcmp(line, "segv") == 0)
		crash();
	if (strncmp(line, "exit ", 5) == 0)
		exit(atoi(line + 5));
	if (strncmp(line, "leak ", 5) == 0)
		leak((size_t)atol(line + 5));
	if (strcmp(line, "count") == 0)
		child_count(me, 1, 5);
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	return pid;
}

static void serve_one(struct child *me)
{
	char line[128] = "";

	child_busy(me, "", "accepting");
	int fd = accept(listener, NULL, NULL);
	if (fd < 0) {
		child_idle(me, "waiting");
		return;
	}
	ssize_t length = read(fd, line, sizeof(line) - 1);
	line[length > 0 ? length - 1 : 0] = '\0';
	child_busy(me, line, "working");
	dprintf(fd, "%s\n", work(me, fd, line));
	close(fd);
	child_done(me, strcmp(line, "fail") != 0);
}

/* What DEMO_DIR/start says; an exit code, or -1: go on. */
static int begin(struct child *me)
{
	char how[64] = "";
	FILE *file = fopen(in_dir("start"), "r");

	if (file == NULL)
		return -1;
	if (fgets(how, sizeof(how), file) == NULL)
		how[0] = '\0';
	fclose(file);
	if (strcmp(how, "misconfigured") == 0) {
		log_error("the demo does not like its settings");
		return CHILD_MISCONFIGURED;
	}
	if (strcmp(how, "sick") == 0)
		return CHILD_SICK;
	if (strcmp(how, "crash") == 0)
		crash();
	if (strcmp(how, "hang") == 0)
		hang_here();
	if (strncmp(how, "wait ", 5) == 0)
		child_wait(me, -1, 0, atoi(how + 5));
	if (strcmp(how, "serve-and-die") == 0) {
		child_serving(me);
		return 1;
	}
	return strcmp(how, "leave") == 0 ? CHILD_RECYCLE : -1;
}

static int run_demo(struct child *me, const struct conf *conf)
{
	(void)conf;
	log_info("demo child number=%d first=%d", child_number(me), child_is_first(me));
	int code = begin(me);
	if (code >= 0)
		return code;
	child_serving(me);
	while (!child_stopping(me)) {
		child_idle(me, child_paused(me) ? "paused" : "waiting");
		if (child_wait(me, child_paused(me) ? -1 : listener, POLLIN, -1) & POLLIN)
			serve_one(me);
	}
	free(leaked);
	return CHILD_RECYCLE;
}

static int run_aux(struct child *me, const struct conf *conf)
{
	(void)conf;
	child_serving(me);
	while (!child_stopping(me))
		child_wait(me, -1, 0, -1);
	return CHILD_RECYCLE;
}

static bool accept_conf(const struct conf *old, const struct conf *fresh)
{
	(void)old;
	(void)fresh;
	if (access(in_dir("refuse"), F_OK) != 0)
		return true;
	log_error("the demo refuses");
	return false;
}

int main(int argc, char **argv)
{
	static const struct child_kind one[] = {{"demo", run_demo}, {NULL, NULL}};
	static const struct child_kind two[] = {{"demo", run_demo}, {"aux", run_aux}, {NULL, NULL}};
	static const char *const counters[] = {"first", "second", NULL};
	struct pool_options options = {
		.program = "demo",
		.conf_program = CONF_WORKER,
		.counters = counters,
		.accept = accept_conf,
		.kinds = getenv("DEMO_AUX") != NULL ? two : one,
	};
	int option;

	while ((option = getopt(argc, argv, "c:fv")) >= 0) {
		if (option == 'c')
			options.conf_file = optarg;
		else if (option == 'f')
			options.foreground = true;
		else if (option == 'v')
			options.verbose = true;
		else
			return EXIT_FAILURE;
	}
	struct conf *conf =
		options.conf_file != NULL ? conf_load(options.conf_file, CONF_WORKER) : NULL;
	if (conf == NULL)
		return CHILD_MISCONFIGURED;
	open_listener();
	return master_run(&options, conf);
}
