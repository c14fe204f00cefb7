/* Headers of inner packets, made of bytes: IPv4 (RFC 791), IPv6 (RFC 8200), TCP (RFC 9293), UDP (RFC 768). */
#pragma once

#include <assert.h>
#include <stdint.h>

#include "jumpvpn/be.h"

enum { IP_PROTOCOL_ICMP = 1, IP_PROTOCOL_TCP = 6, IP_PROTOCOL_UDP = 17, IP_PROTOCOL_ICMPV6 = 58 };

struct ipv4_header {
	uint8_t version_ihl;
	uint8_t tos;
	be16 length;
	be16 id;
	be16 fragment;
	uint8_t ttl;
	uint8_t protocol;
	be16 checksum;
	uint8_t src[4];
	uint8_t dst[4];
};
static_assert(sizeof(struct ipv4_header) == 20, "RFC 791 section 3.1");

#define IPV4_DF 0x4000
#define IPV4_FRAGMENT 0x3fff /* more fragments, or not the first: the packet is not whole */

struct ipv6_header {
	be32 version_class_flow;
	be16 payload;
	uint8_t next;
	uint8_t hops;
	uint8_t src[16];
	uint8_t dst[16];
};
static_assert(sizeof(struct ipv6_header) == 40, "RFC 8200 section 3");

struct tcp_header {
	be16 source;
	be16 destination;
	be32 seq;
	be32 ack;
	uint8_t offset; /* high nibble: words of header */
	uint8_t flags;
	be16 window;
	be16 checksum;
	be16 urgent;
};
static_assert(sizeof(struct tcp_header) == 20, "RFC 9293 section 3.1");

enum { TCP_FIN = 0x01, TCP_SYN = 0x02, TCP_PSH = 0x08, TCP_ACK = 0x10, TCP_ECE = 0x40, TCP_CWR = 0x80 };

struct udp_header {
	be16 source;
	be16 destination;
	be16 length;
	be16 checksum;
};
static_assert(sizeof(struct udp_header) == 8, "RFC 768");
