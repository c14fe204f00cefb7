/* A tunnel device for tests that want plain packets: one packet a call, whole with its checksums. */
#pragma once

#include "net/tun.h"

static inline int tun_read_packet(int fd, uint8_t *buf, size_t cap)
{
	static struct tun_packet p;
	int len = tun_read(fd, &p);

	if (len <= 0)
		return len;
	assert_true((size_t)len <= cap);
	assert_false(vnet_is_super(&p.vnet));
	assert_true(offload_checksum(&p.vnet, p.data, (size_t)len));
	memcpy(buf, p.data, (size_t)len);
	return len;
}

static inline int tun_write_packet(int fd, uint8_t *packet, size_t len)
{
	struct merge m;
	size_t n;

	merge_init(&m);
	merge_add(&m, (struct merge_kinds){ false, false }, packet, len);
	merge_finish(&m, &n);
	return tun_write(fd, m.iov, n);
}
