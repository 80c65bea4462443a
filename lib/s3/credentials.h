/* Credentials for S3, found where every AWS tool finds them, and renewed before they expire.
 *
 * credentials.c chooses a provider once and keeps what it gave; a provider is a file of its own
 * (credentials_settings.c, _files.c, _environment.c, _web_identity.c, _container.c, _instance.c)
 * behind credentials_provider.h. The order is that of enum s3_credentials_from. What applies is
 * used: if it then fails, nothing else is tried in its place. */
#ifndef FAREWELL_S3_CREDENTIALS_H
#define FAREWELL_S3_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "lib/session/pump.h"

#define S3_CREDENTIALS_WHY_SIZE 512

enum s3_credentials_from {
	S3_FROM_AUTO,         /* the first of the others that applies */
	S3_FROM_SETTINGS,     /* access_key and secret_key_file */
	S3_FROM_FILES,        /* access_key_file and secret_key_file */
	S3_FROM_ENVIRONMENT,  /* AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN */
	S3_FROM_WEB_IDENTITY, /* AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, by way of STS */
	S3_FROM_CONTAINER,    /* AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI */
	S3_FROM_INSTANCE,     /* the instance metadata service, version 2 */
};

/* Every string may be NULL or empty: not set. */
struct s3_credential_options {
	enum s3_credentials_from from;
	const char *access_key, *access_key_file, *secret_key_file, *session_token_file;
	const char *region; /* whose STS is asked when the environment names no region */
	const char *user_agent;
	time_t (*now)(void); /* NULL: time(); a test has its own */
};

struct s3_credentials {
	char *access_key, *secret_key;
	char *session_token; /* NULL: none */
	time_t expires;      /* 0: nobody said */
};

struct s3_credential_source;

enum s3_credentials_result {
	S3_CREDENTIALS_READY,
	S3_CREDENTIALS_FAILED,
	S3_CREDENTIALS_STOPPED, /* the pump said stop while somebody was asked */
};

/* NULL: WHY says that no provider applies and what there is, or what the one that does is missing.
 * Asks nobody yet. The strings of OPTIONS and PUMP, which may be NULL, must outlive it. */
struct s3_credential_source *s3_credential_source_new(const struct s3_credential_options *,
                                                      const struct pump *, char *why,
                                                      size_t why_size);
/* Wipes what it holds. */
void s3_credential_source_free(struct s3_credential_source *);

/* *CREDENTIALS are good for a request now; they belong to the source and change with the next call.
 * They are fetched first if there are none, if they are about to expire, or if a file that they
 * come from has changed. While that fails the old ones are given as long as they are valid, and a
 * warning is logged. FAILED: WHY names the provider, what it said, and what to do. */
enum s3_credentials_result s3_credentials_get(struct s3_credential_source *,
                                              const struct s3_credentials **credentials, char *why,
                                              size_t why_size);

/* The store refused them: fetches anew. True when there are others now, with which the request is
 * worth another try. */
bool s3_credentials_renew(struct s3_credential_source *);

/* Where they come from, for a person: `from the environment (AWS_ACCESS_KEY_ID)`. */
void s3_credentials_describe(const struct s3_credential_source *, char *text, size_t size);

#endif
