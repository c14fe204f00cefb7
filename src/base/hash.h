/*
 * SipHash (Aumasson and Bernstein), keyed hashes: for tables whose keys strangers choose, and for what a data thread
 * has to judge of a stranger's packet.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hash_key {
	uint8_t b[16];
};

/* SipHash-1-3: for tables. */
uint64_t hash_bytes(const struct hash_key *key, const void *data, size_t len);
/* SipHash-2-4 with 128 bits: a MAC. Some 0.1 us for 100 bytes. Compare with crypto_equal(). */
void hash_mac(uint8_t mac[16], const uint8_t key[16], const void *data, size_t len);
