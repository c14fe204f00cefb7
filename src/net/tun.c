/*
 * The tunnel device through /dev/net/tun. One way for one queue and for many: IFF_MULTI_QUEUE always.
 */
#include "net/tun.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int open_queue(char *name, int flags)
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

/* Since Linux 6.2; headers may be older. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

/* The best the kernel agrees to. Offloads are of the device: the first queue's choice is that of all. */
static struct tun_offload set_offload(int fd)
{
	const unsigned int tso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

	if (ioctl(fd, TUNSETOFFLOAD, tso | TUN_F_USO4 | TUN_F_USO6) == 0)
		return (struct tun_offload){ true, true, true, true };
	if (ioctl(fd, TUNSETOFFLOAD, tso) == 0)
		return (struct tun_offload){ true, true, true, false };
	return (struct tun_offload){ .header = true, .checksum = ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM) == 0 };
}

/*
 * The first queue must make the device (IFF_TUN_EXCL): joining one that is there would quietly take half of
 * the packets of another daemon.
 */
int tun_open(char *name, int *fds, size_t queues, bool offload, struct tun_offload *got)
{
	const int flags = offload ? IFF_VNET_HDR : 0;
	char real[IFNAMSIZ] = "";
	size_t len = strnlen(name, IFNAMSIZ);

	if (len == IFNAMSIZ || queues == 0)
		return -EINVAL;
	memcpy(real, name, len);
	for (size_t i = 0; i < queues; i++) {
		int fd = open_queue(real, flags | (i == 0 ? IFF_TUN_EXCL : 0));

		if (fd < 0) {
			while (i > 0)
				close(fds[--i]);
			return fd;
		}
		fds[i] = fd;
	}
	memcpy(name, real, IFNAMSIZ);
	*got = offload ? set_offload(fds[0]) : (struct tun_offload){ .header = false };
	return 0;
}

static_assert(offsetof(struct tun_packet, data) ==
		      offsetof(struct tun_packet, vnet) + sizeof(struct vnet_header),
	      "the header stands right before the packet");

int tun_read(int fd, bool header, struct tun_packet *p)
{
	const size_t at = header ? offsetof(struct tun_packet, vnet) : offsetof(struct tun_packet, data);
	ssize_t len;

	if (!header)
		memset(&p->vnet, 0, sizeof(p->vnet));

	do {
		len = read(fd, (uint8_t *)p + at, sizeof(*p) - at);
	} while (len < 0 && errno == EINTR);
	if (len < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (!header)
		return (int)len;
	return (size_t)len > sizeof(p->vnet) ? (int)((size_t)len - sizeof(p->vnet)) : -EIO;
}

bool tun_is_super_error(int error)
{
	return error == -EINVAL || error == -EIO;
}

int tun_write(int fd, bool header, const uint8_t *packet, size_t len)
{
	const size_t skip = header ? 0 : sizeof(struct vnet_header);
	ssize_t written;

	do {
		written = write(fd, packet + skip, len - skip);
	} while (written < 0 && errno == EINTR);
	return written < 0 ? -errno : 0;
}
