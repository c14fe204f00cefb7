/* What the parts of the parser share: a place in the file, its words, and one way to say what is wrong. */
#pragma once

#include <stdarg.h>
#include <string.h>

#include "scenario/scenario.h"

struct parser {
	struct scn *s;
	enum scn_runner runner;
	const char *at;
	unsigned int line;
	bool has_end;
	int64_t last_us; /* of all times said */
	char *error;
	size_t size;
};

/* In checks.c: what follows "expect", "never" and "finally", and what follows "bound". */
bool parse_check(struct parser *p, enum scn_check_kind kind);
bool parse_bound(struct parser *p);

__attribute__((format(printf, 2, 3))) static inline bool wrong(struct parser *p, const char *format, ...)
{
	const int n = snprintf(p->error, p->size, "%s:%u: ", p->s->file, p->line);
	va_list ap;

	va_start(ap, format);
	if (n >= 0 && (size_t)n < p->size)
		vsnprintf(p->error + n, p->size - (size_t)n, format, ap);
	va_end(ap);
	return false;
}

struct word {
	const char *text;
	size_t len;
};

#define WORD(w) (int)((w).len < 40 ? (w).len : 40), (w).text

static inline struct word next(struct parser *p)
{
	struct word w;

	w.len = word_next(&p->at, &w.text);
	return w;
}

static inline bool is(struct word w, const char *text)
{
	return word_is(w.text, w.len, text);
}

/* The next word is this one, and is taken. */
static inline bool accept(struct parser *p, const char *text)
{
	const char *before = p->at;

	if (is(next(p), text))
		return true;
	p->at = before;
	return false;
}

static inline bool at_end(struct parser *p)
{
	const char *before = p->at;
	const bool end = next(p).len == 0;

	p->at = before;
	return end;
}

static inline bool need_time(struct parser *p, int64_t *us)
{
	const struct word w = next(p);

	if (!word_time_us(w.text, w.len, us))
		return wrong(p, "\"%.*s\": a time is wanted, as 250us, 5ms or 1.5s", WORD(w));
	return true;
}

static inline bool need_end(struct parser *p, enum scn_end *end)
{
	const struct word w = next(p);

	*end = is(w, "server") ? SCN_SERVER : SCN_CLIENT;
	return is(w, "server") || is(w, "client") ||
	       wrong(p, "\"%.*s\": client or server is wanted", WORD(w));
}

static inline bool need_path(struct parser *p, uint8_t *path)
{
	const struct word w = next(p);

	for (*path = 0; *path < p->s->paths; ++*path)
		if (is(w, p->s->path[*path].name))
			return true;
	return wrong(p, "\"%.*s\": no path before this line has this name", WORD(w));
}

static inline bool need_number(struct parser *p, uint64_t least, uint64_t most, uint64_t *out)
{
	const struct word w = next(p);

	if (!word_number(w.text, w.len, most, out) || *out < least)
		return wrong(p, "\"%.*s\": a number from %llu to %llu is wanted", WORD(w),
			     (unsigned long long)least, (unsigned long long)most);
	return true;
}

static inline bool rest_of_line(struct parser *p, char out[SCN_TEXT])
{
	const char *from = p->at + strspn(p->at, " \t");
	size_t len = strcspn(from, "#\n");

	while (len > 0 && (from[len - 1] == ' ' || from[len - 1] == '\t'))
		len--;
	if (len >= SCN_TEXT)
		return wrong(p, "a line of at most %d characters is wanted", SCN_TEXT - 1);
	memcpy(out, from, len);
	out[len] = 0;
	p->at = from + len;
	return true;
}
