/* What is asked of an HTTP answer that has come. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/session/http.h"

bool http_client_header(const struct http_client_answer *answer, const char *name, char *value,
                        size_t size)
{
	size_t name_bytes = strlen(name);

	value[0] = '\0';
	for (const char *line = answer->headers; line != NULL && *line != '\0';) {
		size_t bytes = strcspn(line, "\r\n");

		if (bytes > name_bytes && line[name_bytes] == ':' &&
		    strncasecmp(line, name, name_bytes) == 0) {
			const char *end = line + bytes;

			line += name_bytes + 1;
			line += strspn(line, " \t");
			while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
				end--;
			if (end < line || (size_t)(end - line) >= size)
				return false;
			memcpy(value, line, (size_t)(end - line));
			value[end - line] = '\0';
			return true;
		}
		line += bytes;
		line += strspn(line, "\r\n");
	}
	return false;
}

void http_client_answer_free(struct http_client_answer *answer)
{
	free(answer->body);
	free(answer->headers);
	answer->body = answer->headers = NULL;
	answer->length = 0;
}
