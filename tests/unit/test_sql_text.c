/* Words of SQL, and what only looks like them. */
#include <stdlib.h>

#include "lib/session/sql_text.h"
#include "tests/unit/unit.h"

static void words_are_found(void)
{
	CU_ASSERT_TRUE(sql_has_words("SELECT 1 FOR UPDATE SKIP LOCKED", "SKIP LOCKED"));
	CU_ASSERT_TRUE(sql_has_words("select 1 for update skip\n\tlocked;", "SKIP LOCKED"));
	CU_ASSERT_TRUE(
		sql_has_words("SELECT 1 FOR UPDATE SKIP /* at\n last */ -- now\n LOCKED", "SKIP LOCKED"));
	CU_ASSERT_TRUE(sql_has_words("SELECT 'a' FOR UPDATE nowait", "NOWAIT"));
	CU_ASSERT_TRUE(sql_has_words("x FOR FOR KEY SHARE", "FOR KEY SHARE"));
	CU_ASSERT_TRUE(sql_has_words("WHERE id=$1 FOR KEY SHARE", "FOR KEY SHARE"));
	CU_ASSERT_TRUE(sql_has_words("WHERE a = E'it\\'s' FOR UPDATE NOWAIT", "NOWAIT"));
	CU_ASSERT_TRUE(sql_has_words("WHERE a = 'it''s \\' FOR UPDATE NOWAIT", "NOWAIT"));
	CU_ASSERT_TRUE(sql_has_words("/* /* */ */ NOWAIT", "NOWAIT"));
	CU_ASSERT_TRUE(sql_has_words("WHERE a=$$x$$ NOWAIT", "NOWAIT"));
}

static void quotes_and_comments_are_not_words(void)
{
	CU_ASSERT_FALSE(sql_has_words("SELECT 'SKIP LOCKED' FOR UPDATE", "SKIP LOCKED"));
	CU_ASSERT_FALSE(sql_has_words("SELECT \"nowait\" FROM t FOR UPDATE", "NOWAIT"));
	CU_ASSERT_FALSE(sql_has_words("SELECT 1 FOR UPDATE -- NOWAIT", "NOWAIT"));
	CU_ASSERT_FALSE(
		sql_has_words("SELECT 1 /* NOWAIT /* NOWAIT */ NOWAIT */ FOR UPDATE", "NOWAIT"));
	CU_ASSERT_FALSE(sql_has_words("SELECT $a$ NOWAIT $b$ NOWAIT $a$", "NOWAIT"));
	CU_ASSERT_FALSE(sql_has_words("SELECT E'\\' NOWAIT'", "NOWAIT"));
	CU_ASSERT_FALSE(sql_has_words("SELECT 'it''s NOWAIT'", "NOWAIT"));
}

static void words_are_whole(void)
{
	CU_ASSERT_FALSE(sql_has_words("SELECT nowait_until FROM t", "NOWAIT"));
	CU_ASSERT_FALSE(sql_has_words("SELECT skip, locked FROM t", "SKIP LOCKED"));
	CU_ASSERT_FALSE(sql_has_words("SELECT skip.locked FROM t", "SKIP LOCKED"));
	CU_ASSERT_FALSE(sql_has_words("FOR NO KEY UPDATE", "FOR UPDATE"));
	CU_ASSERT_FALSE(sql_has_words("", "NOWAIT"));
	CU_ASSERT_FALSE(sql_has_words("SELECT '", "NOWAIT"));
	CU_ASSERT_FALSE(sql_has_words("SELECT /*", "NOWAIT"));
	CU_ASSERT_FALSE(sql_has_words("SELECT $a$ NOWAIT", "NOWAIT"));
}

static void arrays(void)
{
	static const char *const texts[] = {"1", "", "a \"b\" \\ {c},d", "NULL"};
	char *none = sql_array(NULL, 0), *some = sql_array(texts, 4);

	CU_ASSERT_STRING_EQUAL(none, "{}");
	CU_ASSERT_STRING_EQUAL(some, "{\"1\",\"\",\"a \\\"b\\\" \\\\ {c},d\",\"NULL\"}");
	free(none);
	free(some);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"words are found", words_are_found},
		{"quotes and comments are not words", quotes_and_comments_are_not_words},
		{"words are whole", words_are_whole},
		{"arrays", arrays},
		{NULL, NULL},
	};

	return unit_main("sql_text", tests);
}
