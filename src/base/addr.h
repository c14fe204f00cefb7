/*
 * Addresses as plain data: one form for IPv4 (as ::ffff:a.b.c.d) and IPv6, so that comparing,
 * hashing and storing them needs no branch on the family.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ip {
	uint8_t b[16];
};

struct prefix {
	struct ip ip; /* host bits are kept: an interface address is a prefix too */
	uint8_t len;  /* 0..128; IPv4 /24 is 120 */
};

struct endpoint {
	struct ip ip;
	uint32_t scope; /* interface index of a link-local address, else 0 */
	uint16_t port;  /* host byte order */
	uint16_t zero;  /* no padding: what holds one is compared by its bytes */
};

#define IP_STRLEN 46 /* with the NUL, as INET6_ADDRSTRLEN */
#define PREFIX_STRLEN 50
#define ENDPOINT_STRLEN 68 /* "[v6%scope]:port" */

struct ip ip_from_v4(const uint8_t v4[4]);
bool ip_is_v4(const struct ip *ip);
bool ip_is_zero(const struct ip *ip);       /* :: or 0.0.0.0 */
bool ip_is_link_local(const struct ip *ip); /* 169.254.0.0/16, fe80::/10 */
bool ip_equal(const struct ip *a, const struct ip *b);
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);
/* Does `ip` lie in `p`? Families stay apart: ::/0 holds no IPv4 address. */
bool prefix_contains(const struct prefix *p, const struct ip *ip);
/* Of an IPv4 network with more than two addresses, the one that means all of them. */
bool prefix_is_broadcast(const struct prefix *p, const struct ip *ip);
/* `ip` with all bits behind `len` cleared. */
struct ip ip_masked(const struct ip *ip, uint8_t len);

/* Parse one address, "ADDR/LEN" (LEN may be absent: a host), or "ADDR:PORT" / "[ADDR]:PORT" whole;
 * false for anything else, and then *out is unchanged. */
bool ip_parse(const char *s, struct ip *out);
bool prefix_parse(const char *s, struct prefix *out);
bool endpoint_parse(const char *s, struct endpoint *out);

/* All write a NUL-terminated text and return `buf`. A host prefix is written without its length. */
const char *ip_format(const struct ip *ip, char buf[IP_STRLEN]);
const char *prefix_format(const struct prefix *p, char buf[PREFIX_STRLEN]);
const char *endpoint_format(const struct endpoint *e, char buf[ENDPOINT_STRLEN]);
