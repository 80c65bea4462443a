/* Runs the master of a program: its start, its signals, its loop and its end. */
#include "lib/supervisor/master.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/backtrace.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/supervisor/pidfile.h"

#define GAP_MS 2000 /* more than this late: the machine or the master was suspended */
#define MASTER_WHY_SIZE 512

const struct conf_pool *master_limits(const struct master *master, const struct conf *conf)
{
	return master->program->section == CONF_GATEWAY ? &conf->gateway.pool : &conf->worker.pool;
}

bool master_open_log(const struct master *master, const struct conf *conf)
{
	enum log_level level =
		master->options->verbose ? LOG_DEBUG : (enum log_level)conf->common.log_level;

	return log_open(master->program->name, conf->common.log_file, level);
}

/* ---- signals ---- */

static void master_take_signals(struct master *master)
{
	struct signalfd_siginfo info;

	while (read(master->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch ((int)info.ssi_signo) {
		case SIGTERM:
		case SIGQUIT:
			master->wanted.stop_now = master->wanted.stop || master->stopping;
			master->wanted.stop = true;
			break;
		case SIGINT: master->wanted.stop = master->wanted.stop_now = true; break;
		case SIGHUP: master->wanted.reload = true; break;
		case SIGUSR1: master->wanted.reopen = true; break;
		case SIGUSR2: master->wanted.pause = !master->wanted.pause; break;
		case SIGTTIN: master->wanted.adjust++; break;
		case SIGTTOU: master->wanted.adjust--; break;
		}
	}
}

void master_stop(struct master *master, int exit_code, int64_t now_ms)
{
	master->stopping = true;
	master->exit_code = exit_code;
	master->stop_by_ms = now_ms + master->limits->stop_timeout_ms;
	notify_stopping(&master->notify);
	if (master->program->stopping != NULL)
		master->program->stopping(master->program->shared);
	CHILDREN_EACH (child, &master->children)
		child_record_tell(child, ORDER_STOP, now_ms);
}

static void master_kill_children(struct master *master)
{
	CHILDREN_EACH (child, &master->children) {
		if (!child->killed)
			kill(child->pid, SIGKILL);
		child->killed = true;
	}
}

static void master_toggle_pause(struct master *master)
{
	bool paused = !scoreboard_paused(master->children.board);

	scoreboard_set_paused(master->children.board, paused);
	children_signal(&master->children, CHILD_PAUSE);
	log_info("%s", paused ? "paused: no new work until the next USR2" : "resumed");
}

/* BY children more or fewer, but not fewer than one and no more than there are slots for. */
static void master_adjust(struct master *master, int by)
{
	int set = (int)(master->limits->children > 0 ? master->limits->children :
	                                               master->limits->max_children);
	int most = master->children.slots - master->kind_count - set, least = 1 - set;

	master->adjust += by;
	if (master->adjust > most)
		master->adjust = most;
	if (master->adjust < least)
		master->adjust = least;
	log_info("%s is now %d until the next reload",
	         master->limits->children > 0 ? "children" : "max_children", set + master->adjust);
}

static void master_reopen_log(struct master *master)
{
	if (!log_reopen())
		log_error("the log can't be reopened, going on with the old one: %s", strerror(errno));
	children_signal(&master->children, CHILD_REOPEN);
	log_info("log reopened");
}

static void master_stop_as_told(struct master *master, int64_t now_ms)
{
	if (!master->stopping) {
		log_info("stopping: %d children finish what is in hand", children_size(&master->children));
		master_stop(master, 0, now_ms);
	}
	if (master->wanted.stop_now) {
		log_info("stopping at once");
		master_kill_children(master);
	}
}

static void master_act_on_signals(struct master *master, int64_t now_ms)
{
	if (master->wanted.reopen)
		master_reopen_log(master);
	if (master->wanted.stop)
		master_stop_as_told(master, now_ms);
	if (!master->stopping && master->wanted.pause)
		master_toggle_pause(master);
	if (!master->stopping && master->wanted.reload)
		master_reload(master);
	if (!master->stopping && master->wanted.adjust != 0)
		master_adjust(master, master->wanted.adjust);
	memset(&master->wanted, 0, sizeof(master->wanted));
}

/* ---- the loop ---- */

/* Waits for a signal or a child's news, IN_MS at most. */
static void master_wait(struct master *master, int64_t in_ms)
{
	struct pollfd ready[] = {{.fd = master->signals, .events = POLLIN},
	                         {.fd = master->children.news, .events = POLLIN}};
	uint64_t count;

	poll(ready, 2, (int)in_ms);
	if (ready[1].revents != 0 && read(master->children.news, &count, sizeof(count)) < 0)
		return;
}

/* After a suspension of the machine, a frozen container or SIGSTOP the children are as late as the
 * master, so all time-outs are moved on by that time. */
static void master_discount_gap(struct master *master, int64_t now_ms, int64_t expected_ms)
{
	int64_t gap_ms = now_ms - expected_ms;
	char text[SPAWN_TEXT];

	if (gap_ms < GAP_MS)
		return;
	spawn_time_text(gap_ms, text);
	log_warning("the master did not run for %s: no time-out counts that time", text);
	children_discount(&master->children, gap_ms, now_ms);
	master->stop_by_ms += gap_ms;
}

static void master_enforce_stop_timeout(struct master *master, int64_t now_ms, int64_t *in_ms)
{
	if (!master->stopping)
		return;
	if (now_ms >= master->stop_by_ms) {
		log_warning("stop_timeout is over: killing the %d children that are left",
		            children_size(&master->children));
		master_kill_children(master);
		master->stop_by_ms = INT64_MAX / 2;
	} else if (master->stop_by_ms - now_ms < *in_ms) {
		*in_ms = master->stop_by_ms - now_ms;
	}
}

static void master_loop(struct master *master)
{
	int64_t now_ms = clock_now_ms();

	for (;;) {
		master_take_signals(master);
		master_act_on_signals(master, now_ms);
		int64_t in_ms = master_round(master, now_ms);
		if (master->stopping && children_size(&master->children) == 0)
			return;
		master_enforce_stop_timeout(master, now_ms, &in_ms);
		log_catch_up();
		int64_t dog_ms = notify_watchdog(&master->notify, now_ms);
		if (dog_ms - now_ms < in_ms)
			in_ms = dog_ms - now_ms;
		master_wait(master, in_ms);
		int64_t expected_ms = now_ms + in_ms;
		now_ms = clock_now_ms();
		master_discount_gap(master, now_ms, expected_ms);
	}
}

/* ---- start and end ---- */

static bool master_block_signals(struct master *master)
{
	sigset_t all;

	child_signal_set(&all);
	if (sigprocmask(SIG_BLOCK, &all, NULL) != 0)
		return false;
	/* Were it still ignored, as our caller may have left it, no child's end could be seen. */
	signal(SIGCHLD, SIG_DFL);
	/* A log whose reader is gone, or that has reached the limit of a file's size, is no reason to
	 * end. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	master->signals = signalfd(-1, &all, SFD_NONBLOCK | SFD_CLOEXEC);
	return master->signals >= 0;
}

static void master_choose_kinds(struct master *master)
{
	const struct child_kind *kind = master->program->kinds;

	for (; kind->name != NULL; kind++) {
		if (kind->wanted != NULL && !kind->wanted(master->conf))
			continue;
		assert(master->kind_count < MASTER_KINDS);
		policy_init(&master->policies[master->kind_count]);
		master->kinds[master->kind_count++] = kind;
	}
	assert(master->kind_count >= 1);
}

/* Room for a reload's surplus, TTIN, and a reload to twice as many. */
static int master_slots(const struct master *master)
{
	int64_t most =
		master->limits->children > 0 ? master->limits->children : master->limits->max_children;

	return (int)most * 2 + 16 + master->kind_count;
}

static bool master_open(struct master *master)
{
	const char *program = master->program->name, *run_dir = master->conf->common.run_dir;
	char why[MASTER_WHY_SIZE];

	if ((master->pidfile = pidfile_open(run_dir, program, why, sizeof(why))) == NULL) {
		log_error("%s", why);
		return false;
	}
	struct scoreboard *board = scoreboard_create(run_dir, program, master_slots(master),
	                                             master->program->counters, why, sizeof(why));
	if (board == NULL) {
		log_error("%s", why);
		return false;
	}
	if (!children_open(&master->children, board) || !master_block_signals(master)) {
		log_error("%s can't start: %s", program, strerror(errno));
		return false;
	}
	master->children.totals.master = getpid();
	master->children.totals.started_at = time(NULL);
	return true;
}

static void master_close(struct master *master)
{
	if (master->children.board != NULL)
		children_close(&master->children, true);
	if (master->signals >= 0)
		close(master->signals);
	pidfile_remove(master->pidfile);
	notify_close(&master->notify);
	conf_free(master->previous);
	conf_free(master->conf);
}

/* Opens the log and leaves the terminal, unless in the foreground. False: it has been logged. */
static bool master_go_to_background(struct master *master)
{
	const char *log_file = master->conf->common.log_file;

	if (!master_open_log(master, master->conf)) {
		log_error("%s can't be opened: %s", log_file, strerror(errno));
		return false;
	}
	if (!master->options->foreground &&
	    !daemon_detach(&master->daemon, master->program->name, log_file, log_file[0] == '\0')) {
		log_error("%s can't go into the background: %s", master->program->name, strerror(errno));
		return false;
	}
	return true;
}

int master_run(const struct program *program, const struct program_options *options,
               struct conf *conf)
{
	struct master master = {
		.program = program,
		.options = options,
		.conf = conf,
		.signals = -1,
		.generation = 1,
		.newest = 1,
		.exit_code = EXIT_FAILURE,
		.daemon = {.report = -1},
		.notify = {.fd = -1},
	};

	master.limits = master_limits(&master, conf);
	master_choose_kinds(&master);
	if (!master_go_to_background(&master))
		goto out;
	backtrace_install(program->name);
	notify_open(&master.notify);
	if (!master_open(&master))
		goto out;
	log_info("started slots=%d", master.children.slots);
	master_loop(&master);
	log_info("ended");
out:
	daemon_down(&master.daemon, master.exit_code);
	master_close(&master);
	return master.exit_code;
}
