/* Offers a locked pid file, so that no two masters share a run directory. */
#include "lib/supervisor/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct pidfile {
	int fd;
	char path[];
};

enum pidfile_outcome { PIDFILE_TAKEN, PIDFILE_AGAIN, PIDFILE_FAILED };

/* Whether the locked file is still the one at its path; a master that was just ending may have
 * removed it. */
static bool pidfile_is_in_place(const struct pidfile *file)
{
	struct stat mine, there;

	return fstat(file->fd, &mine) == 0 && stat(file->path, &there) == 0 &&
	       mine.st_ino == there.st_ino && mine.st_dev == there.st_dev;
}

static void pidfile_name_holder(const struct pidfile *file, const char *program, char *why,
                                size_t why_size)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (fcntl(file->fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && lock.l_pid > 0)
		snprintf(why, why_size, "%s is running already: pid %ld holds %s", program,
		         (long)lock.l_pid, file->path);
	else
		snprintf(why, why_size, "%s is running already: %s is locked", program, file->path);
}

static enum pidfile_outcome pidfile_try(struct pidfile *file, const char *program, char *why,
                                        size_t why_size)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	file->fd = open(file->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (file->fd < 0) {
		snprintf(why, why_size, "%s can't be opened: %s", file->path, strerror(errno));
		return PIDFILE_FAILED;
	}
	if (fcntl(file->fd, F_SETLK, &lock) == 0 && pidfile_is_in_place(file))
		return PIDFILE_TAKEN;
	if (errno == EACCES || errno == EAGAIN) {
		pidfile_name_holder(file, program, why, why_size);
		close(file->fd);
		return PIDFILE_FAILED;
	}
	close(file->fd);
	return PIDFILE_AGAIN;
}

struct pidfile *pidfile_open(const char *run_dir, const char *program, char *why, size_t why_size)
{
	size_t room = strlen(run_dir) + strlen(program) + sizeof("/.pid");
	struct pidfile *file = malloc(sizeof(*file) + room);
	enum pidfile_outcome outcome = PIDFILE_AGAIN;

	if (file == NULL) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	snprintf(file->path, room, "%s/%s.pid", run_dir, program);
	snprintf(why, why_size, "%s can't be locked", file->path);
	for (int tries = 0; tries < 10 && outcome == PIDFILE_AGAIN; tries++) {
		errno = 0;
		outcome = pidfile_try(file, program, why, why_size);
	}
	if (outcome != PIDFILE_TAKEN) {
		free(file);
		return NULL;
	}
	if (ftruncate(file->fd, 0) != 0 || dprintf(file->fd, "%ld\n", (long)getpid()) < 0) {
		snprintf(why, why_size, "%s can't be written: %s", file->path, strerror(errno));
		pidfile_remove(file);
		return NULL;
	}
	return file;
}

void pidfile_remove(struct pidfile *file)
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
