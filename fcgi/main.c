/* farewell-fcgi: the gateway's children and their listening socket, described for the supervisor.
 */
#include <string.h>

#include "fcgi/accept.h"
#include "fcgi/ask.h"
#include "fcgi/check.h"
#include "fcgi/gateway.h"
#include "fcgi/listen.h"
#include "lib/base/log.h"
#include "lib/supervisor/program.h"

/* ---- -t ---- */

static bool check_socket(const struct conf *conf)
{
	char why[LISTEN_WHY_SIZE];

	if (listen_check(conf, why, sizeof(why)))
		return true;
	log_error("%s", why);
	return false;
}

static bool check_database_and_broker(const struct conf *conf)
{
	struct gateway gateway;
	bool good = gateway_open(&gateway, conf, NULL) && check_servers(&gateway) == CHECK_GOOD;

	gateway_close(&gateway);
	return good;
}

/* ---- what the children share: the listening socket, and word of an alarm ---- */

static bool socket_open(void *arg, const struct conf *conf)
{
	struct gateway_shared *shared = arg;

	shared->alarm = broker_alarm_new();
	if (listen_open(&shared->listener, conf))
		return true;
	log_error("%s", shared->listener.why);
	return false;
}

/* nginx is refused at once, instead of waiting for a child that will not accept any more. */
static void socket_hide(void *shared)
{
	listen_hide(&((struct gateway_shared *)shared)->listener);
}

static void socket_close(void *arg)
{
	struct gateway_shared *shared = arg;

	listen_close(&shared->listener);
	broker_alarm_free(shared->alarm);
}

/* What the socket was opened with stays until a restart. */
static bool socket_stays(const struct conf *old, const struct conf *fresh)
{
	if (strcmp(old->gateway.socket, fresh->gateway.socket) == 0 &&
	    old->gateway.socket_mode == fresh->gateway.socket_mode &&
	    strcmp(old->gateway.socket_group, fresh->gateway.socket_group) == 0 &&
	    old->gateway.backlog == fresh->gateway.backlog)
		return true;
	log_error("gateway.socket, socket_mode, socket_group and backlog can't be changed without a "
	          "restart");
	return false;
}

int main(int argc, char **argv)
{
	struct gateway_shared shared = {.listener = {.fd = -1}};
	static const struct child_kind kinds[] = {
		{.name = "gateway", .run = accept_run},
		{.name = NULL},
	};
	static const struct program_check checks[] = {
		{"socket", check_socket, true},
		{"user_db and broker", check_database_and_broker, false},
		{NULL, NULL, false},
	};
	const struct program program = {
		.name = "farewell-fcgi",
		.purpose = "The FastCGI gateway of Farewell: deletes accounts for nginx.",
		.section = CONF_GATEWAY,
		.kinds = kinds,
		.checks = checks,
		.health = ask_ready,
		.may_reload = socket_stays,
		.shared = &shared,
		.open = socket_open,
		.stopping = socket_hide,
		.close = socket_close,
	};

	return program_main(&program, argc, argv);
}
