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
#include <sys/uio.h>

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

struct merge {
	struct vnet_header vnet;
	struct iovec iov[1 + OFFLOAD_MERGE_MAX]; /* [0] is the header, [1] the whole first segment */
	size_t n;                                /* segments */
	size_t len;                              /* of the packet to be */
	size_t transport, headers;               /* of the first segment */
	size_t size;                             /* its payload; 0: nothing can join it */
	uint32_t next_seq;
	bool tcp, closed;
};

/* What the device takes: without TCP or UDP nothing of that kind is merged. */
struct merge_kinds {
	bool tcp, udp;
};

static inline void merge_init(struct merge *m)
{
	m->n = 0;
}
/*
 * Takes one packet, which must stay where it is until merge_finish() and may be changed by it. False: it does not
 * follow on what is there, which is to be finished and written first.
 */
bool merge_add(struct merge *m, struct merge_kinds kinds, uint8_t *packet, size_t len);
/* Completes the headers: iov[0] .. iov[*n - 1] is one packet to write, and `m` is empty again. */
const struct iovec *merge_finish(struct merge *m, size_t *n);
