/*
 * DATA binds only the first eight bytes of its header, so that a sealed packet can go out again under
 * another locator; CONTROL binds all sixteen, for it teaches about the path it names.
 */
#include "proto/packet.h"

#include <string.h>

#include "base/wire.h"

#define MASK_AT 1  /* RFC 9001 section 5.4: all but the type, ... */
#define MASK_LEN 7 /* ... up to the locator */
#define SAMPLE_AT PROTO_HEADER_LEN

static_assert(offsetof(struct packet_header, locator) == MASK_AT + MASK_LEN, "masked bytes");

static size_t ad_len(enum packet_type type)
{
	return type == PACKET_DATA ? offsetof(struct packet_header, locator) : PROTO_HEADER_LEN;
}

enum packet_type packet_classify(const uint8_t *datagram, size_t len)
{
	const size_t welcome = sizeof(struct packet_welcome) + sizeof(struct welcome_payload) + PROTO_TAG_LEN;
	bool ok = false;

	if (len == 0)
		return 0;
	switch (datagram[0]) {
	case PACKET_HELLO:
		ok = len == sizeof(struct packet_hello);
		break;
	case PACKET_WELCOME:
		ok = len >= welcome && len <= PROTO_HELLO_LEN;
		break;
	case PACKET_COOKIE:
		ok = len == sizeof(struct packet_cookie);
		break;
	case PACKET_DATA:
	case PACKET_CONTROL:
		ok = len >= PROTO_OVERHEAD;
		break;
	case PACKET_RESET:
		ok = len == sizeof(struct packet_reset);
		break;
	}
	return ok ? datagram[0] : 0;
}

void packet_nonce(uint8_t nonce[PROTO_NONCE_LEN], const uint8_t iv[PROTO_NONCE_LEN], uint8_t epoch,
		  uint64_t counter)
{
	be64 v;

	memcpy(nonce, iv, PROTO_NONCE_LEN);
	memcpy(&v, nonce + 4, sizeof(v));
	v = put_be64(get_be64(v) ^ ((uint64_t)epoch << 48 | counter));
	memcpy(nonce + 4, &v, sizeof(v));
}

/* The first eight bytes of the header, the type as it is. */
static void apply_mask(uint8_t *out, const uint8_t *in, const uint8_t mask[16])
{
	be64 v, m;

	memcpy(&v, in, sizeof(v));
	memcpy(&m, mask, sizeof(m));
	v = put_be64(get_be64(v) ^ get_be64(m) >> 8);
	memcpy(out, &v, sizeof(v));
}

size_t packet_seal(uint8_t *packet, size_t len, enum packet_type type, uint8_t epoch, uint64_t counter,
		   const uint8_t locator[8], struct aead_key *key, const uint8_t iv[PROTO_NONCE_LEN],
		   struct mask_key *mask)
{
	struct packet_header h = { .type = (uint8_t)type, .epoch = epoch, .counter = put_be48(counter) };
	uint8_t *body = packet + PROTO_HEADER_LEN;
	uint8_t nonce[PROTO_NONCE_LEN], m[16];

	memcpy(h.locator, locator, sizeof(h.locator));
	memcpy(packet, &h, sizeof(h));
	packet_nonce(nonce, iv, epoch, counter);
	aead_seal(key, body, nonce, packet, ad_len(type), body, len);
	mask_make(mask, m, packet + SAMPLE_AT);
	apply_mask(packet, packet, m);
	return len + PROTO_OVERHEAD;
}

struct packet_id packet_unmask(const uint8_t *packet, struct mask_key *mask)
{
	struct packet_header h;
	uint8_t m[16];

	mask_make(mask, m, packet + SAMPLE_AT);
	apply_mask((uint8_t *)&h, packet, m);
	return (struct packet_id){
		.type = h.type,
		.epoch = h.epoch,
		.counter = get_be48(h.counter),
	};
}

bool packet_open(uint8_t *packet, size_t len, const struct packet_id *id, struct aead_key *key,
		 const uint8_t iv[PROTO_NONCE_LEN])
{
	uint8_t *body = packet + PROTO_HEADER_LEN;
	struct packet_header h;
	uint8_t nonce[PROTO_NONCE_LEN];

	if (len < PROTO_OVERHEAD)
		return false;
	memcpy(&h, packet, sizeof(h));
	h.type = (uint8_t)id->type;
	h.epoch = id->epoch;
	h.counter = put_be48(id->counter);
	memcpy(packet, &h, sizeof(h));
	packet_nonce(nonce, iv, id->epoch, id->counter);
	return aead_open(key, body, nonce, packet, ad_len(id->type), body, len - PROTO_HEADER_LEN);
}

void packet_set_locator(uint8_t *packet, const uint8_t locator[8])
{
	memcpy(packet + offsetof(struct packet_header, locator), locator, 8);
}
