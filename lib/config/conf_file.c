/* Reads a configuration file: sections with settings in them, as farewell.conf(5) says. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/text.h"
#include "lib/config/conf_load.h"

#define MAX_BYTES (1024 * 1024)

/* ---- the text ---- */

/* The whole file, for the caller to free; NULL: the error was reported. */
static char *file_load(struct conf_loader *loader, size_t *length)
{
	FILE *in = fopen(loader->file, "re");
	struct stat status;
	char *text = NULL;

	if (in == NULL) {
		conf_complain_line(loader, 0, "can't be opened: %s", strerror(errno));
		return NULL;
	}
	/* A named pipe is welcome, a directory is not; fopen takes it. */
	if (fstat(fileno(in), &status) == 0 && S_ISDIR(status.st_mode)) {
		conf_complain_line(loader, 0, "is a directory");
		goto out;
	}
	if ((text = malloc(MAX_BYTES + 1)) == NULL) {
		conf_complain_line(loader, 0, "out of memory");
		goto out;
	}
	*length = fread(text, 1, MAX_BYTES + 1, in);
	if (ferror(in) || *length > MAX_BYTES) {
		conf_complain_line(loader, 0, "can't be read: %s",
		                   ferror(in) ? strerror(errno) : "longer than 1 MiB");
		free(text);
		text = NULL;
		goto out;
	}
	text[*length] = '\0';
out:
	fclose(in);
	return text;
}

/* Reports the first line with bytes in it that no text has. */
static bool file_is_text(struct conf_loader *loader, const char *text, size_t length)
{
	const char *end = text + length;

	for (int line = 1; text < end; line++) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		size_t bytes = (size_t)((stop != NULL ? stop : end) - text);

		if (memchr(text, '\0', bytes) != NULL) {
			conf_complain_line(loader, line, "has a NUL byte in it; this is no text file");
			return false;
		}
		if (!text_utf8_valid(text, bytes)) {
			conf_complain_line(loader, line, "is not valid UTF-8");
			return false;
		}
		text += bytes + 1;
	}
	return true;
}

/* ---- the grammar ---- */

/* The rest of the file makes no sense: what is wrong with the current token, or WHAT and NAME. */
static bool file_give_up(struct conf_loader *loader, const struct conf_lexer *lexer,
                         const char *what, const char *name)
{
	if (lexer->token == TOKEN_WRONG)
		conf_complain_line(loader, lexer->line, "%s", lexer->why);
	else
		conf_complain_line(loader, lexer->line, "%s%.60s", what, name);
	return false;
}

/* The section or block that was opened in LINE ends with the file. */
static bool file_end_in_section(struct conf_loader *loader, int line)
{
	conf_complain_line(loader, line, "this section has no end; the closing brace is missing");
	return false;
}

/* From an opening brace to behind the one that closes it. */
static bool file_skip_block(struct conf_loader *loader, struct conf_lexer *lexer)
{
	int depth = 0, line = lexer->line;

	do {
		depth += lexer->token == TOKEN_OPEN ? 1 : lexer->token == TOKEN_CLOSE ? -1 : 0;
		conf_lexer_next(lexer);
	} while (depth > 0 && lexer->token != TOKEN_END && lexer->token != TOKEN_WRONG);
	if (depth > 0 && lexer->token == TOKEN_END)
		return file_end_in_section(loader, line);
	return true;
}

/* Skips what follows the name of a setting that there is not: perhaps an equal sign, then `{ … }`
 * or words up to one that an equal sign follows. That one is left in *KEY, for the caller to free.
 */
static bool file_skip_unknown(struct conf_loader *loader, struct conf_lexer *lexer, char **key)
{
	if (lexer->token == TOKEN_EQUALS)
		conf_lexer_next(lexer);
	if (lexer->token == TOKEN_OPEN)
		return file_skip_block(loader, lexer);
	while (lexer->token == TOKEN_TEXT) {
		free(*key);
		*key = lexer->text;
		lexer->text = NULL;
		conf_lexer_next(lexer);
		if (lexer->token == TOKEN_EQUALS)
			return true;
	}
	free(*key);
	*key = NULL;
	return true;
}

/* Takes TEXT, which begins in LINE, as what the file says about setting INDEX. */
static void file_take(struct conf_loader *loader, struct conf_scope *scope, int index,
                      const char *text, int line)
{
	struct conf_given *given = &scope->given[index];
	char *origin, name[CONF_NAME_SIZE];

	if (given->line > 0) {
		conf_setting_name(scope, index, name);
		conf_complain_line(loader, line, "%s: set twice, first in line %d", name, given->line);
		given->wrong = true;
		return;
	}
	given->line = line;
	if (asprintf(&origin, "%s:%d", loader->file, line) < 0)
		origin = NULL;
	conf_take(loader, scope, index, text, origin);
}

/* What follows the KEY of a setting, which LINE has. Another key that was met on the way is left in
 * *NEXT. */
static bool file_read_setting(struct conf_loader *loader, struct conf_lexer *lexer,
                              struct conf_scope *scope, const char *section, const char *key,
                              int line, char **next)
{
	int index = scope->store != NULL ? conf_store_find(key) : conf_find(section, key);

	*next = NULL;
	if (index < 0) {
		conf_unknown_key(loader, line, section, key);
		return file_skip_unknown(loader, lexer, next);
	}
	if (lexer->token != TOKEN_EQUALS)
		return file_give_up(loader, lexer, "an equal sign is missing after ", key);
	conf_lexer_next(lexer);
	if (lexer->token != TOKEN_TEXT)
		return file_give_up(loader, lexer, "there is no value for ", key);
	file_take(loader, scope, index, lexer->text, lexer->line);
	conf_lexer_next(lexer);
	return true;
}

/* The settings of SECTION, which SCOPE has, up to its closing brace. OPENED is the line of the
 * other one. */
static bool file_read_section(struct conf_loader *loader, struct conf_lexer *lexer,
                              struct conf_scope *scope, const char *section, int opened)
{
	char *key = NULL, *next;
	bool good = true;

	while (good && (key != NULL || lexer->token == TOKEN_TEXT)) {
		int line = lexer->line;

		if (key == NULL) {
			key = lexer->text;
			lexer->text = NULL;
			conf_lexer_next(lexer);
		}
		good = file_read_setting(loader, lexer, scope, section, key, line, &next);
		free(key);
		key = next;
	}
	free(key);
	if (!good)
		return false;
	if (lexer->token == TOKEN_END)
		return file_end_in_section(loader, opened);
	if (lexer->token != TOKEN_CLOSE)
		return file_give_up(loader, lexer, "a setting is missing in the section ", section);
	conf_lexer_next(lexer);
	return true;
}

/* One store, from its name on, which LINE has the word before. A block that is refused as a whole
 * is skipped, so that the rest of the file is looked at. */
static bool file_read_store(struct conf_loader *loader, struct conf_lexer *lexer, int line)
{
	struct conf_scope *scope = NULL;

	conf_lexer_next(lexer);
	if (lexer->token != TOKEN_TEXT)
		return file_give_up(loader, lexer, "a name is missing, as in store \"eu\" { … }", "");
	scope = conf_store_begin(loader, lexer->text, line);
	conf_lexer_next(lexer);
	if (lexer->token != TOKEN_OPEN)
		return file_give_up(loader, lexer,
		                    "an opening brace is missing after the name of the store", "");
	if (scope == NULL)
		return file_skip_block(loader, lexer);
	line = lexer->line;
	conf_lexer_next(lexer);
	return file_read_section(loader, lexer, scope, conf_store_section, line);
}

/* One section, or one store. */
static bool file_read_part(struct conf_loader *loader, struct conf_lexer *lexer)
{
	const char *section = conf_section(lexer->text);
	int line;

	if (strcmp(lexer->text, conf_store_section) == 0)
		return file_read_store(loader, lexer, lexer->line);
	if (section == NULL) {
		conf_unknown_section(loader, lexer->line, lexer->text);
		return false;
	}
	conf_lexer_next(lexer);
	if (lexer->token != TOKEN_OPEN)
		return file_give_up(loader, lexer, "an opening brace is missing after ", section);
	line = lexer->line;
	conf_lexer_next(lexer);
	return file_read_section(loader, lexer, &loader->sections, section, line);
}

static bool file_parse(struct conf_loader *loader, const char *text)
{
	struct conf_lexer lexer = {.at = text, .at_line = 1};
	bool good = true;

	conf_lexer_next(&lexer);
	while (good && lexer.token == TOKEN_TEXT)
		good = file_read_part(loader, &lexer);
	if (good && lexer.token != TOKEN_END)
		good = file_give_up(loader, &lexer,
		                    lexer.token == TOKEN_CLOSE ? "unexpected closing brace" :
		                                                 "the name of a section is missing",
		                    "");
	conf_lexer_free(&lexer);
	return good;
}

bool conf_file_read(struct conf_loader *loader)
{
	size_t length = 0;
	char *text = file_load(loader, &length);
	bool good = text != NULL && file_is_text(loader, text, length) && file_parse(loader, text);

	free(text);
	return good;
}
