/* Templates: placeholders, locales, and mistakes in files reported with file and line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/mail/mail_template.h"
#include "tests/unit/unit.h"

static const char *const values[MAIL_VALUES] = {
	[MAIL_VALUE_NAME] = "Ann <b> & \"Co\"'s {{user_id}}",
	[MAIL_VALUE_USER_ID] = "42",
	[MAIL_VALUE_DELETION_ID] = "d-1",
	[MAIL_VALUE_REQUESTED_AT] = "",
	[MAIL_VALUE_FILES_DELETED] = "7",
	[MAIL_VALUE_VERSIONS_LEFT] = "",
};
static char written[1024], why[256], directory[64];

static const char *filled(const char *source, bool as_html)
{
	memset(written, 0, sizeof(written));
	FILE *out = fmemopen(written, sizeof(written), "w");

	mail_template_write(out, source, values, as_html);
	fclose(out);
	return written;
}

static void put(const char *locale, const char *name, const char *content)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", directory, locale);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%s/%s", directory, locale, name);
	FILE *out = fopen(path, "w");
	if (out == NULL) {
		CU_FAIL_FATAL("a template can't be written");
		return;
	}
	fputs(content, out);
	fclose(out);
}

static void put_locale(const char *locale)
{
	put(locale, "subject.txt", locale);
	put(locale, "deleted.txt", "text\n");
}

static void fresh_directory(void)
{
	snprintf(directory, sizeof(directory), "/tmp/farewell-mail-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
	put_locale("en");
}

static void remove_directory(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", directory);
	CU_ASSERT_EQUAL(system(command), 0);
}

/* Loading fails, and the why begins with DIRECTORY/PLACE. */
static void refused(const char *fallback, const char *place)
{
	char start[128];
	struct mail_templates *all = mail_templates_load(directory, fallback, why, sizeof(why));

	snprintf(start, sizeof(start), "%s/%s", directory, place);
	CU_ASSERT_PTR_NULL(all);
	if (all == NULL && strncmp(why, start, strlen(start)) != 0)
		printf("  %s\n", why);
	CU_ASSERT_TRUE(all != NULL || strncmp(why, start, strlen(start)) == 0);
	mail_templates_free(all);
}

static void placeholders_are_replaced(void)
{
	CU_ASSERT_STRING_EQUAL(
		filled("{{user_id}}: {{files_deleted}} {{deletion_id}}{{user_id}} { } {x}\n", false),
		"42: 7 d-142 { } {x}\n");
	CU_ASSERT_STRING_EQUAL(filled("{{name}}", false), "Ann <b> & \"Co\"'s {{user_id}}");
	CU_ASSERT_STRING_EQUAL(
		filled("[{{requested_at}}] [{{requested_at|not known}}] [{{user_id|x}}]", false),
		"[] [not known] [42]");
	CU_ASSERT_STRING_EQUAL(filled("", false), "");
}

static void text_is_written_only_with_a_value(void)
{
	CU_ASSERT_STRING_EQUAL(
		filled("a{{versions_left? and }}{{versions_left}}{{versions_left?}}", false), "a");
	CU_ASSERT_STRING_EQUAL(filled("a{{user_id? | of ? <b>}}{{user_id}}{{user_id?}}", true),
	                       "a | of ? <b>42");
	CU_ASSERT_STRING_EQUAL(filled("{{requested_at|never?}}", false), "never?");
}

static void html_values_are_escaped(void)
{
	CU_ASSERT_STRING_EQUAL(filled("<p>{{name}}</p>", true),
	                       "<p>Ann &lt;b&gt; &amp; &quot;Co&quot;&#39;s {{user_id}}</p>");
}

static void checks_find_line_and_name(void)
{
	CU_ASSERT_TRUE(
		mail_template_check("a {{name}}\n{{files_deleted|no}}\n", "f", why, sizeof(why)));
	CU_ASSERT_FALSE(mail_template_check("a\nb {{nmae}}\n", "en/deleted.txt", why, sizeof(why)));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "en/deleted.txt:2: unknown placeholder {{nmae}}"));
	CU_ASSERT_FALSE(mail_template_check("{{ name }}", "f", why, sizeof(why)));
	CU_ASSERT_FALSE(mail_template_check("{{}}", "f", why, sizeof(why)));
	CU_ASSERT_FALSE(mail_template_check("\n\n{{name\n}}", "f", why, sizeof(why)));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "f:3: {{ without }}"));
	CU_ASSERT_FALSE(mail_template_check("{{name", "f", why, sizeof(why)));
	CU_ASSERT_FALSE(mail_template_check("{{name}", "f", why, sizeof(why)));
	CU_ASSERT_FALSE(mail_template_check("{{", "f", why, sizeof(why)));
}

static const char *found(const struct mail_templates *all, const char *locale)
{
	return mail_templates_find(all, locale)->locale;
}

static void locales_fall_back(void)
{
	fresh_directory();
	put_locale("ko");
	put_locale("zh-Hant");
	put_locale("pt_BR");
	struct mail_templates *all = mail_templates_load(directory, "en", why, sizeof(why));
	CU_ASSERT_PTR_NOT_NULL_FATAL(all);

	CU_ASSERT_STRING_EQUAL(found(all, "ko"), "ko");
	CU_ASSERT_STRING_EQUAL(found(all, "ko-KR"), "ko");
	CU_ASSERT_STRING_EQUAL(found(all, "KO_kr.UTF-8"), "ko");
	CU_ASSERT_STRING_EQUAL(found(all, "zh-Hant-TW"), "zh-Hant");
	CU_ASSERT_STRING_EQUAL(found(all, "zh-Hans-CN"), "en");
	CU_ASSERT_STRING_EQUAL(found(all, "pt-br"), "pt_BR");
	CU_ASSERT_STRING_EQUAL(found(all, "pt"), "en");
	CU_ASSERT_STRING_EQUAL(found(all, "kok"), "en");
	CU_ASSERT_STRING_EQUAL(found(all, "k"), "en");
	CU_ASSERT_STRING_EQUAL(found(all, ""), "en");
	CU_ASSERT_STRING_EQUAL(found(all, NULL), "en");
	CU_ASSERT_STRING_EQUAL(found(all, "../ko"), "en");
	CU_ASSERT_STRING_EQUAL(found(all, "/etc"), "en");
	CU_ASSERT_STRING_EQUAL(found(all, "-"), "en");
	CU_ASSERT_STRING_EQUAL(found(all, "ko\r\nBcc: x"), "ko");
	CU_ASSERT_PTR_NULL(mail_templates_find(all, "ko")->html);
	CU_ASSERT_STRING_EQUAL(mail_templates_find(all, "ko")->subject, "ko");
	mail_templates_free(all);
	refused("fr", "fr: no templates");
	remove_directory();
}

static void mistakes_in_files_are_found(void)
{
	fresh_directory();
	put("en", "deleted.html", "<p>\n{{wrong}}\n");
	refused("en", "en/deleted.html:2: unknown placeholder");
	put("en", "deleted.html", "<p>\n");
	put("en", "subject.txt", "two\nlines\n");
	refused("en", "en/subject.txt:2: must be one line");
	put("en", "subject.txt", "\n");
	refused("en", "en/subject.txt:1: must be one line");
	put("en", "subject.txt", "a\ttab\n");
	refused("en", "en/subject.txt:1: has a control character");
	put("en", "subject.txt", "caf\xE9\n");
	refused("en", "en/subject.txt: not UTF-8");
	put("en", "subject.txt", "");
	refused("en", "en/subject.txt: is empty");
	put("en", "subject.txt", "one line\r\n");
	put("de", "subject.txt", "ohne Text\n");
	refused("en", "de/deleted.txt: no such file");
	remove_directory();
	CU_ASSERT_PTR_NULL(mail_templates_load(directory, "en", why, sizeof(why)));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "No such file"));
}

static void what_is_no_locale_is_left_alone(void)
{
	fresh_directory();
	put("en", "deleted.html", "<p>");
	put(".git", "x", "");
	put("en.bak", "subject.txt", "{{wrong}}");
	put(".", "README", "a file");
	struct mail_templates *all = mail_templates_load(directory, "en", why, sizeof(why));
	CU_ASSERT_PTR_NOT_NULL_FATAL(all);
	CU_ASSERT_STRING_EQUAL(mail_templates_find(all, "en")->html, "<p>");
	mail_templates_free(all);
	CU_ASSERT_PTR_NULL(mail_templates_load(directory, "../en", why, sizeof(why)));
	CU_ASSERT_PTR_NULL(mail_templates_load(directory, "", why, sizeof(why)));
	remove_directory();
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"placeholders are replaced", placeholders_are_replaced},
		{"text is written only with a value", text_is_written_only_with_a_value},
		{"HTML values are escaped", html_values_are_escaped},
		{"checks find line and name", checks_find_line_and_name},
		{"locales fall back", locales_fall_back},
		{"mistakes in files are found", mistakes_in_files_are_found},
		{"what is no locale is left alone", what_is_no_locale_is_left_alone},
		{NULL, NULL},
	};

	return unit_main("mail template", tests);
}
