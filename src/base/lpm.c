/* Longest-prefix match: a hash table of IPv4 hosts, and one over (masked address, length), asked for each length present. */
#include "base/lpm.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"

#define EMPTY 0xff /* as a length */
#define SLOTS_MIN 16
#define HOST_BITS_MIN 4

struct bits128 {
	uint64_t hi, lo;
};

struct entry {
	struct bits128 net;
	uint32_t value;
	uint8_t len;
};

struct host {
	uint32_t ip;
	uint32_t value; /* LPM_NONE: free */
};

struct hosts {
	struct host *host;
	unsigned int bits; /* there are 2^bits */
	size_t count;
};

struct lpm {
	struct hosts hosts; /* all of IPv4 */
	struct entry *entry;
	size_t slots; /* a power of two */
	size_t count;
	unsigned int nlengths;
	uint8_t length[129]; /* those present in `entry`, longest first */
};

/* --- hosts --- */

static uint32_t host_of(const struct ip *ip)
{
	return (uint32_t)ip->b[12] << 24 | (uint32_t)ip->b[13] << 16 | (uint32_t)ip->b[14] << 8 | ip->b[15];
}

/* The place of this host, or the free one where it belongs. Neighbours fall far from each other. */
static struct host *host_at(const struct hosts *h, uint32_t ip)
{
	const size_t mask = ((size_t)1 << h->bits) - 1;
	size_t i = (size_t)(ip * UINT64_C(0x9e3779b97f4a7c15) >> (64 - h->bits));

	while (h->host[i].value != LPM_NONE && h->host[i].ip != ip)
		i = (i + 1) & mask;
	return &h->host[i];
}

static bool hosts_init(struct hosts *h, unsigned int bits)
{
	const size_t n = (size_t)1 << bits;

	*h = (struct hosts){ .host = malloc(n * sizeof(*h->host)), .bits = bits };
	for (size_t i = 0; h->host && i < n; i++)
		h->host[i].value = LPM_NONE;
	return h->host;
}

static bool hosts_grow(struct hosts *h)
{
	struct hosts bigger;

	if (!hosts_init(&bigger, h->bits + 1))
		return false;
	for (size_t i = 0; i < (size_t)1 << h->bits; i++)
		if (h->host[i].value != LPM_NONE)
			*host_at(&bigger, h->host[i].ip) = h->host[i];
	bigger.count = h->count;
	free(h->host);
	*h = bigger;
	return true;
}

static int hosts_add(struct hosts *h, uint32_t ip, uint32_t value, uint32_t *other)
{
	const struct host *there = host_at(h, ip);

	if (there->value != LPM_NONE) {
		if (other)
			*other = there->value;
		return -EEXIST;
	}
	if (h->count + 1 > ((size_t)1 << h->bits) / 4 * 3 && !hosts_grow(h))
		return -ENOMEM;
	*host_at(h, ip) = (struct host){ ip, value };
	h->count++;
	return 0;
}

/* --- the others --- */

static struct bits128 load(const struct ip *ip)
{
	struct bits128 b = { 0, 0 };

	for (int i = 0; i < 8; i++) {
		b.hi = b.hi << 8 | ip->b[i];
		b.lo = b.lo << 8 | ip->b[i + 8];
	}
	return b;
}

static uint64_t high_bits(unsigned int n)
{
	return n == 0 ? 0 : UINT64_MAX << (64 - n);
}

static struct bits128 masked(struct bits128 b, uint8_t len)
{
	b.hi &= high_bits(len < 64 ? len : 64);
	b.lo &= high_bits(len < 64 ? 0 : len - 64u);
	return b;
}

/* The keys are the operator's own prefixes, so mixing is enough: no secret is needed. */
static size_t hash(struct bits128 net, uint8_t len)
{
	uint64_t h = net.hi * UINT64_C(0x9e3779b97f4a7c15);

	h ^= h >> 32;
	h = (h ^ net.lo ^ len) * UINT64_C(0xd6e8feb86659fd93);
	h ^= h >> 32;
	h *= UINT64_C(0xd6e8feb86659fd93);
	return (size_t)(h ^ h >> 32);
}

/* The entry of this prefix, or the empty slot where it belongs. */
static struct entry *probe(struct entry *entry, size_t slots, struct bits128 net, uint8_t len)
{
	size_t i = hash(net, len) & (slots - 1);

	while (entry[i].len != EMPTY) {
		if (entry[i].len == len && entry[i].net.hi == net.hi && entry[i].net.lo == net.lo)
			break;
		i = (i + 1) & (slots - 1);
	}
	return &entry[i];
}

static struct entry *entries_new(size_t slots)
{
	struct entry *e = calloc(slots, sizeof(*e));

	for (size_t i = 0; e && i < slots; i++)
		e[i].len = EMPTY;
	return e;
}

struct lpm *lpm_new(size_t expected)
{
	struct lpm *l;
	unsigned int bits = HOST_BITS_MIN;

	if (expected > SIZE_MAX / sizeof(struct host) / 4)
		return NULL;
	while (((size_t)1 << bits) / 4 * 3 < expected)
		bits++;
	l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->slots = SLOTS_MIN;
	l->entry = entries_new(l->slots);
	if (l->entry && hosts_init(&l->hosts, bits))
		return l;
	lpm_free(l);
	return NULL;
}

static int grow(struct lpm *l)
{
	struct entry *bigger = entries_new(l->slots * 2);

	if (!bigger)
		return -ENOMEM;
	for (size_t i = 0; i < l->slots; i++) {
		const struct entry *e = &l->entry[i];

		if (e->len != EMPTY)
			*probe(bigger, l->slots * 2, e->net, e->len) = *e;
	}
	free(l->entry);
	l->entry = bigger;
	l->slots *= 2;
	return 0;
}

static void add_length(struct lpm *l, uint8_t len)
{
	unsigned int at = 0;

	while (at < l->nlengths && l->length[at] > len)
		at++;
	if (at < l->nlengths && l->length[at] == len)
		return;
	for (unsigned int i = l->nlengths++; i > at; i--)
		l->length[i] = l->length[i - 1];
	l->length[at] = len;
}

int lpm_add(struct lpm *l, const struct prefix *p, uint32_t value, uint32_t *other)
{
	struct bits128 net;
	struct entry *e;

	if (p->len > 128 || value == LPM_NONE)
		bug("lpm_add: length %u, value %u", p->len, value);
	if (p->len == 128 && ip_is_v4(&p->ip))
		return hosts_add(&l->hosts, host_of(&p->ip), value, other);
	net = masked(load(&p->ip), p->len);
	e = probe(l->entry, l->slots, net, p->len);
	if (e->len != EMPTY) {
		if (other)
			*other = e->value;
		return -EEXIST;
	}
	if (l->count + 1 > l->slots / 4 * 3) {
		int err = grow(l);

		if (err < 0)
			return err;
		e = probe(l->entry, l->slots, net, p->len);
	}
	*e = (struct entry){ .net = net, .value = value, .len = p->len };
	l->count++;
	add_length(l, p->len);
	return 0;
}

static uint32_t find(const struct lpm *l, const struct ip *ip, uint8_t shortest)
{
	struct bits128 b = load(ip);

	for (unsigned int i = 0; i < l->nlengths && l->length[i] >= shortest; i++) {
		const struct entry *e = probe(l->entry, l->slots, masked(b, l->length[i]), l->length[i]);

		if (e->len != EMPTY)
			return e->value;
	}
	return LPM_NONE;
}

/* ::/0 holds no IPv4. */
static uint32_t find_any(const struct lpm *l, const struct ip *ip, uint8_t more)
{
	uint32_t value;

	if (!ip_is_v4(ip))
		return find(l, ip, more);
	value = host_at(&l->hosts, host_of(ip))->value;
	return value != LPM_NONE ? value : find(l, ip, 96 + more);
}

uint32_t lpm_find(const struct lpm *l, const struct ip *ip)
{
	return find_any(l, ip, 0);
}

uint32_t lpm_find_special(const struct lpm *l, const struct ip *ip)
{
	return find_any(l, ip, 1);
}

void lpm_renumber(struct lpm *l, const uint32_t *to, uint32_t n)
{
	for (size_t i = 0; i < (size_t)1 << l->hosts.bits; i++)
		if (l->hosts.host[i].value < n)
			l->hosts.host[i].value = to[l->hosts.host[i].value];
	for (size_t i = 0; i < l->slots; i++)
		if (l->entry[i].len != EMPTY && l->entry[i].value < n)
			l->entry[i].value = to[l->entry[i].value];
}

void lpm_free(struct lpm *l)
{
	if (!l)
		return;
	free(l->hosts.host);
	free(l->entry);
	free(l);
}
