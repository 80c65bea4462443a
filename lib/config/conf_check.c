/* What must hold between settings. A value's own range is in its row of the table, and what needs
 * a server is for -t. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/config/conf_load.h"

/* ---- one number and another ---- */

/* In the order of a deadline that must pass before the next one does. */
const struct conf_order conf_orders[] = {
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
	{"worker", "smtp_timeout", "soft_timeout", false, "a slow mail server is not a hanging child"},
	{"worker", "smtp_answer_timeout", "soft_timeout", false,
     "a child that waits for the mail server's answer is not hanging"},
	{NULL, "min_spare", "max_spare", true, "else children are started and ended in turn"},
	{NULL, "max_spare", "max_children", true, "there can't be more spare children than children"},
	{NULL, "start_children", "max_children", true, "so many are started at once"},
};

const size_t conf_orders_length = sizeof(conf_orders) / sizeof(conf_orders[0]);

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

static void check_order(struct conf_loader *loader, const char *section,
                        const struct conf_order *order)
{
	int lesser = conf_find(section, order->lesser), greater = conf_find(section, order->greater);
	int64_t a = number_at(loader->conf, lesser), b = number_at(loader->conf, greater);
	const struct conf_given *given = loader->given;
	const char *how;
	int at, other;

	if (given[lesser].wrong || given[greater].wrong)
		return;
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

/* The sizes that count only while the number of children is left to the pool. */
static void check_pool(struct conf_loader *loader, const char *section)
{
	static const char *const spare_keys[] = {"start_children", "min_spare", "max_spare",
	                                         "max_children"};
	int children = conf_find(section, "children");

	if (loader->given[children].wrong)
		return;
	if (number_at(loader->conf, children) == 0) {
		for (size_t i = 0; i < conf_orders_length; i++)
			if (conf_orders[i].section == NULL)
				check_order(loader, section, &conf_orders[i]);
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

static void check_orders(struct conf_loader *loader)
{
	for (size_t i = 0; i < conf_orders_length; i++)
		if (conf_orders[i].section != NULL)
			check_order(loader, conf_orders[i].section, &conf_orders[i]);
	check_pool(loader, "gateway");
	check_pool(loader, "worker");
}

/* ---- names at the broker ---- */

/* Names that the broker keeps for itself. */
static void check_reserved_names(struct conf_loader *loader)
{
	static const char *const keys[] = {"exchange", "queue", "parked_queue", "retry_queue_prefix"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		int index = conf_find("common", keys[i]);
		const struct conf_given *given = &loader->given[index];

		if (!given->wrong && strncmp(given->text, "amq.", 4) == 0)
			conf_complain(loader, index, "names that begin with amq. belong to the broker");
	}
}

/* A retry queue's name is the prefix, a dot and the delay. */
static void check_retry_prefix(struct conf_loader *loader)
{
	const struct conf_durations *delays = &loader->conf->common.retry_delays;
	int index = conf_find("common", "retry_queue_prefix");
	size_t longest = 0;

	for (int i = 0; i < delays->count; i++)
		if (strlen(delays->item[i].text) > longest)
			longest = strlen(delays->item[i].text);
	if (!loader->given[index].wrong &&
	    strlen(loader->conf->common.retry_queue_prefix) + 1 + longest > AMQP_NAME_BYTES)
		conf_complain(loader, index,
		              "is too long; with a delay added to it, a name at the broker has at most %d "
		              "bytes",
		              AMQP_NAME_BYTES);
}

/* Whether NAME is the name of one of the retry queues. */
static bool is_retry_queue(const struct conf *conf, const char *name)
{
	size_t length = strlen(conf->common.retry_queue_prefix);

	if (strncmp(name, conf->common.retry_queue_prefix, length) != 0 || name[length] != '.')
		return false;
	for (int i = 0; i < conf->common.retry_delays.count; i++)
		if (strcmp(name + length + 1, conf->common.retry_delays.item[i].text) == 0)
			return true;
	return false;
}

static void check_queues(struct conf_loader *loader)
{
	const struct conf *conf = loader->conf;
	int queue = conf_find("common", "queue"), parked = conf_find("common", "parked_queue");

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

	if (!loader->given[index].wrong && loader->conf->gateway.socket[0] != '/')
		conf_complain(loader, index, "\"%s\" is not an absolute path",
		              loader->conf->gateway.socket);
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

/* A key and its secret go together; what is in the environment is looked at when it is used. */
static void check_s3_credentials(struct conf_loader *loader)
{
	const struct conf *conf = loader->conf;
	int key = conf_find("worker", "s3_access_key"),
		file = conf_find("worker", "s3_access_key_file"),
		secret = conf_find("worker", "s3_secret_key_file"),
		token = conf_find("worker", "s3_session_token_file"),
		which = conf_find("worker", "s3_credentials");
	bool has_key = conf->worker.s3_access_key[0] != '\0',
		 has_file = conf->worker.s3_access_key_secret.value != NULL,
		 has_secret = conf->worker.s3_secret_key.value != NULL;

	if (loader->given[key].wrong || loader->given[file].wrong || loader->given[secret].wrong ||
	    loader->given[token].wrong)
		return;
	if (has_key && has_file)
		conf_complain(loader, file, "must not be set beside worker.s3_access_key (%s)",
		              conf->origins[key]);
	else if ((has_key || has_file) && !has_secret)
		conf_complain(loader, has_key ? key : file, "needs worker.s3_secret_key_file as well");
	else if (has_secret && !has_key && !has_file)
		conf_complain(loader, secret,
		              "needs worker.s3_access_key or worker.s3_access_key_file as well");
	else if (conf->worker.s3_session_token.value != NULL && !has_secret)
		conf_complain(loader, token, "needs worker.s3_secret_key_file as well");
	else if ((conf->worker.s3_credentials == CREDENTIALS_SETTINGS && !has_key) ||
	         (conf->worker.s3_credentials == CREDENTIALS_FILES && !has_file))
		conf_complain(loader, which, "%s needs worker.%s", loader->given[which].text,
		              conf->worker.s3_credentials == CREDENTIALS_FILES ? "s3_access_key_file" :
		                                                                 "s3_access_key");
}

/* Each of the two alone is in conf_orders. A mail is begun only if so much time is left, which
 * would never be so. */
static void check_smtp_timeouts(struct conf_loader *loader)
{
	const struct conf *conf = loader->conf;
	const struct conf_given *given = loader->given;
	int timeout = conf_find("worker", "smtp_timeout"),
		answer = conf_find("worker", "smtp_answer_timeout"),
		soft = conf_find("worker", "soft_timeout"), at = answer;
	int64_t soft_ms = conf->worker.pool.soft_timeout_ms;

	if (given[timeout].wrong || given[answer].wrong || given[soft].wrong ||
	    conf->worker.smtp_timeout_ms + conf->worker.smtp_answer_timeout_ms < soft_ms)
		return;
	if (!is_written(&given[answer]))
		at = is_written(&given[timeout]) || !is_written(&given[soft]) ? timeout : soft;
	conf_complain(loader, at,
	              "smtp_timeout (%s) and smtp_answer_timeout (%s) together must be less than "
	              "worker.soft_timeout, which is %s (%s): a mail needs both, and is not begun with "
	              "less time left",
	              given[timeout].text, given[answer].text, given[soft].text, conf->origins[soft]);
}

/* Nothing at all would allow everything: whoever wants that leaves the setting out. */
static void check_allow(struct conf_loader *loader)
{
	int index = conf_find("worker", "s3_allow");
	const struct conf_given *given = &loader->given[index];

	if (!given->wrong && is_written(given) && given->text[strspn(given->text, " ")] == '\0')
		conf_complain(loader, index,
		              "must not be empty; write it as in %s, or leave it out to let rows name "
		              "everything",
		              conf_table[index].example);
}

/* ---- all ---- */

/* The checks of a section. A program makes only those of the sections that are its own, unless
 * everybody can see what they look at. */
static const struct {
	const char *section; /* NULL: every program's */
	void (*check)(struct conf_loader *);
} checks[] = {
	{NULL, check_orders},         {NULL, check_reserved_names},
	{NULL, check_retry_prefix},   {NULL, check_queues},
	{NULL, check_socket},         {"gateway", check_auth},
	{"worker", check_smtp_login}, {"worker", check_s3_credentials},
	{NULL, check_smtp_timeouts},  {NULL, check_allow},
	{NULL, conf_store_check},
};

void conf_check(struct conf_loader *loader)
{
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		if (checks[i].section == NULL || conf_owns(loader->program, checks[i].section))
			checks[i].check(loader);
}
