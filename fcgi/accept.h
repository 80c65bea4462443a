/* The loop of a gateway's child: accept, answer, and again. The only part that calls libfcgi. */
#ifndef FAREWELL_ACCEPT_H
#define FAREWELL_ACCEPT_H

struct child;
struct conf;

/* A child of the gateway: child_shared is a struct gateway_shared. Returns its exit code.
 */
int accept_run(struct child *, const struct conf *);

#endif
