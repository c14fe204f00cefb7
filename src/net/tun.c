/*
 * The tunnel device through /dev/net/tun. One way for one queue and for many: IFF_MULTI_QUEUE always.
 */
#include "net/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int open_queue(char *name, short flags)
{
	struct ifreq request = { .ifr_flags = (short)(IFF_TUN | IFF_NO_PI | IFF_MULTI_QUEUE | flags) };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	memcpy(request.ifr_name, name, IFNAMSIZ);
	if (ioctl(fd, TUNSETIFF, &request) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	memcpy(name, request.ifr_name, IFNAMSIZ);
	return fd;
}

/*
 * The first queue must make the device (IFF_TUN_EXCL): joining one that is there would quietly take half of
 * the packets of another daemon.
 */
int tun_open(char *name, int *fds, size_t queues)
{
	char real[IFNAMSIZ] = "";
	size_t len = strnlen(name, IFNAMSIZ);

	if (len == IFNAMSIZ || queues == 0)
		return -EINVAL;
	memcpy(real, name, len);
	for (size_t i = 0; i < queues; i++) {
		int fd = open_queue(real, i == 0 ? IFF_TUN_EXCL : 0);

		if (fd < 0) {
			while (i > 0)
				close(fds[--i]);
			return fd;
		}
		fds[i] = fd;
	}
	memcpy(name, real, IFNAMSIZ);
	return 0;
}

int tun_read(int fd, uint8_t *buf, size_t cap)
{
	ssize_t len;

	do {
		len = read(fd, buf, cap);
	} while (len < 0 && errno == EINTR);
	if (len < 0)
		return errno == EAGAIN ? 0 : -errno;
	return (int)len;
}

int tun_write(int fd, const uint8_t *packet, size_t len)
{
	ssize_t written;

	do {
		written = write(fd, packet, len);
	} while (written < 0 && errno == EINTR);
	return written < 0 ? -errno : 0;
}
