/* Tells systemd (or who else set NOTIFY_SOCKET) how the service is, by the protocol of
 * sd_notify(3): one datagram a message. */
#ifndef FAREWELL_NOTIFY_H
#define FAREWELL_NOTIFY_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define NOTIFY_STATUS 160

struct notify {
	int fd; /* -1: NOTIFY_SOCKET is not set */
	struct sockaddr_un address;
	socklen_t address_size;
	int64_t watchdog_ms; /* how often to say WATCHDOG=1, half of what was asked for; 0: never */
	int64_t watchdog_at_ms;
	char status[NOTIFY_STATUS]; /* as last told */
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. */
void notify_open(struct notify *);
void notify_close(struct notify *);

/* READY=1: serves; again after a reload. */
void notify_ready(struct notify *);
/* RELOADING=1 with the time. */
void notify_reloading(struct notify *);
/* STOPPING=1. */
void notify_stopping(struct notify *);
/* One line for a person; sent only when it differs from the one before. */
void notify_status(struct notify *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* To be called from the main loop: sends WATCHDOG=1 when it is due. Returns when (clock_now_ms) it
 * will be due again; INT64_MAX: never. */
int64_t notify_watchdog(struct notify *, int64_t now_ms);

#endif
