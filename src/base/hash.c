/* SipHash-c-d: c rounds for each word of eight bytes, d at the end. */
#include "base/hash.h"

struct sip {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotl(uint64_t x, unsigned int n)
{
	return x << n | x >> (64 - n);
}

static uint64_t load_le64(const uint8_t *p)
{
	return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
	       (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

static void store_le64(uint8_t *p, uint64_t n)
{
	for (unsigned int i = 0; i < 8; i++)
		p[i] = (uint8_t)(n >> (8 * i));
}

static void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v0 = rotl(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v2 = rotl(s->v2, 32);
}

static void sip_rounds(struct sip *s, unsigned int n)
{
	while (n-- > 0)
		sip_round(s);
}

static struct sip sip_begin(const uint8_t key[16])
{
	const uint64_t k0 = load_le64(key), k1 = load_le64(key + 8);

	return (struct sip){
		.v0 = k0 ^ UINT64_C(0x736f6d6570736575),
		.v1 = k1 ^ UINT64_C(0x646f72616e646f6d),
		.v2 = k0 ^ UINT64_C(0x6c7967656e657261),
		.v3 = k1 ^ UINT64_C(0x7465646279746573),
	};
}

static void sip_word(struct sip *s, uint64_t m, unsigned int c)
{
	s->v3 ^= m;
	sip_rounds(s, c);
	s->v0 ^= m;
}

/* All of the message; the last word holds what is left of it and its length. */
static void sip_message(struct sip *s, const uint8_t *p, size_t len, unsigned int c)
{
	uint64_t last = (uint64_t)len << 56;
	size_t left = len;

	for (; left >= 8; p += 8, left -= 8)
		sip_word(s, load_le64(p), c);
	for (size_t i = 0; i < left; i++)
		last |= (uint64_t)p[i] << (8 * i);
	sip_word(s, last, c);
}

static uint64_t sip_result(const struct sip *s)
{
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

uint64_t hash_bytes(const struct hash_key *key, const void *data, size_t len)
{
	struct sip s = sip_begin(key->b);

	sip_message(&s, data, len, 1);
	s.v2 ^= 0xff;
	sip_rounds(&s, 3);
	return sip_result(&s);
}

void hash_mac(uint8_t mac[16], const uint8_t key[16], const void *data, size_t len)
{
	struct sip s = sip_begin(key);

	s.v1 ^= 0xee;
	sip_message(&s, data, len, 2);
	s.v2 ^= 0xee;
	sip_rounds(&s, 4);
	store_le64(mac, sip_result(&s));
	s.v1 ^= 0xdd;
	sip_rounds(&s, 4);
	store_le64(mac + 8, sip_result(&s));
}
