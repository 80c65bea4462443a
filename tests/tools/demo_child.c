/* A program whose children do what they are told, to test the supervisor with: `demo_child -c FILE
 * [-f]`, DEMO_DIR in the environment.
 *
 * A job is a connection to DEMO_DIR/socket with one line on it: pid, sleep MS, read, hang, spin,
 * segv, exit CODE, leak BYTES, fail, count, away (until DEMO_DIR/back exists). What a child does
 * before it serves is in DEMO_DIR/start: misconfigured, try-later, crash, leave, hang, wait MS,
 * serve-and-die. A configuration is not accepted at reload while DEMO_DIR/refuse exists, the checks
 * fail while DEMO_DIR/wrong-NAME exists. DEMO_AUX=1 adds a second kind. */
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
#include "lib/supervisor/program.h"

static int listener = -1;
static char *leaked;

static const char *in_dir(const char *name)
{
	static char path[sizeof((struct sockaddr_un *)NULL)->sun_path];

	snprintf(path, sizeof(path), "%s/%s", getenv("DEMO_DIR"), name);
	return path;
}

static bool open_listener(void *shared, const struct conf *conf)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)shared;
	(void)conf;
	memcpy(address.sun_path, in_dir("socket"), sizeof(address.sun_path));
	unlink(address.sun_path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (bind(listener, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(listener, 128) != 0) {
		log_error("%s: %s", address.sun_path, strerror(errno));
		return false;
	}
	return true;
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

/* As a child that has lost a server. */
static const char *be_away(struct child *me)
{
	child_away(me, "waiting for a server");
	while (access(in_dir("back"), F_OK) != 0 && !child_hurry(me))
		child_wait(me, -1, 0, 50);
	return "back";
}

static const char *work(struct child *me, int fd, const char *line)
{
	static char pid[32];

	if (strncmp(line, "sleep ", 6) == 0)
		return sleep_for(me, atoi(line + 6));
	if (strcmp(line, "away") == 0)
		return be_away(me);
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
	if (strcmp(how, "try-later") == 0)
		return CHILD_TRY_LATER;
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
	log_info("demo child begins first=%d", child_is_first(me));
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

static bool may_reload(const struct conf *old, const struct conf *fresh)
{
	(void)old;
	(void)fresh;
	if (access(in_dir("refuse"), F_OK) != 0)
		return true;
	log_error("the demo refuses");
	return false;
}

static bool check_file(const char *name)
{
	if (access(in_dir(name), F_OK) != 0)
		return true;
	log_error("%s is there", name);
	return false;
}

static bool check_settings(const struct conf *conf)
{
	(void)conf;
	return check_file("wrong-settings");
}

static bool check_server(const struct conf *conf)
{
	(void)conf;
	return check_file("wrong-server");
}

static bool wants_aux(const struct conf *conf)
{
	(void)conf;
	return getenv("DEMO_AUX") != NULL;
}

int main(int argc, char **argv)
{
	static const struct child_kind kinds[] = {
		{.name = "demo", .run = run_demo},
		{.name = "aux", .run = run_aux, .wanted = wants_aux},
		{.name = NULL},
	};
	static const struct program_check checks[] = {
		{"settings", check_settings, true},
		{"server", check_server, false},
		{NULL, NULL, false},
	};
	static const char *const counters[] = {"first", "second", NULL};
	static const struct program program = {
		.name = "demo",
		.purpose = "Children that do what they are told.",
		.section = CONF_WORKER,
		.kinds = kinds,
		.counters = counters,
		.checks = checks,
		.may_reload = may_reload,
		.open = open_listener,
	};

	return program_main(&program, argc, argv);
}
