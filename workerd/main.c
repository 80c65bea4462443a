/* farewell-workerd: the worker children and the reconciler, described for the supervisor. */
#include "lib/supervisor/program.h"
#include "workerd/check.h"
#include "workerd/consume.h"
#include "workerd/job.h"
#include "workerd/reconcile.h"

static bool wants_reconciler(const struct conf *conf)
{
	return conf->worker.reconciler;
}

int main(int argc, char **argv)
{
	static const struct child_kind kinds[] = {
		{.name = "worker", .run = consume_run},
		{.name = "reconciler", .run = reconcile_run, .wanted = wants_reconciler},
		{.name = NULL},
	};
	static const struct program program = {
		.name = "farewell-workerd",
		.purpose = "The worker of Farewell: deletes what deleted accounts left behind.",
		.section = CONF_WORKER,
		.kinds = kinds,
		.counters = job_outcome_names,
		.checks = worker_checks,
	};

	return program_main(&program, argc, argv);
}
