/* Asks for the retention and the legal hold of an object's version. */
#include "lib/s3/s3_lock.h"

#include <stdio.h>
#include <string.h>

#include "lib/s3/s3_inside.h"
#include "lib/s3/s3_xml.h"

time_t s3_lock_date(const char *text)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	if (rest == NULL)
		return -1;
	if (*rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	return strcmp(rest, "Z") == 0 ? timegm(&tm) : -1;
}

/* What was asked for is not there, or the store or the bucket has no locks. */
static bool is_nothing(const struct s3_fault *fault)
{
	return fault->status == 404 || fault->status == 400 || fault->status == 405 ||
	       fault->status == 501;
}

/* Asks for one of the two and reads its FIELD; "": there is none. *UNSEEN: we may not see it. */
static bool lock_ask(struct s3 *s3, const char *bucket, const struct s3_object *object,
                     const char *subresource, const char *root, const char *field, char *value,
                     size_t size, bool *unseen, struct s3_fault *fault)
{
	const struct s3_request request = {
		.method = "GET",
		.bucket = bucket,
		.key = object->key,
		.query = {{subresource, ""}, {"versionId", object->version_id}},
	};
	struct http_client_answer answer;

	value[0] = '\0';
	if (s3_ask(s3, &request, "", &answer, fault)) {
		bool good = s3_xml_field(answer.body, answer.length, root, field, value, size);

		http_client_answer_free(&answer);
		if (!good)
			*fault = s3_fault_of_nonsense("answer about a lock");
		return good;
	}
	if (fault->status == 403)
		*unseen = true;
	return fault->status == 403 || is_nothing(fault);
}

static void lock_judge(struct s3_object *object, const char *date, const char *hold, bool unseen)
{
	char why[sizeof(object->why)];
	time_t until = s3_lock_date(date);

	object->locked = strcmp(hold, "ON") == 0 || date[0] != '\0';
	if (strcmp(hold, "ON") == 0) {
		s3_object_set(object, S3_OPERATOR,
		              "a version is under a legal hold: have it lifted, or wait for who placed it");
	} else if (date[0] != '\0' && until < 0) {
		s3_object_set(object, S3_OPERATOR,
		              "a version is under an object lock whose date can't be read");
	} else if (until > time(NULL)) {
		snprintf(why, sizeof(why), "a version is under an object lock until %.19sZ", date);
		s3_object_set(object, S3_LOCKED, why);
		object->locked_until = until;
	} else if (until >= 0) {
		s3_object_set(object, S3_RETRY, "a version's object lock has just ended");
	} else if (unseen) {
		s3_object_set(object, S3_OPERATOR,
		              "S3 answered AccessDenied for a version: allow s3:DeleteObjectVersion; or it "
		              "is locked: allow s3:GetObjectRetention and GetObjectLegalHold");
	} else {
		s3_object_set(object, S3_OPERATOR,
		              "S3 answered AccessDenied for a version of this object: allow "
		              "s3:DeleteObjectVersion to worker.s3_access_key");
	}
}

bool s3_lock_look(struct s3 *s3, const char *bucket, struct s3_object *object,
                  struct s3_fault *fault)
{
	char date[64], hold[16];
	bool unseen = false;

	if (!lock_ask(s3, bucket, object, "retention", "Retention", "RetainUntilDate", date,
	              sizeof(date), &unseen, fault) ||
	    !lock_ask(s3, bucket, object, "legal-hold", "LegalHold", "Status", hold, sizeof(hold),
	              &unseen, fault))
		return false;
	lock_judge(object, date, hold, unseen);
	return true;
}
