/* Finding words in SQL, outside its quotes and comments (PostgreSQL's documentation, 4.1), and
 * writing arrays (8.15.2). */
#include "lib/session/sql_text.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static bool is_word_character(unsigned char c)
{
	return isalnum(c) || c == '_' || c >= 0x80;
}

/* Behind the closing QUOTE; a doubled one is not the end, and with ESCAPES neither is one behind a
 * backslash. */
static const char *skip_quoted(const char *c, char quote, bool escapes)
{
	for (c++; *c != '\0'; c++) {
		if (escapes && *c == '\\' && c[1] != '\0')
			c++;
		else if (*c == quote && c[1] == quote)
			c++;
		else if (*c == quote)
			return c + 1;
	}
	return c;
}

/* Behind $tag$…$tag$; C itself, if this dollar begins no such thing. */
static const char *skip_dollars(const char *c)
{
	const char *tag_end = c + 1;

	if (isdigit((unsigned char)*tag_end))
		return c; /* a parameter */
	while (is_word_character((unsigned char)*tag_end))
		tag_end++;
	if (*tag_end != '$')
		return c;
	size_t length = (size_t)(tag_end + 1 - c);
	for (const char *end = tag_end + 1; *end != '\0'; end++)
		if (strncmp(end, c, length) == 0)
			return end + length;
	return c + strlen(c);
}

/* Behind a comment, which may have others in it. */
static const char *skip_comment(const char *c)
{
	int depth = 0;

	if (c[0] == '-')
		return c + strcspn(c, "\r\n");
	do {
		if (c[0] == '/' && c[1] == '*') {
			depth++;
			c += 2;
		} else if (c[0] == '*' && c[1] == '/') {
			depth--;
			c += 2;
		} else {
			c++;
		}
	} while (depth > 0 && *c != '\0');
	return c;
}

/* Behind whatever is no word; to the next one, or the end. *BROKEN: more than white space and
 * comments was between. */
static const char *next_word(const char *c, bool *broken)
{
	*broken = false;
	while (*c != '\0' && !is_word_character((unsigned char)*c)) {
		const char *from = c;

		if ((c[0] == '-' && c[1] == '-') || (c[0] == '/' && c[1] == '*')) {
			c = skip_comment(c);
			continue;
		}
		if (*c == '\'' || *c == '"')
			c = skip_quoted(c, *c, false);
		else if (*c == '$')
			c = skip_dollars(c);
		*broken = *broken || c != from || !isspace((unsigned char)*c);
		if (c == from)
			c++;
	}
	return c;
}

static bool is_word(const char *text, size_t length, const char *word, size_t word_length)
{
	if (length != word_length)
		return false;
	for (size_t i = 0; i < length; i++)
		if (toupper((unsigned char)text[i]) != word[i])
			return false;
	return true;
}

bool sql_has_words(const char *sql, const char *words)
{
	const char *wanted = words;
	bool broken;

	for (const char *c = next_word(sql, &broken); *c != '\0'; c = next_word(c, &broken)) {
		const char *end = c;

		while (is_word_character((unsigned char)*end))
			end++;
		size_t length = (size_t)(end - c);
		if (broken)
			wanted = words;
		for (int attempt = 0; attempt < 2; attempt++) {
			size_t word_length = strcspn(wanted, " ");
			bool same = is_word(c, length, wanted, word_length);

			if (same && wanted[word_length] == '\0')
				return true;
			if (same) {
				wanted += word_length + 1;
				break;
			}
			wanted = words; /* it may be the first again */
		}
		/* E'…' has escapes; N, B, X and U& have none. */
		c = *end == '\'' && length == 1 && toupper((unsigned char)*c) == 'E' ?
		        skip_quoted(end, '\'', true) :
		        end;
	}
	return false;
}

char *sql_array(const char *const *texts, size_t count)
{
	size_t size = 3, used = 0;

	for (size_t i = 0; i < count; i++)
		size += 2 * strlen(texts[i]) + 3;
	char *array = malloc(size);
	if (array == NULL)
		return NULL;
	array[used++] = '{';
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			array[used++] = ',';
		array[used++] = '"';
		for (const char *c = texts[i]; *c != '\0'; c++) {
			if (*c == '"' || *c == '\\')
				array[used++] = '\\';
			array[used++] = *c;
		}
		array[used++] = '"';
	}
	array[used++] = '}';
	array[used] = '\0';
	return array;
}
