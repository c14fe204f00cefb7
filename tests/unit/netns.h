/*
 * A network namespace of the test's own, so that nothing needs a script before or a cleanup after. Without
 * the right to make one, or without a command or device it needs, a test skips and says why.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"

static inline void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	close(fd);
}

static inline bool run(const char *command)
{
	char line[512];

	snprintf(line, sizeof(line), "PATH=$PATH:/usr/sbin:/sbin; %s", command);
	return system(line) == 0;
}

/* Group set-up: *state stays NULL when there is no namespace, and require_netns() then skips. */
static inline int enter_netns(void **state)
{
	static char entered[] = "entered";
	int flags = CLONE_NEWNET | (geteuid() == 0 ? 0 : CLONE_NEWUSER);
	char map[64];
	unsigned int uid = geteuid();

	*state = NULL;
	if (unshare(flags) < 0) {
		fprintf(stderr, "SKIP: no network namespace: %s\n", strerror(errno));
		return 0;
	}
	if (flags & CLONE_NEWUSER) {
		snprintf(map, sizeof(map), "0 %u 1", uid);
		write_file("/proc/self/uid_map", map);
	}
	if (!run("ip link set lo up")) {
		fprintf(stderr, "SKIP: ip(8) is missing or may not change this namespace\n");
		return 0;
	}
	*state = entered;
	return 0;
}

static inline void require_netns(void **state)
{
	if (!*state)
		skip();
}

static inline void require_tun(void **state)
{
	int fd;

	require_netns(state);
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		fprintf(stderr, "SKIP: /dev/net/tun: %s\n", strerror(errno));
		skip();
	}
	close(fd);
}

/* Waits for `events`; a generous bound, so that a broken program fails instead of hanging. */
static inline short wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	assert_int_equal(poll(&p, 1, 10000), 1);
	return p.revents;
}

static inline struct ip ip_of(const char *text)
{
	struct ip ip;

	assert_true(ip_parse(text, &ip));
	return ip;
}

static inline struct prefix prefix_of(const char *text)
{
	struct prefix p;

	assert_true(prefix_parse(text, &p));
	return p;
}

static inline struct endpoint endpoint_of(const char *text)
{
	struct endpoint e;

	assert_true(endpoint_parse(text, &e));
	return e;
}

#define assert_ip(actual, text) \
	do { \
		char assert_buf[IP_STRLEN]; \
		assert_string_equal(ip_format(&(actual), assert_buf), text); \
	} while (0)
