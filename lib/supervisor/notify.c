/* Offers the messages of sd_notify(3). */
#include "lib/supervisor/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/log.h"

/* A path, or with an @ first a name in the abstract name space. */
static bool notify_set_address(struct notify *notify, const char *name)
{
	size_t length = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || length < 2 ||
	    length >= sizeof(notify->address.sun_path))
		return false;
	notify->address.sun_family = AF_UNIX;
	memcpy(notify->address.sun_path, name, length);
	if (name[0] == '@')
		notify->address.sun_path[0] = '\0';
	notify->address_size =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (name[0] == '/' ? 1 : 0));
	return true;
}

static int64_t notify_watchdog_interval_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	if (usec == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid()))
		return 0;
	long long microseconds = strtoll(usec, NULL, 10);
	if (microseconds <= 0)
		return 0;
	return microseconds / 2000 > 0 ? microseconds / 2000 : 1;
}

void notify_open(struct notify *notify)
{
	const char *name = getenv("NOTIFY_SOCKET");

	memset(notify, 0, sizeof(*notify));
	notify->fd = -1;
	if (name == NULL || name[0] == '\0')
		return;
	if (!notify_set_address(notify, name)) {
		log_warning(
			"NOTIFY_SOCKET is neither a path nor an abstract name: nobody will be notified");
		return;
	}
	notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	notify->watchdog_ms = notify_watchdog_interval_ms();
}

void notify_close(struct notify *notify)
{
	if (notify->fd >= 0)
		close(notify->fd);
	notify->fd = -1;
}

static void notify_send(struct notify *notify, const char *text)
{
	if (notify->fd < 0)
		return;
	if (sendto(notify->fd, text, strlen(text), MSG_NOSIGNAL,
	           (const struct sockaddr *)&notify->address, notify->address_size) < 0)
		log_debug("NOTIFY_SOCKET did not take a message: %s", strerror(errno));
}

void notify_ready(struct notify *notify)
{
	notify_send(notify, "READY=1");
}

void notify_reloading(struct notify *notify)
{
	char text[64];
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
	         (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	notify_send(notify, text);
}

void notify_stopping(struct notify *notify)
{
	notify_send(notify, "STOPPING=1");
}

void notify_status(struct notify *notify, const char *format, ...)
{
	char status[NOTIFY_STATUS], text[NOTIFY_STATUS + sizeof("STATUS=")];
	va_list args;

	if (notify->fd < 0)
		return;
	va_start(args, format);
	vsnprintf(status, sizeof(status), format, args);
	va_end(args);
	if (strcmp(status, notify->status) == 0)
		return;
	memcpy(notify->status, status, sizeof(status));
	snprintf(text, sizeof(text), "STATUS=%s", status);
	notify_send(notify, text);
}

int64_t notify_watchdog(struct notify *notify, int64_t now_ms)
{
	if (notify->fd < 0 || notify->watchdog_ms == 0)
		return INT64_MAX;
	if (now_ms >= notify->watchdog_at_ms) {
		notify_send(notify, "WATCHDOG=1");
		notify->watchdog_at_ms = now_ms + notify->watchdog_ms;
	}
	return notify->watchdog_at_ms;
}
