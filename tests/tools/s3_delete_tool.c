/* Drives lib/s3 from outside: reads NUL-separated keys on standard input, deletes them from a
 * bucket and prints one line per key, `result<TAB>why`, with a third column `marker` if a delete
 * marker was made, then `worst<TAB>…` and `pump<TAB>turns<TAB>longest gap in ms`. With -V each key
 * is followed by a version id, which may be empty. -E deletes all that there is of a key, -y
 * verifies it. With -c it runs s3_check instead, with -d it adds where the credentials came from.
 * -J SECONDS,... deletes key by key, and before each but the first the clock by which credentials
 * expire moves on by so much, the last number counting for the rest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/s3/s3.h"

static const char *const result_names[] = {"pending", "deleted",  "locked",
                                           "retry",   "operator", "stopped"};

/* In the order of enum s3_credentials_from. */
static const char *const from_names[] = {"auto",         "settings",  "files",    "environment",
                                         "web-identity", "container", "instance", NULL};

static time_t ahead_s; /* how far the clock of the credentials has moved on */

static time_t clock_ahead(void)
{
	return time(NULL) + ahead_s;
}

/* Counts its turns and the time between them, and says stop at STOP_MS. */
struct watch {
	int64_t last_ms, gap_ms, stop_ms;
	int turns;
};

static bool watch_turn(void *arg)
{
	struct watch *watch = arg;
	int64_t now_ms = clock_now_ms();

	if (now_ms - watch->last_ms > watch->gap_ms)
		watch->gap_ms = now_ms - watch->last_ms;
	watch->last_ms = now_ms;
	watch->turns++;
	return watch->stop_ms == 0 || now_ms < watch->stop_ms;
}

static char *stream_read(FILE *in, size_t *length)
{
	char *text = NULL, chunk[65536];
	size_t got;
	FILE *out = open_memstream(&text, length);

	if (out == NULL)
		return NULL;
	while ((got = fread(chunk, 1, sizeof(chunk), in)) > 0)
		fwrite(chunk, 1, got, out);
	return fclose(out) == 0 ? text : NULL;
}

static struct s3_object *keys_split(const char *text, size_t length, bool versions, size_t *count)
{
	*count = 0;
	for (size_t i = 0; i < length; i++)
		*count += text[i] == '\0';
	*count /= versions ? 2 : 1;
	struct s3_object *objects = calloc(*count + 1, sizeof(*objects));
	for (size_t i = 0; objects != NULL && i < *count; i++) {
		objects[i].key = text;
		text += strlen(text) + 1;
		if (!versions)
			continue;
		objects[i].version_id = text[0] == '\0' ? NULL : text;
		text += strlen(text) + 1;
	}
	return objects;
}

/* One s3_delete for each object, as much later than the one before as JUMPS says. */
static enum s3_result delete_each(struct s3 *s3, const char *bucket, struct s3_object *objects,
                                  size_t count, const char *jumps)
{
	enum s3_result worst = S3_DELETED;
	char *end;

	for (size_t i = 0; i < count; i++) {
		enum s3_result result = s3_delete(s3, bucket, &objects[i], 1);

		worst = result > worst ? result : worst;
		ahead_s += strtol(jumps, &end, 10);
		jumps = *end == ',' ? end + 1 : jumps;
	}
	return worst;
}

static int keys_delete(struct s3 *s3, const char *bucket, bool versions, const struct watch *watch,
                       const char *jumps)
{
	size_t length = 0, count = 0;
	char *text = stream_read(stdin, &length);
	struct s3_object *objects = text == NULL ? NULL : keys_split(text, length, versions, &count);

	if (objects == NULL)
		return EXIT_FAILURE;
	enum s3_result worst = jumps != NULL ? delete_each(s3, bucket, objects, count, jumps) :
	                                       s3_delete(s3, bucket, objects, count);
	for (size_t i = 0; i < count; i++)
		printf("%s\t%s%s\n", result_names[objects[i].result], objects[i].why,
		       objects[i].marker ? "\tmarker" : "");
	printf("worst\t%s\npump\t%d\t%lld\n", result_names[worst], watch->turns,
	       (long long)watch->gap_ms);
	free(objects);
	free(text);
	return EXIT_SUCCESS;
}

static int store_check(struct s3 *s3)
{
	char why[500] = "";
	bool good = s3_check(s3, why, sizeof(why));

	printf("%s\t%s\n", good ? "good" : "bad", why);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct s3_options options = {.region = "us-east-1",
	                             .connect_timeout_ms = 10000,
	                             .timeout_ms = 20000,
	                             .batch_keys = S3_BATCH_KEYS,
	                             .batch_bytes = S3_BATCH_BYTES,
	                             .user_agent = "farewell-test",
	                             .ca_file = "",
	                             .credentials = {.now = clock_ahead, .region = "us-east-1"}};
	struct watch watch = {.last_ms = clock_now_ms()};
	const char *bucket = "";
	bool only_check = false, versions = false, describe = false;
	const char *jumps = NULL;
	int64_t deadline_ms = 0;
	char why[500];

	for (int option;
	     (option = getopt(argc, argv, "e:r:a:s:b:t:k:n:l:S:D:A:F:K:Y:X:T:J:pvVcEyd")) != -1;) {
		switch (option) {
		case 'e': options.endpoint = optarg; break;
		case 'r': options.region = optarg; break;
		case 'a': setenv("AWS_ACCESS_KEY_ID", optarg, 1); break;
		case 's': setenv("AWS_SECRET_ACCESS_KEY", optarg, 1); break;
		case 'b': bucket = optarg; break;
		case 't': options.timeout_ms = atoi(optarg); break;
		case 'k': options.batch_keys = (size_t)atoi(optarg); break;
		case 'n': options.batch_bytes = (size_t)atoi(optarg); break;
		case 'S': watch.stop_ms = watch.last_ms + atoi(optarg); break;
		case 'D': deadline_ms = watch.last_ms + atoi(optarg); break;
		case 'A': options.ca_file = optarg; break;
		case 'p': options.requester_pays = true; break;
		case 'F':
			for (int i = 0; from_names[i] != NULL; i++)
				if (strcmp(from_names[i], optarg) == 0)
					options.credentials.from = (enum s3_credentials_from)i;
			break;
		case 'K': options.credentials.access_key = optarg; break;
		case 'Y': options.credentials.access_key_file = optarg; break;
		case 'X': options.credentials.secret_key_file = optarg; break;
		case 'T': options.credentials.session_token_file = optarg; break;
		case 'J': jumps = optarg; break;
		case 'd': describe = true; break;
		case 'v': options.virtual_hosts = true; break;
		case 'V': versions = true; break;
		case 'c': only_check = true; break;
		case 'l': options.list_entries = atoi(optarg); break;
		case 'E': options.all_versions = true; break;
		case 'y': options.verify = true; break;
		default: return 64;
		}
	}
	if (options.endpoint == NULL)
		return 64;
	struct s3 *s3 = s3_new(&options, &(struct pump){watch_turn, &watch}, why, sizeof(why));
	if (s3 == NULL) {
		printf("refused\t%s\n", why);
		return EXIT_SUCCESS;
	}
	s3_set_deadline(s3, deadline_ms);
	int code = only_check ? store_check(s3) : keys_delete(s3, bucket, versions, &watch, jumps);
	if (describe) {
		s3_describe_credentials(s3, why, sizeof(why));
		printf("%s\n", why);
	}
	s3_free(s3);
	return code;
}
