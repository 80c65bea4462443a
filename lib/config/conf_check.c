#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/log.h"
#include "lib/config/conf_load.h"

#define AMQP_NAME_BYTES 255   /* a short string, AMQP 0-9-1 4.2.5.3 */
#define SOCKET_PATH_BYTES 107 /* sun_path without its NUL */
#define DAY_MS (24LL * 60 * 60 * 1000)

/* ---- one number and another ---- */

/* In the order of a deadline that must pass before the next one does. */
static const struct order {
	const char *section, *lesser, *greater;
	bool may_equal;
	const char *because;
} orders[] = {
	{"gateway", "confirm_timeout", "lock_timeout", false,
     "a second DELETE waits for the first one's confirm"},
	{"gateway", "lock_timeout", "request_timeout", false,
     "the request goes on after the wait for the lock"},
	{"gateway", "lock_timeout", "statement_timeout", false,
     "else the wait for a lock looks like a slow statement"},
	{"gateway", "statement_timeout", "request_timeout", true, "a statement is part of a request"},
	{"gateway", "request_timeout", "nginx_read_timeout", false,
     "else nginx answers 504 before Farewell says what happened"},
	{"gateway", "request_timeout", "soft_timeout", false,
     "a child that is within its request is not hanging"},
	{"gateway", "soft_timeout", "hard_timeout", false,
     "a child must have time to stop before it is killed"},
	{"worker", "lock_timeout", "statement_timeout", false,
     "else the wait for a lock looks like a slow statement"},
	{"worker", "handover_after", "soft_timeout", false,
     "a job hands itself over before it counts as hanging"},
	{"worker", "soft_timeout", "hard_timeout", false,
     "a child must have time to stop before it is killed"},
	{"worker", "hard_timeout", "broker_consumer_timeout", false,
     "else the broker gives the message to a second child while the first is at work"},
	{"worker", "s3_timeout", "hard_timeout", false, "a slow store is not a hanging child"},
	{"worker", "smtp_timeout", "hard_timeout", false, "a slow mail server is not a hanging child"},
};

/* Only while the number of children is left to the pool. */
static const struct order spare_orders[] = {
	{NULL, "min_spare", "max_spare", true, "else children are started and ended in turn"},
	{NULL, "max_spare", "max_children", true, "there can't be more spare children than children"},
	{NULL, "start_children", "max_children", true, "so many are started at once"},
};

static int64_t number_at(const struct conf *conf, int index)
{
	const char *base = (const char *)conf;

	return *(const int64_t *)(const void *)(base + conf_table[index].place);
}

/* Errors stand where somebody wrote something; a default is only mentioned. */
static bool is_written(const struct conf_given *given)
{
	return given->line > 0 || given->from_environment;
}

static void check_order(struct conf_loader *loader, const char *section, const struct order *order)
{
	int lesser = conf_find(section, order->lesser), greater = conf_find(section, order->greater);
	const struct conf_given *given = loader->given;
	const char *how;
	int at, other;

	if (given[lesser].wrong || given[greater].wrong)
		return;
	int64_t a = number_at(loader->conf, lesser), b = number_at(loader->conf, greater);
	if (a < b || (a == b && order->may_equal))
		return;
	if (is_written(&given[lesser]) || !is_written(&given[greater])) {
		at = lesser;
		other = greater;
		how = order->may_equal ? "must not be more" : "must be less";
	} else {
		at = greater;
		other = lesser;
		how = order->may_equal ? "must not be less" : "must be more";
	}
	conf_complain(loader, at, "%s %s than %s.%s, which is %s (%s): %s", given[at].text, how,
	              section, conf_table[other].key, given[other].text, loader->conf->origins[other],
	              order->because);
}

static void check_pool(struct conf_loader *loader, const char *section)
{
	static const char *const spare_keys[] = {"start_children", "min_spare", "max_spare",
	                                         "max_children"};
	int children = conf_find(section, "children");

	if (loader->given[children].wrong)
		return;
	if (number_at(loader->conf, children) == 0) {
		for (size_t i = 0; i < sizeof(spare_orders) / sizeof(spare_orders[0]); i++)
			check_order(loader, section, &spare_orders[i]);
		return;
	}
	for (size_t i = 0; i < sizeof(spare_keys) / sizeof(spare_keys[0]); i++) {
		int spare = conf_find(section, spare_keys[i]);
		if (is_written(&loader->given[spare]))
			log_warning("%s: %s.%s: has no effect while %s.children is %s (%s); children = 0 "
			            "leaves their number to the pool",
			            loader->conf->origins[spare], section, spare_keys[i], section,
			            loader->given[children].text, loader->conf->origins[children]);
	}
}

/* ---- names at the broker ---- */

/* Complains unless NAME of LENGTH bytes is one that a queue or exchange may have. */
static void check_name(struct conf_loader *loader, const char *key, const char *name, size_t suffix)
{
	int index = conf_find("common", key);

	if (loader->given[index].wrong)
		return;
	if (name[0] == '\0')
		conf_complain(loader, index, "must not be empty");
	else if (strlen(name) + suffix > AMQP_NAME_BYTES)
		conf_complain(
			loader, index,
			"is too long; with everything added to it, a name at the broker has at most %d bytes",
			AMQP_NAME_BYTES);
	else if (strncmp(name, "amq.", 4) == 0 && strcmp(key, "routing_key") != 0)
		conf_complain(loader, index, "names that begin with amq. belong to the broker");
}

/* Whether NAME is the name of one of the retry queues. */
static bool is_retry_queue(const struct conf *conf, const char *name)
{
	size_t length = strlen(conf->common.retry_queue_prefix);

	if (strncmp(name, conf->common.retry_queue_prefix, length) != 0 || name[length] != '.')
		return false;
	for (int i = 0; i < conf->common.retry_delay_count; i++)
		if (strcmp(name + length + 1, conf->common.retry_delay_text[i]) == 0)
			return true;
	return false;
}

static void check_names(struct conf_loader *loader)
{
	const struct conf *conf = loader->conf;
	int queue = conf_find("common", "queue"), parked = conf_find("common", "parked_queue");
	size_t longest = 0;

	for (int i = 0; i < conf->common.retry_delay_count; i++)
		if (strlen(conf->common.retry_delay_text[i]) + 1 > longest)
			longest = strlen(conf->common.retry_delay_text[i]) + 1;
	check_name(loader, "exchange", conf->common.exchange, 0);
	check_name(loader, "routing_key", conf->common.routing_key, 0);
	check_name(loader, "queue", conf->common.queue, 0);
	check_name(loader, "parked_queue", conf->common.parked_queue, 0);
	check_name(loader, "retry_queue_prefix", conf->common.retry_queue_prefix, longest);
	if (loader->given[queue].wrong || loader->given[parked].wrong)
		return;
	if (strcmp(conf->common.queue, conf->common.parked_queue) == 0)
		conf_complain(loader, is_written(&loader->given[parked]) ? parked : queue,
		              "common.queue (%s) and common.parked_queue (%s) must be two queues",
		              conf->origins[queue], conf->origins[parked]);
	else if (is_retry_queue(conf, conf->common.queue))
		conf_complain(loader, queue,
		              "is the name of a retry queue too; see common.retry_queue_prefix (%s)",
		              conf_origin(conf, "common", "retry_queue_prefix"));
	else if (is_retry_queue(conf, conf->common.parked_queue))
		conf_complain(loader, parked,
		              "is the name of a retry queue too; see common.retry_queue_prefix (%s)",
		              conf_origin(conf, "common", "retry_queue_prefix"));
}

/* ---- the delays between tries ---- */

/* One delay of LENGTH bytes at TEXT; NULL: fine, else what is wrong. */
static const char *add_delay(struct conf *conf, const char *text, size_t length)
{
	int count = conf->common.retry_delay_count;
	int64_t ms;

	if (count == CONF_MAX_RETRY_DELAYS)
		return "at most 8 delays";
	if (!conf_value_duration(text, length, &ms))
		return "is no duration; write the delays as in \"10s 1m 10m 1h\"";
	if (ms < 1000 || ms > 7 * DAY_MS)
		return "is out of range; a delay may be from 1s to 7d";
	if (count > 0 && ms <= conf->common.retry_delay_ms[count - 1])
		return "is not longer than the one before it; delays must grow";
	if ((conf->common.retry_delay_text[count] = strndup(text, length)) == NULL)
		return "out of memory";
	conf->common.retry_delay_ms[count] = ms;
	conf->common.retry_delay_count++;
	return NULL;
}

static void check_delays(struct conf_loader *loader)
{
	int index = conf_find("common", "retry_delays");
	const char *text = loader->conf->common.retry_delays, *wrong = NULL;

	if (loader->given[index].wrong)
		return;
	for (text += strspn(text, " "); *text != '\0' && wrong == NULL; text += strspn(text, " ")) {
		size_t length = strcspn(text, " ");
		if ((wrong = add_delay(loader->conf, text, length)) != NULL)
			conf_complain(loader, index, "\"%.*s\" %s", (int)(length < 60 ? length : 60), text,
			              wrong);
		text += length;
	}
	if (wrong == NULL && loader->conf->common.retry_delay_count == 0)
		conf_complain(loader, index, "must have at least one delay, as in \"10s 1m 10m 1h\"");
}

/* ---- addresses ---- */

struct url_rule {
	const char *section, *key;
	const char *schemes[3];
	bool may_have_user, may_have_path;
	const char *example;
};

static const struct url_rule url_rules[] = {
	{"gateway", "broker", {"amqp://"}, true, true, "amqp://user@host:5672/vhost"},
	{"worker", "broker", {"amqp://"}, true, true, "amqp://user@host:5672/vhost"},
	{"worker",
     "s3_endpoint",
     {"https://", "http://"},
     false,
     false,
     "https://s3.example.com or http://127.0.0.1:7480"},
	{"worker", "smtp_url", {"smtps://", "smtp://"}, false, false, "smtp://mail.example.com:587"},
};

/* `host`, `host:port`, `[::1]:port`, of LENGTH bytes. */
static bool is_authority(const char *text, size_t length)
{
	static const char host[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";
	size_t bytes = text[0] == '[' ? strcspn(text, "]") + 1 : strspn(text, host);
	long port;
	char *end;

	if (bytes == 0 || bytes > length ||
	    (text[0] == '[' && strspn(text + 1, "0123456789abcdefABCDEF:.") != bytes - 2))
		return false;
	if (bytes == length)
		return true;
	if (text[bytes] != ':' || text[bytes + 1] < '0' || text[bytes + 1] > '9')
		return false;
	port = strtol(text + bytes + 1, &end, 10);
	return end == text + length && port >= 1 && port <= 65535;
}

/* NULL, or what is wrong with URL. */
static const char *what_is_wrong(const struct url_rule *rule, const char *url)
{
	const char *rest = NULL, *at;
	size_t length;

	for (size_t i = 0; i < sizeof(rule->schemes) / sizeof(rule->schemes[0]); i++)
		if (rule->schemes[i] != NULL &&
		    strncasecmp(url, rule->schemes[i], strlen(rule->schemes[i])) == 0)
			rest = url + strlen(rule->schemes[i]);
	if (rest == NULL)
		return "has a scheme that is not possible here";
	length = strcspn(rest, "/?#");
	at = memrchr(rest, '@', length);
	if (at != NULL && !rule->may_have_user)
		return "must not have a user or a password in it; there are settings for them";
	if (at != NULL) {
		length -= (size_t)(at + 1 - rest);
		rest = at + 1;
	}
	if (rest[length] != '\0' && !rule->may_have_path)
		return "must not have anything behind host and port, not even a slash";
	return is_authority(rest, length) ? NULL : "has no host, or a port that is none";
}

/* Never quotes the URL: there may be a password in it. */
static void check_urls(struct conf_loader *loader)
{
	for (size_t i = 0; i < sizeof(url_rules) / sizeof(url_rules[0]); i++) {
		int index = conf_find(url_rules[i].section, url_rules[i].key);
		const char *url = loader->given[index].text, *wrong;
		if (url == NULL || loader->given[index].wrong)
			continue;
		if ((wrong = what_is_wrong(&url_rules[i], url)) != NULL)
			conf_complain(loader, index, "%s; write it as in %s", wrong, url_rules[i].example);
	}
}

/* ---- what one section needs ---- */

/* An HMAC key is at least as long as the hash (RFC 7518, 3.2). */
static void check_auth(struct conf_loader *loader)
{
	static const size_t least[] = {[JWT_HS256] = 32, [JWT_HS384] = 48, [JWT_HS512] = 64};
	const struct conf *conf = loader->conf;
	int key = conf_find("gateway", "jwt_key_file"),
		algorithm = conf_find("gateway", "jwt_algorithm");

	if (conf->gateway.auth != AUTH_JWT || loader->given[key].wrong ||
	    loader->given[algorithm].wrong)
		return;
	if (conf->gateway.jwt_key.value == NULL) {
		conf_complain(loader, key, "must be set when gateway.auth is jwt (%s)",
		              conf_origin(conf, "gateway", "auth"));
		return;
	}
	if (strlen(conf->gateway.jwt_key.value) < least[conf->gateway.jwt_algorithm])
		conf_complain(loader, key,
		              "%.200s: the key has %zu bytes, but %s (%s) needs at least %zu (RFC 7518, "
		              "3.2); make one with: openssl rand -hex %zu",
		              conf->gateway.jwt_key.file, strlen(conf->gateway.jwt_key.value),
		              loader->given[algorithm].text, conf->origins[algorithm],
		              least[conf->gateway.jwt_algorithm], least[conf->gateway.jwt_algorithm]);
}

static void check_socket(struct conf_loader *loader)
{
	int index = conf_find("gateway", "socket");

	if (!loader->given[index].wrong && strlen(loader->conf->gateway.socket) > SOCKET_PATH_BYTES)
		conf_complain(loader, index, "is too long; the path of a socket has at most %d bytes",
		              SOCKET_PATH_BYTES);
}

static void check_smtp_login(struct conf_loader *loader)
{
	const struct conf *conf = loader->conf;
	int user = conf_find("worker", "smtp_user"),
		password = conf_find("worker", "smtp_password_file");

	if (loader->given[user].wrong || loader->given[password].wrong)
		return;
	if (conf->worker.smtp_user[0] != '\0' && conf->worker.smtp_password.value == NULL)
		conf_complain(loader, user, "needs worker.smtp_password_file as well");
	else if (conf->worker.smtp_user[0] == '\0' && conf->worker.smtp_password.value != NULL)
		conf_complain(loader, password, "needs worker.smtp_user as well");
}

void conf_check(struct conf_loader *loader)
{
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
		check_order(loader, orders[i].section, &orders[i]);
	check_pool(loader, "gateway");
	check_pool(loader, "worker");
	check_delays(loader);
	check_names(loader);
	check_urls(loader);
	check_socket(loader);
	if (conf_owns(loader->program, "gateway"))
		check_auth(loader);
	if (conf_owns(loader->program, "worker"))
		check_smtp_login(loader);
}
