/* The name for EHLO: what is fully qualified, what may be set, and the address instead. */
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "lib/mail/smtp_helo.h"
#include "tests/unit/unit.h"

static void qualified_names(void)
{
	static const char *const good[] = {"app1.example.com", "a.b", "x-1.example", "1.example.com",
	                                   "xn--bcher-kva.example"};
	static const char *const bad[] = {
		"",        "localhost", "c0ffee123456", "3f8a1b2c4d5e", "10.0.0.1",   "a..b",
		".a.b",    "a.b.",      "-a.b",         "a-.b",         "a_b.c",      "a b.c",
		"a.b\r\n", "a.b/c",     "b\xC3\xBC.de", "[10.0.0.1]",   "example.1-2"};

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		CU_ASSERT_TRUE(smtp_helo_is_qualified(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		CU_ASSERT_FALSE(smtp_helo_is_qualified(bad[i]));
}

static void lengths(void)
{
	char name[300];

	memset(name, 'a', sizeof(name));
	memcpy(name + 63, ".example", sizeof(".example"));
	CU_ASSERT_TRUE(smtp_helo_is_qualified(name));
	memset(name, 'a', sizeof(name));
	memcpy(name + 64, ".example", sizeof(".example"));
	CU_ASSERT_FALSE(smtp_helo_is_qualified(name));
	for (size_t i = 0; i < 254; i++)
		name[i] = i % 2 == 0 ? 'a' : '.';
	name[253] = '\0';
	CU_ASSERT_TRUE(smtp_helo_is_qualified(name));
	name[253] = 'a';
	name[254] = '\0';
	CU_ASSERT_FALSE(smtp_helo_is_qualified(name));
}

static void what_may_be_set(void)
{
	static const char *const good[] = {"mail", "app1.example.com", "[192.0.2.7]",
	                                   "[IPv6:2001:db8::7]"};
	static const char *const bad[] = {
		"",           "192.0.2.7", "[192.0.2.7", "[]",     "[192.0.2.300]", "[2001:db8::7]",
		"[IPv6:::g]", "a b",       "a\r\nQUIT",  "[mail]", "[192.0.2.7]x"};

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		CU_ASSERT_TRUE(smtp_helo_is_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		CU_ASSERT_FALSE(smtp_helo_is_valid(bad[i]));
}

static void the_address_towards_a_server(void)
{
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(25)};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(25)};
	struct sockaddr other = {.sa_family = AF_UNIX};
	char helo[SMTP_HELO_SIZE] = "";

	four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CU_ASSERT_TRUE(smtp_helo_towards((struct sockaddr *)&four, sizeof(four), helo));
	CU_ASSERT_STRING_EQUAL(helo, "[127.0.0.1]");
	six.sin6_addr = in6addr_loopback;
	if (smtp_helo_towards((struct sockaddr *)&six, sizeof(six), helo))
		CU_ASSERT_STRING_EQUAL(helo, "[IPv6:::1]");
	CU_ASSERT_FALSE(smtp_helo_towards(&other, sizeof(other), helo));
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"qualified names", qualified_names},
		{"lengths", lengths},
		{"what may be set", what_may_be_set},
		{"the address towards a server", the_address_towards_a_server},
		{NULL, NULL},
	};

	return unit_main("SMTP HELO", tests);
}
