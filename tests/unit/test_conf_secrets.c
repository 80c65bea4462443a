/* Secrets: which files are read, by which program, and which are refused. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/config/conf_load.h"
#include "tests/unit/conf_unit.h"

static struct conf *load_secret(void)
{
	return load(CONF_WORKER, WORKER, secret_file);
}

static void secret_is_refused(const char *because)
{
	char sentence[512];

	CU_ASSERT_PTR_NULL(load_secret());
	snprintf(sentence, sizeof(sentence), "worker.s3_secret_key_file: %s: %s", secret_file, because);
	CU_ASSERT(complained(1, sentence));
	CU_ASSERT_EQUAL(count_errors(), 1);
}

static void secrets(void)
{
	static const char *const contents[] = {"s3cret", "s3cret\n", "s3cret\r\n",
	                                       "s3cret\nsecond line\n"};
	char *large = calloc(1, 64 * 1024 + 2);

	CU_ASSERT_PTR_NOT_NULL_FATAL(large);
	for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
		put_secret(contents[i], i % 2 == 0 ? 0600 : 0640);
		struct conf *conf = load_secret();

		CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
		CU_ASSERT_STRING_EQUAL(conf->worker.s3_secret_key.value, "s3cret");
		CU_ASSERT_STRING_EQUAL(conf->worker.s3_secret_key.file, secret_file);
		CU_ASSERT_PTR_NULL(conf->worker.smtp_password.value);
		conf_free(conf);
	}
	memset(large, 'x', 64 * 1024);
	put_secret(large, 0600);
	struct conf *conf = load_secret();
	CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
	CU_ASSERT_EQUAL(strlen(conf->worker.s3_secret_key.value), 64 * 1024);
	conf_free(conf);
	large[64 * 1024] = 'x';
	put_secret(large, 0600);
	secret_is_refused("longer than 64 KiB\n");
	free(large);
}

static int open_descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void bad_secrets(void)
{
	int before = open_descriptors();

	put_secret("", 0600);
	secret_is_refused("empty\n");
	put_secret("\nx", 0600);
	secret_is_refused("its first line is empty\n");
	put_file(secret_file, "a\0b\n", 4, 0600);
	secret_is_refused("has a NUL byte in it; secrets are text\n");
	put_secret("x", 0644);
	secret_is_refused("open to everybody (mode 0644); chmod 640 it ");
	put_secret("x", 0602);
	secret_is_refused("open to everybody (mode 0602); chmod 640 it ");
	unlink(secret_file);
	secret_is_refused("No such file or directory\n");
	CU_ASSERT_FATAL(mkdir(secret_file, 0700) == 0);
	secret_is_refused("not a regular file\n");
	CU_ASSERT_FATAL(rmdir(secret_file) == 0 && mkfifo(secret_file, 0600) == 0);
	secret_is_refused("not a regular file\n");
	unlink(secret_file);
	CU_ASSERT_EQUAL(open_descriptors(), before);
}

/* Root may read everything: tried as somebody else, in a process of its own. */
static void unreadable_secret(void)
{
	put_secret("x", 0000);
	if (geteuid() == 0) {
		CU_ASSERT_FATAL(chmod(directory, 0755) == 0 && seteuid(65534) == 0);
		struct conf_secret secret = {.file = secret_file};
		char why[CONF_WHY_SIZE];
		bool read = conf_secret_read(&secret, why, sizeof(why));

		CU_ASSERT_FATAL(seteuid(0) == 0);
		CU_ASSERT_FALSE(read);
		CU_ASSERT_PTR_NOT_NULL(strstr(why, ": Permission denied"));
	} else {
		secret_is_refused("Permission denied\n");
	}
	unlink(secret_file);
}

/* Neither the gateway's host nor its memory holds what is the worker's. */
static void secrets_of_the_other(void)
{
	struct conf *conf;

	unlink(secret_file);
	conf = load(CONF_GATEWAY, GATEWAY WORKER, secret_file);
	CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
	CU_ASSERT_PTR_NULL(conf->worker.s3_secret_key.value);
	CU_ASSERT_STRING_EQUAL(conf->worker.s3_secret_key.file, secret_file);
	conf_free(conf);
	put_secret("x", 0600);
	conf = load(
		CONF_WORKER,
		WORKER
		"gateway { auth = jwt jwt_key_file = /nonexistent user_db_password_file = /nonexistent }\n",
		secret_file);
	CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
	CU_ASSERT_PTR_NULL(conf->gateway.jwt_key.value);
	CU_ASSERT_EQUAL(conf->gateway.auth, AUTH_JWT);
	conf_free(conf);
	unlink(secret_file);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"secrets", secrets},
		{"bad secrets", bad_secrets},
		{"unreadable secret", unreadable_secret},
		{"secrets of the other program", secrets_of_the_other},
		{NULL, NULL},
	};

	return conf_unit_main("conf_secrets", tests);
}
