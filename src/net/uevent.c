#include "net/uevent.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define UEVENT_MAX 3072      /* 2,048 for variables, the rest for the path */
#define GROUP_KERNEL 1       /* the other group is udev's */
#define BUFFER (1024 * 1024) /* many devices may come at once */

int uevent_open(void)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_groups = GROUP_KERNEL };
	const int size = BUFFER;
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
	int error;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

/* "change@/devices/...", then KEY=VALUE, each ended by a NUL. */
bool uevent_is_new_generation(const char *message, size_t len)
{
	static const char wanted[] = "NEW_VMGENID=1";
	const char *end = message + len;
	const char *stop = memchr(message, '\0', len);

	if (!stop || strncmp(message, "change@", 7) != 0)
		return false;
	for (const char *at = stop + 1; at < end; at = stop + 1) {
		stop = memchr(at, '\0', (size_t)(end - at));
		if (!stop)
			return false;
		if (strcmp(at, wanted) == 0)
			return true;
	}
	return false;
}

bool uevent_read(int fd)
{
	bool found = false;
	char buf[UEVENT_MAX];
	ssize_t n;

	for (;;) {
		struct sockaddr_nl from = { 0 };
		socklen_t len = sizeof(from);

		n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);
		if (n < 0 && (errno == EINTR || errno == ENOBUFS))
			continue;
		if (n < 0)
			return found;
		/* Processes have a number: only the kernel has none. */
		if (len == sizeof(from) && from.nl_pid == 0 && uevent_is_new_generation(buf, (size_t)n))
			found = true;
	}
}
