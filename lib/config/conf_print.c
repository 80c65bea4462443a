/* Writes the sample file, or the manual's list of settings, from the table: `./dev settings` puts
 * both into the tree, and a test of `make check` says when they are stale. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/config/conf_load.h"

#define SAMPLE_COLUMNS 94 /* beside a tab and `# ` */
#define MANUAL_COLUMNS 80

static const char *const sections[] = {"common", "gateway", "worker"};
#define SECTIONS (sizeof(sections) / sizeof(sections[0]))

static const char sample_head[] =
	"# Farewell: the configuration of farewell-fcgi and farewell-workerd. farewell.conf(5) "
	"explains "
	"it.\n"
	"#\n"
	"# A setting with # before it shows its default; remove the # to change it. What has no # "
	"before it\n"
	"# must be set, and the value is an example. What a value may be stands in brackets.\n"
	"#\n"
	"# Durations have a unit: 500ms, 10s, 5m, 1h, 7d. Sizes are in bytes, or with k, M or G. A "
	"value with\n"
	"# anything but letters, digits and ._-/:@% in it needs quotes. In double quotes ${NAME} is "
	"replaced\n"
	"# from the environment, and ${NAME:-default} has a default; in single quotes nothing is. So "
	"the\n"
	"# credentials of systemd can be named: \"${CREDENTIALS_DIRECTORY}/s3.secret\".\n"
	"#\n"
	"# Secrets are in files of their own (settings that end in _file), of which the first line "
	"counts. A\n"
	"# program opens only those of its own section and refuses one that is open to everybody: "
	"chmod 640,\n"
	"# with the group Farewell runs as.\n"
	"#\n"
	"# Each setting can be overridden by an environment variable: gateway.children by\n"
	"# FAREWELL_GATEWAY_CHILDREN.\n"
	"#\n"
	"# Check after every change: farewell-fcgi -t and farewell-workerd -t. Then reload: HUP, or\n"
	"# systemctl reload.\n";

static const char *const section_texts[SECTIONS] = {
	"What both programs must agree on.",
	"farewell-fcgi. What must hold between its settings, for reasons that farewell.conf(5) has:",
	"farewell-workerd. What must hold between its settings, for reasons that farewell.conf(5) has:",
};

/* Where to break TEXT so that at most COLUMNS characters are before the break. */
static size_t line_length(const char *text, size_t columns)
{
	size_t length = strlen(text), best = 0;

	if (length <= columns)
		return length;
	for (size_t i = 1; i < length && (i <= columns || best == 0); i++)
		if (text[i] == ' ')
			best = i;
	return best == 0 ? length : best;
}

/* ---- the sample file ---- */

/* TEXT as a comment in lines that begin with PREFIX. */
static void sample_comment(const char *prefix, const char *text)
{
	while (*text != '\0') {
		size_t length = line_length(text, SAMPLE_COLUMNS);

		printf("%s%.*s\n", prefix, (int)length, text);
		text += length + strspn(text + length, " ");
	}
}

static bool needs_quotes(const char *value)
{
	return value[0] == '\0' || value[strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                                               "abcdefghijklmnopqrstuvwxyz"
	                                               "0123456789._-/:@%")] != '\0';
}

static void sample_setting(const struct conf_setting *setting)
{
	char range[256], text[4096];
	bool off =
		setting->fallback != NULL && (setting->example == NULL || setting->fallback[0] != '\0');
	const char *value = setting->example != NULL ? setting->example : setting->fallback;
	const char *quote = needs_quotes(value) ? "\"" : "";

	if (setting->topic != NULL)
		printf("\n\t# ---- %s ----\n", setting->topic);
	if (setting->topic_text != NULL)
		sample_comment("\t# ", setting->topic_text);
	conf_value_range(setting, range, sizeof(range));
	snprintf(text, sizeof(text), range[0] != '\0' ? "%s [%s]" : "%s", setting->text, range);
	putchar('\n');
	sample_comment("\t# ", text);
	printf("\t%s%s = %s%s%s\n", off ? "#" : "", setting->key, quote, value, quote);
}

static void sample_orders(const char *section)
{
	for (size_t i = 0; i < conf_orders_length; i++) {
		const struct conf_order *order = &conf_orders[i];

		if (order->section != NULL && strcmp(order->section, section) == 0)
			printf("#   %s %s %s\n", order->lesser, order->may_equal ? "<=" : "<", order->greater);
	}
}

/* Commented out as a whole, since there need be none. */
static void sample_store(void)
{
	char range[256], text[4096];

	fputs(
		"\n# An object store beside the default one, which the s3_* settings of the worker are; as "
		"many as there\n# are stores or regions, each with a name. Time-outs and limits are those "
		"of "
		"the worker.\n#store \"eu\" {\n",
		stdout);
	for (size_t i = 0; i < conf_store_table_length; i++) {
		const struct conf_setting *setting = &conf_store_table[i];
		const char *value = setting->example != NULL ? setting->example : setting->fallback;
		const char *quote = needs_quotes(value) ? "\"" : "";

		conf_value_range(setting, range, sizeof(range));
		snprintf(text, sizeof(text), range[0] != '\0' ? "%s [%s]" : "%s", setting->text, range);
		sample_comment("#\t# ", text);
		printf("#\t%s = %s%s%s\n", setting->key, quote, value, quote);
	}
	puts("#}");
}

static void print_sample(void)
{
	fputs(sample_head, stdout);
	for (size_t i = 0; i < SECTIONS; i++) {
		printf("\n# %s\n", section_texts[i]);
		sample_orders(sections[i]);
		printf("%s {", sections[i]);
		for (size_t j = 0; j < conf_table_length; j++)
			if (strcmp(conf_table[j].section, sections[i]) == 0)
				sample_setting(&conf_table[j]);
		puts("}");
	}
	sample_store();
}

/* ---- the manual ---- */

/* One line of LENGTH bytes, with what mdoc would take for its own escaped. */
static void manual_line(const char *text, size_t length)
{
	if (length > 0 && (text[0] == '.' || text[0] == '\''))
		fputs("\\&", stdout);
	for (size_t i = 0; i < length; i++)
		if (text[i] == '\\')
			fputs("\\e", stdout);
		else if (text[i] == '-' && (i == 0 || text[i - 1] == ' '))
			fputs("\\-", stdout); /* an option of a command */
		else
			putchar(text[i]);
	putchar('\n');
}

/* The length of the sentence that TEXT begins with: mdoc wants each to begin a line. */
static size_t sentence_length(const char *text)
{
	for (size_t i = 0; text[i] != '\0'; i++)
		if (strchr(".?", text[i]) != NULL && text[i + 1] == ' ' &&
		    (isupper((unsigned char)text[i + 2]) || isdigit((unsigned char)text[i + 2])))
			return i + 1;
	return strlen(text);
}

static void manual_text(const char *text)
{
	while (*text != '\0') {
		size_t length = sentence_length(text);
		char sentence[4096], *rest = sentence;

		snprintf(sentence, sizeof(sentence), "%.*s", (int)length, text);
		while (*rest != '\0') {
			size_t line = line_length(rest, MANUAL_COLUMNS);

			manual_line(rest, line);
			rest += line + strspn(rest + line, " ");
		}
		text += length + strspn(text + length, " ");
	}
}

/* The same setting in the section that the manual shows together with this one, or itself. */
static const struct conf_setting *twin(const struct conf_setting *setting)
{
	return setting->shared ? &conf_table[conf_find("worker", setting->key)] : setting;
}

static const char *default_text(const struct conf_setting *setting)
{
	if (setting->fallback == NULL)
		return "must be set";
	if (setting->fallback[0] == '\0')
		return "empty";
	return setting->example != NULL ? setting->example : setting->fallback;
}

/* `A`, or `A in gateway, B in worker`. */
static void join_twins(const char *gateway, const char *worker, char *text, size_t size)
{
	if (strcmp(gateway, worker) == 0)
		snprintf(text, size, "%s", gateway);
	else
		snprintf(text, size, "%s in gateway, %s in worker", gateway, worker);
}

/* `(RANGE; default: …)`, or the default as a block when it is SQL. */
static void manual_value(const struct conf_setting *setting)
{
	char own[256], other[256], range[600], fallback[600], text[1300];

	if (setting->type == CONF_SQL) {
		puts("The default:\n.Bd -literal -compact");
		for (const char *rest = setting->fallback; *rest != '\0';) {
			size_t length = line_length(rest, 68);

			manual_line(rest, length);
			rest += length + strspn(rest + length, " ");
		}
		puts(".Ed");
		return;
	}
	conf_value_range(setting, own, sizeof(own));
	conf_value_range(twin(setting), other, sizeof(other));
	join_twins(own, other, range, sizeof(range));
	join_twins(default_text(setting), default_text(twin(setting)), fallback, sizeof(fallback));
	snprintf(text, sizeof(text), "(%s%s%s%s)", range, range[0] != '\0' ? "; " : "",
	         setting->fallback != NULL ? "default: " : "", fallback);
	manual_text(text);
}

static void manual_setting(const struct conf_setting *setting)
{
	printf(".It Ic %s\n", setting->key);
	manual_text(setting->text);
	manual_value(setting);
}

/* The settings of SECTION that are shared, or that are not. */
static void manual_settings(const char *section, bool shared)
{
	bool in_list = false, seen = false;

	for (size_t i = 0; i < conf_table_length; i++) {
		const struct conf_setting *setting = &conf_table[i];

		if (strcmp(setting->section, section) != 0 || setting->shared != shared)
			continue;
		if (setting->topic != NULL) {
			printf("%s%s.Em %s\n", in_list ? ".El\n" : "", seen ? ".Pp\n" : "", setting->topic);
			if (setting->topic_text != NULL) {
				puts(".Pp");
				manual_text(setting->topic_text);
			}
			puts(".Bl -tag -width Ds");
			in_list = seen = true;
		}
		manual_setting(setting);
	}
	puts(".El");
}

static void manual_orders(const char *title, const char *section)
{
	printf(".It %s\n.Bl -bullet -compact\n", title);
	for (size_t i = 0; i < conf_orders_length; i++) {
		const struct conf_order *order = &conf_orders[i];

		if (strcmp(order->section != NULL ? order->section : "", section) == 0)
			printf(".It\n.Li %s %s %s :\n%s\n", order->lesser, order->may_equal ? "<=" : "<",
			       order->greater, order->because);
	}
	puts(".El");
}

static void print_manual(void)
{
	puts(".Ss What must hold between settings\n.Bl -tag -width Ds");
	manual_orders("gateway", "gateway");
	manual_orders("worker", "worker");
	manual_orders("both, while children is 0", "");
	puts(".El");
	puts(".Sh SETTINGS\nIn parentheses: what the value may be, and the default.\n"
	     "Empty means an empty string.");
	puts(".Ss common\nWhat both programs must agree on.\n.Pp");
	manual_settings("common", false);
	puts(
		".Ss gateway and worker\nSettings that both sections have, each for its own program.\n.Pp");
	manual_settings("gateway", true);
	puts(".Ss gateway");
	manual_settings("gateway", false);
	puts(".Ss worker");
	manual_settings("worker", false);
	puts(".Ss store\nA block with a name, as shown above, for an object store beside the default "
	     "one,\n"
	     "which the settings of the worker are that begin with s3_.\n.Bl -tag -width Ds");
	for (size_t i = 0; i < conf_store_table_length; i++)
		manual_setting(&conf_store_table[i]);
	puts(".El");
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "sample") == 0)
		print_sample();
	else if (argc == 2 && strcmp(argv[1], "manual") == 0)
		print_manual();
	else
		return fputs("usage: conf_print sample | manual\n", stderr), EX_USAGE;
	return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_SUCCESS : EXIT_FAILURE;
}
