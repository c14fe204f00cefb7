/* Bounded text output: what does not fit is left away, and the text stays NUL-terminated. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct output {
	char *start;
	char *at;
	char *end; /* of the room, the last byte of which is kept for the NUL */
};

static inline struct output output_init(char *buf, size_t cap)
{
	return (struct output){ .start = buf, .at = buf, .end = buf + cap };
}

static inline void output_char(struct output *o, char c)
{
	if (o->end - o->at > 1)
		*o->at++ = c;
}

static inline void output_str(struct output *o, const char *s)
{
	while (*s)
		output_char(o, *s++);
}

static inline void output_number(struct output *o, uint64_t n)
{
	char digits[20];
	size_t len = 0;

	do
		digits[len++] = (char)('0' + n % 10);
	while (n /= 10);
	while (len)
		output_char(o, digits[--len]);
}

/* Ends the text; its length. */
static inline size_t output_finish(struct output *o)
{
	*o->at = '\0';
	return (size_t)(o->at - o->start);
}
