/* Chooses where credentials come from, keeps them, and renews them before they expire. */
#include "lib/s3/credentials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/s3/credentials_provider.h"

#define REFRESH_BEFORE_S 300
/* After a fetch that failed nobody is asked again for so long: with credentials that are still
 * valid, and without. */
#define PAUSE_VALID_S 30
#define PAUSE_S 2
#define ANSWER_BYTES_MAX (64 * 1024)

struct s3_credential_source {
	struct s3_credential_options options;
	const struct pump *pump;
	const struct s3_provider *provider;
	struct s3_credentials credentials; /* access_key NULL: none */
	time_t refresh_at;                 /* 0: never */
	time_t failed_at;                  /* when the last fetch failed; 0: it didn't */
	char failure[S3_CREDENTIALS_WHY_SIZE];
	struct stat files[S3_CREDENTIAL_FILES_MAX]; /* as they were before the last fetch */
};

/* ---- choosing ---- */

static const struct s3_provider *const providers[] = {
	[S3_FROM_SETTINGS] = &s3_provider_settings,
	[S3_FROM_FILES] = &s3_provider_files,
	[S3_FROM_ENVIRONMENT] = &s3_provider_environment,
	[S3_FROM_WEB_IDENTITY] = &s3_provider_web_identity,
	[S3_FROM_CONTAINER] = &s3_provider_container,
	[S3_FROM_INSTANCE] = &s3_provider_instance,
};

#define PROVIDERS (sizeof(providers) / sizeof(providers[0]))

/* The reason first: not everywhere is there space for all of it. */
static void ways_say(char *why, size_t why_size, const char *whence, const char *missing)
{
	snprintf(why, why_size,
	         "no S3 credentials%s%.40s: %.200s; none of worker.s3_access_key, s3_access_key_file, "
	         "AWS_ACCESS_KEY_ID, AWS_WEB_IDENTITY_TOKEN_FILE, "
	         "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI is set",
	         whence[0] == '\0' ? "" : " from ", whence, missing);
}

/* NULL: WHY says what is missing. */
static const struct s3_provider *provider_choose(const struct s3_credential_options *options,
                                                 char *why, size_t why_size)
{
	char missing[S3_CREDENTIALS_WHY_SIZE] = "";
	bool any = options->from == S3_FROM_AUTO;
	size_t i = any ? S3_FROM_AUTO + 1 : options->from;

	for (; i < PROVIDERS; i++) {
		enum s3_applies applies = providers[i]->applies(options, missing);

		if (applies == S3_APPLIES)
			return providers[i];
		if (applies == S3_APPLIES_NEARLY || !any) {
			snprintf(why, why_size, "S3 credentials: %s", missing);
			return NULL;
		}
	}
	ways_say(why, why_size, "", missing);
	return NULL;
}

struct s3_credential_source *s3_credential_source_new(const struct s3_credential_options *options,
                                                      const struct pump *pump, char *why,
                                                      size_t why_size)
{
	const struct s3_provider *provider = provider_choose(options, why, why_size);
	struct s3_credential_source *source;

	if (provider == NULL)
		return NULL;
	source = calloc(1, sizeof(*source));
	if (source == NULL) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	source->options = *options;
	source->pump = pump;
	source->provider = provider;
	return source;
}

void s3_credential_source_free(struct s3_credential_source *source)
{
	if (source == NULL)
		return;
	s3_credentials_wipe(&source->credentials);
	free(source);
}

void s3_credentials_describe(const struct s3_credential_source *source, char *text, size_t size)
{
	char expires[CLOCK_RFC3339_SIZE] = "";
	int length = snprintf(text, size, "from ");

	source->provider->describe(&source->options, text + length, size - (size_t)length);
	if (source->credentials.expires != 0)
		clock_rfc3339(source->credentials.expires, expires);
	length = (int)strlen(text);
	if (expires[0] != '\0')
		snprintf(text + length, size - (size_t)length, ", valid until %s", expires);
}

/* ---- when ---- */

static time_t source_now(const struct s3_credential_source *source)
{
	return source->options.now == NULL ? time(NULL) : source->options.now();
}

time_t s3_credentials_refresh_at(time_t expires, time_t now)
{
	time_t half = (expires - now) / 2;

	if (expires == 0)
		return 0;
	return expires - (half < REFRESH_BEFORE_S ? half : REFRESH_BEFORE_S);
}

static bool source_is_valid(const struct s3_credential_source *source, time_t now)
{
	return source->credentials.access_key != NULL &&
	       (source->credentials.expires == 0 || now < source->credentials.expires);
}

/* A clock that was set back ends the pause. */
static bool source_pauses(const struct s3_credential_source *source, time_t now)
{
	time_t pause = source_is_valid(source, now) ? PAUSE_VALID_S : PAUSE_S;

	return source->failed_at != 0 && now >= source->failed_at && now < source->failed_at + pause;
}

/* As the files are now; what can't be looked at is all zeros. */
static void source_stat(const struct s3_credential_source *source,
                        struct stat files[S3_CREDENTIAL_FILES_MAX])
{
	const struct s3_provider *provider = source->provider;

	memset(files, 0, S3_CREDENTIAL_FILES_MAX * sizeof(files[0]));
	for (size_t i = 0; provider->file != NULL && i < S3_CREDENTIAL_FILES_MAX; i++) {
		const char *file = provider->file(&source->options, i);

		if (s3_option_is_set(file) && stat(file, &files[i]) != 0)
			memset(&files[i], 0, sizeof(files[i]));
	}
}

static bool files_differ(const struct stat *a, const struct stat *b)
{
	return a->st_dev != b->st_dev || a->st_ino != b->st_ino || a->st_size != b->st_size ||
	       a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec ||
	       a->st_mode != b->st_mode;
}

static bool source_files_changed(const struct s3_credential_source *source)
{
	struct stat files[S3_CREDENTIAL_FILES_MAX];

	source_stat(source, files);
	for (size_t i = 0; i < S3_CREDENTIAL_FILES_MAX; i++)
		if (files_differ(&files[i], &source->files[i]))
			return true;
	return false;
}

/* ---- fetching ---- */

/* A connection for this fetch alone: it is needed again in an hour, and no process that is forked
 * meanwhile can inherit it. */
static struct http_client *source_http(const struct s3_credential_source *source)
{
	return http_client_new(
		&(struct http_client_options){
			.ca_file = s3_credentials_variable("AWS_CA_BUNDLE"),
			.user_agent = source->options.user_agent == NULL ? "" : source->options.user_agent,
			.connect_timeout_ms = source->provider->connect_timeout_ms,
			.timeout_ms = source->provider->timeout_ms,
			.answer_bytes_max = ANSWER_BYTES_MAX,
		},
		source->pump);
}

/* WHY is set when it FAILED. */
static enum s3_credentials_result provider_fetch(const struct s3_credential_source *source,
                                                 struct s3_credentials *credentials, char *why)
{
	bool asks = source->provider->timeout_ms > 0;
	struct s3_fetch fetch = {&source->options, asks ? source_http(source) : NULL, why};
	enum s3_credentials_result result;
	char expires[CLOCK_RFC3339_SIZE];

	if (asks && fetch.http == NULL)
		return s3_credentials_fail(&fetch, "libcurl can't be used; is AWS_CA_BUNDLE set wrong?");
	result = source->provider->fetch(&fetch, credentials);
	http_client_free(fetch.http);
	if (result != S3_CREDENTIALS_READY || credentials->expires == 0 ||
	    credentials->expires > source_now(source))
		return result;
	clock_rfc3339(credentials->expires, expires);
	return s3_credentials_fail(
		&fetch, "they have expired already, at %s; is this machine's clock right?", expires);
}

/* Replaces the credentials, or keeps the old ones and notes the failure. */
static enum s3_credentials_result source_fetch(struct s3_credential_source *source)
{
	struct s3_credentials fetched = {0};
	char why[S3_CREDENTIALS_WHY_SIZE] = "";
	enum s3_credentials_result result;

	source_stat(source, source->files);
	result = provider_fetch(source, &fetched, why);
	if (result == S3_CREDENTIALS_READY) {
		s3_credentials_wipe(&source->credentials);
		source->credentials = fetched;
		source->refresh_at = s3_credentials_refresh_at(fetched.expires, source_now(source));
		source->failed_at = 0;
		return result;
	}
	s3_credentials_wipe(&fetched);
	if (result == S3_CREDENTIALS_STOPPED)
		return result;
	if (source->options.from == S3_FROM_AUTO && source->provider == &s3_provider_instance)
		ways_say(source->failure, sizeof(source->failure), source->provider->name, why);
	else
		snprintf(source->failure, sizeof(source->failure), "no S3 credentials from %.40s: %.400s",
		         source->provider->name, why);
	source->failed_at = source_now(source);
	return result;
}

enum s3_credentials_result s3_credentials_get(struct s3_credential_source *source,
                                              const struct s3_credentials **credentials, char *why,
                                              size_t why_size)
{
	time_t now = source_now(source);
	bool changed = source_files_changed(source),
		 due = !source_is_valid(source, now) ||
	           (source->refresh_at != 0 && now >= source->refresh_at);
	enum s3_credentials_result result = S3_CREDENTIALS_READY;

	if (changed || (due && !source_pauses(source, now))) {
		result = source_fetch(source);
		if (result == S3_CREDENTIALS_FAILED && source_is_valid(source, now))
			log_warning("%s; those at hand are used as long as they are valid", source->failure);
	}
	if (result == S3_CREDENTIALS_STOPPED)
		return result;
	if (source_is_valid(source, now)) {
		*credentials = &source->credentials;
		return S3_CREDENTIALS_READY;
	}
	snprintf(why, why_size, "%s", source->failure);
	return S3_CREDENTIALS_FAILED;
}

static bool texts_differ(const char *a, const char *b)
{
	return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) != 0;
}

bool s3_credentials_renew(struct s3_credential_source *source)
{
	struct s3_credentials old = source->credentials;
	enum s3_credentials_result result;
	bool renewed;

	source->credentials = (struct s3_credentials){0};
	result = source_fetch(source);
	if (result != S3_CREDENTIALS_READY) {
		source->credentials = old;
		if (result == S3_CREDENTIALS_FAILED)
			log_warning("the store refused the credentials, and there are no others: %s",
			            source->failure);
		return false;
	}
	renewed = texts_differ(old.access_key, source->credentials.access_key) ||
	          texts_differ(old.secret_key, source->credentials.secret_key) ||
	          texts_differ(old.session_token, source->credentials.session_token);
	s3_credentials_wipe(&old);
	return renewed;
}
