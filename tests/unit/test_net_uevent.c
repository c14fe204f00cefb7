/* Uevents: what is a new generation of the machine, and what only looks like it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/uevent.h"

#define HEAD "change@/devices/platform/VMGENCTR:00\0ACTION=change\0"
#define NEW "NEW_VMGENID=1"

/* In memory of its own size, so that reading beyond it is seen. */
static bool is_new(const char *text, size_t len)
{
	char *copy = malloc(len + (len == 0));
	bool answer;

	assert_non_null(copy);
	memcpy(copy, text, len);
	answer = uevent_is_new_generation(copy, len);
	free(copy);
	return answer;
}
#define IS_NEW(text) is_new(text, sizeof(text) - 1)

static void test_what_is_one(void **state)
{
	(void)state;
	assert_true(IS_NEW(HEAD NEW "\0"));
	assert_true(IS_NEW(HEAD "SUBSYSTEM=platform\0" NEW "\0SEQNUM=77\0"));
	assert_false(IS_NEW(HEAD));
	assert_false(IS_NEW(HEAD NEW)); /* cut off */
	assert_false(IS_NEW(HEAD NEW "0\0"));
	assert_false(IS_NEW(HEAD "X" NEW "\0"));
	assert_false(IS_NEW(HEAD "NEW_VMGENID=0\0"));
	assert_false(IS_NEW("change@" NEW "\0"));
	assert_false(IS_NEW("add@/devices/x\0" NEW "\0"));
	assert_false(IS_NEW("libudev\0" NEW "\0"));
	assert_false(IS_NEW(NEW "\0"));
	assert_false(IS_NEW(""));
	assert_false(IS_NEW("\0"));
	assert_false(IS_NEW("change@"));
}

/* A process that sends to the socket is no kernel. */
static void test_only_the_kernel(void **state)
{
	static const char message[] = HEAD NEW "\0";
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	socklen_t len = sizeof(to);
	int fd = uevent_open();
	int other = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

	(void)state;
	if (fd < 0 || other < 0)
		skip();
	assert_int_equal(getsockname(fd, (struct sockaddr *)&to, &len), 0);
	assert_int_equal(to.nl_groups, 1); /* the kernel's own: udev says the same again in group 2, and need not run */
	if (sendto(other, message, sizeof(message), 0, (struct sockaddr *)&to, len) < 0)
		skip();
	assert_false(uevent_read(fd));
	close(other);
	close(fd);
}

/* --- what is read: the kernel is put in the place of this script --- */

static struct {
	const char *text; /* NULL: nothing more */
	size_t len;
	unsigned int sender;
	int error; /* in its place */
} script[8];
static size_t next;

/* The linker puts this before recvfrom(). */
ssize_t __real_recvfrom(int fd, void *buf, size_t size, int flags, struct sockaddr *from, socklen_t *len);
ssize_t __wrap_recvfrom(int fd, void *buf, size_t size, int flags, struct sockaddr *from, socklen_t *len);

ssize_t __wrap_recvfrom(int fd, void *buf, size_t size, int flags, struct sockaddr *from, socklen_t *len)
{
	const struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_pid = script[next].sender };
	const size_t n = script[next].len < size ? script[next].len : size;

	if (fd >= 0)
		return __real_recvfrom(fd, buf, size, flags, from, len);
	errno = script[next].error ? script[next].error : EAGAIN;
	if (!script[next].text)
		return next += script[next].error != 0, -1;
	memcpy(buf, script[next++].text, n);
	memcpy(from, &a, sizeof(a));
	*len = sizeof(a);
	return (ssize_t)n;
}

static void say(const char *text, size_t len, unsigned int sender)
{
	script[next].text = text;
	script[next].len = len;
	script[next++].sender = sender;
}

static bool reads(void)
{
	bool answer;

	next = 0;
	answer = uevent_read(-1);
	assert_true(next > 0 && !script[next].text); /* all of it has been read */
	memset(script, 0, sizeof(script));
	next = 0;
	return answer;
}

/* All that waits is read; one among many is enough, and what was lost before it does not matter. */
static void test_what_is_read(void **state)
{
	static const char news[] = HEAD NEW "\0", other[] = HEAD "SEQNUM=1\0";

	(void)state;
	say(other, sizeof(other) - 1, 0);
	assert_false(reads());
	say(other, sizeof(other) - 1, 0);
	script[next++].error = ENOBUFS;
	script[next++].error = EINTR;
	say(news, sizeof(news) - 1, 0);
	say(other, sizeof(other) - 1, 0);
	assert_true(reads());
	say(news, sizeof(news) - 1, 4711);
	assert_false(reads());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_one),
		cmocka_unit_test(test_only_the_kernel),
		cmocka_unit_test(test_what_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
