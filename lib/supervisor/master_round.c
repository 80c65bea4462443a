/* A round of the master's loop: removes children that have ended, ends those that hang, starts and
 * stops as many as the policy wants. */
#include "lib/supervisor/master.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/supervisor/pidfile.h"

#define TICK_MS 1000

static const char *master_kind_name(const struct master *master, int kind)
{
	return master->kinds[kind]->name;
}

/* ---- children that have ended ---- */

/* Ended before it was of any use: not told to, and without ever having taken a job, unless its time
 * was simply up. */
static bool master_end_is_failure(const struct child_record *child, int status, int64_t now_ms)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	if (child->order != ORDER_NONE)
		return false;
	if (code == CHILD_SHORT || code == CHILD_TRY_LATER || code == CHILD_MISCONFIGURED)
		return true;
	if (code == CHILD_RECYCLE && (child->seen.flags & SLOT_STOPPING) &&
	    now_ms - child->started_ms >= POLICY_FIRST_DELAY_MS)
		return false;
	return child->seen.taken == 0;
}

static void master_back_off(struct master *master, int kind, int64_t now_ms)
{
	struct policy *policy = &master->policies[kind];
	int64_t before_ms = policy->not_before_ms;

	policy_failed(policy, now_ms);
	if (policy->not_before_ms != before_ms)
		log_warning("backing off: the next %s child is started in %d s",
		            master_kind_name(master, kind), (int)(policy->delay_ms / 1000));
}

/* What a child's end means to the program. */
static void master_handle_end(struct master *master, const struct child_record *child, int status,
                              int64_t now_ms)
{
	bool refused =
		child->kind == 0 && WIFEXITED(status) && WEXITSTATUS(status) == CHILD_MISCONFIGURED;

	if (master->stopping || child->generation != master->generation ||
	    !master_end_is_failure(child, status, now_ms))
		return;
	if (refused && !master->served) {
		log_error("giving up: the first child refused the configuration");
		master_stop(master, CHILD_MISCONFIGURED, now_ms);
		return;
	}
	if (child->kind == 0 && master->previous != NULL) {
		master_reload_failed(master, refused);
		if (refused)
			return;
	}
	master_back_off(master, child->kind, now_ms);
}

/* What a child's slot says about the program as a whole: it serves, and the configuration works. */
static void master_handle_slot(struct master *master, const struct child_record *child,
                               int64_t now_ms)
{
	if (!(child->seen.flags & SLOT_SERVING))
		return;
	master->served = true;
	if (child->generation != master->generation)
		return;
	if (child->kind == 0 && (master->previous != NULL || master->reloading))
		master_reload_succeeded(master);
	if (child->seen.taken > 0 || now_ms - child->started_ms >= POLICY_PROOF_MS)
		policy_proved(&master->policies[child->kind], child->started_ms);
}

static void master_reap_children(struct master *master, int64_t now_ms)
{
	pid_t pid;
	int status;

	while (spawn_reap(&pid, &status)) {
		struct child_record *child = children_find(&master->children, pid);

		if (child == NULL)
			continue; /* as pid 1 we inherit orphans */
		struct child_record last = children_remove(&master->children, child, status, now_ms);
		master_handle_slot(master, &last, now_ms);
		master_handle_end(master, &last, status, now_ms);
	}
}

/* ---- children that hang ---- */

static void master_act_on_hanging(struct master *master, struct child_record *child,
                                  enum policy_action action, int64_t now_ms)
{
	const struct scoreboard_slot *seen = &child->seen;
	const char *kind = master_kind_name(master, child->kind),
			   *state = scoreboard_state_name(seen->state);
	char spent[SPAWN_TEXT];

	spawn_time_text(child_record_progress(child, now_ms).stuck_ms, spent);
	switch (action) {
	case POLICY_WAIT: break;
	case POLICY_REPORT_SLOW:
		log_warning("%s child is slow: at this job for %s child=%ld step=%s job=%s", kind, spent,
		            (long)child->pid, seen->step, seen->job);
		child->slow_since_ms = seen->since_ms;
		kill(child->pid, CHILD_BACKTRACE);
		break;
	case POLICY_ABORT:
		log_error("%s child hangs: %s for %s, ending it child=%ld step=%s job=%s", kind, state,
		          spent, (long)child->pid, seen->step, seen->job);
		child->aborted_ms = now_ms;
		kill(child->pid, CHILD_ABORT);
		break;
	case POLICY_KILL:
		child->killed = true;
		kill(child->pid, SIGKILL);
		break;
	}
}

/* Returns in how many milliseconds a child's time may be over next. */
static int64_t master_watch_children(struct master *master, int64_t now_ms)
{
	const struct policy_timeouts timeouts = {master->limits->slow_job_ms,
	                                         master->limits->hard_timeout_ms,
	                                         master->limits->stop_timeout_ms};
	int64_t in_ms = TICK_MS;

	CHILDREN_EACH (child, &master->children) {
		struct policy_progress progress = child_record_progress(child, now_ms);

		if (!child->killed)
			master_act_on_hanging(master, child, policy_watch(&timeouts, &progress, &in_ms),
			                      now_ms);
	}
	return in_ms;
}

/* ---- sizing ---- */

static struct policy_settings master_settings_of_kind(const struct master *master, int kind)
{
	const struct conf_pool *limits = master->limits;
	struct policy_settings settings = {
		.children = (int)limits->children,
		.start = (int)limits->start_children,
		.min_spare = (int)limits->min_spare,
		.max_spare = (int)limits->max_spare,
		.max_children = (int)limits->max_children,
	};

	if (kind > 0)
		return (struct policy_settings){.children = 1};
	settings = policy_adjusted(settings, master->adjust);
	settings.surplus = settings.children / 4 > 0 ? settings.children / 4 : 1;
	return settings;
}

/* In a child: closes what is the master's only. */
static void master_close_in_child(void *arg)
{
	struct master *master = arg;

	daemon_child(&master->daemon);
	pidfile_close(master->pidfile);
	notify_close(&master->notify);
	close(master->signals);
	log_context_clear();
}

static bool master_start_child(struct master *master, int kind, int64_t now_ms)
{
	struct child_start start = {
		.kind = master->kinds[kind],
		.kind_index = kind,
		.generation = master->generation,
		.first = kind == 0 && master->policies[0].probing,
		.replaces = master->previous != NULL,
		.conf = master->conf,
		.limits = master->limits,
		.shared = master->program->shared,
		.close_parent = master_close_in_child,
		.arg = master,
	};

	if (children_start(&master->children, &start))
		return true;
	log_error("a %s child can't be started: %s", master_kind_name(master, kind), strerror(errno));
	master_back_off(master, kind, now_ms);
	return false;
}

static void master_report_max_children(struct master *master, const struct policy_counts *counts)
{
	master->children.totals.max_children_reached++;
	if (!master->max_reported)
		log_warning("max_children reached: no more than %d children may wait or work busy=%d "
		            "idle=%d starting=%d; said once",
		            counts->busy + counts->idle + counts->starting + counts->leaving, counts->busy,
		            counts->idle, counts->starting);
	master->max_reported = true;
}

/* Returns in how many milliseconds to ask again. */
static int64_t master_size_kind(struct master *master, int kind, int64_t now_ms)
{
	struct policy_settings settings = master_settings_of_kind(master, kind);
	struct policy_counts counts = children_count(&master->children, kind, master->generation);
	struct policy_advice advice =
		policy_decide(&master->policies[kind], &settings, &counts, now_ms);
	struct child_record *child;

	if (advice.max_reached)
		master_report_max_children(master, &counts);
	while (advice.start-- > 0 && master_start_child(master, kind, now_ms))
		;
	while (advice.stop_old-- > 0 &&
	       (child = children_choose(&master->children, kind, master->generation, true)) != NULL)
		child_record_tell(child, ORDER_LEAVE, now_ms);
	while (advice.stop_spare-- > 0 &&
	       (child = children_choose(&master->children, kind, 0, false)) != NULL)
		child_record_tell(child, ORDER_LEAVE, now_ms);
	return advice.again_ms == INT64_MAX ? TICK_MS : advice.again_ms - now_ms;
}

/* The other kinds rely on what the first child of the first kind has checked. */
static int64_t master_size_children(struct master *master, int64_t now_ms)
{
	int64_t in_ms = master_size_kind(master, 0, now_ms);

	if (!master->served || master->policies[0].probing)
		return in_ms;
	for (int kind = 1; kind < master->kind_count; kind++) {
		int64_t this_ms = master_size_kind(master, kind, now_ms);

		if (this_ms < in_ms)
			in_ms = this_ms;
	}
	return in_ms;
}

/* ---- the round ---- */

/* In the scoreboard and to systemd. */
static void master_show_status(struct master *master)
{
	char away[64] = "";
	int count_away = children_count_away(&master->children, 0);
	struct policy_counts counts = children_count(&master->children, 0, master->generation);
	struct scoreboard_totals *totals = &master->children.totals;
	bool paused = scoreboard_paused(master->children.board);

	if (count_away > 0)
		snprintf(away, sizeof(away), ", %d waiting for a server", count_away);
	totals->generation = master->generation;
	scoreboard_write_totals(master->children.board, totals);
	if (master->stopping)
		notify_status(&master->notify, "Stopping: %d children left",
		              children_size(&master->children));
	else if (master->served)
		notify_status(&master->notify, "%s%d busy, %d idle, %d starting, %d leaving%s",
		              paused ? "Paused: " : "", counts.busy, counts.idle, counts.starting,
		              counts.leaving, away);
	else
		notify_status(&master->notify, "Waiting for the first child to serve");
}

int64_t master_round(struct master *master, int64_t now_ms)
{
	bool served = master->served;

	master_reap_children(master, now_ms);
	children_read(&master->children);
	CHILDREN_EACH (child, &master->children)
		master_handle_slot(master, child, now_ms);
	if (master->served && !served) {
		log_info("serving");
		notify_ready(&master->notify);
		daemon_up(&master->daemon);
	}
	int64_t in_ms = master_watch_children(master, now_ms);
	if (!master->stopping) {
		int64_t size_ms = master_size_children(master, now_ms);

		if (size_ms < in_ms)
			in_ms = size_ms;
	}
	master_show_status(master);
	return in_ms < 0 ? 0 : in_ms;
}
