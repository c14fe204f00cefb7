/* What systemd would hear, on a datagram socket in its place. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/notify.h"

static int listen_on(const char *name)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	size_t len = strlen(name);

	memcpy(sun.sun_path, name, len);
	if (name[0] == '@')
		sun.sun_path[0] = '\0';
	assert_int_equal(
		bind(fd, (struct sockaddr *)&sun, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
		0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static void hear(int fd, char text[256])
{
	ssize_t n = recv(fd, text, 255, 0);

	assert_true(n > 0);
	text[n] = '\0';
}

static void expect_all(const char *name)
{
	int fd = listen_on(name);
	char text[256];
	uint64_t us;

	assert_int_equal(notify_send("READY=1\nSTATUS=%d sessions", 3), 1);
	hear(fd, text);
	assert_string_equal(text, "READY=1\nSTATUS=3 sessions");
	assert_int_equal(notify_reloading(), 1);
	hear(fd, text);
	assert_int_equal(sscanf(text, "RELOADING=1\nMONOTONIC_USEC=%" SCNu64, &us), 1);
	assert_true(us > 0);
	close(fd);
}

static void test_path(void **state)
{
	char dir[] = "/tmp/test_notify.XXXXXX", path[64];

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/notify", dir);
	expect_all(path);
	assert_int_equal(notify_send("READY=1"), -ECONNREFUSED); /* its end is closed now */
	unlink(path);
	rmdir(dir);
}

static void test_abstract(void **state)
{
	char name[64];

	snprintf(name, sizeof(name), "@jumpvpn-test-notify-%d", (int)getpid());
	expect_all(name);
}

static void test_nobody(void **state)
{
	char longest[200];

	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(notify_send("READY=1"), 0);
	setenv("NOTIFY_SOCKET", "", 1);
	assert_int_equal(notify_send("READY=1"), 0);
	setenv("NOTIFY_SOCKET", "relative/path", 1);
	assert_int_equal(notify_send("READY=1"), -EINVAL);
	setenv("NOTIFY_SOCKET", "@", 1);
	assert_int_equal(notify_send("READY=1"), -EINVAL);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	setenv("NOTIFY_SOCKET", longest, 1);
	assert_int_equal(notify_send("READY=1"), -EINVAL);
}

static uint64_t watchdog(const char *usec, const char *pid)
{
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	if (usec)
		setenv("WATCHDOG_USEC", usec, 1);
	if (pid)
		setenv("WATCHDOG_PID", pid, 1);
	return notify_watchdog_us();
}

static void test_watchdog(void **state)
{
	char own[16];

	snprintf(own, sizeof(own), "%d", (int)getpid());
	assert_int_equal(watchdog("30000000", own), 15000000);
	assert_int_equal(watchdog("30000000", NULL), 15000000);
	assert_int_equal(watchdog("30000000", "1"), 0);
	assert_int_equal(watchdog(NULL, own), 0);
	assert_int_equal(watchdog("", own), 0);
	assert_int_equal(watchdog("30s", own), 0);
	assert_int_equal(watchdog("-5", own), 0);
	assert_int_equal(watchdog("99999999999999999999999", own), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_abstract),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_watchdog),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
