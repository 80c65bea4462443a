/* Times as HTTP says them: in Date, and in Retry-After. */
#ifndef FAREWELL_HTTP_DATE_H
#define FAREWELL_HTTP_DATE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "lib/session/http.h"

#define HTTP_RETRY_AFTER_MAX_MS (24LL * 3600 * 1000)

/* Reads `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7), the one form that is still sent. */
bool http_date_read(const char *text, time_t *when);

/* How long from now the server wants to be left alone (RFC 9110, 10.2.3): by a number of seconds,
 * or by a time, which is taken by the server's own clock if it says how late it is, else by NOW. 0:
 * it does not say, or the time has come; at most HTTP_RETRY_AFTER_MAX_MS. */
int64_t http_retry_after_ms(const struct http_client_answer *, time_t now);

#endif
