/* Reads the files that hold secrets: private ones, of which the first line counts. */
#include "lib/config/conf_secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/config/conf_load.h"

#define MAX_BYTES (64 * 1024)

/* Anybody who can log in can read a world-readable file; the group is left to the administrator. */
static bool secret_is_private(int fd, char *why, size_t why_size)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		snprintf(why, why_size, "%s", strerror(errno));
	else if (!S_ISREG(status.st_mode))
		snprintf(why, why_size, "not a regular file");
	else if ((status.st_mode & 07) != 0)
		snprintf(
			why, why_size,
			"open to everybody (mode %04o); chmod 640 it and give it the group Farewell runs as",
			(unsigned)status.st_mode & 07777);
	else
		return true;
	return false;
}

/* Reads until the end or SIZE bytes; -1 with errno. */
static ssize_t secret_read_all(int fd, char *buffer, size_t size)
{
	size_t length = 0;

	while (length < size) {
		ssize_t got = read(fd, buffer + length, size - length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		length += (size_t)got;
	}
	return (ssize_t)length;
}

/* The first line of what was read, in place. */
static bool secret_take_line(char *buffer, size_t length, char *why, size_t why_size)
{
	char *end;

	if (length > MAX_BYTES) {
		snprintf(why, why_size, "longer than 64 KiB");
		return false;
	}
	if (memchr(buffer, '\0', length) != NULL) {
		snprintf(why, why_size, "has a NUL byte in it; secrets are text");
		return false;
	}
	buffer[length] = '\0';
	end = strchrnul(buffer, '\n');
	if (end > buffer && *end == '\n' && end[-1] == '\r')
		end--;
	*end = '\0';
	if (buffer[0] != '\0')
		return true;
	snprintf(why, why_size, "%s", length == 0 ? "empty" : "its first line is empty");
	return false;
}

bool conf_secret_read(struct conf_secret *secret, char *why, size_t why_size)
{
	char reason[CONF_WHY_SIZE] = "out of memory", *buffer = NULL;
	/* O_NONBLOCK: a named pipe must not hold up the start. */
	int fd = open(secret->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t length;

	if (fd < 0) {
		snprintf(reason, sizeof(reason), "%s", strerror(errno));
		goto out;
	}
	if (!secret_is_private(fd, reason, sizeof(reason)) || (buffer = malloc(MAX_BYTES + 1)) == NULL)
		goto out;
	if ((length = secret_read_all(fd, buffer, MAX_BYTES + 1)) < 0)
		snprintf(reason, sizeof(reason), "%s", strerror(errno));
	else if (secret_take_line(buffer, (size_t)length, reason, sizeof(reason)))
		secret->value = strdup(buffer); /* short of memory: REASON is still the first one */
out:
	if (fd >= 0)
		close(fd);
	if (buffer != NULL)
		explicit_bzero(buffer, MAX_BYTES + 1);
	free(buffer);
	if (secret->value == NULL)
		snprintf(why, why_size, "%.200s: %.300s", secret->file, reason);
	return secret->value != NULL;
}

void conf_secret_wipe(struct conf_secret *secret)
{
	if (secret->value != NULL)
		explicit_bzero(secret->value, strlen(secret->value));
	free(secret->value);
	free(secret->file);
	secret->value = secret->file = NULL;
}
