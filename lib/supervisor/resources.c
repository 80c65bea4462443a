/* Asks the system for memory and descriptors, to see whether there are any. */
#include "lib/supervisor/resources.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY_BYTES ((size_t)1 << 20)
#define DESCRIPTORS 24

bool resources_no_memory(void)
{
	void *memory =
		mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return true;
	munmap(memory, MEMORY_BYTES);
	return false;
}

/* Returns 0, or why there are too few. */
static int resources_descriptor_error(void)
{
	int fds[DESCRIPTORS], count = 0, error = 0;

	/* The first takes an open file of the system's, the others only a number of this process's. */
	while (count < DESCRIPTORS) {
		int fd = count == 0 ? open("/dev/null", O_RDONLY | O_CLOEXEC) :
		                      fcntl(fds[0], F_DUPFD_CLOEXEC, 0);

		if (fd < 0) {
			error = errno;
			break;
		}
		fds[count++] = fd;
	}
	while (count > 0)
		close(fds[--count]);
	return error == EMFILE || error == ENFILE || error == ENOMEM ? error : 0;
}

bool resources_short(char *why, size_t why_size)
{
	int error = resources_no_memory() ? ENOMEM : resources_descriptor_error();

	if (error == 0)
		return false;
	snprintf(why, why_size, "the system gives no more %s: %s",
	         error == ENOMEM ? "memory" : "file descriptors", strerror(error));
	return true;
}
