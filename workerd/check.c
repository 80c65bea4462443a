/* Offers the checks of farewell-workerd -t: both databases with their SQL, the broker, the object
 * store and the mail server. */
#include "workerd/check.h"

#include "lib/base/log.h"
#include "lib/deletion/topology.h"
#include "workerd/check_buckets.h"
#include "workerd/worker.h"

#define PROGRAM "farewell-workerd"

static bool check_user_db(const struct conf *conf)
{
	struct sessions sessions;
	bool good = sessions_new(&sessions, conf, PROGRAM, NULL, NULL) &&
	            sessions_check_user_db(&sessions) == SESSIONS_READY;

	sessions_free(&sessions);
	return good;
}

static bool check_worker_db(const struct conf *conf)
{
	struct sessions sessions;
	bool good = sessions_new(&sessions, conf, PROGRAM, NULL, NULL) &&
	            sessions_check_worker_db(&sessions) == SESSIONS_READY;

	sessions_free(&sessions);
	return good;
}

static bool check_encodings(const struct conf *conf)
{
	struct sessions sessions;
	bool good = sessions_new(&sessions, conf, PROGRAM, NULL, NULL) &&
	            sessions_check_encodings(&sessions) == SESSIONS_READY;

	sessions_free(&sessions);
	return good;
}

static bool check_pairing(const struct conf *conf)
{
	struct sessions sessions;
	bool good = sessions_new(&sessions, conf, PROGRAM, NULL, NULL) &&
	            sessions_check_pairing(&sessions) == SESSIONS_READY;

	sessions_free(&sessions);
	return good;
}

/* What would be declared need not be there yet. */
static bool check_broker(const struct conf *conf)
{
	struct sessions sessions;
	bool good = sessions_new(&sessions, conf, PROGRAM, NULL, NULL);

	if (good) {
		struct mq *mq = sessions.publisher;
		enum mq_result result = mq_open(mq, mq_deadline(mq));

		if (result == MQ_OK && conf->worker.topology == TOPOLOGY_CHECK)
			result = topology_ensure(mq, conf, mq_deadline(mq));
		good = result == MQ_OK;
		if (!good)
			log_error("%s", mq_why(mq));
	}
	sessions_free(&sessions);
	return good;
}

/* A warning, and no finding: whoever leaves it out may want that. */
static bool check_allowed(const struct conf *conf)
{
	if (conf->worker.s3_allow[0] == '\0')
		log_warning("worker.s3_allow is not set: a row may name any object that the access key may "
		            "delete, another account's too; name the buckets and prefixes of an account");
	return true;
}

/* Each store, and then the buckets of those that take what we sign. */
static bool check_stores(const struct conf *conf, struct s3_stores *stores)
{
	char why[WHY_SIZE], explained[WHY_SIZE], whence[WHY_SIZE];
	bool several = s3_stores_count(stores) > 1;
	uint32_t refused = 0;

	for (int i = 0; i < s3_stores_count(stores); i++) {
		bool good = s3_check(s3_stores_client(stores, i), why, sizeof(why));
		s3_describe_credentials(s3_stores_client(stores, i), whence, sizeof(whence));
		log_info("S3 credentials%s%s: %s", several ? " of " : "",
		         several ? s3_stores_name(stores, i) : "", whence);
		if (good)
			continue;
		s3_stores_explain(stores, i, why, explained, sizeof(explained));
		log_error("%s (%s): %s", s3_stores_name(stores, i), s3_stores_place(stores, i), explained);
		refused |= 1u << i;
	}
	return check_buckets(conf, stores, refused) && refused == 0;
}

/* In one check, because worker_init opens both and says itself what is wrong with their options. */
static bool check_store_and_mail(const struct conf *conf)
{
	struct worker worker;
	char why[WHY_SIZE];
	bool good = worker_init(&worker, NULL, conf);

	if (good) {
		good = check_stores(conf, worker.stores);
		if (!mail_check(worker.mailer, why, sizeof(why))) {
			log_error("%s", why);
			good = false;
		}
	}
	worker_free(&worker);
	return good;
}

static bool check_homes(const struct conf *conf)
{
	struct worker worker;
	bool good = worker_init(&worker, NULL, conf) &&
	            check_buckets_homes(&worker.sessions.ledger, worker.stores);

	worker_free(&worker);
	return good;
}

const struct program_check worker_checks[] = {
	{"s3_allow", check_allowed, true},
	{"user_db", check_user_db, false},
	{"worker_db", check_worker_db, false},
	{"encodings", check_encodings, false},
	{"pairing", check_pairing, false},
	{"broker", check_broker, false},
	{"buckets", check_homes, false},
	{"object store or mail", check_store_and_mail, false},
	{NULL, NULL, false},
};
