/* What the providers of credentials offer and share; only lib/s3/credentials*.c include it. */
#ifndef FAREWELL_S3_CREDENTIALS_PROVIDER_H
#define FAREWELL_S3_CREDENTIALS_PROVIDER_H

#include <stdint.h>
#include <sys/stat.h>

#include "lib/s3/credentials.h"
#include "lib/s3/credentials_answer.h"
#include "lib/session/http.h"

#define S3_CREDENTIAL_FILES_MAX 3

enum s3_applies {
	S3_APPLIES_NOT,
	S3_APPLIES,
	S3_APPLIES_NEARLY, /* something of it is there, and something is missing */
};

/* One fetch. */
struct s3_fetch {
	const struct s3_credential_options *options;
	struct http_client *http; /* only where the provider has a timeout_ms */
	char *why;                /* of S3_CREDENTIALS_FAILED; S3_CREDENTIALS_WHY_SIZE bytes */
};

struct s3_provider {
	const char *name; /* after "from ", where there is little space */
	/* Of one request to whoever is asked; 0: nobody is. */
	int64_t connect_timeout_ms, timeout_ms;
	/* WHY, of S3_CREDENTIALS_WHY_SIZE bytes, is set for S3_APPLIES_NEARLY, and says what is missing
	 * for S3_APPLIES_NOT. */
	enum s3_applies (*applies)(const struct s3_credential_options *, char *why);
	/* Fills in CREDENTIALS, which are empty; what is in them after a failure is wiped by the
	 * caller. */
	enum s3_credentials_result (*fetch)(const struct s3_fetch *, struct s3_credentials *);
	/* After "from ", with all that is known. */
	void (*describe)(const struct s3_credential_options *, char *text, size_t size);
	/* The files whose change makes the credentials stale; NULL where there is none. */
	const char *(*file)(const struct s3_credential_options *, size_t index);
};

extern const struct s3_provider s3_provider_settings, s3_provider_files, s3_provider_environment,
	s3_provider_web_identity, s3_provider_container, s3_provider_instance;

/* ---- what they share ---- */

/* The environment variable, or NULL where it is not set or empty, as AWS's tools take it. */
const char *s3_credentials_variable(const char *name);
static inline bool s3_option_is_set(const char *option)
{
	return option != NULL && option[0] != '\0';
}

/* When to fetch anew what expires then and was fetched NOW: five minutes before, or half way if
 * that is later. EXPIRES 0: never, which is 0. */
time_t s3_credentials_refresh_at(time_t expires, time_t now);

/* Fills in CREDENTIALS with copies; SESSION_TOKEN may be NULL. A value that can't be one is
 * refused. */
enum s3_credentials_result s3_credentials_take(const struct s3_fetch *, struct s3_credentials *,
                                               const char *access_key, const char *secret_key,
                                               const char *session_token);
/* The same from an answer, which must have everything in it, and is wiped. */
enum s3_credentials_result s3_credentials_take_answer(const struct s3_fetch *,
                                                      struct s3_credentials *,
                                                      struct s3_credentials_answer *);
void s3_credentials_wipe(struct s3_credentials *);
/* Wipes and frees text of any length. */
void s3_secret_free(char *text);

/* From files: ACCESS_KEY itself, or with it NULL from access_key_file. */
enum s3_credentials_result s3_credentials_read_files(const struct s3_fetch *,
                                                     struct s3_credentials *,
                                                     const char *access_key);

/* A small file that need not be private: the whole of it without the space at its end; NULL: WHY
 * says what is wrong. For s3_secret_free(). */
char *s3_credentials_read_token(const char *file, const char *variable, char *why);

/* Sends a request; READY: *ANSWER is the server's, whatever its status. Its body is for
 * s3_answer_wipe(). */
enum s3_credentials_result s3_credentials_ask(const struct s3_fetch *,
                                              const struct http_client_request *,
                                              struct http_client_answer *answer);
void s3_answer_wipe(struct http_client_answer *);

/* Sets fetch->why and returns S3_CREDENTIALS_FAILED. */
enum s3_credentials_result s3_credentials_fail(const struct s3_fetch *, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
