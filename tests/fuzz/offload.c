/*
 * Super-packets: any header over any bytes is split or refused, and packets of any kind are merged. What is split is the
 * payload that was there, under checksums that hold; what is merged comes apart again into what was put in.
 */
#include "fuzz.h"

#include "base/checksum.h"
#include "base/ip.h"
#include "net/offload.h"
#include "proto/inner.h"

#define PACKETS_MAX 160
#define PACKET_MAX 2048

static uint8_t packets[PACKETS_MAX][PACKET_MAX];
static size_t lengths[PACKETS_MAX];
static uint8_t *slab;

static uint64_t upper_sum(const uint8_t *p, size_t len, size_t transport, uint8_t protocol)
{
	const bool v4 = p[0] >> 4 == 4;
	uint64_t sum = checksum_add(0, p + (v4 ? 12 : 8), v4 ? 8 : 32);

	sum = checksum_add16(checksum_add16(sum, protocol), (uint16_t)(len - transport));
	return checksum_add(sum, p + transport, len - transport);
}

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Lengths, and the checksums that are wanted, as they should be. */
static void mend(uint8_t *p, size_t len, bool upper, bool ip)
{
	const bool v4 = p[0] >> 4 == 4;
	const size_t transport = v4 ? 20 : 40;
	const uint8_t protocol = p[v4 ? 9 : 6];
	const size_t at = transport + (protocol == IP_PROTOCOL_TCP ? 16 : 6);
	uint16_t sum;

	put16(p + (v4 ? 2 : 4), v4 ? len : len - 40);
	if (protocol == IP_PROTOCOL_UDP && len >= transport + 8)
		put16(p + transport + 4, len - transport);
	if (upper && len >= at + 2) {
		put16(p + at, 0);
		sum = (uint16_t)~checksum_fold(upper_sum(p, len, transport, protocol));
		memcpy(p + at, &sum, 2);
	}
	if (v4 && ip) {
		put16(p + 10, 0);
		sum = (uint16_t)~checksum_fold(checksum_add(0, p, 20));
		memcpy(p + 10, &sum, 2);
	}
}

/* The first one from the input, each other one its successor but for what the input changes. */
static size_t draw(struct input *in)
{
	const uint8_t *head;
	size_t n = 0, taken = input_bytes(in, false, &head), payload = 0;
	uint8_t next[PACKET_MAX] = { 0x45 };

	memcpy(next, head, taken);
	while (n < PACKETS_MAX && (n == 0 || in->left > 0)) {
		const uint8_t how = input_byte(in);
		const size_t headers = taken > 40 ? taken : 40;
		const bool v4 = next[0] >> 4 == 4;
		uint8_t *seq = next + (v4 ? 20 : 40) + 4;
		uint32_t number =
			(uint32_t)seq[0] << 24 | (uint32_t)seq[1] << 16 | (uint32_t)seq[2] << 8 | seq[3];

		if (next[v4 ? 9 : 6] == IP_PROTOCOL_TCP) {
			number += (uint32_t)payload;
			put16(seq, number >> 16);
			put16(seq + 2, number & 0xffff);
		}
		if (how & 1 || n == 0)
			payload = (size_t)input_byte(in) << (how >> 1 & 3);
		if (payload > PACKET_MAX - headers)
			payload = PACKET_MAX - headers;
		memset(next + headers, 0x55 + (int)n, payload);
		if (how & 8) {
			const uint8_t at = input_byte(in);

			next[at] ^= input_byte(in);
		}
		lengths[n] = headers + payload;
		memcpy(packets[n], next, lengths[n]);
		mend(packets[n], lengths[n], !(how & 16), !(how & 32));
		n++;
	}
	return n;
}

/* Of the id a super-packet has but one, and a sum of nothing may stand as 0 or 0xffff. */
static bool alike(const uint8_t *a, const uint8_t *b, size_t len)
{
	static uint8_t x[2][PACKET_MAX];
	const bool v4 = a[0] >> 4 == 4;

	memcpy(x[0], a, len);
	memcpy(x[1], b, len);
	for (int i = 0; i < 2; i++) {
		const size_t transport = v4 ? 20 : 40;

		if (v4) {
			put16(x[i] + 4, 0);
			put16(x[i] + 10, 0);
		}
		put16(x[i] + transport + (x[i][v4 ? 9 : 6] == IP_PROTOCOL_TCP ? 16 : 6), 0);
	}
	return memcmp(x[0], x[1], len) == 0;
}

static void whole(const uint8_t *p, size_t len, size_t transport, bool tcp)
{
	if (p[0] >> 4 == 4)
		HOLDS((size_t)(p[2] << 8 | p[3]) == len &&
		      checksum_fold(checksum_add(0, p, transport)) == 0xffff);
	else
		HOLDS((size_t)(p[4] << 8 | p[5]) == len - 40);
	HOLDS(checksum_fold(upper_sum(p, len, transport, tcp ? IP_PROTOCOL_TCP : IP_PROTOCOL_UDP)) == 0xffff);
}

/* Writes what was merged: are they the packets from `i` on? Answers the one behind them. */
static size_t written(struct merge *m, size_t i)
{
	struct vnet_header v;
	struct split s;
	size_t len, n;
	const size_t count = m->n;
	const uint8_t *at = merge_finish(m, &len);
	uint8_t *copy, *segment;

	memcpy(&v, at, sizeof(v));
	len -= sizeof(v);
	at += sizeof(v);
	HOLDS(vnet_is_super(&v) == (count > 1));
	if (!vnet_is_super(&v)) {
		HOLDS(len == lengths[i] && memcmp(at, packets[i], len) == 0);
		return i + 1;
	}
	HOLDS(len <= OFFLOAD_SUPER_MAX && (copy = malloc(len)));
	memcpy(copy, at, len);
	HOLDS(split_begin(&s, &v, copy, len));
	while ((segment = split_next(&s, &n))) {
		HOLDS(n == lengths[i] && alike(segment, packets[i], n));
		whole(packets[i], n, v.csum_start,
		      s.tcp); /* a super-packet passes for good: they must have been */
		whole(segment, n, v.csum_start, s.tcp);
		i++;
	}
	free(copy);
	return i;
}

static void merge_all(struct input *in)
{
	const uint8_t what = input_byte(in);
	const struct merge_kinds kinds = { !(what & 1), !(what & 2) };
	const size_t n = draw(in);
	size_t done = 0;
	struct inner inner;
	struct merge m;

	if (!slab && !(slab = malloc(MERGE_SLAB)))
		abort();
	merge_init(&m, slab);
	for (size_t i = 0; i < n; i++) {
		if (!inner_parse(packets[i], lengths[i], &inner)) /* it would not be delivered */
			break;
		if (merge_is_closed(&m))
			done = written(&m, done);
		memcpy(merge_room(&m), packets[i], lengths[i]);
		if (!merge_add(&m, kinds, lengths[i])) {
			done = written(&m, done);
			HOLDS(done == i && merge_add(&m, kinds, lengths[i]));
		}
	}
	if (m.n > 0)
		written(&m, done);
}

static void split_any(struct input *in)
{
	struct vnet_header v = { 0 };
	const size_t fits = (size_t)input_byte(in) << 3, head = in->left < sizeof(v) ? in->left : sizeof(v);
	uint8_t *packet, *segment;
	const uint8_t *payload;
	struct split s;
	size_t len, n;

	memcpy(&v, in->data, head);
	len = in->left - head;
	payload = in->data + head;
	HOLDS((packet = malloc(len ? len : 1)));
	memcpy(packet, payload, len);
	if (!vnet_is_super(&v)) {
		offload_checksum(&v, packet, len);
	} else if (split_begin(&s, &v, packet, len)) {
		if (fits > 0)
			split_fit(&s, fits);
		payload += s.headers;
		while ((segment = split_next(&s, &n))) {
			HOLDS(n <= split_longest(&s) && n > s.headers);
			HOLDS(memcmp(segment + s.headers, payload, n - s.headers) == 0);
			whole(segment, n, s.transport, s.tcp);
			payload += n - s.headers;
		}
		HOLDS(payload == in->data + in->left);
	}
	free(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	if (input_byte(&in) & 1)
		split_any(&in);
	else
		merge_all(&in);
	return 0;
}
