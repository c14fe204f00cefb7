/*
 * Addresses: parsing is strict (whole text or nothing), and IPv4 and IPv6 never contain each other,
 * although they share one form: ::/0 is all of IPv6 and no IPv4.
 */
#include "base/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const uint8_t v4_mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

struct ip ip_from_v4(const uint8_t v4[4])
{
	struct ip ip;

	memcpy(ip.b, v4_mapped, 12);
	memcpy(ip.b + 12, v4, 4);
	return ip;
}

bool ip_is_v4(const struct ip *ip)
{
	return memcmp(ip->b, v4_mapped, 12) == 0;
}

bool ip_is_zero(const struct ip *ip)
{
	static const uint8_t zero[16];

	if (ip_is_v4(ip))
		return memcmp(ip->b + 12, zero, 4) == 0;
	return memcmp(ip->b, zero, 16) == 0;
}

bool ip_is_link_local(const struct ip *ip)
{
	if (ip_is_v4(ip))
		return ip->b[12] == 169 && ip->b[13] == 254;
	return ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80;
}

bool ip_equal(const struct ip *a, const struct ip *b)
{
	return memcmp(a->b, b->b, 16) == 0;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return ip_equal(&a->ip, &b->ip) && a->scope == b->scope && a->port == b->port;
}

struct ip ip_masked(const struct ip *ip, uint8_t len)
{
	struct ip out = *ip;

	for (unsigned int i = 0; i < 16; i++) {
		if (len >= 8 * (i + 1))
			continue;
		if (len <= 8 * i)
			out.b[i] = 0;
		else
			out.b[i] &= (uint8_t)(0xff << (8 * (i + 1) - len));
	}
	return out;
}

bool prefix_contains(const struct prefix *p, const struct ip *ip)
{
	struct ip net = ip_masked(&p->ip, p->len);
	struct ip its = ip_masked(ip, p->len);

	if (p->len < 96 && ip_is_v4(ip))
		return false;
	return ip_equal(&net, &its);
}

#define V4_TWO_HOSTS 127 /* a /31, which has neither broadcast nor network address (RFC 3021) */

bool prefix_is_broadcast(const struct prefix *p, const struct ip *ip)
{
	if (!ip_is_v4(&p->ip) || p->len >= V4_TWO_HOSTS || !prefix_contains(p, ip))
		return false;
	for (unsigned int bit = p->len; bit < 128; bit++)
		if (!(ip->b[bit / 8] & (0x80 >> bit % 8)))
			return false;
	return true;
}

/* Decimal digits only, no leading zero, at most `most`. */
static bool number_parse(const char *s, size_t len, uint32_t most, uint32_t *out)
{
	uint64_t n = 0;

	if (len == 0 || len > 10 || (s[0] == '0' && len > 1))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(s[i] - '0');
	}
	if (n > most)
		return false;
	*out = (uint32_t)n;
	return true;
}

/* The first `len` characters of `s`, which need not end there. */
static bool ip_parse_n(const char *s, size_t len, struct ip *out)
{
	char text[IP_STRLEN];
	uint8_t b[16];

	if (len >= sizeof(text))
		return false;
	memcpy(text, s, len);
	text[len] = '\0';
	if (inet_pton(AF_INET, text, b) == 1) {
		*out = ip_from_v4(b);
		return true;
	}
	if (inet_pton(AF_INET6, text, b) != 1)
		return false;
	memcpy(out->b, b, 16);
	return true;
}

bool ip_parse(const char *s, struct ip *out)
{
	return ip_parse_n(s, strlen(s), out);
}

bool prefix_parse(const char *s, struct prefix *out)
{
	size_t n = strcspn(s, "/");
	struct ip ip;
	uint32_t len = 128;
	bool dotted;

	if (!ip_parse_n(s, n, &ip))
		return false;
	/* ::ffff:1.2.3.4/120 counts 128 bits, 1.2.3.4/24 counts 32. */
	dotted = !memchr(s, ':', n);
	if (s[n] == '/') {
		if (!number_parse(s + n + 1, strlen(s + n + 1), dotted ? 32 : 128, &len))
			return false;
		if (dotted)
			len += 96;
	}
	if (ip_is_v4(&ip) && len < 96)
		return false;
	*out = (struct prefix){ .ip = ip, .len = (uint8_t)len };
	return true;
}

/* What stands between the brackets: an IPv6 address, and a scope only if it is link-local. */
static bool scoped_parse(const char *s, size_t len, struct endpoint *e)
{
	const char *percent = memchr(s, '%', len);
	size_t n = percent ? (size_t)(percent - s) : len;

	if (!memchr(s, ':', n) || !ip_parse_n(s, n, &e->ip))
		return false;
	if (!percent)
		return true;
	return !ip_is_v4(&e->ip) && ip_is_link_local(&e->ip) &&
	       number_parse(percent + 1, len - n - 1, UINT32_MAX, &e->scope) && e->scope != 0;
}

bool endpoint_parse(const char *s, struct endpoint *out)
{
	struct endpoint e = { .scope = 0 };
	const char *colon = strrchr(s, ':');
	uint32_t port;

	if (!colon || !number_parse(colon + 1, strlen(colon + 1), UINT16_MAX, &port))
		return false;
	if (s[0] == '[') {
		if (colon - s < 2 || colon[-1] != ']' || !scoped_parse(s + 1, (size_t)(colon - s - 2), &e))
			return false;
	} else if (memchr(s, ':', (size_t)(colon - s)) || !ip_parse_n(s, (size_t)(colon - s), &e.ip)) {
		return false;
	}
	e.port = (uint16_t)port;
	*out = e;
	return true;
}

const char *ip_format(const struct ip *ip, char buf[IP_STRLEN])
{
	if (ip_is_v4(ip))
		return inet_ntop(AF_INET, ip->b + 12, buf, IP_STRLEN);
	return inet_ntop(AF_INET6, ip->b, buf, IP_STRLEN);
}

const char *prefix_format(const struct prefix *p, char buf[PREFIX_STRLEN])
{
	char ip[IP_STRLEN];
	unsigned int len = p->len;

	ip_format(&p->ip, ip);
	if (len == 128) {
		memcpy(buf, ip, IP_STRLEN);
		return buf;
	}
	if (ip_is_v4(&p->ip) && len >= 96)
		len -= 96;
	snprintf(buf, PREFIX_STRLEN, "%s/%u", ip, len);
	return buf;
}

const char *endpoint_format(const struct endpoint *e, char buf[ENDPOINT_STRLEN])
{
	char ip[IP_STRLEN];

	ip_format(&e->ip, ip);
	if (ip_is_v4(&e->ip))
		snprintf(buf, ENDPOINT_STRLEN, "%s:%u", ip, e->port);
	else if (e->scope != 0)
		snprintf(buf, ENDPOINT_STRLEN, "[%s%%%u]:%u", ip, e->scope, e->port);
	else
		snprintf(buf, ENDPOINT_STRLEN, "[%s]:%u", ip, e->port);
	return buf;
}
