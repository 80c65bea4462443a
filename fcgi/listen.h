/* The listening socket: our own on the file system, or one that systemd or spawn-fcgi has opened
 * for us. */
#ifndef FAREWELL_LISTEN_H
#define FAREWELL_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#define LISTEN_WHY_SIZE 512
#define LISTEN_PATH_SIZE 108 /* of sockaddr_un */

struct conf;

struct listener {
	int fd;   /* -1: none; never blocks */
	bool own; /* made by listen_open at: */
	char path[LISTEN_PATH_SIZE];
	dev_t device;
	ino_t inode;
	char why[LISTEN_WHY_SIZE];
};

/* Takes the inherited socket if there is one (LISTEN_FDS and LISTEN_PID of sd_listen_fds(3), or
 * descriptor 0 as spawn-fcgi leaves it), else makes a UNIX socket at gateway.socket with its mode,
 * group and backlog. Somebody who listens there is left alone; what nobody listens on any more is
 * replaced. False: listener->why. */
bool listen_open(struct listener *, const struct conf *);

/* Removes our own from the file system, unless another has taken its place: nobody can connect any
 * more, and those who wait are still there. */
void listen_hide(struct listener *);

/* Closes it and removes our own from the file system, unless another has taken its place. */
void listen_close(struct listener *);

/* For -t and reloads: whether gateway.socket_group exists on this host. False: WHY. */
bool listen_check(const struct conf *, char *why, size_t why_size);

#endif
