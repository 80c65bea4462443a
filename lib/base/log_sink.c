/* Writes whole lines to a file, a pipe, a terminal or a socket without ever waiting for a reader.
 */
#include "lib/base/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* ---- opening ---- */

/* Opens with O_NONBLOCK, which files ignore. Above the standard descriptors, which may be closed
 * now and used by somebody later. */
static int sink_open(const char *path, int flags)
{
	int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY | flags, 0640);

	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	int above = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	int why = errno;
	close(fd);
	errno = why;
	return above;
}

/* O_NONBLOCK belongs to the description, which standard error shares with whoever else inherited
 * it. A pipe or a terminal can be opened once more, if its owner lets us; a file, which needs it
 * not, would lose its place. */
void log_sink_use_standard_error(struct log_sink *sink)
{
	struct stat status;
	bool known = fstat(STDERR_FILENO, &status) == 0;
	int own = -1;

	log_sink_close(sink);
	sink->fd = STDERR_FILENO;
	sink->way = known && S_ISSOCK(status.st_mode) ? LOG_SINK_SOCKET :
	            known && S_ISREG(status.st_mode)  ? LOG_SINK_DIRECT :
	                                                LOG_SINK_SHARED;
	if (known && (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode)))
		own = sink_open("/proc/self/fd/2", 0);
	if (own >= 0) {
		sink->fd = own;
		sink->way = LOG_SINK_DIRECT;
	}
}

static int sink_open_file(const char *file)
{
	return sink_open(file, O_APPEND | O_CREAT);
}

bool log_sink_use_file(struct log_sink *sink, const char *file)
{
	int fd = sink_open_file(file);

	if (fd < 0)
		return false;
	log_sink_close(sink);
	sink->fd = fd;
	sink->way = LOG_SINK_DIRECT;
	return true;
}

bool log_sink_reopen(struct log_sink *sink, const char *file)
{
	int fd = sink_open_file(file);

	if (fd < 0)
		return false;
	/* dup3 and not close: the number stays, and signal handlers may hold it. */
	bool done = dup3(fd, sink->fd, O_CLOEXEC) >= 0;
	close(fd);
	sink->torn = sink->torn && !done;
	return done;
}

void log_sink_close(struct log_sink *sink)
{
	if (sink->fd > STDERR_FILENO)
		close(sink->fd);
	sink->fd = STDERR_FILENO;
	sink->torn = false;
}

/* ---- writing ---- */

bool log_sink_has_room(const struct log_sink *sink)
{
	struct pollfd room = {.fd = sink->fd, .events = POLLOUT};

	return poll(&room, 1, 0) == 1;
}

/* Where the kernel can't be told not to wait (a pipe in an older Linux), two processes that see the
 * last room at the same moment may both write, and one of them waits. */
static ssize_t sink_write_shared(const struct log_sink *sink, const char *bytes, size_t length)
{
	struct iovec whole = {.iov_base = (char *)(uintptr_t)bytes, .iov_len = length};
	ssize_t written = pwritev2(sink->fd, &whole, 1, -1, RWF_NOWAIT);

	if (written >= 0 || errno == EAGAIN || errno == EINTR)
		return written;
	if (log_sink_has_room(sink))
		return write(sink->fd, bytes, length);
	errno = EAGAIN;
	return -1;
}

/* Returns how many bytes were written, or -1 (errno). */
static ssize_t sink_write(const struct log_sink *sink, const char *bytes, size_t length)
{
	ssize_t written = -1;

	do {
		switch (sink->way) {
		case LOG_SINK_DIRECT: written = write(sink->fd, bytes, length); break;
		case LOG_SINK_SHARED: written = sink_write_shared(sink, bytes, length); break;
		case LOG_SINK_SOCKET:
			written = send(sink->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
			break;
		}
	} while (written < 0 && errno == EINTR);
	return written;
}

/* Writes a line after ending one that was torn. False: errno. */
static bool sink_put_whole(struct log_sink *sink, const char *line, size_t length)
{
	if (sink->torn && sink_write(sink, "\n", 1) != 1)
		return false;
	sink->torn = false;
	errno = 0;
	ssize_t written = sink_write(sink, line, length);
	if (written == (ssize_t)length)
		return true;
	sink->torn = written > 0;
	if (written >= 0)
		errno = sink->way == LOG_SINK_DIRECT ? ENOSPC : EAGAIN;
	return false;
}

/* ---- counting ---- */

uint64_t log_sink_lost(const struct log_sink *sink, int *why)
{
	*why = sink->lost_errno;
	return sink->lost_by == getpid() ? sink->lost : 0;
}

void log_sink_put(struct log_sink *sink, const char *line, size_t length)
{
	int why = 0;
	uint64_t lost = log_sink_lost(sink, &why);

	/* After a loss its notice comes first. */
	if (lost == 0 && sink_put_whole(sink, line, length))
		return;
	sink->lost_errno = lost == 0 ? errno : why;
	sink->lost = lost + 1;
	sink->lost_by = getpid();
}

bool log_sink_put_notice(struct log_sink *sink, const char *line, size_t length)
{
	if (!sink_put_whole(sink, line, length))
		return false;
	sink->lost = 0;
	return true;
}
