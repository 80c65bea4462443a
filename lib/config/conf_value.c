/* One value from its text, by type: what may be written, and where it goes. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/text.h"
#include "lib/config/conf_load.h"

struct unit {
	const char *name;
	int64_t factor;
};

/* Largest first: a value is written in the first that divides it. In durations case matters, since
 * nobody knows what 10M would be. */
static const struct unit durations[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000},
                                        {"s", 1000},     {"ms", 1},      {NULL, 0}};
static const struct unit sizes[] = {{"G", 1 << 30}, {"M", 1 << 20}, {"k", 1 << 10}, {"", 1},
                                    {"g", 1 << 30}, {"m", 1 << 20}, {"K", 1 << 10}, {NULL, 0}};

/* The digits at the start of TEXT; false: none, or too large. REST is what follows them. */
static bool read_digits(const char *text, size_t length, int64_t *number, const char **rest)
{
	size_t i = 0;

	*number = 0;
	for (; i < length && text[i] >= '0' && text[i] <= '9'; i++)
		if (__builtin_mul_overflow(*number, 10, number) ||
		    __builtin_add_overflow(*number, text[i] - '0', number))
			return false;
	*rest = text + i;
	return i > 0;
}

static bool read_with_unit(const char *text, size_t length, const struct unit *units,
                           int64_t *value)
{
	const char *rest;

	if (!read_digits(text, length, value, &rest))
		return false;
	length -= (size_t)(rest - text);
	for (; units->name != NULL; units++)
		if (strlen(units->name) == length && strncmp(rest, units->name, length) == 0)
			return !__builtin_mul_overflow(*value, units->factor, value);
	return false;
}

static bool read_integer(const char *text, int64_t *value)
{
	bool minus = text[0] == '-';
	const char *rest;

	if (!read_digits(text + minus, strlen(text + minus), value, &rest) || *rest != '\0')
		return false;
	if (minus)
		*value = -*value;
	return true;
}

static bool read_mode(const char *text, int64_t *value)
{
	size_t length = strspn(text, "01234567");

	if (length < 1 || length > 5 || text[length] != '\0')
		return false;
	*value = strtol(text, NULL, 8);
	return true;
}

/* -1: neither. */
static int read_bool(const char *text)
{
	static const char *const words[] = {"no", "yes", "off", "on", "false", "true"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(text, words[i]) == 0)
			return (int)(i % 2);
	return -1;
}

static void put_number(enum conf_type type, int64_t value, char *text, size_t size)
{
	bool duration = type == CONF_DURATION || type == CONF_DURATIONS;
	const struct unit *unit = duration ? durations : sizes;

	if (type == CONF_MODE) {
		snprintf(text, size, "%04" PRIo64, (uint64_t)value);
		return;
	}
	if (type == CONF_INT || value == 0) {
		snprintf(text, size, "%" PRId64 "%s", value, duration ? "s" : "");
		return;
	}
	while (value % unit->factor != 0)
		unit++;
	snprintf(text, size, "%" PRId64 "%s", value / unit->factor, unit->name);
}

/* `error, warning, info or debug`. An empty choice stands for "not set" and can't be chosen. */
static void put_choices(const char *const *choices, char *text, size_t size)
{
	text[0] = '\0';
	for (; *choices != NULL; choices++) {
		size_t length = strlen(text);

		if (**choices != '\0')
			snprintf(text + length, size - length, "%s%s",
			         length == 0        ? "" :
			         choices[1] != NULL ? ", " :
			                              " or ",
			         *choices);
	}
}

/* How many bytes a text may have. */
static void put_length(const struct conf_setting *setting, char *text, size_t size)
{
	if (setting->max > 0)
		snprintf(text, size, "%" PRId64 " to %" PRId64 " bytes", setting->min, setting->max);
}

void conf_value_range(const struct conf_setting *setting, char *text, size_t size)
{
	char least[32], most[32];

	text[0] = '\0';
	put_number(setting->type, setting->min, least, sizeof(least));
	put_number(setting->type, setting->max, most, sizeof(most));
	switch (setting->type) {
	case CONF_SECRET:
	case CONF_SQL:
	case CONF_URL:
	case CONF_ENDPOINT:
	case CONF_ALLOW:
	case CONF_BUCKETS: return;
	case CONF_STRING: put_length(setting, text, size); return;
	case CONF_BOOL: snprintf(text, size, "yes or no"); return;
	case CONF_ENUM: put_choices(setting->choices, text, size); return;
	case CONF_DURATIONS:
		snprintf(text, size, "1 to %d durations from %s to %s, each longer than the one before",
		         CONF_DELAYS_MAX, least, most);
		return;
	case CONF_INT:
	case CONF_DURATION:
	case CONF_SIZE:
	case CONF_MODE:
		if (setting->max == INT64_MAX)
			snprintf(text, size, "%s or more", least);
		else
			snprintf(text, size, "%s to %s", least, most);
	}
}

static bool set_number(const struct conf_setting *setting, const char *text, int64_t *place,
                       char *why, size_t why_size)
{
	const char *kind;
	char range[80];
	int64_t value;
	bool good;

	switch (setting->type) {
	case CONF_DURATION:
		good = read_with_unit(text, strlen(text), durations, &value);
		kind = "duration; write 500ms, 10s, 5m, 1h or 7d";
		break;
	case CONF_SIZE:
		good = read_with_unit(text, strlen(text), sizes, &value);
		kind = "size; write 4096, 64k, 8M or 1G";
		break;
	case CONF_MODE:
		good = read_mode(text, &value);
		kind = "file mode; write it in octal, such as 0660";
		break;
	default: good = read_integer(text, &value); kind = "whole number";
	}
	if (!good) {
		snprintf(why, why_size, "\"%.60s\" is not a %s", text, kind);
		return false;
	}
	if (value < setting->min || value > setting->max) {
		conf_value_range(setting, range, sizeof(range));
		snprintf(why, why_size, "%s is out of range; it may be %s", text, range);
		return false;
	}
	*place = value;
	return true;
}

static bool set_bool(const char *text, bool *place, char *why, size_t why_size)
{
	int value = read_bool(text);

	if (value < 0) {
		snprintf(why, why_size,
		         "\"%.60s\" is neither yes nor no; write yes, no, on, off, true or false", text);
		return false;
	}
	*place = value == 1;
	return true;
}

static bool set_enum(const struct conf_setting *setting, const char *text, int *place, char *why,
                     size_t why_size)
{
	char choices[256];

	for (int i = 0; setting->choices[i] != NULL; i++)
		if (text[0] != '\0' && strcmp(setting->choices[i], text) == 0) {
			*place = i;
			return true;
		}
	conf_value_range(setting, choices, sizeof(choices));
	snprintf(why, why_size, "\"%.60s\" is not possible; write %s", text, choices);
	return false;
}

/* ---- durations ---- */

static void free_durations(struct conf_durations *list)
{
	for (int i = 0; i < CONF_DELAYS_MAX; i++)
		free(list->item[i].text);
	*list = (struct conf_durations){.count = 0};
}

/* One more, of LENGTH bytes. NULL, or what is wrong with it. */
static const char *add_duration(const struct conf_setting *setting, struct conf_durations *list,
                                const char *text, size_t length)
{
	int count = list->count;
	int64_t ms;

	if (count == CONF_DELAYS_MAX)
		return "is one too many";
	if (!read_with_unit(text, length, durations, &ms))
		return "is not a duration";
	if (ms < setting->min || ms > setting->max)
		return "is out of range";
	if (count > 0 && ms <= list->item[count - 1].ms)
		return "is not longer than the one before it";
	if ((list->item[count].text = strndup(text, length)) == NULL)
		return "finds no memory";
	list->item[count].ms = ms;
	list->count++;
	return NULL;
}

static bool set_durations(const struct conf_setting *setting, const char *text,
                          struct conf_durations *place, char *why, size_t why_size)
{
	struct conf_durations list = {.count = 0};
	const char *wrong = NULL;
	char range[128];

	conf_value_range(setting, range, sizeof(range));
	for (text += strspn(text, " "); *text != '\0' && wrong == NULL; text += strspn(text, " ")) {
		size_t length = strcspn(text, " ");

		if ((wrong = add_duration(setting, &list, text, length)) != NULL)
			snprintf(why, why_size, "\"%.*s\" %s; write %s, as in \"%s\"",
			         (int)(length < 60 ? length : 60), text, wrong, range, setting->fallback);
		text += length;
	}
	if (wrong == NULL && list.count == 0)
		snprintf(why, why_size, "must not be empty; write %s, as in \"%s\"", range,
		         setting->fallback);
	if (wrong != NULL || list.count == 0) {
		free_durations(&list);
		return false;
	}
	free_durations(place);
	*place = list;
	return true;
}

/* ---- text ---- */

/* Control characters would end up in log lines, mail headers and file names; SQL may span lines. */
static const char *text_fault(const struct conf_setting *setting, const char *text)
{
	bool sql = setting->type == CONF_SQL;

	if (text[0] == '\0' && (setting->fallback == NULL || setting->min > 0))
		return "must not be empty";
	if (sql && text[strspn(text, " \t\r\n")] == '\0' && setting->fallback[0] != '\0')
		return "must not be empty; it is one SQL statement";
	if (!text_utf8_valid(text, strlen(text)))
		return "is not valid UTF-8";
	for (const char *c = text; *c != '\0'; c++)
		if (iscntrl((unsigned char)*c) && !(sql && isspace((unsigned char)*c)))
			return "has a control character in it";
	if (setting->max > 0 && strlen(text) > (size_t)setting->max)
		return "is too long";
	if (setting->type == CONF_URL || setting->type == CONF_ENDPOINT)
		return conf_url_fault(setting, text);
	if (setting->type == CONF_BUCKETS)
		return conf_buckets_fault(text);
	return setting->type == CONF_ALLOW ? conf_allow_fault(text) : NULL;
}

static bool set_text(const struct conf_setting *setting, const char *text, char **place, char *why,
                     size_t why_size)
{
	const char *wrong = text_fault(setting, text);
	bool shown = setting->type == CONF_URL || setting->type == CONF_ENDPOINT ||
	             setting->type == CONF_ALLOW || setting->type == CONF_BUCKETS;
	char range[64], *copy;

	conf_value_range(setting, range, sizeof(range));
	if (wrong != NULL) {
		snprintf(why, why_size, "%s%s%s%s%s", wrong, range[0] != '\0' ? "; it may have " : "",
		         range, shown ? "; write it as in " : "", shown ? setting->example : "");
		return false;
	}
	if ((copy = strdup(text)) == NULL) {
		snprintf(why, why_size, "out of memory");
		return false;
	}
	free(*place);
	*place = copy;
	return true;
}

/* ---- any ---- */

bool conf_value_set(const struct conf_setting *setting, const char *text, void *base, char *why,
                    size_t why_size)
{
	void *place = (char *)base + setting->place;

	switch (setting->type) {
	case CONF_STRING:
	case CONF_SQL:
	case CONF_URL:
	case CONF_ENDPOINT:
	case CONF_ALLOW:
	case CONF_BUCKETS: return set_text(setting, text, place, why, why_size);
	case CONF_SECRET:
		return set_text(setting, text, &((struct conf_secret *)place)->file, why, why_size);
	case CONF_BOOL: return set_bool(text, place, why, why_size);
	case CONF_ENUM: return set_enum(setting, text, place, why, why_size);
	case CONF_DURATIONS: return set_durations(setting, text, place, why, why_size);
	case CONF_INT:
	case CONF_DURATION:
	case CONF_SIZE:
	case CONF_MODE: return set_number(setting, text, place, why, why_size);
	}
	abort(); /* not a type: a bug of ours */
}

void conf_value_free(const struct conf_setting *setting, void *base)
{
	void *place = (char *)base + setting->place;

	switch (setting->type) {
	case CONF_STRING:
	case CONF_SQL:
	case CONF_URL:
	case CONF_ENDPOINT:
	case CONF_ALLOW:
	case CONF_BUCKETS: free(*(char **)place); break;
	case CONF_SECRET: conf_secret_wipe(place); break;
	case CONF_DURATIONS: free_durations(place); break;
	case CONF_BOOL:
	case CONF_ENUM:
	case CONF_INT:
	case CONF_DURATION:
	case CONF_SIZE:
	case CONF_MODE: break;
	}
}
