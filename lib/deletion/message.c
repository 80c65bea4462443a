/* Reading a message in its three shapes, and writing ours. */
#include "lib/deletion/message.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/text.h"
#include "lib/config/conf.h"

#define DEPTH_MAX 8
#define TURN_MAX 1000000000

/* Where the white space ends that begins at START. */
static size_t white_space_end(const char *text, size_t start, size_t length)
{
	while (start < length && strchr(" \t\r\n", text[start]) != NULL && text[start] != '\0')
		start++;
	return start;
}

static struct json_object *body_parse(const void *body, size_t length, char *why, size_t why_size)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
	struct json_object *root = NULL;

	if (tokener == NULL) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	/* Not strict: json-c 0.18, which Debian 13 has, would refuse every character beyond ASCII (its
	 * issue 875). */
	json_tokener_set_flags(tokener, JSON_TOKENER_VALIDATE_UTF8);
	root = json_tokener_parse_ex(tokener, body, (int)length);
	enum json_tokener_error error = json_tokener_get_error(tokener);
	if (error == json_tokener_success &&
	    white_space_end(body, json_tokener_get_parse_end(tokener), length) != length)
		error = json_tokener_error_parse_unexpected;
	if (error == json_tokener_continue && root == NULL)
		snprintf(why, why_size, "the body is not JSON: it ends too early");
	else if (error != json_tokener_success)
		snprintf(why, why_size, "the body is not JSON: %s at byte %zu",
		         json_tokener_error_desc(error), json_tokener_get_parse_end(tokener));
	else if (!json_object_is_type(root, json_type_object))
		snprintf(why, why_size, "the body is JSON, but not an object");
	else {
		json_tokener_free(tokener);
		return root;
	}
	json_object_put(root);
	json_tokener_free(tokener);
	return NULL;
}

/* NestJS puts what it sends in "data", beside the "pattern" it is routed by. */
static struct json_object *body_unwrap(struct json_object *root, char *why, size_t why_size)
{
	struct json_object *pattern, *data;

	if (!json_object_object_get_ex(root, "pattern", &pattern))
		return root;
	if (!json_object_is_type(pattern, json_type_string) ||
	    strcmp(json_object_get_string(pattern), MESSAGE_TYPE) != 0) {
		snprintf(why, why_size, "\"pattern\" is not \"" MESSAGE_TYPE "\"");
		return NULL;
	}
	if (!json_object_object_get_ex(root, "data", &data) ||
	    !json_object_is_type(data, json_type_object)) {
		snprintf(why, why_size, "\"data\" is missing or not an object");
		return NULL;
	}
	return data;
}

static bool message_read_user_id(struct json_object *object, int id_format, size_t id_max_length,
                                 struct message *message, char *why, size_t why_size)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, "userId", &value)) {
		snprintf(why, why_size, "\"userId\" is missing");
		return false;
	}
	if (!json_object_is_type(value, json_type_string) &&
	    !json_object_is_type(value, json_type_int)) {
		snprintf(why, why_size, "\"userId\" is neither a string nor an integer");
		return false;
	}
	const char *text = json_object_get_string(value);
	size_t length = json_object_is_type(value, json_type_string) ?
	                    (size_t)json_object_get_string_len(value) :
	                    strlen(text);
	if (!id_valid(id_format, text, length, id_max_length)) {
		snprintf(why, why_size, "\"userId\" is not of the format that common.id_format says");
		return false;
	}
	id_canonical(id_format, text, message->user_id);
	return true;
}

/* Cut between characters, since it goes out again with the next turn. */
static void message_take_requested_at(struct message *message, const char *text)
{
	size_t bytes = text_utf8_fit(text, sizeof(message->requested_at) - 1);

	memcpy(message->requested_at, text, bytes);
	message->requested_at[bytes] = '\0';
}

/* What only our own messages have. */
static bool message_read_deletion(struct json_object *object, struct message *message, char *why,
                                  size_t why_size)
{
	struct json_object *id, *turn, *requested_at;

	if (!json_object_object_get_ex(object, "deletionId", &id))
		return true;
	if (!json_object_is_type(id, json_type_string) ||
	    !id_valid(ID_UUID, json_object_get_string(id), (size_t)json_object_get_string_len(id),
	              ID_UUID_SIZE)) {
		snprintf(why, why_size, "\"deletionId\" is not a UUID");
		return false;
	}
	char canonical[ID_SIZE];
	id_canonical(ID_UUID, json_object_get_string(id), canonical);
	snprintf(message->deletion_id, sizeof(message->deletion_id), "%.36s", canonical);
	if (json_object_object_get_ex(object, "turn", &turn)) {
		int64_t number = json_object_get_int64(turn);

		if (!json_object_is_type(turn, json_type_int) || number < 1 || number > TURN_MAX) {
			snprintf(why, why_size, "\"turn\" is not a number from 1");
			return false;
		}
		message->turn = (int)number;
	}
	if (json_object_object_get_ex(object, "requestedAt", &requested_at) &&
	    json_object_is_type(requested_at, json_type_string))
		message_take_requested_at(message, json_object_get_string(requested_at));
	return true;
}

bool message_read(const void *body, size_t length, int id_format, size_t id_max_length,
                  struct message *message, char *why, size_t why_size)
{
	memset(message, 0, sizeof(*message));
	message->turn = 1;
	if (length == 0 || length > MESSAGE_MAX_BYTES) {
		if (length == 0)
			snprintf(why, why_size, "the body is empty");
		else
			snprintf(why, why_size, "the body has %zu bytes, at most %d are read", length,
			         MESSAGE_MAX_BYTES);
		return false;
	}
	struct json_object *root = body_parse(body, length, why, why_size);
	if (root == NULL)
		return false;
	struct json_object *object = body_unwrap(root, why, why_size);
	bool good = object != NULL &&
	            message_read_user_id(object, id_format, id_max_length, message, why, why_size) &&
	            message_read_deletion(object, message, why, why_size);
	json_object_put(root);
	return good;
}

char *message_write(const struct message *message)
{
	struct json_object *root = json_object_new_object();
	char *text = NULL;

	if (root != NULL &&
	    json_object_object_add(root, "userId", json_object_new_string(message->user_id)) == 0 &&
	    (message->deletion_id[0] == '\0' ||
	     json_object_object_add(root, "deletionId", json_object_new_string(message->deletion_id)) ==
	         0) &&
	    json_object_object_add(root, "requestedAt",
	                           json_object_new_string(message->requested_at)) == 0 &&
	    json_object_object_add(root, "turn", json_object_new_int(message->turn)) == 0) {
		const char *written = json_object_to_json_string_ext(
			root, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

		text = written != NULL ? strdup(written) : NULL;
	}
	json_object_put(root);
	return text;
}
