/* -H: asks the gateway that runs on this machine whether it is ready, over its own socket as nginx
 * does. */
#ifndef FAREWELL_ASK_H
#define FAREWELL_ASK_H

#include <stdbool.h>

struct conf;

/* GET /readyz at gateway.socket; prints the body of the answer, or logs why there was no answer.
 * True if it is 200. */
bool ask_ready(const struct conf *);

#endif
