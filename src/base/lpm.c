/* Longest-prefix match: one hash table over (masked address, length), asked for each length present. */
#include "base/lpm.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"

#define EMPTY 0xff /* as a length */
#define SLOTS_MIN 16

struct bits128 {
	uint64_t hi, lo;
};

struct entry {
	struct bits128 net;
	uint32_t value;
	uint8_t len;
};

struct lpm {
	struct entry *entry;
	size_t slots; /* a power of two */
	size_t count;
	unsigned int nlengths;
	uint8_t length[129]; /* those present, longest first */
};

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
	size_t slots = SLOTS_MIN;
	struct lpm *l;

	if (expected > SIZE_MAX / sizeof(struct entry) / 4)
		return NULL;
	while (slots / 4 * 3 < expected)
		slots *= 2;
	l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->slots = slots;
	l->entry = entries_new(slots);
	if (!l->entry) {
		free(l);
		return NULL;
	}
	return l;
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
	struct bits128 net = masked(load(&p->ip), p->len);
	struct entry *e = probe(l->entry, l->slots, net, p->len);

	if (p->len > 128 || value == LPM_NONE)
		bug("lpm_add: length %u, value %u", p->len, value);
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
static uint8_t shortest_of(const struct ip *ip)
{
	return ip_is_v4(ip) ? 96 : 0;
}

uint32_t lpm_find(const struct lpm *l, const struct ip *ip)
{
	return find(l, ip, shortest_of(ip));
}

uint32_t lpm_find_special(const struct lpm *l, const struct ip *ip)
{
	return find(l, ip, shortest_of(ip) + 1);
}

void lpm_free(struct lpm *l)
{
	if (!l)
		return;
	free(l->entry);
	free(l);
}
