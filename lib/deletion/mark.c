/* Tells a mark from a time that never comes. */
#include "lib/deletion/mark.h"

#include <string.h>

bool mark_is_infinite(const char *mark)
{
	return strcmp(mark, "infinity") == 0 || strcmp(mark, "-infinity") == 0;
}
