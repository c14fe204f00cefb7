/* Bounded text output: what does not fit is left away, and the text stays NUL-terminated. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct out {
	char *start;
	char *at;
	char *end; /* of the room, the last byte of which is kept for the NUL */
};

static inline struct out out_init(char *buf, size_t cap)
{
	return (struct out){ .start = buf, .at = buf, .end = buf + cap };
}

static inline void out_char(struct out *o, char c)
{
	if (o->end - o->at > 1)
		*o->at++ = c;
}

static inline void out_str(struct out *o, const char *s)
{
	while (*s)
		out_char(o, *s++);
}

static inline void out_number(struct out *o, uint64_t n)
{
	char digits[20];
	size_t len = 0;

	do
		digits[len++] = (char)('0' + n % 10);
	while (n /= 10);
	while (len)
		out_char(o, digits[--len]);
}

/* Ends the text; its length. */
static inline size_t out_finish(struct out *o)
{
	*o->at = '\0';
	return (size_t)(o->at - o->start);
}
