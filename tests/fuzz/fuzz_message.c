/* Fuzzes the reading of messages: what is taken has an id of the format, a turn and perhaps a UUID,
 * and survives being written and read again. The first byte chooses the format of ids. */
/* links: lib/deletion/message.c lib/base/ids.c lib/base/text.c -ljson-c */
#include <stdbool.h>
#include <string.h>

#include "lib/base/text.h"
#include "lib/deletion/message.h"
#include "tests/fuzz/fuzz.h"

#define ID_BYTES_MAX 200

static void check_refusal(const char *why, size_t size)
{
	size_t length = strnlen(why, size);

	FUZZ_CHECK(length > 0 && length < size);
	FUZZ_CHECK(!text_has_control(why, length));
}

static void check_message(const struct message *message, int format)
{
	const char *id = message->user_id, *deletion = message->deletion_id;

	FUZZ_CHECK(strnlen(id, sizeof(message->user_id)) < sizeof(message->user_id));
	FUZZ_CHECK(id_valid(format, id, strlen(id), ID_BYTES_MAX));
	FUZZ_CHECK(strcmp(id, ".") != 0 && strcmp(id, "..") != 0 && strchr(id, '/') == NULL);
	FUZZ_CHECK(deletion[0] == '\0' || (strlen(deletion) == ID_UUID_SIZE - 1 &&
	                                   strspn(deletion, "0123456789abcdef-") == strlen(deletion)));
	FUZZ_CHECK(message->turn >= 1);
	FUZZ_CHECK(strnlen(message->requested_at, sizeof(message->requested_at)) <
	           sizeof(message->requested_at));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct message message, again;
	char why[200] = "", *text;
	int format;

	if (size == 0)
		return 0;
	format = data[0] % 3;
	if (!message_read(data + 1, size - 1, format, ID_BYTES_MAX, &message, why, sizeof(why))) {
		check_refusal(why, sizeof(why));
		return 0;
	}
	check_message(&message, format);
	text = message_write(&message);
	FUZZ_CHECK(text != NULL);
	FUZZ_CHECK(message_read(text, strlen(text), format, ID_BYTES_MAX, &again, why, sizeof(why)));
	FUZZ_CHECK(strcmp(again.user_id, message.user_id) == 0 && again.turn == message.turn);
	FUZZ_CHECK(strcmp(again.deletion_id, message.deletion_id) == 0);
	free(text);
	return 0;
}
