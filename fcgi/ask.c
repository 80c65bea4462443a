/* Asks the running gateway for /readyz as a FastCGI client (FastCGI 1.0). */
#include "fcgi/ask.h"

#include <errno.h>
#include <fastcgi.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/config/conf.h"

#define ANSWER_SIZE 4096
#define RECORD_SIZE 65536 /* a record's content has 65535 bytes at most */
#define REQUEST_ID 1
#define GOOD_STATUS "Status: 200 "

/* Connects; no step takes longer than nginx would wait. */
static int ask_connect(const struct conf *conf)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const int64_t ms = conf->gateway.nginx_read_timeout_ms;
	const struct timeval timeout = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", conf->gateway.socket);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) == 0 &&
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	log_error("%s: %s", conf->gateway.socket, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* ---- the request (FastCGI 1.0, 3.3, 5.1 and 5.2) ---- */

static size_t ask_put_record(unsigned char *to, int type, const void *content, size_t length)
{
	const FCGI_Header header = {
		.version = FCGI_VERSION_1,
		.type = (unsigned char)type,
		.requestIdB0 = REQUEST_ID,
		.contentLengthB1 = (unsigned char)(length >> 8),
		.contentLengthB0 = (unsigned char)length,
	};

	memcpy(to, &header, sizeof(header));
	if (length > 0)
		memcpy(to + sizeof(header), content, length);
	return sizeof(header) + length;
}

/* Name and value are shorter than 128 bytes each. */
static size_t ask_put_pair(unsigned char *to, const char *name, const char *value)
{
	return (size_t)sprintf((char *)to, "%c%c%s%s", (int)strlen(name), (int)strlen(value), name,
	                       value);
}

static bool ask_send_request(int fd)
{
	static const FCGI_BeginRequestBody begin = {.roleB0 = FCGI_RESPONDER};
	unsigned char pairs[256], request[512];
	size_t length = ask_put_pair(pairs, "REQUEST_METHOD", "GET");

	length += ask_put_pair(pairs + length, "REQUEST_URI", "/readyz");
	size_t total = ask_put_record(request, FCGI_BEGIN_REQUEST, &begin, sizeof(begin));
	total += ask_put_record(request + total, FCGI_PARAMS, pairs, length);
	total += ask_put_record(request + total, FCGI_PARAMS, NULL, 0);
	total += ask_put_record(request + total, FCGI_STDIN, NULL, 0);
	return send(fd, request, total, MSG_NOSIGNAL) == (ssize_t)total;
}

/* ---- the answer ---- */

/* Collects what is sent on the standard output stream until the request's end; what doesn't fit is
 * left out. */
static bool ask_read_answer(int fd, char *answer, size_t size)
{
	FCGI_Header header;
	unsigned char content[RECORD_SIZE + 256];
	size_t length = 0;

	for (;;) {
		if (recv(fd, &header, sizeof(header), MSG_WAITALL) != (ssize_t)sizeof(header))
			return false;
		size_t bytes = (size_t)header.contentLengthB1 << 8 | header.contentLengthB0;
		if (bytes + header.paddingLength > 0 &&
		    recv(fd, content, bytes + header.paddingLength, MSG_WAITALL) !=
		        (ssize_t)(bytes + header.paddingLength))
			return false;
		if (header.type == FCGI_END_REQUEST)
			break;
		if (header.type == FCGI_STDOUT && bytes < size - length) {
			memcpy(answer + length, content, bytes);
			length += bytes;
		}
	}
	answer[length] = '\0';
	return true;
}

bool ask_ready(const struct conf *conf)
{
	char answer[ANSWER_SIZE];
	bool ready = false;
	int fd = ask_connect(conf);

	if (fd < 0)
		return false;
	if (!ask_send_request(fd) || !ask_read_answer(fd, answer, sizeof(answer))) {
		log_error("%s: no answer to /readyz", conf->gateway.socket);
	} else {
		const char *body = strstr(answer, "\r\n\r\n");

		ready = strncmp(answer, GOOD_STATUS, strlen(GOOD_STATUS)) == 0;
		puts(body != NULL ? body + 4 : answer);
	}
	close(fd);
	return ready;
}
