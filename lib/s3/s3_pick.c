/* Finds the store that claims a bucket: its name first, then the longest pattern. */
#include "lib/s3/s3_pick.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* More than any pattern's length. */
#define EXACT 1000

/* How much the ENTRY of LENGTH bytes claims BUCKET; -1: not at all. */
static int pick_strength(const char *entry, size_t length, const char *bucket)
{
	const char *star = memchr(entry, '*', length);
	size_t bytes = strlen(bucket), before, after;

	if (star == NULL)
		return bytes == length && memcmp(entry, bucket, length) == 0 ? EXACT : -1;
	before = (size_t)(star - entry);
	after = length - before - 1;
	if (bytes < before + after || memcmp(bucket, entry, before) != 0 ||
	    memcmp(bucket + bytes - after, star + 1, after) != 0)
		return -1;
	return (int)(before + after);
}

/* The same of a whole list. */
static int pick_strength_of_list(const char *list, const char *bucket)
{
	int best = -1;

	for (list += strspn(list, " "); *list != '\0'; list += strspn(list, " ")) {
		size_t length = strcspn(list, " ");
		int strength = pick_strength(list, length, bucket);

		if (strength > best)
			best = strength;
		list += length;
	}
	return best;
}

int s3_pick(const char *const *lists, int count, const char *bucket, int both[2])
{
	int best = -1, picked = S3_PICK_NONE, other = S3_PICK_NONE;

	for (int i = 0; i < count; i++) {
		int strength = pick_strength_of_list(lists[i], bucket);

		if (strength < 0 || strength < best)
			continue;
		other = strength == best ? picked : S3_PICK_NONE;
		picked = i;
		best = strength;
	}
	if (other == S3_PICK_NONE)
		return picked;
	if (both != NULL) {
		both[0] = other;
		both[1] = picked;
	}
	return S3_PICK_AMBIGUOUS;
}
