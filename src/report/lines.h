/* Lines of a log file, bounded: what is longer is told, and passed over. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lines;

struct line {
	const char *text; /* valid until the next call; without its newline */
	size_t len;
	bool too_long;
	bool torn; /* the file ends without a newline */
};

/* "-" is standard input. NULL and errno. */
struct lines *lines_open(const char *path);
void lines_close(struct lines *l);
/* False at the end, and then lines_error() is 0 or an errno. */
bool lines_next(struct lines *l, struct line *out);
int lines_error(const struct lines *l);
uint64_t lines_number(const struct lines *l); /* of the line just read, from 1 */
/* Before the first lines_next(): the last whole line of a regular file in `out`; its length, 0: none. */
size_t lines_last(struct lines *l, char *out, size_t cap);
