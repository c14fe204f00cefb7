/* Who the clients are: keys from a seed, and addresses from their numbers. */
#include "base/text.h"
#include "load/client.h"

#define OUTSIDE_FIRST (64u << 24) /* 64.0.0.0/2: a network of its own for each few of them */
#define OUTSIDE_IN_NET 8u /* in each /24, so that the server's limits for networks are those of many */
#define INSIDE_FIRST ((10u << 24) + 256)

void peer_private(const struct load *l, uint32_t i, uint8_t key[32])
{
	const be64 seed = put_be64(l->seed);
	const be32 number = put_be32(i);

	hmac_sha256_2(key, seed.b, sizeof(seed.b), number.b, sizeof(number.b), NULL, 0);
}

uint32_t peer_outside(uint32_t i)
{
	return OUTSIDE_FIRST + i / OUTSIDE_IN_NET * 256 + 1 + i % OUTSIDE_IN_NET;
}

uint32_t peer_at(uint32_t outside)
{
	const uint32_t host = outside % 256 - 1;

	if (outside < OUTSIDE_FIRST || host >= OUTSIDE_IN_NET)
		return UINT32_MAX;
	return (outside - OUTSIDE_FIRST) / 256 * OUTSIDE_IN_NET + host;
}

uint32_t peer_inside(uint32_t i)
{
	return INSIDE_FIRST + i;
}

void peers_write(const struct load *l, FILE *out)
{
	for (uint32_t i = 0; i < l->n; i++) {
		const uint32_t a = peer_inside(i);
		uint8_t key[32], public_key[32];
		char text[KEY_BASE64_LEN + 1];

		peer_private(l, i, key);
		if (!x25519_public(public_key, key))
			die("no memory");
		base64_encode(text, public_key, sizeof(public_key));
		fprintf(out, "- { name: p%u, public_key: \"%s\", addresses: [ %u.%u.%u.%u ] }\n", i, text,
			a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
	}
}
