/* The addresses at which a container's credentials may be asked for. Pure. */
#ifndef FAREWELL_S3_CREDENTIALS_URL_H
#define FAREWELL_S3_CREDENTIALS_URL_H

#include <stdbool.h>

/* NULL, or why credentials must not be asked for at URL, which would get what the environment holds
 * as authorization. Allowed, as by the AWS SDKs: https; and with http the loopback addresses and
 * those of ECS and EKS (AWS SDKs and Tools Reference Guide, "Container credential provider"). */
const char *s3_credentials_url_fault(const char *url);

/* Whether URL is `http(s)://host[:port]` without a user, and perhaps with a path and a query. */
bool s3_credentials_url_valid(const char *url);

#endif
