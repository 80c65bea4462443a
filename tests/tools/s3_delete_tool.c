/* Drives lib/s3 from outside: reads NUL-separated keys on standard input, deletes them from a
 * bucket and prints one line per key, `result<TAB>why`, with a third column `marker` if a delete
 * marker was made, then `worst<TAB>…` and `pump<TAB>turns<TAB>longest gap in ms`. With -V each key
 * is followed by a version id, which may be empty. -E deletes all that there is of a key, -y
 * verifies it. With -c it runs s3_check instead. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/s3/s3.h"

static const char *const result_names[] = {"pending", "deleted",  "locked",
                                           "retry",   "operator", "stopped"};

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

static int keys_delete(struct s3 *s3, const char *bucket, bool versions, const struct watch *watch)
{
	size_t length = 0, count = 0;
	char *text = stream_read(stdin, &length);
	struct s3_object *objects = text == NULL ? NULL : keys_split(text, length, versions, &count);

	if (objects == NULL)
		return EXIT_FAILURE;
	enum s3_result worst = s3_delete(s3, bucket, objects, count);
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
	char why[200] = "";
	bool good = s3_check(s3, why, sizeof(why));

	printf("%s\t%s\n", good ? "good" : "bad", why);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct s3_options options = {.region = "us-east-1",
	                             .connect_timeout_ms = 2000,
	                             .timeout_ms = 20000,
	                             .batch_keys = S3_BATCH_KEYS,
	                             .batch_bytes = S3_BATCH_BYTES,
	                             .user_agent = "farewell-test",
	                             .ca_file = ""};
	struct watch watch = {.last_ms = clock_now_ms()};
	const char *bucket = "";
	bool only_check = false, versions = false;
	int64_t deadline_ms = 0;
	char why[200];

	for (int option; (option = getopt(argc, argv, "e:r:a:s:b:t:k:n:l:S:D:A:pvVcEy")) != -1;) {
		switch (option) {
		case 'e': options.endpoint = optarg; break;
		case 'r': options.region = optarg; break;
		case 'a': options.access_key = optarg; break;
		case 's': options.secret_key = optarg; break;
		case 'b': bucket = optarg; break;
		case 't': options.timeout_ms = atoi(optarg); break;
		case 'k': options.batch_keys = (size_t)atoi(optarg); break;
		case 'n': options.batch_bytes = (size_t)atoi(optarg); break;
		case 'S': watch.stop_ms = watch.last_ms + atoi(optarg); break;
		case 'D': deadline_ms = watch.last_ms + atoi(optarg); break;
		case 'A': options.ca_file = optarg; break;
		case 'p': options.requester_pays = true; break;
		case 'v': options.virtual_hosts = true; break;
		case 'V': versions = true; break;
		case 'c': only_check = true; break;
		case 'l': options.list_entries = atoi(optarg); break;
		case 'E': options.all_versions = true; break;
		case 'y': options.verify = true; break;
		default: return 64;
		}
	}
	if (options.endpoint == NULL || options.access_key == NULL || options.secret_key == NULL)
		return 64;
	struct s3 *s3 = s3_new(&options, &(struct pump){watch_turn, &watch}, why, sizeof(why));
	if (s3 == NULL) {
		printf("refused\t%s\n", why);
		return EXIT_SUCCESS;
	}
	s3_set_deadline(s3, deadline_ms);
	int code = only_check ? store_check(s3) : keys_delete(s3, bucket, versions, &watch);
	s3_free(s3);
	return code;
}
