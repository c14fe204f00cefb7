/* A directory of its own with key files, in which the tests of the configuration stand. */
#pragma once

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "config/config.h"

/* The base64 of 32 times 'A', 'B' and so on. */
#define KEY_A "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
#define KEY_B "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="
#define KEY_C "Q0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0M="
#define KEY_ZERO "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

/* Four lines each: what is appended begins at line 5. */
#define SERVER "version: \"1.0\"\nrole: server\nprivate_key_file: key\nlisten: [ \"udp://0.0.0.0:4433\" ]\n"
#define CLIENT                                                    \
	"version: \"1.0\"\nrole: client\nprivate_key_file: key\n" \
	"server: { public_key: " KEY_A ", endpoints: [ \"udp://vpn.example.net:4433\" ] }\n"

#define STR(s) s, strlen(s)

static char test_dir[] = "/tmp/jumpvpn-config.XXXXXX";

static inline void put_file(const char *name, const char *text, mode_t mode)
{
	FILE *f;

	unlink(name);
	f = fopen(name, "w");
	assert_non_null(f);
	assert_int_not_equal(fputs(text, f), EOF);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(name, mode), 0);
}

static inline int enter_dir(void **state)
{
	if (!mkdtemp(test_dir) || chdir(test_dir))
		return -1;
	put_file("key", KEY_C "\n", 0600);
	put_file("key2", KEY_B "\n", 0600);
	put_file("psk", KEY_B "\n", 0400);
	return 0;
}

static inline int leave_dir(void **state)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", test_dir);
	return chdir("/") || system(command);
}

/* All messages, one a line; the errors are freed. */
static inline const char *messages(struct config_errors *e, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < e->count; i++) {
		char *line = config_error_format(&e->list[i]);

		assert_non_null(line);
		len += (size_t)snprintf(buf + len, len < size ? size - len : 0, "%s", line);
		free(line);
	}
	assert_true(len < size);
	config_errors_free(e);
	return buf;
}

static inline struct config *parse_good(const char *text)
{
	struct config_errors e;
	struct config *c = config_parse("t", STR(text), &e);
	char buf[8192];

	assert_string_equal(messages(&e, buf, sizeof(buf)), "");
	assert_non_null(c);
	return c;
}

static inline const char *prefix_text(const struct prefix *p)
{
	static char buf[PREFIX_STRLEN];

	return prefix_format(p, buf);
}

static inline const char *ip_text(const struct ip *ip)
{
	static char buf[IP_STRLEN];

	return ip_format(ip, buf);
}

static inline const char *endpoint_text(const struct endpoint *e)
{
	static char buf[ENDPOINT_STRLEN];

	return endpoint_format(e, buf);
}
