#include "proto/carry.h"

#include <string.h>

#include "base/checksum.h"
#include "base/ip.h"
#include "base/wire.h"

#define TCP_OPTION_END 0
#define TCP_OPTION_NOP 1
#define TCP_OPTION_MSS 2
#define TCP_OPTION_MSS_LEN 4

#define IPV4_MORE 0x2000
#define IPV4_OFFSET 0x1fff

#define IP_OPTION_COPIED 0x80
#define IP_OPTION_END 0
#define IP_OPTION_NOP 1

static size_t ipv4_header_len(const uint8_t *packet)
{
	return (packet[0] & 15u) * 4;
}

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

/* RFC 1624: a checksum in `at` follows a 16-bit word, at an even place of what it covers, from `was` to `is`. */
static void checksum_follow(uint8_t *at, uint16_t was, uint16_t is)
{
	uint32_t sum = (uint16_t)~get16(at) + (uint32_t)(uint16_t)~was + is;

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	put16(at, (uint16_t)~sum);
}

/* --- MSS --- */

/* Where the TCP header begins, or 0. Behind IPv6 extension headers nobody looks: SYNs have none. */
static size_t tcp_at(const uint8_t *packet, size_t len)
{
	size_t at = sizeof(struct ipv6_header);

	if (packet[0] >> 4 == 4) {
		if (packet[offsetof(struct ipv4_header, protocol)] != IP_PROTOCOL_TCP ||
		    (get16(packet + offsetof(struct ipv4_header, fragment)) & IPV4_OFFSET) != 0)
			return 0;
		at = ipv4_header_len(packet);
	} else if (packet[offsetof(struct ipv6_header, next)] != IP_PROTOCOL_TCP) {
		return 0;
	}
	return len - at < sizeof(struct tcp_header) ? 0 : at;
}

/* The value of the MSS option between `at` and `end`, or NULL. */
static uint8_t *mss_option(uint8_t *at, const uint8_t *end)
{
	while (at < end && *at != TCP_OPTION_END) {
		if (*at == TCP_OPTION_NOP) {
			at++;
			continue;
		}
		if (end - at < 2 || at[1] < 2 || at[1] > end - at)
			return NULL;
		if (*at == TCP_OPTION_MSS)
			return at[1] == TCP_OPTION_MSS_LEN ? at + 2 : NULL;
		at += at[1];
	}
	return NULL;
}

/* The option may stand at an odd place: then each byte of it is in another word of the sum. */
static void mss_put(uint8_t *tcp, uint8_t *mss, uint16_t value)
{
	uint8_t *word = mss - (mss - tcp) % 2;
	const size_t words = word == mss ? 1 : 2;
	uint8_t was[4];

	memcpy(was, word, 2 * words);
	put16(mss, value);
	for (size_t i = 0; i < words; i++)
		checksum_follow(tcp + offsetof(struct tcp_header, checksum), get16(was + 2 * i),
				get16(word + 2 * i));
}

bool carry_is_syn(const uint8_t *packet, size_t len)
{
	const size_t at = tcp_at(packet, len);

	return at != 0 && packet[at + offsetof(struct tcp_header, flags)] & TCP_SYN;
}

bool carry_mss(uint8_t *packet, size_t len, size_t mtu)
{
	const bool v4 = packet[0] >> 4 == 4;
	const size_t headers =
		(v4 ? sizeof(struct ipv4_header) : sizeof(struct ipv6_header)) + sizeof(struct tcp_header);
	uint8_t *tcp, *mss;
	size_t at, hlen;

	if (!carry_is_syn(packet, len) || mtu <= headers)
		return false;
	at = tcp_at(packet, len);
	tcp = packet + at;
	hlen = (tcp[offsetof(struct tcp_header, offset)] >> 4) * 4u;
	if (hlen < sizeof(struct tcp_header) || hlen > len - at)
		return false;
	mss = mss_option(tcp + sizeof(struct tcp_header), tcp + hlen);
	if (!mss || get16(mss) <= mtu - headers)
		return false;
	mss_put(tcp, mss, (uint16_t)(mtu - headers));
	return true;
}

/* --- ECN --- */

static void ecn_put(uint8_t *packet, unsigned int ecn)
{
	const uint16_t was = get16(packet);

	if (packet[0] >> 4 == 6) {
		packet[1] = (uint8_t)((packet[1] & ~(ECN_MASK << 4)) | ecn << 4);
		return;
	}
	packet[1] = (uint8_t)((packet[1] & ~ECN_MASK) | ecn);
	checksum_follow(packet + offsetof(struct ipv4_header, checksum), was, get16(packet));
}

bool carry_ecn(uint8_t *packet, unsigned int outer)
{
	const unsigned int inner =
		(packet[0] >> 4 == 6 ? packet[1] >> 4 : packet[1]) & (unsigned int)ECN_MASK;

	if (inner == ECN_NOT_ECT)
		return outer != ECN_CE;
	if (inner == ECN_CE || outer == inner || outer == ECN_NOT_ECT)
		return true;
	if (outer == ECN_CE || outer == ECN_ECT1)
		ecn_put(packet, outer);
	return true;
}

/* --- fragments --- */

/* Payload of a full fragment behind a header of `hlen` bytes. */
static size_t fragment_payload(size_t hlen, size_t mtu)
{
	return mtu < hlen ? 0 : (mtu - hlen) & ~(size_t)7;
}

bool carry_may_fragment(const uint8_t *packet, size_t len, size_t mtu)
{
	return packet[0] >> 4 == 4 && !(get16(packet + offsetof(struct ipv4_header, fragment)) & IPV4_DF) &&
	       len > ipv4_header_len(packet) && fragment_payload(ipv4_header_len(packet), mtu) > 0;
}

/* Of the options behind the first fragment only those are kept that say so; the others become NOPs. */
static void options_later(uint8_t *header, size_t hlen)
{
	size_t at = sizeof(struct ipv4_header);

	while (at < hlen && header[at] != IP_OPTION_END) {
		size_t n = 1;

		if (header[at] != IP_OPTION_NOP) {
			if (hlen - at < 2 || header[at + 1] < 2 || header[at + 1] > hlen - at)
				break;
			n = header[at + 1];
			if (!(header[at] & IP_OPTION_COPIED))
				memset(header + at, IP_OPTION_NOP, n);
		}
		at += n;
	}
}

size_t carry_fragment(uint8_t *out, const uint8_t *packet, size_t len, size_t mtu, size_t *at)
{
	const size_t hlen = ipv4_header_len(packet), left = len - hlen - *at;
	const size_t most = fragment_payload(hlen, mtu);
	const size_t n = left <= mtu - hlen ? left : most;
	uint8_t *fragment = out + offsetof(struct ipv4_header, fragment);
	uint8_t *sum = out + offsetof(struct ipv4_header, checksum);
	uint16_t folded;

	if (left == 0)
		return 0;
	memcpy(out, packet, hlen);
	memcpy(out + hlen, packet + hlen + *at, n);
	put16(out + offsetof(struct ipv4_header, length), (uint16_t)(hlen + n));
	put16(fragment, (uint16_t)(get16(fragment) + *at / 8));
	if (n < left)
		put16(fragment, get16(fragment) | IPV4_MORE);
	if (*at > 0)
		options_later(out, hlen);
	put16(sum, 0);
	folded = (uint16_t)~checksum_fold(checksum_add(0, out, hlen));
	memcpy(sum, &folded, sizeof(folded));
	*at += n;
	return hlen + n;
}
