/* Big-endian integers as bytes: no padding, no alignment, no byte order to get wrong by accident. */
#pragma once

#include <stdint.h>

typedef struct { uint8_t b[2]; } be16;
typedef struct { uint8_t b[4]; } be32;
typedef struct { uint8_t b[6]; } be48;
typedef struct { uint8_t b[8]; } be64;
