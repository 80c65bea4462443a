/* What can only be checked by asking the servers: for -t, and by the first child before it serves.
 */
#ifndef FAREWELL_CHECK_H
#define FAREWELL_CHECK_H

struct conf;
struct gateway;

/* The worst that was found. */
enum check_result {
	CHECK_GOOD,
	CHECK_AWAY,    /* a server can't be reached, or is not yet as it will be: may pass by itself */
	CHECK_REFUSED, /* a server does not let us in, or lacks a table: a person may be at it */
	CHECK_WRONG,   /* a setting is wrong, and no waiting will help */
};

/* Connects to both servers and checks every statement and the exchange; each finding is logged. The
 * sessions stay open. */
enum check_result check_servers(struct gateway *);

#endif
