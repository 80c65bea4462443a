/* Reloads the configuration on HUP, and goes back to the one before if a child refuses it. */
#include "lib/supervisor/master.h"

#include <errno.h>
#include <string.h>

#include "lib/base/log.h"

static struct conf *master_load_conf(struct master *master)
{
	const struct program *program = master->program;
	struct conf *fresh = conf_load(master->options->conf_file, program->section);

	if (fresh == NULL)
		return NULL;
	if (strcmp(fresh->common.run_dir, master->conf->common.run_dir) != 0)
		log_error("%s: common.run_dir can't change while the program runs; restart it",
		          conf_origin(fresh, "common", "run_dir"));
	else if (fresh->common.allow_root != master->conf->common.allow_root)
		log_error("%s: common.allow_root can't change while the program runs; restart it",
		          conf_origin(fresh, "common", "allow_root"));
	else if ((program->may_reload == NULL || program->may_reload(master->conf, fresh)) &&
	         program_check_settings(program, fresh))
		return fresh;
	conf_free(fresh);
	return NULL;
}

static void master_end_reloading(struct master *master)
{
	if (master->reloading)
		notify_ready(&master->notify);
	master->reloading = false;
}

/* Keeps the configuration that children serve with until one serves with the new one. */
static void master_keep_conf(struct master *master)
{
	if (!master->served || master->previous != NULL) {
		conf_free(master->conf);
		return;
	}
	master->previous = master->conf;
	master->previous_generation = master->generation;
}

/* What is in force from now on. */
static void master_use_conf(struct master *master, struct conf *conf)
{
	master->conf = conf;
	master->limits = master_limits(master, conf);
	master->adjust = 0;
	master->max_reported = false;
	if (!master_open_log(master, conf))
		log_error("%s can't be opened, going on with the old one: %s", conf->common.log_file,
		          strerror(errno));
}

static void master_warn_of_slots(const struct master *master)
{
	int64_t most =
		master->limits->children > 0 ? master->limits->children : master->limits->max_children;

	if (most + master->kind_count > master->children.slots)
		log_warning("there can be no more than %d children in all until the program is restarted",
		            master->children.slots);
}

void master_reload(struct master *master)
{
	notify_reloading(&master->notify);
	master->reloading = true;
	struct conf *fresh = master_load_conf(master);
	if (fresh == NULL) {
		log_error(
			"configuration not reloaded, the old one stays in force: see the errors above file=%s",
			master->options->conf_file);
		master->children.totals.reloads_refused++;
		master_end_reloading(master);
		return;
	}
	for (int kind = 0; kind < master->kind_count; kind++) {
		struct policy_counts counts = children_count(&master->children, kind, master->generation);

		policy_renew(&master->policies[kind], counts.starting + counts.idle + counts.busy);
	}
	master_keep_conf(master);
	master_use_conf(master, fresh);
	master->generation = ++master->newest;
	master->children.totals.reloads++;
	log_info("configuration reloaded, replacing the children generation=%u",
	         (unsigned)master->generation);
	master_warn_of_slots(master);
}

void master_reload_succeeded(struct master *master)
{
	conf_free(master->previous);
	master->previous = NULL;
	master_end_reloading(master);
}

void master_reload_failed(struct master *master, bool refused)
{
	master_end_reloading(master);
	if (!refused) {
		log_warning("no child serves with the new configuration yet; those with the old one go on");
		return;
	}
	log_error("a child refused the new configuration: going on with the old one");
	master->children.totals.reloads_refused++;
	conf_free(master->conf);
	master_use_conf(master, master->previous);
	master->previous = NULL;
	master->generation = master->previous_generation;
	for (int kind = 0; kind < master->kind_count; kind++)
		policy_renew(&master->policies[kind], 0);
}
