/* What S3's errors mean: for the objects, for all others, and for whom. */
#include <string.h>

#include "lib/s3/s3_fault.h"
#include "tests/unit/unit.h"

static void test_fault_of_object(void)
{
	static const struct {
		const char *code;
		enum s3_result result;
	} wanted[] = {
		{"NoSuchKey", S3_DELETED},
		{"NoSuchVersion", S3_DELETED},
		{"AccessDenied", S3_OPERATOR},
		{"NoSuchBucket", S3_OPERATOR},
		{"InvalidAccessKeyId", S3_OPERATOR},
		{"SignatureDoesNotMatch", S3_OPERATOR},
		{"InvalidBucketName", S3_OPERATOR},
		{"MethodNotAllowed", S3_OPERATOR},
		{"InternalError", S3_RETRY},
		{"SlowDown", S3_RETRY},
		{"unreadable", S3_RETRY},
	};
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		char why[160];

		CU_ASSERT_EQUAL(s3_fault_of_object(wanted[i].code, why, sizeof(why)), wanted[i].result);
		CU_ASSERT_PTR_NOT_NULL(strstr(why, wanted[i].code));
	}
}

static void test_fault_of_request(void)
{
	static const struct {
		long status;
		const char *code;
		bool batch;
		enum s3_result result;
		bool whole, no_batches;
		const char *word;
	} wanted[] = {
		{301, "PermanentRedirect", true, S3_OPERATOR, true, false, "s3_region"},
		{307, "TemporaryRedirect", true, S3_RETRY, true, false, "a short while ago"},
		{307, "", true, S3_OPERATOR, true, false, "s3_endpoint"},
		{400, "AuthorizationHeaderMalformed", true, S3_OPERATOR, true, false, "s3_region"},
		{400, "MalformedXML", true, S3_PENDING, false, false, "MalformedXML"},
		{400, "RequestTimeout", true, S3_RETRY, true, false, "RequestTimeout"},
		{400, "SomethingNew", false, S3_RETRY, false, false, "SomethingNew"},
		{403, "AccessDenied", true, S3_OPERATOR, true, false, "s3:DeleteObject"},
		{403, "AccessDenied", false, S3_OPERATOR, false, false, "s3:DeleteObject"},
		{403, "InvalidAccessKeyId", false, S3_OPERATOR, true, false, "s3_access_key"},
		{403, "SignatureDoesNotMatch", true, S3_OPERATOR, true, false, "s3_secret_key_file"},
		{403, "RequestTimeTooSkewed", true, S3_RETRY, true, false, "clock"},
		{403, "", true, S3_OPERATOR, true, false, "403"},
		{404, "NoSuchBucket", true, S3_OPERATOR, true, false, "NoSuchBucket"},
		{404, "NoSuchKey", false, S3_DELETED, false, false, ""},
		{404, "NoSuchKey", true, S3_PENDING, false, false, ""},
		{404, "", false, S3_RETRY, false, false, "s3_endpoint"},
		{405, "MethodNotAllowed", true, S3_PENDING, false, true, "405"},
		{405, "MethodNotAllowed", false, S3_OPERATOR, false, false, "405"},
		{501, "NotImplemented", true, S3_PENDING, false, true, "501"},
		{400, "NotImplemented", true, S3_PENDING, false, true, "400"},
		{429, "", true, S3_RETRY, true, false, "429"},
		{500, "InternalError", true, S3_RETRY, true, false, "InternalError"},
		{500, "InternalError", false, S3_RETRY, false, false, "InternalError"},
		{503, "SlowDown", false, S3_RETRY, true, false, "SlowDown"},
		{502, "", true, S3_RETRY, true, false, "502"},
		{200, "InternalError", true, S3_RETRY, true, false, "200 InternalError"},
		{200, "", true, S3_RETRY, true, false, "cut short"},
	};
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		struct s3_answer answer = {.kind = S3_ANSWER_ERROR};

		snprintf(answer.code, sizeof(answer.code), "%s", wanted[i].code);
		struct s3_fault fault = s3_fault_of_request(wanted[i].status, &answer, wanted[i].batch);
		if (fault.result != wanted[i].result || fault.whole != wanted[i].whole ||
		    strstr(fault.why, wanted[i].word) == NULL)
			fprintf(stderr, "row %zu: %d %d %s\n", i, (int)fault.result, fault.whole, fault.why);
		CU_ASSERT_EQUAL(fault.result, wanted[i].result);
		CU_ASSERT_EQUAL(fault.whole, wanted[i].whole);
		CU_ASSERT_EQUAL(fault.no_batches, wanted[i].no_batches);
		CU_ASSERT_PTR_NOT_NULL(strstr(fault.why, wanted[i].word));
	}
}

static void test_blame(void)
{
	static const struct {
		long status;
		const char *code;
		bool batch;
		enum s3_blame blame;
	} wanted[] = {
		{403, "InvalidAccessKeyId", true, S3_BLAME_STORE},
		{403, "SignatureDoesNotMatch", true, S3_BLAME_STORE},
		{403, "SignatureDoesNotMatch", false, S3_BLAME_DOUBT},
		{403, "RequestTimeTooSkewed", false, S3_BLAME_STORE},
		{403, "AccessDenied", true, S3_BLAME_DOUBT},
		{403, "AccessDenied", false, S3_BLAME_DOUBT},
		{403, "", true, S3_BLAME_DOUBT},
		{301, "PermanentRedirect", true, S3_BLAME_DOUBT},
		{307, "TemporaryRedirect", true, S3_BLAME_NONE},
		{503, "SlowDown", true, S3_BLAME_DOUBT},
		{503, "", true, S3_BLAME_DOUBT},
		{500, "InternalError", false, S3_BLAME_DOUBT},
		{200, "", true, S3_BLAME_DOUBT},
		{404, "NoSuchBucket", true, S3_BLAME_NONE},
		{404, "NoSuchKey", false, S3_BLAME_NONE},
		{405, "MethodNotAllowed", true, S3_BLAME_NONE},
		{405, "MethodNotAllowed", false, S3_BLAME_NONE},
		{400, "SomethingNew", false, S3_BLAME_NONE},
		{400, "MalformedXML", true, S3_BLAME_NONE},
	};
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		struct s3_answer answer = {.kind = S3_ANSWER_ERROR};

		snprintf(answer.code, sizeof(answer.code), "%s", wanted[i].code);
		struct s3_fault fault = s3_fault_of_request(wanted[i].status, &answer, wanted[i].batch);
		if (fault.blame != wanted[i].blame)
			fprintf(stderr, "row %zu: %d\n", i, (int)fault.blame);
		CU_ASSERT_EQUAL(fault.blame, wanted[i].blame);
	}
	CU_ASSERT_EQUAL(s3_blame_of_object("AccessDenied"), S3_BLAME_DOUBT);
	CU_ASSERT_EQUAL(s3_blame_of_object("InternalError"), S3_BLAME_DOUBT);
	CU_ASSERT_EQUAL(s3_blame_of_object("MethodNotAllowed"), S3_BLAME_NONE);
	CU_ASSERT_EQUAL(s3_blame_of_object("unreadable"), S3_BLAME_NONE);
}

static void test_trouble(void)
{
	static const struct {
		long status;
		const char *code;
		enum s3_trouble trouble;
	} wanted[] = {
		{503, "SlowDown", S3_TROUBLE_SLOW},
		{200, "InternalError", S3_TROUBLE_SLOW},
		{500, "", S3_TROUBLE_SLOW},
		{502, "", S3_TROUBLE_SLOW},
		{503, "SomethingNew", S3_TROUBLE_SLOW},
		{429, "", S3_TROUBLE_SLOW},
		{409, "OperationAborted", S3_TROUBLE_SLOW},
		{400, "RequestTimeout", S3_TROUBLE_TIMEOUT},
		{408, "", S3_TROUBLE_TIMEOUT},
		{504, "", S3_TROUBLE_TIMEOUT},
		{200, "", S3_TROUBLE_NONE},
		{507, "", S3_TROUBLE_NONE},
		{404, "", S3_TROUBLE_NONE},
		{400, "SomethingNew", S3_TROUBLE_NONE},
		{403, "RequestTimeTooSkewed", S3_TROUBLE_NONE},
		{503, "AccessDenied", S3_TROUBLE_NONE},
		{501, "NotImplemented", S3_TROUBLE_NONE},
	};
	for (size_t i = 0; i < 2 * sizeof(wanted) / sizeof(wanted[0]); i++) {
		struct s3_answer answer = {.kind = S3_ANSWER_ERROR};

		snprintf(answer.code, sizeof(answer.code), "%s", wanted[i / 2].code);
		struct s3_fault fault = s3_fault_of_request(wanted[i / 2].status, &answer, i % 2 == 0);
		if (fault.trouble != wanted[i / 2].trouble)
			fprintf(stderr, "row %zu: %d\n", i / 2, (int)fault.trouble);
		CU_ASSERT_EQUAL(fault.trouble, wanted[i / 2].trouble);
		CU_ASSERT_TRUE(fault.trouble == S3_TROUBLE_NONE || fault.blame == S3_BLAME_DOUBT);
	}
	CU_ASSERT_EQUAL(s3_trouble_of_object("SlowDown"), S3_TROUBLE_SLOW);
	CU_ASSERT_EQUAL(s3_trouble_of_object("InternalError"), S3_TROUBLE_SLOW);
	CU_ASSERT_EQUAL(s3_trouble_of_object("AccessDenied"), S3_TROUBLE_NONE);
	CU_ASSERT_EQUAL(s3_trouble_of_object("unreadable"), S3_TROUBLE_NONE);
}

static void test_region_is_told(void)
{
	struct s3_answer answer = {.kind = S3_ANSWER_ERROR,
	                           .code = "AuthorizationHeaderMalformed",
	                           .region = "ap-northeast-2"};

	CU_ASSERT_PTR_NOT_NULL(
		strstr(s3_fault_of_request(400, &answer, true).why, "the bucket is in ap-northeast-2"));
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"an object's error", test_fault_of_object},
		{"whose fault", test_blame},
		{"what may pass soon", test_trouble},
		{"a request's error", test_fault_of_request},
		{"the right region is told", test_region_is_told},
		{NULL, NULL},
	};

	return unit_main("s3_fault", tests);
}
