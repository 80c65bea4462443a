/* The three shapes of a message, and bodies that have none of them. */
#include <stdlib.h>
#include <string.h>

#include "lib/config/conf.h"
#include "lib/deletion/message.h"
#include "tests/unit/unit.h"

#define DELETION "6f1b2c3d-0000-4000-8000-00000000000a"

static char why[256];

static bool reads(const char *body, struct message *message)
{
	return message_read(body, strlen(body), ID_INTEGER, 128, message, why, sizeof(why));
}

static void refuses(const char *body, const char *part)
{
	struct message message;

	CU_ASSERT_FALSE(reads(body, &message));
	if (strstr(why, part) == NULL)
		fprintf(stderr, "\n    %s: said \"%s\", not \"%s\"", body, why, part);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, part));
}

static void reads_our_own(void)
{
	struct message message;

	CU_ASSERT_TRUE(reads("{\"userId\":\"42\",\"deletionId\":\"" DELETION
	                     "\",\"requestedAt\":\"2026-11-22T15:39:07Z\",\"turn\":7}",
	                     &message));
	CU_ASSERT_STRING_EQUAL(message.user_id, "42");
	CU_ASSERT_STRING_EQUAL(message.deletion_id, DELETION);
	CU_ASSERT_STRING_EQUAL(message.requested_at, "2026-11-22T15:39:07Z");
	CU_ASSERT_EQUAL(message.turn, 7);
}

static void reads_what_it_wrote(void)
{
	struct message message = {.user_id = "-9",
	                          .deletion_id = DELETION,
	                          .requested_at = "2026-11-22T15:39:07Z",
	                          .turn = 3},
				   again;
	char *text = message_write(&message);

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	CU_ASSERT_TRUE(reads(text, &again));
	CU_ASSERT_EQUAL(memcmp(&message, &again, sizeof(message)), 0);
	free(text);
	message.deletion_id[0] = '\0';
	text = message_write(&message);
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	CU_ASSERT_TRUE(reads(text, &again));
	CU_ASSERT_STRING_EQUAL(again.deletion_id, "");
	free(text);
}

static void reads_others(void)
{
	struct message message;

	CU_ASSERT_TRUE(reads("{\"userId\": 42}", &message));
	CU_ASSERT_STRING_EQUAL(message.user_id, "42");
	CU_ASSERT_STRING_EQUAL(message.deletion_id, "");
	CU_ASSERT_EQUAL(message.turn, 1);
	CU_ASSERT_TRUE(reads(
		"{\"pattern\":\"UserDeleted\",\"data\":{\"userId\":\"42\",\"more\":[1,2]},\"id\":\"x\"}",
		&message));
	CU_ASSERT_STRING_EQUAL(message.user_id, "42");
}

static void reads_any_script(void)
{
	struct message message;
	const char *body =
		"{\"name\": \"\\u00e9 \xc3\xa9\", \"userId\": \"O'Brien \xea\xb9\x80 \xf0\x9f\x91\x8b\"}";

	CU_ASSERT_TRUE(message_read(body, strlen(body), ID_TEXT, 128, &message, why, sizeof(why)));
	CU_ASSERT_STRING_EQUAL(message.user_id, "O'Brien \xea\xb9\x80 \xf0\x9f\x91\x8b");
}

static void reads_with_white_space_around(void)
{
	struct message message;

	CU_ASSERT_TRUE(reads(" \t\r\n{ \"userId\" : 42 } \t\r\n", &message));
	CU_ASSERT_STRING_EQUAL(message.user_id, "42");
}

static void canonicalises_uuids(void)
{
	struct message message;
	const char *body = "{\"userId\":\"6F1B2C3D-0000-4000-8000-00000000000A\"}";

	CU_ASSERT_TRUE(message_read(body, strlen(body), ID_UUID, 128, &message, why, sizeof(why)));
	CU_ASSERT_STRING_EQUAL(message.user_id, DELETION);
}

static void refuses_what_is_not_json(void)
{
	refuses("", "empty");
	refuses("not json", "not JSON");
	refuses("{\"userId\": 42", "ends too early");
	refuses("{\"userId\": 42} and more", "not JSON");
	refuses("{\"userId\": \"\xff\"}", "not JSON");
	refuses("[[[[[[[[[[[[1]]]]]]]]]]]]", "not JSON");
}

static void refuses_other_shapes(void)
{
	refuses("[]", "not an object");
	refuses("{}", "\"userId\" is missing");
	refuses("{\"userId\": null}", "neither a string nor an integer");
	refuses("{\"userId\": 4.5}", "neither a string nor an integer");
	refuses("{\"userId\": {}}", "neither a string nor an integer");
	refuses("{\"userId\": \"\"}", "id_format");
	refuses("{\"userId\": \"abc\"}", "id_format");
	refuses("{\"userId\": \"42\\u0000\"}", "id_format");
	refuses("{\"userId\": \"42\", \"deletionId\": \"1\"}", "\"deletionId\"");
	refuses("{\"userId\": \"42\", \"deletionId\": 1}", "\"deletionId\"");
	refuses("{\"userId\": \"42\", \"deletionId\": \"" DELETION "\", \"turn\": 0}", "\"turn\"");
	refuses("{\"userId\": \"42\", \"deletionId\": \"" DELETION "\", \"turn\": \"1\"}", "\"turn\"");
	refuses("{\"userId\": \"42\", \"deletionId\": \"" DELETION "\", \"turn\": 99999999999}",
	        "\"turn\"");
	refuses("{\"pattern\": \"UserCreated\", \"data\": {\"userId\": 1}}", "\"pattern\"");
	refuses("{\"pattern\": \"UserDeleted\"}", "\"data\"");
	refuses("{\"pattern\": \"UserDeleted\", \"data\": 1}", "\"data\"");
}

/* A time that is too long is cut, and the message must still be JSON with its next turn. START, 0
 * or 1, moves the cut from between two characters into one. */
static void passes_on_a_long_time(size_t start)
{
	char body[512], date[90] = "x";
	struct message message, again;
	char *text;

	for (size_t i = start; i < sizeof(date) - 2; i += 2)
		memcpy(date + i, "\u00e9", 3);
	snprintf(body, sizeof(body),
	         "{\"userId\":42,\"deletionId\":\"" DELETION "\",\"requestedAt\":\"%s\"}", date);
	CU_ASSERT_TRUE_FATAL(reads(body, &message));
	CU_ASSERT(strlen(message.requested_at) >= CLOCK_RFC3339_SIZE);
	CU_ASSERT_EQUAL(strncmp(date, message.requested_at, strlen(message.requested_at)), 0);
	text = message_write(&message);
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	CU_ASSERT_TRUE_FATAL(reads(text, &again));
	CU_ASSERT_STRING_EQUAL(again.requested_at, message.requested_at);
	free(text);
}

static void passes_on_long_times(void)
{
	passes_on_a_long_time(0);
	passes_on_a_long_time(1);
}

static void refuses_what_is_too_long(void)
{
	struct message message;
	char *body = malloc(MESSAGE_MAX_BYTES + 1);

	CU_ASSERT_PTR_NOT_NULL_FATAL(body);
	memset(body, ' ', MESSAGE_MAX_BYTES + 1);
	memcpy(body, "{\"userId\":42}", 13);
	CU_ASSERT_TRUE(
		message_read(body, MESSAGE_MAX_BYTES - 1, ID_INTEGER, 128, &message, why, sizeof(why)) ||
		strstr(why, "not JSON") != NULL);
	CU_ASSERT_FALSE(
		message_read(body, MESSAGE_MAX_BYTES + 1, ID_INTEGER, 128, &message, why, sizeof(why)));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "at most"));
	free(body);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"reads our own", reads_our_own},
		{"reads what it wrote", reads_what_it_wrote},
		{"reads other producers'", reads_others},
		{"reads any script", reads_any_script},
		{"reads with white space around", reads_with_white_space_around},
		{"canonicalises UUIDs", canonicalises_uuids},
		{"refuses what is not JSON", refuses_what_is_not_json},
		{"refuses other shapes", refuses_other_shapes},
		{"passes on a time that is too long", passes_on_long_times},
		{"refuses what is too long", refuses_what_is_too_long},
		{NULL, NULL},
	};

	return unit_main("message", tests);
}
