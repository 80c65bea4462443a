/* Asks the store something that needs a permission of its own, and says which if it is missing. */
#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/s3/s3_answer.h"
#include "lib/s3/s3_inside.h"

static bool is_denied(long status, const struct s3_answer *read)
{
	return strcmp(read->code, "AccessDenied") == 0 || (status == 403 && read->code[0] == '\0');
}

struct s3_fault s3_fault_of_nonsense(const char *what)
{
	struct s3_fault fault = {.result = S3_RETRY, .whole = true, .blame = S3_BLAME_DOUBT};

	snprintf(fault.why, sizeof(fault.why),
	         "the store's %s can't be read: not as S3 writes it, or cut short", what);
	return fault;
}

/* Whether a signature that is refused may be so for what the request names: something on the way
 * that rewrites it. */
static bool names_anything_odd(const struct s3_request *request)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~/";

	for (size_t i = 0; i < S3_QUERY_MAX && request->query[i].name != NULL; i++)
		if (request->query[i].value[strspn(request->query[i].value, plain)] != '\0')
			return true;
	return request->key != NULL;
}

static struct s3_fault fault_of_answer(const struct s3_request *request,
                                       const struct http_client_answer *answer,
                                       const char *permission)
{
	struct s3_answer read = s3_answer_read(answer->body, answer->length, NULL, NULL);
	struct s3_fault fault =
		s3_fault_of_request(answer->status, &read, !names_anything_odd(request));

	if (is_denied(answer->status, &read)) {
		fault.result = S3_OPERATOR;
		snprintf(fault.why, sizeof(fault.why),
		         "S3 answered %ld %s: allow %s to worker.s3_access_key", answer->status, read.code,
		         permission);
	}
	/* NoSuchKey and its kind are no answer to a question about a bucket. */
	if (fault.result == S3_DELETED || fault.result == S3_PENDING)
		fault.result = S3_RETRY;
	fault.whole = true;
	snprintf(fault.code, sizeof(fault.code), "%s", read.code);
	return fault;
}

static bool ask_once(struct s3 *s3, const struct s3_request *request, const char *permission,
                     struct http_client_answer *answer, struct s3_fault *fault)
{
	*answer = s3_send(s3, request);
	*fault = (struct s3_fault){.result = S3_DELETED, .status = answer->status};
	if (answer->outcome == HTTP_ANSWERED && answer->status >= 200 && answer->status < 300)
		return true;
	if (answer->outcome != HTTP_ANSWERED)
		*fault = s3_fault_of_transport(s3, answer);
	else
		*fault = fault_of_answer(request, answer, permission);
	fault->status = answer->outcome == HTTP_ANSWERED ? answer->status : 0;
	return false;
}

bool s3_ask(struct s3 *s3, const struct s3_request *request, const char *permission,
            struct http_client_answer *answer, struct s3_fault *fault)
{
	struct s3_pace *pace =
		s3_pace_find(&s3->paces, request->bucket, s3->options.batch_keys, clock_now_ms());
	/* The deadline lets one request through in an s3_delete: one that deletes. */
	const bool asked = s3->asked;
	bool again = true;

	*fault = (struct s3_fault){.result = S3_RETRY};
	while (again && s3_wait(s3, pace, fault)) {
		bool good = ask_once(s3, request, permission, answer, fault);

		s3->asked = asked;
		if (good)
			return true;
		/* A time-out is not waited for again: no fewer keys would help. */
		again = fault->trouble == S3_TROUBLE_SLOW && s3_may_repeat(pace, fault, 0, answer);
		http_client_answer_free(answer);
	}
	return false;
}
