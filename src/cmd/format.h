/* Numbers with their units, short enough for a column. All write into `buf` and return it. */
#pragma once

#include <stdint.h>

#define FORMAT_LEN 32

const char *format_ms(char buf[FORMAT_LEN], uint64_t ms);       /* "14 ms", "1.2 s", "2 h 03 min" */
const char *format_us(char buf[FORMAT_LEN], uint64_t us);       /* "0.4 ms", "14 ms" */
const char *format_bytes(char buf[FORMAT_LEN], uint64_t bytes); /* "512 B", "1.2 GiB" */
const char *format_rate(char buf[FORMAT_LEN], uint64_t bytes,
			uint64_t ms);                        /* "3.4 Mbit/s"; "-" without time */
const char *format_loss(char buf[FORMAT_LEN], uint64_t ppm); /* "0.0 %" */
