/* Offers main() of a pre-forking program: options, checks, and the start of the master. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "lib/supervisor/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/supervisor/health.h"
#include "lib/supervisor/master.h"
#include "lib/supervisor/resources.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

#define DEFAULT_CONF FAREWELL_SYSCONFDIR "/farewell.conf"
#define NAMES_SIZE 256

/* ---- options ---- */

static void program_print_help(const struct program *program, FILE *to)
{
	const char *name = program->name;

	fprintf(to,
	        "Usage: %s [-c FILE] [-f] [-v]\n"
	        "       %s -H | -t [-c FILE] [-v]\n"
	        "%s\n\n"
	        "  -c FILE  read the configuration from FILE (" DEFAULT_CONF ")\n"
	        "  -f       stay in the foreground\n"
	        "  -H       ask how the running program is, and exit: 0 or 1\n"
	        "  -t       check configuration, SQL and connections, and exit: 0 or 78\n"
	        "  -v       log debug lines, whatever log_level is\n"
	        "  -h       show this and exit\n"
	        "  -V       show the version and exit\n",
	        name, name, program->purpose);
}

/* Returns -1 to go on, or an exit code. */
static int program_read_options(const struct program *program, int argc, char **argv,
                                struct program_options *options)
{
	int option;

	*options = (struct program_options){.conf_file = DEFAULT_CONF};
	while ((option = getopt(argc, argv, "c:fHtvhV")) != -1) {
		switch (option) {
		case 'c': options->conf_file = optarg; break;
		case 'f': options->foreground = true; break;
		case 'H': options->health = true; break;
		case 't': options->test = true; break;
		case 'v': options->verbose = true; break;
		case 'h': program_print_help(program, stdout); return EX_OK;
		case 'V': printf("%s %s\n", program->name, PACKAGE_VERSION); return EX_OK;
		default: program_print_help(program, stderr); return EX_USAGE;
		}
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, "%s: unexpected argument \"%s\"\n", program->name, argv[optind]);
	program_print_help(program, stderr);
	return EX_USAGE;
}

/* ---- checks ---- */

bool program_check_settings(const struct program *program, const struct conf *conf)
{
	const struct program_check *check = program->checks;
	bool good = true;

	for (; check != NULL && check->name != NULL; check++)
		if (check->at_start)
			good = check->run(conf) && good;
	return good;
}

/* -t: asks every check, so that one run shows all that is wrong. The last line does not go through
 * the log, whose level may hide it. */
static int program_test(const struct program *program, const struct conf *conf, const char *file)
{
	const struct program_check *check = program->checks;
	char names[NAMES_SIZE] = "";

	for (; check != NULL && check->name != NULL; check++) {
		size_t length = strlen(names);

		if (!check->run(conf))
			snprintf(names + length, sizeof(names) - length, "%s%s", length > 0 ? ", " : "",
			         check->name);
	}
	if (names[0] == '\0')
		fprintf(stderr, "%s: %s: configuration, SQL and connections are good\n", program->name,
		        file);
	else
		fprintf(stderr, "%s: %s: not good: %s; see above\n", program->name, file, names);
	return names[0] == '\0' ? EX_OK : EX_CONFIG;
}

static int program_health(const struct program *program, const struct conf *conf)
{
	bool good = program->health != NULL ? program->health(conf) : health_good(program, conf);

	return good ? EX_OK : EXIT_FAILURE;
}

/* ---- the start ---- */

/* The exit code when the configuration could not be read or is not good: what a person must change
 * is 78, and whoever started us should try again after anything else. */
static int program_refusal_code(void)
{
	char why[RESOURCES_WHY_SIZE];

	if (!resources_short(why, sizeof(why)))
		return EX_CONFIG;
	log_error("that is no fault of the configuration: %s", why);
	return EX_OSERR;
}

static bool program_may_run(const struct program *program, const struct conf *conf)
{
	if (geteuid() != 0 || conf->common.allow_root)
		return true;
	log_error("%s does not run as root: give it a user of its own, with User= in the systemd unit, "
	          "USER in a container, or setpriv --reuid USER --regid GROUP --init-groups %s; "
	          "common.allow_root = yes lets it",
	          program->name, program->name);
	return false;
}

/* Takes over CONF. */
static int program_start(const struct program *program, const struct program_options *options,
                         struct conf *conf)
{
	if (!program_may_run(program, conf)) {
		conf_free(conf);
		return EX_CONFIG;
	}
	if (!program_check_settings(program, conf)) {
		conf_free(conf);
		return program_refusal_code();
	}
	if (program->open != NULL && !program->open(program->shared, conf)) {
		conf_free(conf);
		return EX_UNAVAILABLE;
	}
	int code = master_run(program, options, conf);
	if (program->close != NULL)
		program->close(program->shared);
	return code;
}

int program_main(const struct program *program, int argc, char **argv)
{
	struct program_options options;
	int code = program_read_options(program, argc, argv, &options);

	if (code >= 0)
		return code;
	log_open(program->name, NULL, options.verbose ? LOG_DEBUG : LOG_INFO);
	struct conf *conf = conf_load(options.conf_file, program->section);
	if (conf == NULL)
		return program_refusal_code();
	if (!options.verbose)
		log_set_level((enum log_level)conf->common.log_level);
	if (!options.health && !options.test)
		return program_start(program, &options, conf);
	code = options.health ? program_health(program, conf) :
	                        program_test(program, conf, options.conf_file);
	conf_free(conf);
	return code;
}
