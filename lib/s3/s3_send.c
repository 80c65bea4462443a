/* Sends requests to S3: to where the bucket lies, by the store's clock; and learns both from what
 * is answered. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/s3/s3_answer.h"
#include "lib/s3/s3_inside.h"
#include "lib/session/http_date.h"

/* A clock is believed to be wrong by at most so much, and by less it was not the reason. */
#define CLOCK_AHEAD_MAX_S (24LL * 3600)
#define CLOCK_AHEAD_MIN_S 60
/* One request is sent again so often at most: for its place, its time, and its credentials. */
#define AGAIN_MAX 3

static void way_set_place(struct s3_way *way, const struct s3_place *place)
{
	memcpy(way->endpoint.host, place->host, sizeof(way->endpoint.host));
	memcpy(way->region, place->region, sizeof(way->region));
}

static bool way_set_credentials(struct s3 *s3, struct s3_way *way,
                                struct http_client_answer *answer)
{
	const struct s3_credentials *credentials;

	s3->credentials_why[0] = '\0';
	*answer = (struct http_client_answer){.outcome = HTTP_FAILED};
	switch (s3_credentials_get(s3->credentials, &credentials, s3->credentials_why,
	                           sizeof(s3->credentials_why))) {
	case S3_CREDENTIALS_READY:
		way->access_key = credentials->access_key;
		way->secret_key = credentials->secret_key;
		way->session_token = credentials->session_token;
		return true;
	case S3_CREDENTIALS_STOPPED: answer->outcome = HTTP_STOPPED; return false;
	default: return false;
	}
}

/* As is known before anything was answered. */
static void way_begin(struct s3 *s3, const char *bucket, struct s3_way *way)
{
	struct s3_place place;

	way->endpoint = s3->endpoint;
	way->virtual_hosts = s3->options.virtual_hosts;
	way->clock_ahead_s = s3->clock_ahead_s;
	snprintf(way->region, sizeof(way->region), "%s", s3->options.region);
	if (bucket == NULL)
		return;
	place = s3_places_find(&s3->places, &s3->endpoint, s3->options.region, bucket, clock_now_ms());
	way_set_place(way, &place);
}

bool s3_dress(struct s3 *s3, struct s3_request *request, struct s3_sent *sent,
              struct http_client_answer *answer)
{
	size_t i = 0;

	if (sent->again == 0)
		way_begin(s3, request->bucket, &sent->way);
	sent->renewed = s3->renewed;
	while (request->headers[i].name != NULL)
		i++;
	assert(i < S3_HEADERS_MAX);
	if (s3->options.requester_pays && request->bucket != NULL)
		request->headers[i] = (struct http_pair){"x-amz-request-payer", "requester"};
	return way_set_credentials(s3, &sent->way, answer);
}

/* How far the store's clock is ahead by the answer's Date. */
static bool answer_clock(const struct http_client_answer *answer, int64_t *ahead_s)
{
	char date[64];
	time_t said;

	if (!http_client_header(answer, "date", date, sizeof(date)) || !http_date_read(date, &said))
		return false;
	*ahead_s = (int64_t)(said - time(NULL));
	return *ahead_s <= CLOCK_AHEAD_MAX_S && *ahead_s >= -CLOCK_AHEAD_MAX_S;
}

/* Whether the store refused the time of the request, and by now it is known better. */
static bool learn_clock(struct s3 *s3, struct s3_way *way, const struct http_client_answer *answer)
{
	int64_t ahead_s = 0, change_s;
	struct s3_answer read;

	if (answer->outcome != HTTP_ANSWERED || answer->status < 400)
		return false;
	read = s3_answer_read(answer->body, answer->length, NULL, NULL);
	if (strcmp(read.code, "RequestTimeTooSkewed") != 0)
		return false;
	if (way->clock_ahead_s == s3->clock_ahead_s) {
		if (s3->clock_corrected || !answer_clock(answer, &ahead_s))
			return false;
		change_s = ahead_s - way->clock_ahead_s;
		if (change_s < CLOCK_AHEAD_MIN_S && change_s > -CLOCK_AHEAD_MIN_S)
			return false;
		s3->clock_corrected = true;
		s3->clock_ahead_s = ahead_s;
		if (!s3->clock_told)
			log_warning("this machine's clock is %" PRId64
			            " s %s the object store's, which refuses that; requests bear the store's "
			            "time: set the clocks",
			            ahead_s < 0 ? -ahead_s : ahead_s, ahead_s < 0 ? "ahead of" : "behind");
		s3->clock_told = true;
	}
	way->clock_ahead_s = s3->clock_ahead_s;
	return true;
}

static bool learn_place(struct s3 *s3, const char *bucket, struct s3_sent *sent,
                        const struct http_client_answer *answer)
{
	struct s3_place place;
	enum s3_redirect redirect;

	if (bucket == NULL)
		return false;
	memcpy(place.host, sent->way.endpoint.host, sizeof(place.host));
	memcpy(place.region, sent->way.region, sizeof(place.region));
	redirect = s3_places_learn(&s3->places, &s3->endpoint, s3->options.region, bucket,
	                           sent->followed, &place, answer);
	if (redirect == S3_REDIRECT_NONE)
		return false;
	sent->followed = redirect;
	way_set_place(&sent->way, &place);
	return true;
}

/* Credentials may have ended before their time, or been replaced where they come from. */
static bool learn_credentials(struct s3 *s3, struct s3_sent *sent,
                              const struct http_client_answer *answer)
{
	if (answer->outcome != HTTP_ANSWERED ||
	    !s3_fault_is_of_credentials(answer->status, answer->body, answer->length))
		return false;
	if (sent->refused)
		return false;
	sent->refused = true;
	if (sent->renewed != s3->renewed)
		return true; /* another request has found that out */
	if (!s3_credentials_renew(s3->credentials))
		return false;
	s3->renewed++;
	return true;
}

bool s3_learn(struct s3 *s3, const char *bucket, struct s3_sent *sent,
              const struct http_client_answer *answer)
{
	bool learnt = learn_place(s3, bucket, sent, answer) || learn_clock(s3, &sent->way, answer) ||
	              learn_credentials(s3, sent, answer);

	return learnt && sent->again++ < AGAIN_MAX;
}

struct http_client_answer s3_send(struct s3 *s3, const struct s3_request *request)
{
	struct s3_sent sent = {.followed = S3_REDIRECT_NONE};

	for (;;) {
		struct s3_request dressed = *request;
		struct http_client_answer answer;

		if (!s3_dress(s3, &dressed, &sent, &answer))
			return answer;
		s3->asked = true;
		answer = s3_request_send(s3->http, &sent.way, &dressed);
		if (!s3_learn(s3, request->bucket, &sent, &answer))
			return answer;
		http_client_answer_free(&answer);
	}
}
