/* Taking over or making the listening socket, and removing it. */
#include "fcgi/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/config/conf.h"

#define FIRST_PASSED 3 /* sd_listen_fds(3) */
#define LOCK_TRIES 50  /* of 100 ms each: another master is just starting */

static bool listen_fail(struct listener *listener, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static bool listen_fail(struct listener *listener, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(listener->why, sizeof(listener->why), format, args);
	va_end(args);
	return false;
}

static bool socket_is_listening(int fd)
{
	int accepting = 0;
	socklen_t length = sizeof(accepting);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepting, &length) == 0 && accepting != 0;
}

static bool socket_set_flags(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
	       fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

/* ---- inherited ---- */

/* A socket that systemd passed to this very process; -1: none. */
static int passed_socket(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");

	if (pid == NULL || count == NULL || strtol(pid, NULL, 10) != (long)getpid() ||
	    strtol(count, NULL, 10) < 1)
		return -1;
	return FIRST_PASSED;
}

static bool inherit_socket(struct listener *listener, int fd, const char *from)
{
	if (!socket_is_listening(fd))
		return listen_fail(listener, "descriptor %d from %s is not a listening socket", fd, from);
	if (!socket_set_flags(fd))
		return listen_fail(listener, "descriptor %d from %s: %s", fd, from, strerror(errno));
	listener->fd = fd;
	return true;
}

/* ---- our own ---- */

static bool find_group(const char *name, gid_t *gid)
{
	struct group *group = getgrnam(name);

	if (group != NULL)
		*gid = group->gr_gid;
	return group != NULL;
}

bool listen_check(const struct conf *conf, char *why, size_t why_size)
{
	const char *group = conf->gateway.socket_group;
	gid_t gid;

	if (group[0] == '\0' || find_group(group, &gid))
		return true;
	snprintf(why, why_size, "gateway.socket_group: there is no group \"%s\"", group);
	return false;
}

/* Holds the socket's directory, so that two masters that start at once don't take each other's
 * socket for a stale one. */
static int lock_directory(struct listener *listener, const char *path)
{
	const struct timespec pause = {.tv_sec = 0, .tv_nsec = 100 * 1000000L};
	char copy[LISTEN_PATH_SIZE];

	snprintf(copy, sizeof(copy), "%s", path);
	const char *directory = dirname(copy);
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		listen_fail(listener, "gateway.socket: can't open the directory %s: %s", directory,
		            strerror(errno));
		return -1;
	}
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return fd;
		nanosleep(&pause, NULL);
	}
	listen_fail(listener, "gateway.socket: somebody holds a lock on the directory %s", directory);
	close(fd);
	return -1;
}

/* Removes what an earlier master has left at the path; false if it is not ours to remove. */
static bool socket_remove_stale(struct listener *listener, const struct sockaddr_un *address)
{
	struct stat found;
	const char *path = address->sun_path;

	if (lstat(path, &found) != 0)
		return errno == ENOENT ||
		       listen_fail(listener, "gateway.socket: %s: %s", path, strerror(errno));
	if (!S_ISSOCK(found.st_mode))
		return listen_fail(listener,
		                   "gateway.socket: %s is there and is not a socket; move it away", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return listen_fail(listener, "gateway.socket: %s", strerror(errno));
	int result = connect(fd, (const struct sockaddr *)address, sizeof(*address));
	int error = errno;
	close(fd);
	/* With a full backlog it is EAGAIN: somebody is there. */
	if (result == 0 || error == EAGAIN)
		return listen_fail(listener, "gateway.socket: another process listens on %s", path);
	if (error != ECONNREFUSED)
		return listen_fail(listener,
		                   "gateway.socket: can't tell whether somebody listens on %s: %s", path,
		                   strerror(error));
	return unlink(path) == 0 ||
	       listen_fail(listener, "gateway.socket: can't remove the stale %s: %s", path,
	                   strerror(errno));
}

/* Mode and group are right before listen: nobody can connect earlier. */
static bool bind_and_listen(struct listener *listener, const struct sockaddr_un *address,
                            const struct conf *conf)
{
	const char *path = address->sun_path, *group = conf->gateway.socket_group;
	struct stat made;
	gid_t gid = (gid_t)-1;

	if (group[0] != '\0' && !find_group(group, &gid))
		return listen_fail(listener, "gateway.socket_group: there is no group \"%s\"", group);
	mode_t mask = umask(~(mode_t)conf->gateway.socket_mode & 0777);
	int bound = bind(listener->fd, (const struct sockaddr *)address, sizeof(*address));
	int error = errno;
	umask(mask);
	if (bound != 0)
		return listen_fail(listener, "gateway.socket: can't make %s: %s", path, strerror(error));
	listener->own = true;
	if (lstat(path, &made) != 0)
		return listen_fail(listener, "gateway.socket: %s: %s", path, strerror(errno));
	listener->device = made.st_dev;
	listener->inode = made.st_ino;
	if (gid != (gid_t)-1 && lchown(path, (uid_t)-1, gid) != 0)
		return listen_fail(
			listener,
			"gateway.socket_group: can't give %s to group %s: %s; be its member, or leave "
			"the setting empty",
			path, group, strerror(errno));
	if (listen(listener->fd, (int)conf->gateway.backlog) != 0)
		return listen_fail(listener, "gateway.socket: can't listen on %s: %s", path,
		                   strerror(errno));
	return true;
}

static bool make_socket(struct listener *listener, const struct conf *conf)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	_Static_assert(sizeof(address.sun_path) == LISTEN_PATH_SIZE,
	               "a path that fits the setting fits the address");
	snprintf(listener->path, sizeof(listener->path), "%s", conf->gateway.socket);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", listener->path);
	int directory = lock_directory(listener, listener->path);
	if (directory < 0)
		return false;
	bool done = socket_remove_stale(listener, &address);
	if (done) {
		listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		done = listener->fd >= 0 ? bind_and_listen(listener, &address, conf) :
		                           listen_fail(listener, "gateway.socket: %s", strerror(errno));
	}
	if (!done)
		listen_close(listener);
	close(directory);
	return done;
}

bool listen_open(struct listener *listener, const struct conf *conf)
{
	*listener = (struct listener){.fd = -1};
	int passed = passed_socket();
	if (passed >= 0)
		return inherit_socket(listener, passed, "systemd (LISTEN_FDS)");
	if (socket_is_listening(STDIN_FILENO))
		return inherit_socket(listener, STDIN_FILENO, "spawn-fcgi");
	return make_socket(listener, conf);
}

void listen_hide(struct listener *listener)
{
	struct stat found;

	if (listener->own && lstat(listener->path, &found) == 0 && found.st_dev == listener->device &&
	    found.st_ino == listener->inode)
		unlink(listener->path);
	listener->own = false;
}

void listen_close(struct listener *listener)
{
	if (listener->fd >= 0)
		close(listener->fd);
	listener->fd = -1;
	listen_hide(listener);
}
