#include "cmd/fill.h"

#include <string.h>

#include "cmd/format.h"

struct place {
	char member[32], kind[8], otherwise[32];
};

static const json_t *member_of(const json_t *o, const char *member)
{
	const char *dot = strchr(member, '.');
	char outer[32];

	if (!dot)
		return json_object_get(o, member);
	snprintf(outer, sizeof(outer), "%.*s", (int)(dot - member), member);
	return json_object_get(json_object_get(o, outer), dot + 1);
}

bool fill_has(const json_t *o, const char *member)
{
	const json_t *v = member_of(o, member);

	return v && !json_is_null(v);
}

const char *fill_string(const json_t *o, const char *member, const char *otherwise)
{
	const char *s = json_string_value(member_of(o, member));

	return s && *s ? s : otherwise;
}

uint64_t fill_number(const json_t *o, const char *member)
{
	const json_int_t n = json_integer_value(member_of(o, member));

	return n > 0 ? (uint64_t)n : 0;
}

void fill_safely(FILE *out, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	for (; *p; p++) {
		/* U+0080..U+009F: terminals obey these too. */
		bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;

		fputc(*p < 0x20 || *p == 0x7f || c1 ? '?' : *p, out);
		p += c1;
	}
}

static const char *format(char buf[FORMAT_LEN], const char *kind, uint64_t n, const json_t *o)
{
	static const struct {
		const char *kind, *(*format)(char buf[FORMAT_LEN], uint64_t n);
	} formats[] = { { "ms", format_ms }, { "us", format_us }, { "bytes", format_bytes }, { "loss", format_loss } };

	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++)
		if (!strcmp(kind, formats[i].kind))
			return formats[i].format(buf, n);
	if (!strcmp(kind, "rate"))
		return format_rate(buf, n, fill_number(o, "age_ms"));
	snprintf(buf, FORMAT_LEN, "%llu", (unsigned long long)n);
	return buf;
}

static void put(FILE *out, const struct place *place, const json_t *o)
{
	char buf[FORMAT_LEN];

	if (!strcmp(place->kind, "id")) {
		snprintf(buf, 9, "%s", fill_string(o, place->member, place->otherwise));
		fill_safely(out, buf);
	} else if (!place->kind[0]) {
		fill_safely(out, fill_string(o, place->member, place->otherwise));
	} else if (place->otherwise[0] && !fill_has(o, place->member)) {
		fputs(place->otherwise, out);
	} else {
		fputs(format(buf, place->kind, fill_number(o, place->member), o), out);
	}
}

/* Copies up to one of `stops`; where that is. */
static const char *take(char *to, size_t cap, const char *at, const char *stops)
{
	const size_t len = strcspn(at, stops);

	snprintf(to, cap, "%.*s", (int)len, at);
	return at + len;
}

void fill(FILE *out, const char *text, const json_t *o)
{
	for (;;) {
		struct place place = { "", "", "" };
		const size_t len = strcspn(text, "{");

		fwrite(text, 1, len, out);
		text += len;
		if (!*text)
			return;
		text = take(place.member, sizeof(place.member), text + 1, ":|}");
		if (*text == ':')
			text = take(place.kind, sizeof(place.kind), text + 1, "|}");
		if (*text == '|')
			text = take(place.otherwise, sizeof(place.otherwise), text + 1, "}");
		put(out, &place, o);
		text++;
	}
}
