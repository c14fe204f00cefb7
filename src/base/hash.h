/* SipHash-1-3: a keyed hash for tables whose keys strangers choose. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hash_key {
	uint8_t b[16];
};

uint64_t hash_bytes(const struct hash_key *key, const void *data, size_t len);
