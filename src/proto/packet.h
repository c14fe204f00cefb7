/* Headers of DATA and CONTROL: build, mask, unmask, seal and open one packet in place. */
#pragma once

#include "crypto/crypto.h"

/* 0 for a datagram that no version-1 packet can be, by its type byte and length alone. */
enum packet_type packet_classify(const uint8_t *datagram, size_t len);

/* The AEAD nonce: iv XOR (0 (5 bytes) || epoch, as the header tells it || counter). DATA and CONTROL share the counter. */
void packet_nonce(uint8_t nonce[PROTO_NONCE_LEN], const uint8_t iv[PROTO_NONCE_LEN], uint8_t epoch,
		  uint64_t counter);

/*
 * Seals `len` bytes of plaintext from `in`, which may be packet + PROTO_HEADER_LEN and must not overlap otherwise: the
 * header, masked, the ciphertext and the tag. Of the epoch's number the header tells the low bits. Room for len + PROTO_OVERHEAD bytes. Returns the datagram's length.
 */
size_t packet_seal(uint8_t *packet, const uint8_t *in, size_t len, enum sealed_kind kind, uint8_t epoch,
		   uint64_t counter, const uint8_t locator[8], struct aead_key *key,
		   const uint8_t iv[PROTO_NONCE_LEN], struct mask_key *mask);

struct packet_id { /* what unmasking tells; trust it only after packet_open() */
	enum sealed_kind kind;
	uint8_t epoch; /* PROTO_EPOCH_MASK of its number */
	uint64_t counter;
};

/* Unmasks a copy of the header; the datagram is unchanged. len >= PROTO_OVERHEAD. */
struct packet_id packet_unmask(const uint8_t *packet, struct mask_key *mask);
/*
 * The plaintext (len - PROTO_OVERHEAD bytes) goes to `out`: apart from the packet, or in place at its
 * PROTO_HEADER_LEN. False: not authentic; header and ciphertext may be overwritten, no plaintext is left.
 */
bool packet_open(uint8_t *out, uint8_t *packet, size_t len, const struct packet_id *id, struct aead_key *key,
		 const uint8_t iv[PROTO_NONCE_LEN]);
/* A sealed DATA packet goes out again on another path: same bytes, another locator. */
void packet_set_locator(uint8_t *packet, const uint8_t locator[8]);
