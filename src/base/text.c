/*
 * Base64 and hex. Private keys pass through base64, so its letters are computed, not looked up: no
 * branch and no memory address depends on them.
 */
#include "base/text.h"

#include <limits.h>
#include <string.h>

/* All ones when lo <= c <= hi, else 0; all three below 2^16. */
static unsigned int in_range(unsigned int c, unsigned int lo, unsigned int hi)
{
	return (((c - lo) | (hi - c)) >> 31) - 1;
}

static char base64_char(unsigned int v)
{
	unsigned int c = v + 'A';

	c += in_range(v, 26, 51) & ('a' - 'Z' - 1);
	c -= in_range(v, 52, 61) & ('A' + 52 - '0');
	c -= in_range(v, 62, 62) & ('A' + 62 - '+');
	c -= in_range(v, 63, 63) & ('A' + 63 - '/');
	return (char)c;
}

/* 0..63; above that for anything that is not a letter of the alphabet. */
static unsigned int base64_value(char letter)
{
	unsigned int c = (unsigned char)letter;
	unsigned int v = 64;

	v -= in_range(c, 'A', 'Z') & (64 - (c - 'A'));
	v -= in_range(c, 'a', 'z') & (64 - (c - 'a' + 26));
	v -= in_range(c, '0', '9') & (64 - (c - '0' + 52));
	v -= in_range(c, '+', '+') & (64 - 62);
	v -= in_range(c, '/', '/') & (64 - 63);
	return v;
}

void base64_encode(char *out, const uint8_t *data, size_t len)
{
	size_t i;

	for (i = 0; i + 3 <= len; i += 3, out += 4) {
		uint32_t n = (uint32_t)data[i] << 16 | (uint32_t)data[i + 1] << 8 | data[i + 2];

		for (int j = 0; j < 4; j++)
			out[j] = base64_char(n >> (18 - 6 * j) & 63);
	}
	if (i < len) {
		bool two = len - i == 2;
		uint32_t n = (uint32_t)data[i] << 16 | (two ? (uint32_t)data[i + 1] << 8 : 0);

		out[0] = base64_char(n >> 18 & 63);
		out[1] = base64_char(n >> 12 & 63);
		out[2] = two ? base64_char(n >> 6 & 63) : '=';
		out[3] = '=';
		out += 4;
	}
	*out = '\0';
}

/* One group of four letters that stands for `n` (1..3) bytes; not zero when it is not canonical. */
static unsigned int group_decode(uint8_t *out, size_t n, const char *s)
{
	unsigned int bad = 0;
	uint32_t v = 0;

	for (size_t j = 0; j < 4; j++) {
		unsigned int c = j <= n ? base64_value(s[j]) : (s[j] == '=' ? 0 : 64);

		bad |= c & 64;
		v = v << 6 | (c & 63);
	}
	for (size_t j = 0; j < 3; j++) {
		if (j < n)
			out[j] = (uint8_t)(v >> (16 - 8 * j));
		else
			bad |= v >> (16 - 8 * j) & 0xff;
	}
	return bad;
}

bool base64_decode(uint8_t *out, size_t len, const char *s)
{
	unsigned int bad = 0;

	if (strlen(s) != BASE64_LEN(len))
		return false;
	for (size_t i = 0; i < len; i += 3, s += 4)
		bad |= group_decode(out + i, len - i < 3 ? len - i : 3, s);
	if (bad != 0)
		memset(out, 0, len);
	return bad == 0;
}

void hex_encode(char *out, const uint8_t *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		*out++ = digits[data[i] >> 4];
		*out++ = digits[data[i] & 15];
	}
	*out = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool hex_decode(uint8_t *out, size_t len, const char *s)
{
	if (strlen(s) != 2 * len)
		return false;
	for (size_t i = 0; i < len; i++) {
		int hi = hex_value(s[2 * i]);
		int lo = hex_value(s[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		out[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

#define EDIT_MAX 63

static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

unsigned int edit_distance(const char *a, const char *b)
{
	unsigned int row[EDIT_MAX + 1];
	size_t alen = strlen(a), blen = strlen(b);

	if (alen > EDIT_MAX || blen > EDIT_MAX)
		return UINT_MAX;
	for (unsigned int j = 0; j <= blen; j++)
		row[j] = j;
	for (unsigned int i = 1; i <= alen; i++) {
		unsigned int diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= blen; j++) {
			unsigned int change = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			row[j] = least(change, least(row[j], row[j - 1]) + 1);
		}
	}
	return row[blen];
}
