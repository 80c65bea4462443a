/* The text of a configuration file as tokens: words, strings in quotes, = { and }. Comments are
 * skipped and ${NAME} is replaced from the environment, as farewell.conf(5) says. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/config/conf_load.h"

#define BETWEEN_WORDS " \t\r\n\"'#={}()+,*" /* ends a word; so does the start of a comment */

__attribute__((format(printf, 3, 4))) static void lexer_refuse(struct conf_lexer *lexer, int line,
                                                               const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(lexer->why, sizeof(lexer->why), format, args);
	va_end(args);
	lexer->token = TOKEN_WRONG;
	lexer->line = line;
}

static void lexer_step(struct conf_lexer *lexer)
{
	if (*lexer->at == '\n')
		lexer->at_line++;
	lexer->at++;
}

static bool starts(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* To the next token. False: a comment has no end. */
static bool lexer_skip_blanks(struct conf_lexer *lexer)
{
	while (*lexer->at != '\0') {
		int line = lexer->at_line;
		const char *end = lexer->at;

		if (*lexer->at == '#' || starts(lexer->at, "//")) {
			end = strchrnul(lexer->at, '\n');
		} else if (starts(lexer->at, "/*")) {
			if ((end = strstr(lexer->at + 2, "*/")) == NULL) {
				lexer_refuse(lexer, line, "this comment has no end");
				return false;
			}
			end += 2;
		} else if (strchr(" \t\r\n", *lexer->at) != NULL) {
			end = lexer->at + 1;
		} else {
			return true;
		}
		while (lexer->at < end)
			lexer_step(lexer);
	}
	return true;
}

/* Writes what ${NAME} or ${NAME:-default} at AT, which ends at END, stands for. */
static bool lexer_put_variable(struct conf_lexer *lexer, const char *end, FILE *out)
{
	const char *name = lexer->at + 2, *otherwise = memmem(name, (size_t)(end - name), ":-", 2);
	size_t length = (size_t)((otherwise != NULL ? otherwise : end) - name);
	const char *value;
	char copy[128];

	if (length >= sizeof(copy)) {
		lexer_refuse(lexer, lexer->at_line, "the name of the environment variable is too long");
		return false;
	}
	memcpy(copy, name, length);
	copy[length] = '\0';
	if ((value = getenv(copy)) != NULL) {
		fputs(value, out);
	} else if (otherwise != NULL) {
		fwrite(otherwise + 2, 1, (size_t)(end - otherwise) - 2, out);
	} else {
		lexer_refuse(lexer, lexer->at_line,
		             "there is no environment variable %s; set it, give a default as in "
		             "${%s:-default}, or use single quotes if you mean these very characters",
		             copy, copy);
		return false;
	}
	while (lexer->at <= end)
		lexer_step(lexer);
	return true;
}

/* The brace that ends the variable at AT, or NULL if there is none there. */
static const char *variable_end(const char *at)
{
	return starts(at, "${") ? strchr(at, '}') : NULL;
}

/* What a backslash and CHARACTER stand for in double quotes. */
static char escaped(char character)
{
	static const char letters[] = "nrtvfabe", codes[] = "\n\r\t\v\f\a\b\033";
	const char *letter = strchr(letters, character);

	return letter != NULL ? codes[letter - letters] : character;
}

/* The backslash at AT and what follows it. In single quotes only \' and \\ mean anything; at the
 * end of a line it joins the next one in both. */
static bool lexer_put_escape(struct conf_lexer *lexer, char quote, FILE *out)
{
	char next = lexer->at[1];

	if (quote == '"' && ((next >= '0' && next <= '9') || next == 'x')) {
		lexer_refuse(lexer, lexer->at_line,
		             "characters can't be given by number; write the character itself, or \\\\ for "
		             "a backslash");
		return false;
	}
	if (quote == '\'' && next != '\'' && next != '\\' && next != '\n')
		fputc('\\', out);
	lexer_step(lexer);
	if (next == '\0')
		return true;
	if (next != '\n')
		fputc(quote == '"' ? escaped(next) : next, out);
	lexer_step(lexer);
	return true;
}

/* From one quote to the other. */
static bool lexer_put_string(struct conf_lexer *lexer, FILE *out)
{
	char quote = *lexer->at;
	int first = lexer->at_line;

	lexer_step(lexer);
	while (*lexer->at != quote) {
		const char *end = quote == '"' ? variable_end(lexer->at) : NULL;
		bool good = true;

		if (*lexer->at == '\0') {
			lexer_refuse(lexer, first, "this string has no end; the closing quote is missing");
			return false;
		}
		if (end != NULL) {
			good = lexer_put_variable(lexer, end, out);
		} else if (*lexer->at == '\\') {
			good = lexer_put_escape(lexer, quote, out);
		} else {
			fputc(*lexer->at, out);
			lexer_step(lexer);
		}
		if (!good)
			return false;
	}
	lexer_step(lexer);
	return true;
}

/* A word without quotes: either one variable, or what no blank, comment or mark interrupts. */
static bool lexer_put_word(struct conf_lexer *lexer, FILE *out)
{
	const char *end = variable_end(lexer->at);

	if (end != NULL && !lexer_put_variable(lexer, end, out))
		return false;
	while (end == NULL && strchr(BETWEEN_WORDS, *lexer->at) == NULL && !starts(lexer->at, "/*") &&
	       variable_end(lexer->at) == NULL)
		fputc(*lexer->at++, out);
	if (strchr("*+", *lexer->at) != NULL && *lexer->at != '\0' && !starts(lexer->at, "+="))
		lexer_refuse(lexer, lexer->at_line, "a value with %c in it needs quotes", *lexer->at);
	else if (strchr(BETWEEN_WORDS, *lexer->at) == NULL && !starts(lexer->at, "/*") &&
	         !starts(lexer->at, "//"))
		lexer_refuse(lexer, lexer->at_line, "a value with more than ${…} in it needs quotes");
	return lexer->token != TOKEN_WRONG;
}

static void lexer_read_text(struct conf_lexer *lexer)
{
	size_t size;
	FILE *out = open_memstream(&lexer->text, &size);
	bool quoted = *lexer->at == '"' || *lexer->at == '\'';

	lexer->token = TOKEN_TEXT;
	if (out == NULL) {
		lexer_refuse(lexer, lexer->at_line, "out of memory");
		return;
	}
	if (quoted)
		lexer_put_string(lexer, out);
	else
		lexer_put_word(lexer, out);
	if (fclose(out) != 0)
		lexer_refuse(lexer, lexer->at_line, "out of memory");
}

void conf_lexer_next(struct conf_lexer *lexer)
{
	static const char marks[] = "={}";
	static const enum conf_token tokens[] = {TOKEN_EQUALS, TOKEN_OPEN, TOKEN_CLOSE};

	free(lexer->text);
	lexer->text = NULL;
	if (!lexer_skip_blanks(lexer))
		return;
	lexer->line = lexer->at_line;
	if (*lexer->at == '\0') {
		lexer->token = TOKEN_END;
	} else if (strchr(marks, *lexer->at) != NULL) {
		lexer->token = tokens[strchr(marks, *lexer->at) - marks];
		lexer_step(lexer);
	} else if (strchr("(),", *lexer->at) != NULL || starts(lexer->at, "+=")) {
		lexer_refuse(lexer, lexer->line, "unexpected \"%.*s\"; a value with it needs quotes",
		             *lexer->at == '+' ? 2 : 1, lexer->at);
	} else {
		lexer_read_text(lexer);
	}
}

void conf_lexer_free(struct conf_lexer *lexer)
{
	free(lexer->text);
	lexer->text = NULL;
}
