/* Reading SQL's text as far as words go: quotes and comments are told from it, nothing else. */
#ifndef FAREWELL_SQL_TEXT_H
#define FAREWELL_SQL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Whether SQL has these WORDS (upper case, one space between two) one after the other, outside
 * quotes and comments; in whatever case, with whatever white space and comments between. */
bool sql_has_words(const char *sql, const char *words);

/* COUNT texts as the literal of an array, {"a","b"}, for a parameter; malloc'ed, or NULL. */
char *sql_array(const char *const *texts, size_t count);

#endif
