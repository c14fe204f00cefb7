/*
 * An audit record as one JSON object on one line, and as key=value for syslog and for those who read it with grep.
 *
 * Written by hand since it runs for every record and must be bounded: the keys stand in a fixed order, the
 * texts of a record are short arrays, so the longest object there can be fits AUDIT_JSON_MAX.
 */
#include "audit/encode.h"

#include <string.h>

#include "audit/fields.h"
#include "audit/output.h"

/* --- JSON --- */

/* Length of the UTF-8 sequence at `s`, or 0 when it is none (cut off, overlong, surrogate, too large). */
static size_t utf8_length(const unsigned char *s, size_t left)
{
	size_t len = s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;

	if (!len || left < len)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f))
		return 0;
	if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

static void json_ascii(struct output *o, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";

	if (c == '"' || c == '\\') {
		output_char(o, '\\');
		output_char(o, (char)c);
	} else if (c < 0x20 || c == 0x7f) {
		output_str(o, "\\u00");
		output_char(o, hex[c >> 4]);
		output_char(o, hex[c & 15]);
	} else {
		output_char(o, (char)c);
	}
}

/* At most `max` bytes of `s`; a byte that is not UTF-8 becomes U+FFFD. */
static void json_string(struct output *o, const char *s, size_t max)
{
	size_t left = strnlen(s, max);
	const unsigned char *p = (const unsigned char *)s;

	output_char(o, '"');
	while (left) {
		size_t len = *p < 0x80 ? 1 : utf8_length(p, left);

		if (*p < 0x80)
			json_ascii(o, *p);
		else if (!len)
			output_str(o, "\xef\xbf\xbd");
		for (size_t i = 0; len > 1 && i < len; i++)
			output_char(o, (char)p[i]);
		p += len ? len : 1;
		left -= len ? len : 1;
	}
	output_char(o, '"');
}

size_t encode_json(char out[AUDIT_JSON_MAX], const struct audit_record *r)
{
	struct output o = output_init(out, AUDIT_JSON_MAX);
	struct field_value v;

	for (unsigned int i = 0; i < audit_fields_count; i++) {
		if (!fields_carried(&audit_fields[i], r))
			continue;
		fields_value(&audit_fields[i], r, &v);
		output_str(&o, o.at == o.start ? "{\"" : ",\"");
		output_str(&o, audit_fields[i].key);
		output_str(&o, "\":");
		if (v.text)
			json_string(&o, v.text, v.most);
		else
			output_number(&o, v.number);
	}
	output_char(&o, '}');
	return output_finish(&o);
}

/* --- text --- */

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("._-:@/+[]%", c));
}

/* Foreign text: quoted where it is not one plain word, and never more than one line. */
static void text_string(struct output *o, const char *s, size_t max)
{
	size_t len = strnlen(s, max);
	bool plain = true;

	for (size_t i = 0; i < len; i++)
		plain = plain && is_plain(s[i]);
	if (!plain)
		output_char(o, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '"' || c == '\\')
			output_char(o, '\\');
		output_char(o, c < 0x20 || c == 0x7f ? '?' : s[i]);
	}
	if (!plain)
		output_char(o, '"');
}

static void text_pass(struct output *o, const struct audit_record *r, int pass)
{
	struct field_value v;

	for (unsigned int i = 0; i < audit_fields_count; i++) {
		const struct audit_field *f = &audit_fields[i];

		if (f->pass != pass || !fields_carried(f, r))
			continue;
		fields_value(f, r, &v);
		output_char(o, ' ');
		output_str(o, f->alias ? f->alias : f->key);
		output_char(o, '=');
		if (v.text)
			text_string(o, v.text, v.most);
		else
			output_number(o, v.number);
	}
}

size_t encode_text(char out[AUDIT_JSON_MAX], const struct audit_record *r)
{
	struct output o = output_init(out, AUDIT_JSON_MAX);
	const char *name = audit_event_name(r->event);

	output_str(&o, name ? name : "unknown");
	for (int pass = FIELDS_FIRST_PASS; pass <= FIELDS_LAST_PASS; pass++)
		text_pass(&o, r, pass);
	return output_finish(&o);
}
