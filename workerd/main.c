/* farewell-workerd: the supervisor of the worker children and the reconciler. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/config/conf.h"
#include "lib/deletion/topology.h"
#include "lib/supervisor/child.h"
#include "workerd/consume.h"
#include "workerd/health.h"
#include "workerd/job.h"
#include "workerd/reconcile.h"
#include "workerd/worker.h"

#define PROGRAM "farewell-workerd"

static const char usage[] =
	"usage: " PROGRAM " [-f] [-v] [-c FILE]\n"
	"       " PROGRAM " -t | -H [-c FILE]\n"
	"  -c FILE  configuration, instead of " FAREWELL_SYSCONFDIR "/farewell.conf\n"
	"  -f       stay in the foreground\n"
	"  -H       look how the running worker is, and exit: 0 or 1\n"
	"  -t       check configuration, SQL and connections, and exit\n"
	"  -v       say more\n"
	"  -V       print the version\n";

struct arguments {
	const char *conf_file;
	bool foreground, health, test, verbose;
};

static void read_arguments(int argc, char **argv, struct arguments *arguments)
{
	int option;

	*arguments = (struct arguments){.conf_file = FAREWELL_SYSCONFDIR "/farewell.conf"};
	while ((option = getopt(argc, argv, "c:fHtvVh")) != -1) {
		switch (option) {
		case 'c': arguments->conf_file = optarg; break;
		case 'f': arguments->foreground = true; break;
		case 'H': arguments->health = true; break;
		case 't': arguments->test = true; break;
		case 'v': arguments->verbose = true; break;
		case 'V': puts(PROGRAM " " PACKAGE_VERSION); exit(EXIT_SUCCESS);
		case 'h': fputs(usage, stdout); exit(EXIT_SUCCESS);
		default: fputs(usage, stderr); exit(EX_USAGE);
		}
	}
	if (optind < argc) {
		fputs(usage, stderr);
		exit(EX_USAGE);
	}
}

/* ---- -t ---- */

static bool check_broker(struct worker *worker)
{
	struct mq *mq = worker->sessions.publisher;
	enum mq_result result = mq_open(mq, mq_deadline(mq));

	/* What would be declared need not be there yet. */
	if (result == MQ_OK && worker->conf->worker.topology == TOPOLOGY_CHECK)
		result = topology_ensure(mq, worker->conf, mq_deadline(mq));
	if (result != MQ_OK)
		log_error("%s", mq_why(mq));
	return result == MQ_OK;
}

/* Everything is looked at, so that one run shows all that is wrong. */
static int check(const struct conf *conf)
{
	struct worker worker;
	char why[WHY_SIZE];

	bool good = worker_init(&worker, NULL, conf);
	if (good) {
		good = sessions_connect_databases(&worker.sessions) == SESSIONS_READY &&
		       sessions_check_statements(&worker.sessions) == SESSIONS_READY;
		good = check_broker(&worker) && good;
		if (!s3_check(worker.s3, why, sizeof(why))) {
			log_error("%s", why);
			good = false;
		}
		if (!mail_check(worker.mailer, why, sizeof(why))) {
			log_error("%s", why);
			good = false;
		}
	}
	worker_free(&worker);
	if (good)
		log_info("configuration, SQL and connections are good");
	return good ? EXIT_SUCCESS : EX_CONFIG;
}

/* ---- */

int main(int argc, char **argv)
{
	struct arguments arguments;
	static const struct child_kind with_reconciler[] = {
		{"worker", consume_run}, {"reconciler", reconcile_run}, {NULL, NULL}};
	static const struct child_kind without_reconciler[] = {{"worker", consume_run}, {NULL, NULL}};

	read_arguments(argc, argv, &arguments);
	log_open(PROGRAM, NULL, arguments.verbose ? LOG_DEBUG : LOG_INFO);
	struct conf *conf = conf_load(arguments.conf_file, CONF_WORKER);
	if (conf == NULL)
		return EX_CONFIG;
	if (!arguments.verbose)
		log_set_level((enum log_level)conf->common.log_level);
	if (arguments.health) {
		int code = health_good(conf, PROGRAM) ? EXIT_SUCCESS : EXIT_FAILURE;
		conf_free(conf);
		return code;
	}
	if (arguments.test) {
		int code = check(conf);
		conf_free(conf);
		return code;
	}
	struct pool_options options = {
		.program = PROGRAM,
		.conf_file = arguments.conf_file,
		.conf_program = CONF_WORKER,
		.foreground = arguments.foreground,
		.verbose = arguments.verbose,
		.counters = job_outcome_names,
		.kinds = conf->worker.reconciler ? with_reconciler : without_reconciler,
	};
	return master_run(&options, conf);
}
