/* The tables of settings: one row each, in settings_*.h, in the order of the sample file. A new
 * setting is a row there and a member of struct conf; `./dev settings` then makes the sample file
 * and the manual anew. */
#include <string.h>
#include <sys/un.h>

#include "lib/config/conf_load.h"

#define MINUTE (60 * 1000)
#define HOUR (60 * MINUTE)
#define DAY (24LL * HOUR)
#define SOCKET_PATH_BYTES (int64_t)(sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

static const char *const id_formats[] = {"integer", "uuid", "text", NULL};
static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL};
static const char *const auth_kinds[] = {"", "jwt", "none", NULL};
static const char *const jwt_algorithms[] = {"HS256", "HS384", "HS512", NULL};
static const char *const topologies[] = {"declare", "check", NULL};
static const char *const when_unknowns[] = {"resend", "hold", NULL};
static const char *const absent_users[] = {"park", "continue", NULL};
static const char *const touched_marks[] = {"park", "adopt", NULL};
static const char *const versions[] = {"all", "current", NULL};
static const char *const addressings[] = {"path", "virtual", NULL};
static const char *const payers[] = {"no", "requester", NULL};
static const char *const credential_kinds[] = {
	"auto", "settings", "files", "environment", "web-identity", "container", "instance", NULL};
static const char *const starttls_kinds[] = {"never", "offered", "required", NULL};
static const char *const smtp_auths[] = {"auto", "plain", "login", "cram-md5", "digest-md5", NULL};
static const char *const amqp[] = {"amqp://", NULL};
static const char *const http[] = {"https://", "http://", NULL};
static const char *const smtp[] = {"smtps://", "smtp://", NULL};

/* A row: key, type, the member of the section in struct conf, and what else there is to say. */
#define ROW(name, key_, type_, member, ...)                                                        \
	{.section = #name,                                                                             \
	 .key = key_,                                                                                  \
	 .type = type_,                                                                                \
	 .place = offsetof(struct conf, name.member),                                                  \
	 __VA_ARGS__},
#define COMMON(...) ROW(common, __VA_ARGS__)
#define GATEWAY(...) ROW(gateway, __VA_ARGS__)
#define WORKER(...) ROW(worker, __VA_ARGS__)

/* What BOTH and EITHER mean depends on the section. The order is that of the sample file. */
const struct conf_setting conf_table[] = {
#include "lib/config/settings_common.h"

#define BOTH(...) ROW(gateway, __VA_ARGS__, .shared = true)
#define EITHER(in_gateway, in_worker) in_gateway
#include "lib/config/settings_sessions.h"

#include "lib/config/settings_gateway.h"

#include "lib/config/settings_pool.h"
#undef BOTH
#undef EITHER

#define BOTH(...) ROW(worker, __VA_ARGS__, .shared = true)
#define EITHER(in_gateway, in_worker) in_worker
#include "lib/config/settings_sessions.h"

#include "lib/config/settings_worker.h"

#include "lib/config/settings_pool.h"
};

const size_t conf_table_length = sizeof(conf_table) / sizeof(conf_table[0]);

const char conf_store_section[] = "store";

#define STORE(key_, type_, member, ...)                                                            \
	{.section = conf_store_section,                                                                \
	 .key = key_,                                                                                  \
	 .type = type_,                                                                                \
	 .place = offsetof(struct conf_store, member),                                                 \
	 __VA_ARGS__},

const struct conf_setting conf_store_table[] = {
#include "lib/config/settings_store.h"
};

const size_t conf_store_table_length = sizeof(conf_store_table) / sizeof(conf_store_table[0]);

int conf_find(const char *section, const char *key)
{
	for (size_t i = 0; i < conf_table_length; i++)
		if (strcmp(conf_table[i].section, section) == 0 && strcmp(conf_table[i].key, key) == 0)
			return (int)i;
	return -1;
}

int conf_store_find(const char *key)
{
	for (size_t i = 0; i < conf_store_table_length; i++)
		if (strcmp(conf_store_table[i].key, key) == 0)
			return (int)i;
	return -1;
}

bool conf_owns(enum conf_program program, const char *section)
{
	if (strcmp(section, conf_store_section) == 0)
		return program == CONF_WORKER;
	return strcmp(section, "common") == 0 ||
	       strcmp(section, program == CONF_GATEWAY ? "gateway" : "worker") == 0;
}
