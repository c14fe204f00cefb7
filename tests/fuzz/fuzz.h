/*
 * What the fuzz targets share. A target is one LLVMFuzzerTestOneInput(): clang's libFuzzer calls it, or main.c with
 * the kept files.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A broken promise is a crash, with or without NDEBUG. */
#define HOLDS(promise)                                                                        \
	do {                                                                                  \
		if (!(promise)) {                                                             \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #promise); \
			abort();                                                              \
		}                                                                             \
	} while (0)

/* The input as a stream: at its end, zeroes. */
struct input {
	const uint8_t *data;
	size_t left;
};

static inline uint8_t input_byte(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->data++;
}

/* A length byte (two with `wide`) and as many bytes, fewer at the end; they stand where *out says. */
static inline size_t input_bytes(struct input *in, bool wide, const uint8_t **out)
{
	size_t len = input_byte(in);

	if (wide)
		len = len << 8 | input_byte(in);
	if (len > in->left)
		len = in->left;
	*out = in->data;
	in->data += len;
	in->left -= len;
	return len;
}
