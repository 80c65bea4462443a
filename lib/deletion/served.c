/* A small table of what worked, the longest unused entry making room. */
#include "lib/deletion/served.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"

/* The entry of WHAT, or -1. */
static int served_find(const struct served *served, const char *what)
{
	for (int i = 0; i < SERVED_THINGS; i++)
		if (strncmp(served->things[i].what, what, FAILURE_WHAT_SIZE - 1) == 0)
			return i;
	return -1;
}

static int served_oldest(const struct served *served)
{
	int oldest = 0;

	for (int i = 1; i < SERVED_THINGS; i++)
		if (served->things[i].last[0].at_ms < served->things[oldest].last[0].at_ms)
			oldest = i;
	return oldest;
}

void served_note(struct served *served, const char *what, const char *deletion_id)
{
	int i = served_find(served, what);

	if (i < 0) {
		i = served_oldest(served);
		memset(&served->things[i], 0, sizeof(served->things[i]));
		snprintf(served->things[i].what, sizeof(served->things[i].what), "%s", what);
	}
	if (strcmp(served->things[i].last[0].deletion_id, deletion_id) != 0)
		served->things[i].last[1] = served->things[i].last[0];
	snprintf(served->things[i].last[0].deletion_id, ID_UUID_SIZE, "%s", deletion_id);
	served->things[i].last[0].at_ms = clock_now_ms();
}

bool served_another(const struct served *served, const char *what, const char *deletion_id,
                    int64_t age_ms)
{
	int i = served_find(served, what);

	for (int n = 0; i >= 0 && n < 2; n++) {
		const char *id = served->things[i].last[n].deletion_id;
		if (id[0] != '\0' && strcmp(id, deletion_id) != 0 &&
		    clock_now_ms() - served->things[i].last[n].at_ms <= age_ms)
			return true;
	}
	return false;
}
