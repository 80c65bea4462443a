/* What S3's errors mean: which are about one object, which about all, and which need a person. */
#include "lib/s3/s3_fault.h"

#include <stdio.h>
#include <string.h>

#define CREDENTIALS "fix worker.s3_access_key, or what -t says the credentials come from"

/* What is known of a code. WHOLE: true for any object, not only for the one that was asked for. */
static const struct known {
	const char *code;
	enum s3_result result;
	bool whole;
	enum s3_blame blame;
	const char *advice;
} known_codes[] = {
	{"NoSuchKey", S3_DELETED, false, S3_BLAME_NONE, ""},
	{"NoSuchVersion", S3_DELETED, false, S3_BLAME_NONE, ""},
	{"AccessDenied", S3_OPERATOR, false, S3_BLAME_DOUBT,
     "allow s3:DeleteObject to worker.s3_access_key, lift what locks the object"},
	{"MethodNotAllowed", S3_OPERATOR, false, S3_BLAME_NONE,
     "the store does not let this object be deleted"},
	{"AllAccessDisabled", S3_OPERATOR, true, S3_BLAME_DOUBT, "the store has closed this bucket"},
	{"AccountProblem", S3_OPERATOR, true, S3_BLAME_STORE, "the store has closed this account"},
	{"UserSuspended", S3_OPERATOR, true, S3_BLAME_STORE, "the store has suspended this account"},
	{"NoSuchBucket", S3_OPERATOR, true, S3_BLAME_NONE,
     "no such bucket at worker.s3_endpoint; fix the file's path or the setting"},
	{"InvalidBucketName", S3_OPERATOR, true, S3_BLAME_NONE,
     "the store does not take the bucket's name; fix the file's path"},
	{"InvalidAccessKeyId", S3_OPERATOR, true, S3_BLAME_STORE, CREDENTIALS},
	{"InvalidToken", S3_OPERATOR, true, S3_BLAME_STORE, CREDENTIALS},
	{"ExpiredToken", S3_OPERATOR, true, S3_BLAME_STORE, CREDENTIALS},
	{"TokenRefreshRequired", S3_OPERATOR, true, S3_BLAME_STORE, CREDENTIALS},
	{"SignatureDoesNotMatch", S3_OPERATOR, true, S3_BLAME_STORE,
     "fix worker.s3_secret_key_file, or what -t names; a proxy that rewrites paths also does this"},
	{"AuthorizationHeaderMalformed", S3_OPERATOR, true, S3_BLAME_DOUBT, "fix worker.s3_region"},
	{"AuthorizationQueryParametersError", S3_OPERATOR, true, S3_BLAME_DOUBT,
     "fix worker.s3_region"},
	{"IllegalLocationConstraintException", S3_OPERATOR, true, S3_BLAME_DOUBT,
     "fix worker.s3_region and s3_endpoint"},
	{"PermanentRedirect", S3_OPERATOR, true, S3_BLAME_DOUBT,
     "fix worker.s3_region and s3_endpoint"},
	{"TemporaryRedirect", S3_RETRY, true, S3_BLAME_NONE,
     "the bucket was made a short while ago, and the store sends on what is asked of it"},
	{"RequestTimeTooSkewed", S3_RETRY, true, S3_BLAME_STORE,
     "set this machine's clock, or the store's"},
	{"RequestTimeout", S3_RETRY, true, S3_BLAME_DOUBT, "the store waited too long for the request"},
	{"SlowDown", S3_RETRY, true, S3_BLAME_DOUBT, "the store asks for fewer requests"},
	{"OperationAborted", S3_RETRY, true, S3_BLAME_DOUBT, "the store is busy with this bucket"},
};

static const struct known *known_find(const char *code)
{
	for (size_t i = 0; i < sizeof(known_codes) / sizeof(known_codes[0]); i++)
		if (strcmp(known_codes[i].code, code) == 0)
			return &known_codes[i];
	return NULL;
}

/* Codes that ask for the same request again; some are other stores' words for SlowDown. */
static const struct {
	const char *code;
	enum s3_trouble trouble;
} passing_codes[] = {
	{"SlowDown", S3_TROUBLE_SLOW},
	{"InternalError", S3_TROUBLE_SLOW},
	{"ServiceUnavailable", S3_TROUBLE_SLOW},
	{"OperationAborted", S3_TROUBLE_SLOW},
	{"TooManyRequests", S3_TROUBLE_SLOW},
	{"Throttling", S3_TROUBLE_SLOW},
	{"ThrottlingException", S3_TROUBLE_SLOW},
	{"RequestLimitExceeded", S3_TROUBLE_SLOW},
	{"BandwidthLimitExceeded", S3_TROUBLE_SLOW},
	{"SlowDownRead", S3_TROUBLE_SLOW},
	{"SlowDownWrite", S3_TROUBLE_SLOW},
	{"RequestTimeout", S3_TROUBLE_TIMEOUT},
};

enum s3_trouble s3_trouble_of_object(const char *code)
{
	for (size_t i = 0; i < sizeof(passing_codes) / sizeof(passing_codes[0]); i++)
		if (strcmp(passing_codes[i].code, code) == 0)
			return passing_codes[i].trouble;
	return S3_TROUBLE_NONE;
}

static enum s3_trouble trouble_of_request(long status, const char *code)
{
	enum s3_trouble trouble = s3_trouble_of_object(code);

	if (trouble != S3_TROUBLE_NONE || known_find(code) != NULL)
		return trouble;
	if (status == 408 || status == 504)
		return S3_TROUBLE_TIMEOUT;
	return status == 429 || status == 500 || status == 502 || status == 503 ? S3_TROUBLE_SLOW :
	                                                                          S3_TROUBLE_NONE;
}

enum s3_result s3_fault_of_object(const char *code, char *why, size_t why_size)
{
	const struct known *known = known_find(code);
	const char *advice = known == NULL ? "" : known->advice;

	snprintf(why, why_size, "S3 answered %s for this object%s%s", code,
	         advice[0] == '\0' ? "" : ": ", advice);
	return known == NULL ? S3_RETRY : known->result;
}

bool s3_fault_is_denial(const char *code)
{
	return strcmp(code, "AccessDenied") == 0 || strcmp(code, "InvalidRequest") == 0 ||
	       strcmp(code, "ObjectLocked") == 0;
}

bool s3_fault_is_unknown(const struct s3_fault *fault)
{
	return strcmp(fault->code, "NotImplemented") == 0 ||
	       strcmp(fault->code, "MethodNotAllowed") == 0;
}

enum s3_blame s3_blame_of_object(const char *code)
{
	const struct known *known = known_find(code);

	if (known != NULL)
		return known->blame;
	return s3_trouble_of_object(code) != S3_TROUBLE_NONE ? S3_BLAME_DOUBT : S3_BLAME_NONE;
}

/* A signature that is refused for a key's sake (something on the way rewrites its path) is not
 * refused for all: a batch has no key in its path. */
static enum s3_blame blame_of_request(long status, const struct known *known, bool batch)
{
	if (known != NULL)
		return known->blame == S3_BLAME_STORE && !batch &&
		               strcmp(known->code, "SignatureDoesNotMatch") == 0 ?
		           S3_BLAME_DOUBT :
		           known->blame;
	return status < 400 || status == 401 || status == 403 || status == 404 || status == 408 ||
	               status == 429 || (status >= 500 && status != 501) ?
	           S3_BLAME_DOUBT :
	           S3_BLAME_NONE;
}

static bool status_means_no_batches(long status, const char *code)
{
	return status == 405 || status == 501 || strcmp(code, "NotImplemented") == 0;
}

/* What the HTTP status alone says, when the code is absent or unknown. */
static struct s3_fault fault_by_status(long status, bool batch)
{
	if ((status >= 300 && status < 400) || status == 401 || status == 403)
		return (struct s3_fault){.result = S3_OPERATOR, .whole = true};
	if (status == 405 || status == 501)
		return (struct s3_fault){.result = S3_OPERATOR};
	if (status == 500 && !batch) /* may be about this object */
		return (struct s3_fault){.result = S3_RETRY};
	if (status == 408 || status == 409 || status == 429 || status < 400 || status >= 500)
		return (struct s3_fault){.result = S3_RETRY, .whole = true};
	/* Some other 4xx: perhaps it was one key among many that the store did not like. */
	return (struct s3_fault){.result = batch ? S3_PENDING : S3_RETRY};
}

static const char *advice_by_status(long status)
{
	if (status >= 300 && status < 400)
		return "fix worker.s3_endpoint and s3_region; the log names the host it sends us to";
	if (status == 401 || status == 403)
		return "check the credentials and what stands before the store";
	if (status == 404)
		return "check that worker.s3_endpoint is an S3 store";
	return status < 300 ? "but not as S3 does, or the answer was cut short" : "";
}

bool s3_fault_is_of_credentials(long status, const char *body, size_t length)
{
	static const char *const codes[] = {"ExpiredToken", "InvalidToken", "TokenRefreshRequired",
	                                    "InvalidAccessKeyId"};
	struct s3_answer answer;

	if (status < 400 || status > 403)
		return false;
	answer = s3_answer_read(body, length, NULL, NULL);
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(answer.code, codes[i]) == 0)
			return true;
	return false;
}

/* Says that a sentence of LENGTH characters did not fit. */
static void fault_cut(struct s3_fault *fault, int length)
{
	if (length >= (int)sizeof(fault->why))
		memcpy(fault->why + sizeof(fault->why) - 4, "...", 4);
}

void s3_fault_say(struct s3_fault *fault, const char *why)
{
	fault_cut(fault, snprintf(fault->why, sizeof(fault->why), "%s", why));
}

static void fault_explain(struct s3_fault *fault, long status, const struct s3_answer *answer,
                          const char *advice)
{
	int length =
		snprintf(fault->why, sizeof(fault->why), "S3 answered %ld%s%s%s%s%s%s%s%s", status,
	             answer->code[0] == '\0' ? "" : " ", answer->code, advice[0] == '\0' ? "" : ": ",
	             advice, answer->region[0] == '\0' ? "" : "; the bucket is in ", answer->region,
	             answer->endpoint[0] == '\0' ? "" : "; it names ", answer->endpoint);

	fault_cut(fault, length);
}

struct s3_fault s3_fault_of_request(long status, const struct s3_answer *answer, bool batch)
{
	const struct known *known = known_find(answer->code);
	struct s3_fault fault = fault_by_status(status, batch);

	if (batch && status_means_no_batches(status, answer->code)) {
		fault = (struct s3_fault){.result = S3_PENDING, .no_batches = true};
	} else if (known != NULL && !(batch && known->result == S3_DELETED)) {
		fault.result = known->result;
		fault.whole = known->whole || (batch && known->result == S3_OPERATOR);
	}
	if (fault.result != S3_PENDING && fault.result != S3_DELETED)
		fault.blame = blame_of_request(status, known, batch);
	if (known != NULL)
		fault_explain(&fault, status, answer, known->advice);
	else
		fault_explain(&fault, status, answer,
		              answer->code[0] == '\0' ? advice_by_status(status) : "");
	if (fault.result == S3_RETRY)
		fault.trouble = trouble_of_request(status, answer->code);
	fault.denied = !batch && s3_fault_is_denial(answer->code);
	fault.no_bucket =
		strcmp(answer->code, "NoSuchBucket") == 0 || strcmp(answer->code, "InvalidBucketName") == 0;
	return fault;
}
