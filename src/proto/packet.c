/*
 * DATA binds only the first eight bytes of its header, so that a sealed packet can go out again under
 * another locator; CONTROL binds all sixteen, for it teaches about the path it names. Which of the two it is, is a
 * bit of these eight bytes: whoever turns it on the way changes what the tag is over, and the packet does not open.
 */
#include "proto/packet.h"

#include <string.h>

#include "base/wire.h"

#define MASK_AT 1  /* RFC 9001 section 5.4: all but the type, ... */
#define MASK_LEN 7 /* ... up to the locator */
#define SAMPLE_AT PROTO_HEADER_LEN

static_assert(offsetof(struct packet_header, locator) == MASK_AT + MASK_LEN, "masked bytes");

static size_t ad_len(enum sealed_kind kind)
{
	return kind == SEALED_DATA ? offsetof(struct packet_header, locator) : PROTO_HEADER_LEN;
}

enum packet_type packet_classify(const uint8_t *datagram, size_t len)
{
	bool ok = false;

	if (len == 0)
		return 0;
	switch (datagram[0]) {
	case PACKET_HELLO:
		ok = len == sizeof(struct packet_hello);
		break;
	case PACKET_WELCOME:
		ok = len == sizeof(struct packet_welcome);
		break;
	case PACKET_COOKIE:
		ok = len == sizeof(struct packet_cookie);
		break;
	case PACKET_SEALED:
		ok = len >= PROTO_OVERHEAD;
		break;
	case PACKET_RESET:
		ok = len == sizeof(struct packet_reset);
		break;
	}
	return ok ? datagram[0] : 0;
}

/* The first eight bytes of the header as one number: put together in a register, they are written and read in one
 * piece, for a byte written alone stalls the wide read behind it. */
static uint64_t word_of(uint8_t type, unsigned int kind_epoch, uint64_t counter)
{
	return (uint64_t)type << 56 | (uint64_t)kind_epoch << 48 | counter;
}

static uint64_t load(const uint8_t *at)
{
	be64 v;

	memcpy(&v, at, sizeof(v));
	return get_be64(v);
}

static void store(uint8_t *at, uint64_t word)
{
	const be64 v = put_be64(word);

	memcpy(at, &v, sizeof(v));
}

static uint64_t mask_of(struct mask_key *mask, const uint8_t *packet)
{
	uint8_t m[16];

	mask_make(mask, m, packet + SAMPLE_AT);
	return load(m) >> 8;
}

void packet_nonce(uint8_t nonce[PROTO_NONCE_LEN], const uint8_t iv[PROTO_NONCE_LEN], uint8_t epoch,
		  uint64_t counter)
{
	memcpy(nonce, iv, 4);
	store(nonce + 4, load(iv + 4) ^ word_of(0, epoch & PROTO_EPOCH_MASK, counter));
}

size_t packet_seal(uint8_t *packet, const uint8_t *in, size_t len, enum sealed_kind kind, uint8_t epoch,
		   uint64_t counter, const uint8_t locator[8], struct aead_key *key,
		   const uint8_t iv[PROTO_NONCE_LEN], struct mask_key *mask)
{
	const uint64_t word = word_of(PACKET_SEALED, kind | (epoch & PROTO_EPOCH_MASK), counter);
	uint8_t nonce[PROTO_NONCE_LEN];

	store(packet, word);
	packet_set_locator(packet, locator);
	packet_nonce(nonce, iv, epoch, counter);
	aead_seal(key, packet + PROTO_HEADER_LEN, nonce, packet, ad_len(kind), in, len);
	store(packet, word ^ mask_of(mask, packet));
	return len + PROTO_OVERHEAD;
}

struct packet_id packet_unmask(const uint8_t *packet, struct mask_key *mask)
{
	const uint64_t word = load(packet) ^ mask_of(mask, packet);

	return (struct packet_id){
		.kind = word >> 48 & SEALED_CONTROL,
		.epoch = word >> 48 & PROTO_EPOCH_MASK,
		.counter = word & PROTO_COUNTER_MAX,
	};
}

bool packet_open(uint8_t *out, uint8_t *packet, size_t len, const struct packet_id *id, struct aead_key *key,
		 const uint8_t iv[PROTO_NONCE_LEN])
{
	const uint8_t *body = packet + PROTO_HEADER_LEN;
	uint8_t nonce[PROTO_NONCE_LEN];

	if (len < PROTO_OVERHEAD)
		return false;
	store(packet, word_of(packet[0], id->kind | id->epoch, id->counter));
	packet_nonce(nonce, iv, id->epoch, id->counter);
	return aead_open(key, out, nonce, packet, ad_len(id->kind), body, len - PROTO_HEADER_LEN);
}

void packet_set_locator(uint8_t *packet, const uint8_t locator[8])
{
	memcpy(packet + offsetof(struct packet_header, locator), locator, 8);
}
