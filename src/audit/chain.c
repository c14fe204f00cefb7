#include "audit/chain.h"

#include <string.h>

#include "audit/output.h"
#include "base/text.h"

static const char mark[] = ",\"chain\":\"";

static void put_hex(struct output *o, const char *key, const uint8_t *data, size_t len)
{
	char hex[2 * AUDIT_CHAIN_LEN + 1];

	hex_encode(hex, data, len);
	output_str(o, key);
	output_str(o, hex);
	output_char(o, '"');
}

void chain_next(chain_digest *digest, uint8_t value[AUDIT_CHAIN_LEN],
		      const uint8_t prev[AUDIT_CHAIN_LEN], const char *line, size_t len)
{
	uint8_t whole[32];

	digest(whole, prev, AUDIT_CHAIN_LEN, line, len);
	memcpy(value, whole, AUDIT_CHAIN_LEN);
}

size_t chain_line(char out[AUDIT_LINE_MAX], const struct audit_record *r, struct audit_chain *c,
		  bool tell_prev)
{
	size_t len = encode_json(out, r);
	struct output o = output_init(out, AUDIT_LINE_MAX);

	if (!c->digest)
		return len;
	o.at += len - 1; /* the closing brace */
	put_hex(&o, ",\"run\":\"", c->run, sizeof(c->run));
	if (tell_prev)
		put_hex(&o, ",\"prev\":\"", c->value, sizeof(c->value));
	chain_next(c->digest, c->value, c->value, out, (size_t)(o.at - o.start));
	put_hex(&o, mark, c->value, sizeof(c->value));
	output_char(&o, '}');
	return output_finish(&o);
}

bool chain_find(const char *text, size_t len, uint8_t value[AUDIT_CHAIN_LEN])
{
	const size_t tail = sizeof(mark) - 1 + 2 * AUDIT_CHAIN_LEN + 3; /* the hex, "}\n */
	char hex[2 * AUDIT_CHAIN_LEN + 1] = "";

	for (; len >= tail; len--) {
		const char *at = text + len - tail;

		if (text[len - 1] != '\n' || text[len - 2] != '}' || text[len - 3] != '"' ||
		    memcmp(at, mark, sizeof(mark) - 1) != 0)
			continue;
		memcpy(hex, at + sizeof(mark) - 1, sizeof(hex) - 1);
		if (hex_decode(value, AUDIT_CHAIN_LEN, hex))
			return true;
	}
	return false;
}
