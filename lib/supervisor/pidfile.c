#include "lib/supervisor/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct pidfile {
	int fd;
	char path[];
};

enum outcome { TAKEN, AGAIN, FAILED };

/* Whether the locked file is still the one at its path; a master that was just ending may have
 * removed it. */
static bool is_in_place(const struct pidfile *file)
{
	struct stat mine, there;

	return fstat(file->fd, &mine) == 0 && stat(file->path, &there) == 0 &&
	       mine.st_ino == there.st_ino && mine.st_dev == there.st_dev;
}

static void name_holder(const struct pidfile *file, const char *program, char *why)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (fcntl(file->fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && lock.l_pid > 0)
		snprintf(why, PIDFILE_WHY, "%s is running already: pid %ld holds %s", program,
		         (long)lock.l_pid, file->path);
	else
		snprintf(why, PIDFILE_WHY, "%s is running already: %s is locked", program, file->path);
}

static enum outcome try_once(struct pidfile *file, const char *program, char *why)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	file->fd = open(file->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (file->fd < 0) {
		snprintf(why, PIDFILE_WHY, "%s can't be opened: %s", file->path, strerror(errno));
		return FAILED;
	}
	if (fcntl(file->fd, F_SETLK, &lock) == 0 && is_in_place(file))
		return TAKEN;
	if (errno == EACCES || errno == EAGAIN) {
		name_holder(file, program, why);
		close(file->fd);
		return FAILED;
	}
	close(file->fd);
	return AGAIN;
}

struct pidfile *pidfile_take(const char *run_dir, const char *program, char why[PIDFILE_WHY])
{
	size_t room = strlen(run_dir) + strlen(program) + sizeof("/.pid");
	struct pidfile *file = malloc(sizeof(*file) + room);
	enum outcome outcome = AGAIN;

	if (file == NULL) {
		snprintf(why, PIDFILE_WHY, "out of memory");
		return NULL;
	}
	snprintf(file->path, room, "%s/%s.pid", run_dir, program);
	snprintf(why, PIDFILE_WHY, "%s can't be locked", file->path);
	for (int tries = 0; tries < 10 && outcome == AGAIN; tries++) {
		errno = 0;
		outcome = try_once(file, program, why);
	}
	if (outcome != TAKEN) {
		free(file);
		return NULL;
	}
	if (ftruncate(file->fd, 0) != 0 || dprintf(file->fd, "%ld\n", (long)getpid()) < 0) {
		snprintf(why, PIDFILE_WHY, "%s can't be written: %s", file->path, strerror(errno));
		pidfile_drop(file);
		return NULL;
	}
	return file;
}

void pidfile_drop(struct pidfile *file)
{
	if (file == NULL)
		return;
	unlink(file->path);
	pidfile_close(file);
}

void pidfile_close(struct pidfile *file)
{
	if (file == NULL)
		return;
	close(file->fd);
	free(file);
}
