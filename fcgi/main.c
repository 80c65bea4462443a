/* farewell-fcgi: the gateway. Options, the listening socket, and then the supervisor. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "fcgi/accept.h"
#include "fcgi/ask.h"
#include "fcgi/check.h"
#include "fcgi/gateway.h"
#include "fcgi/listen.h"
#include "lib/base/log.h"
#include "lib/config/conf.h"
#include "lib/supervisor/pool.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

#define PROGRAM "farewell-fcgi"
#define DEFAULT_CONF FAREWELL_SYSCONFDIR "/farewell.conf"

struct options {
	const char *conf_file;
	bool foreground, health, test, verbose;
};

static void print_help(FILE *to)
{
	fprintf(to,
	        "Usage: " PROGRAM " [-c FILE] [-f] [-H] [-t] [-v]\n"
	        "The FastCGI gateway of Farewell: deletes accounts for nginx.\n\n"
	        "  -c FILE  read the configuration from FILE (" DEFAULT_CONF ")\n"
	        "  -f       stay in the foreground\n"
	        "  -H       ask the running gateway for /readyz, and exit: 0 or 1\n"
	        "  -t       check the configuration, the SQL and the connections, and exit: 0 or 78\n"
	        "  -v       say more\n"
	        "  -h       show this and exit\n"
	        "  -V       show the version and exit\n");
}

/* Returns -1 to go on, or an exit code. */
static int read_options(int argc, char **argv, struct options *options)
{
	int option;

	*options = (struct options){.conf_file = DEFAULT_CONF};
	while ((option = getopt(argc, argv, "c:fHtvhV")) != -1) {
		switch (option) {
		case 'c': options->conf_file = optarg; break;
		case 'f': options->foreground = true; break;
		case 'H': options->health = true; break;
		case 't': options->test = true; break;
		case 'v': options->verbose = true; break;
		case 'h': print_help(stdout); return EX_OK;
		case 'V': puts(PROGRAM " " PACKAGE_VERSION); return EX_OK;
		default: print_help(stderr); return EX_USAGE;
		}
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, PROGRAM ": what is \"%s\"?\n", argv[optind]);
	print_help(stderr);
	return EX_USAGE;
}

/* What this host can say about the gateway's settings. */
static bool check_settings(const struct conf *conf)
{
	char why[LISTEN_WHY_SIZE];

	if (listen_check(conf, why, sizeof(why)))
		return true;
	log_error("%s", why);
	return false;
}

/* -t: everything, and nothing is left behind. */
static int test(const struct conf *conf, const char *file)
{
	struct gateway gateway = {.conf = NULL};
	bool good = check_settings(conf);

	good = gateway_open(&gateway, conf, NULL) && check_servers(&gateway) == CHECK_GOOD && good;
	gateway_close(&gateway);
	fprintf(stderr, PROGRAM ": %s: %s\n", file,
	        good ? "configuration, statements and connections are good" : "not good; see above");
	return good ? EX_OK : EX_CONFIG;
}

/* HUP: what the socket was opened with stays until a restart. */
static bool accept_conf(const struct conf *old, const struct conf *new)
{
	if (strcmp(old->gateway.socket, new->gateway.socket) != 0 ||
	    old->gateway.socket_mode != new->gateway.socket_mode ||
	    strcmp(old->gateway.socket_group, new->gateway.socket_group) != 0 ||
	    old->gateway.backlog != new->gateway.backlog) {
		log_error("gateway.socket, socket_mode, socket_group and backlog can't be changed without "
		          "a restart");
		return false;
	}
	return check_settings(new);
}

/* From now on nginx is refused at once, instead of waiting for somebody who does not come. */
static void close_door(void *listener)
{
	listen_hide(listener);
}

/* Takes over CONF. */
static int serve(const struct options *options, struct conf *conf)
{
	static const struct child_kind kinds[] = {{"gateway", accept_run}, {NULL, NULL}};
	struct listener listener;
	const struct pool_options pool = {
		.program = PROGRAM,
		.conf_file = options->conf_file,
		.conf_program = CONF_GATEWAY,
		.foreground = options->foreground,
		.verbose = options->verbose,
		.kinds = kinds,
		.accept = accept_conf,
		.stopping = close_door,
		.arg = &listener,
	};

	if (!check_settings(conf)) {
		conf_free(conf);
		return EX_CONFIG;
	}
	if (!listen_open(&listener, conf)) {
		log_error("%s", listener.why);
		conf_free(conf);
		return EX_UNAVAILABLE;
	}
	accept_from(listener.fd);
	int code = pool_run(&pool, conf);
	listen_close(&listener);
	return code;
}

int main(int argc, char **argv)
{
	struct options options;
	int code = read_options(argc, argv, &options);

	if (code >= 0)
		return code;
	log_open(PROGRAM, NULL, options.verbose ? LOG_DEBUG : LOG_INFO);
	struct conf *conf = conf_load(options.conf_file, CONF_GATEWAY);
	if (conf == NULL)
		return EX_CONFIG;
	if (!options.test && !options.health)
		return serve(&options, conf);
	code =
		options.health ? (ask_ready(conf) ? EX_OK : EXIT_FAILURE) : test(conf, options.conf_file);
	conf_free(conf);
	return code;
}
