/* Base64 (RFC 4648, padded, as `wg` writes keys) and lower-case hex. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BASE64_LEN(n) (((n) + 2) / 3 * 4)
#define KEY_BASE64_LEN BASE64_LEN(32) /* 44, without the NUL */

/* Writes BASE64_LEN(len) characters and a NUL. */
void base64_encode(char *out, const uint8_t *data, size_t len);
/* True when `s` is exactly the canonical base64 of `len` bytes. Constant time in the characters,
 * since private keys pass through. */
bool base64_decode(uint8_t *out, size_t len, const char *s);
/* Writes 2 * len characters and a NUL. */
void hex_encode(char *out, const uint8_t *data, size_t len);
/* True when `s` is exactly 2 * len hex digits, either case. */
bool hex_decode(uint8_t *out, size_t len, const char *s);

/* Smallest number of single-character edits from a to b; for "did you mean". Texts up to 63 characters. */
unsigned int edit_distance(const char *a, const char *b);
