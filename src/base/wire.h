/*
 * Big-endian bytes, and two cursors with a sticky error: a parser reads straight down and checks once.
 *
 * A reader past its end answers zeroes and stays in error; a writer past its end writes nothing more.
 */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "jumpvpn/be.h"

static inline uint16_t get_be16(be16 v)
{
	return (uint16_t)(v.b[0] << 8 | v.b[1]);
}

static inline uint32_t get_be32(be32 v)
{
	uint32_t n;

	memcpy(&n, v.b, sizeof(n));
	return be32toh(n);
}

static inline uint64_t get_be64(be64 v)
{
	uint64_t n;

	memcpy(&n, v.b, sizeof(n));
	return be64toh(n);
}

static inline uint64_t get_be48(be48 v)
{
	be64 wide = { { 0 } };

	memcpy(wide.b + 2, v.b, sizeof(v.b));
	return get_be64(wide);
}

static inline be16 put_be16(uint16_t n)
{
	return (be16){ { (uint8_t)(n >> 8), (uint8_t)n } };
}

static inline be32 put_be32(uint32_t n)
{
	be32 v;

	n = htobe32(n);
	memcpy(v.b, &n, sizeof(n));
	return v;
}

static inline be64 put_be64(uint64_t n)
{
	be64 v;

	n = htobe64(n);
	memcpy(v.b, &n, sizeof(n));
	return v;
}

static inline be48 put_be48(uint64_t n)
{
	const be64 wide = put_be64(n);
	be48 v;

	memcpy(v.b, wide.b + 2, sizeof(v.b));
	return v;
}

struct reader {
	const uint8_t *at;
	size_t left;
	bool error;
};

static inline struct reader reader_init(const void *data, size_t len)
{
	return (struct reader){ .at = data, .left = len };
}

/* Copies `len` bytes out, or zeroes and the error once they are not there. */
static inline void read_bytes(struct reader *r, void *out, size_t len)
{
	if (r->error || r->left < len) {
		r->error = true;
		memset(out, 0, len);
		return;
	}
	memcpy(out, r->at, len);
	r->at += len;
	r->left -= len;
}

static inline uint8_t read_u8(struct reader *r)
{
	uint8_t v;

	read_bytes(r, &v, 1);
	return v;
}

struct writer {
	uint8_t *start;
	size_t len; /* written so far */
	size_t cap;
	bool error;
};

static inline struct writer writer_init(void *data, size_t cap)
{
	return (struct writer){ .start = data, .cap = cap };
}

static inline void write_bytes(struct writer *w, const void *data, size_t len)
{
	if (w->error || w->cap - w->len < len) {
		w->error = true;
		return;
	}
	memcpy(w->start + w->len, data, len);
	w->len += len;
}

static inline void write_zeroes(struct writer *w, size_t len)
{
	if (w->error || w->cap - w->len < len) {
		w->error = true;
		return;
	}
	memset(w->start + w->len, 0, len);
	w->len += len;
}

static inline void write_u8(struct writer *w, uint8_t v)
{
	write_bytes(w, &v, 1);
}
