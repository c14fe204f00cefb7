/*
 * Super-packets: what the tunnel device gives and takes with a virtio-net header in front (IFF_VNET_HDR).
 *
 * Split turns one TCP or UDP super-packet into the segments that travel, one at a time and in place; merge turns
 * neighbouring segments of one flow back into a super-packet. Pure functions on buffers: no descriptor, no memory of
 * their own. What is not understood is passed on as it is, never guessed at: IP options, extension headers and
 * fragments travel, they just do not merge.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OFFLOAD_SUPER_MAX 65535 /* bytes of the largest super-packet */
#define OFFLOAD_HEADERS_MAX 512 /* beyond what the kernel makes of IP options and extension headers */
#define OFFLOAD_MERGE_MAX 64    /* segments in one: the kernel's bound for UDP, and more than TCP needs */

/* struct virtio_net_hdr of linux/virtio_net.h, in the order of this machine's bytes. */
struct vnet_header {
	uint8_t flags;
	uint8_t gso_type;
	uint16_t hdr_len;
	uint16_t gso_size;
	uint16_t csum_start;
	uint16_t csum_offset;
};

/* --- from the tunnel device --- */

struct split {
	uint8_t *packet;
	size_t len;
	size_t transport; /* where the TCP or UDP header begins */
	size_t headers;   /* where the payload begins, the same in every segment */
	size_t at;        /* what of the packet has been dealt out */
	uint16_t size;    /* payload of each segment but the last */
	uint16_t number;  /* of the next segment */
	uint64_t ip_sum,
		sum; /* checksums of what the IP and transport headers of all segments have in common */
	uint16_t id; /* IPv4 */
	uint32_t seq;
	uint16_t flags; /* TCP: data offset and flags */
	bool v4, tcp;
	uint8_t header[OFFLOAD_HEADERS_MAX]; /* the super-packet's, `headers` bytes of it */
};

/* Is it more than one packet? */
static inline bool vnet_is_super(const struct vnet_header *v)
{
	return v->gso_type != 0;
}

/*
 * A packet that is not super may lack its checksum: puts it there. False: header and packet do not go together,
 * and the packet is to be dropped.
 */
bool offload_checksum(const struct vnet_header *v, uint8_t *packet, size_t len);

/* Begins to split a super-packet, which must stay where it is meanwhile, and is used up. False: as above. */
bool split_begin(struct split *s, const struct vnet_header *v, uint8_t *packet, size_t len);
/* Segments of TCP become no longer than `fits`, if there can be any: where its bytes are cut is no matter. */
static inline void split_fit(struct split *s, size_t fits)
{
	if (s->tcp && fits > s->headers && s->size > fits - s->headers)
		s->size = (uint16_t)(fits - s->headers);
}
/* Length of the longest segment. */
static inline size_t split_longest(const struct split *s)
{
	const size_t payload = s->len - s->headers;

	return s->headers + (payload < s->size ? payload : s->size);
}
/*
 * The next segment, complete with checksums and its length, or NULL when all have been dealt out. Its payload stands
 * where it came; its headers are put before that, over the end of the segment before, which is to be done with by now.
 */
uint8_t *split_next(struct split *s, size_t *len);

/* --- to the tunnel device --- */

#define MERGE_PACKET_MAX 9216       /* the longest packet that may be put into the room */
#define MERGE_HEADERS_MAX (40 + 60) /* IPv6 and TCP with options */
#define MERGE_SLAB (2 * 65536)      /* a super-packet, and behind it others that do not join it */
#define MERGE_AT (64 - 20 - 32) /* the payload of TCP over IPv4, with timestamps, begins on a cache line */

struct merge {
	uint8_t *slab, *packet; /* in there: the first segment, and with the others the packet to be */
	uint8_t *next;  /* where the next one is put: if it joins, its payload stands where it belongs, */
	size_t covered; /* and so much of its headers over the end of what is there */
	size_t n;       /* segments */
	size_t len;     /* of the packet to be */
	size_t transport, headers; /* of the first segment */
	size_t size;               /* its payload */
	uint32_t next_seq;
	bool tcp, pushed, closed;
	uint8_t first[MERGE_HEADERS_MAX]; /* headers of the first segment */
	uint8_t under[MERGE_HEADERS_MAX]; /* what is covered */
};

/* What the device takes: without TCP or UDP nothing of that kind is merged. */
struct merge_kinds {
	bool tcp, udp;
};

/* `slab`: MERGE_SLAB bytes. */
void merge_init(struct merge *m, uint8_t *slab);
/* Nothing can join what is there: it is to be finished and written before there is room for another. */
static inline bool merge_is_closed(const struct merge *m)
{
	return m->closed;
}
/* Where the next packet is to be put, be it taken then or not. */
uint8_t *merge_room(struct merge *m);
/*
 * Takes the packet that has been put there. False: it does not follow on what is there, which is to be finished and
 * written first; then the packet, which stays where it is, is taken.
 */
bool merge_add(struct merge *m, struct merge_kinds kinds, size_t len);
/* One packet to write, its virtio-net header in front. It stands until there is room for another, or one is taken. */
const uint8_t *merge_finish(struct merge *m, size_t *len);
