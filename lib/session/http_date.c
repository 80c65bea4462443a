/* Reads the times in an HTTP answer's header. */
#include "lib/session/http_date.h"

#include <stdio.h>
#include <string.h>

#define FIELD_SIZE 64

static int month_number(const char *name)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int month = 0; month < 12; month++)
		if (memcmp(name, names + 3 * month, 3) == 0)
			return month;
	return -1;
}

bool http_date_read(const char *text, time_t *when)
{
	struct tm tm = {0};
	char month[4] = "";
	int end = 0;

	if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &tm.tm_mday, month,
	           &tm.tm_year, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &end) != 6 ||
	    end == 0 || text[end] != '\0' || strlen(month) != 3)
		return false;
	tm.tm_mon = month_number(month);
	if (tm.tm_mon < 0 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_year < 1970 || tm.tm_hour < 0 ||
	    tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 60)
		return false;
	tm.tm_year -= 1900;
	*when = timegm(&tm);
	return true;
}

int64_t http_retry_after_ms(const struct http_client_answer *answer, time_t now)
{
	char text[FIELD_SIZE], date[FIELD_SIZE];
	int64_t ms = 0;
	time_t until, said;

	if (!http_client_header(answer, "retry-after", text, sizeof(text)))
		return 0;
	if (text[0] != '\0' && strspn(text, "0123456789") == strlen(text)) {
		for (const char *digit = text; *digit != '\0' && ms < HTTP_RETRY_AFTER_MAX_MS; digit++)
			ms = 10 * ms + 1000 * (*digit - '0');
	} else if (http_date_read(text, &until)) {
		if (http_client_header(answer, "date", date, sizeof(date)) && http_date_read(date, &said))
			now = said;
		ms = until > now ? 1000 * (int64_t)(until - now) : 0;
	}
	return ms < HTTP_RETRY_AFTER_MAX_MS ? ms : HTTP_RETRY_AFTER_MAX_MS;
}
