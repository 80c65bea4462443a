/* What those who hand out credentials answer: JSON of containers and instances, XML of STS. Pure.
 *
 * Amazon ECS Developer Guide, "Task IAM role"; Amazon EC2 User Guide, "Retrieve security
 * credentials from instance metadata"; AWS STS API Reference, AssumeRoleWithWebIdentity. */
#ifndef FAREWELL_S3_CREDENTIALS_ANSWER_H
#define FAREWELL_S3_CREDENTIALS_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#define S3_ANSWER_TEXT_SIZE (16 * 1024)

/* What was found; every text is "" where it was absent. Wipe it with OPENSSL_cleanse. */
struct s3_credentials_answer {
	char access_key[256], secret_key[1024], session_token[S3_ANSWER_TEXT_SIZE];
	char expires[64];
	char code[64]; /* of an error, or "Success"; harmless characters only */
};

/* False: it is not what such a server answers. A field that is too long or not a text makes it so,
 * one that is not known is nothing to us. */
bool s3_credentials_read_json(const char *body, size_t length, struct s3_credentials_answer *);
bool s3_credentials_read_xml(const char *body, size_t length, struct s3_credentials_answer *);

/* `2026-11-28T07:25:55Z`, perhaps with a fraction of the second, perhaps with an offset instead of
 * the Z. False: it is not a time. */
bool s3_credentials_read_time(const char *text, time_t *when);

#endif
