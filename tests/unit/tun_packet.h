/* A tunnel device for tests that want plain packets: one packet a call, whole with its checksums. */
#pragma once

#include "net/tun.h"

static inline int tun_read_packet(int fd, uint8_t *buf, size_t cap)
{
	static struct tun_packet p;
	int len = tun_read(fd, true, &p);

	if (len <= 0)
		return len;
	assert_true((size_t)len <= cap);
	assert_false(vnet_is_super(&p.vnet));
	assert_true(offload_checksum(&p.vnet, p.data, (size_t)len));
	memcpy(buf, p.data, (size_t)len);
	return len;
}

static inline int tun_write_packet(int fd, const uint8_t *packet, size_t len)
{
	static uint8_t slab[MERGE_SLAB];
	struct merge m;
	const uint8_t *p;

	merge_init(&m, slab);
	memcpy(merge_room(&m), packet, len);
	merge_add(&m, (struct merge_kinds){ false, false }, len);
	p = merge_finish(&m, &len);
	return tun_write(fd, true, p, len);
}
