/* Lines of the audit log: a record or a complaint; a record that was read is written as the same line. */
#include "fuzz.h"

#include "report/decode.h"

/* The record as a line again, under a run and a chain value of zeroes. */
static size_t written(char out[AUDIT_LINE_MAX], const struct audit_record *r)
{
	size_t len = encode_json(out, r);

	HOLDS(len > 2 && out[len - 1] == '}');
	len--;
	len += (size_t)snprintf(out + len, AUDIT_LINE_MAX - len, ",\"run\":\"%0*d\",\"chain\":\"%0*d\"}",
				2 * AUDIT_RUN_LEN, 0, 2 * AUDIT_CHAIN_LEN, 0);
	return len;
}

static void line(const char *text, size_t len)
{
	char first[AUDIT_LINE_MAX], second[AUDIT_LINE_MAX];
	struct decoded got, again;
	const char *wrong = decode(&got, text, len);
	size_t n;

	HOLDS(!wrong || *wrong);
	if (wrong)
		return;
	/* Bytes that are no UTF-8 are read, for the chain covers them; the daemon writes others in their place. */
	for (n = 0; n < len; n++)
		if (text[n] & 0x80)
			return;
	HOLDS(got.chained <= len);
	n = written(first, &got.r);
	wrong = decode(&again, first, n);
	if (wrong)
		fprintf(stderr, "%s: %s\n", wrong, first);
	HOLDS(!wrong);
	HOLDS(written(second, &again.r) == n && memcmp(first, second, n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data, *end = p + size;

	while (p < end) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((stop ? stop : end) - p);
		char *copy = malloc(len ? len : 1); /* of exact size */

		HOLDS(copy);
		memcpy(copy, p, len);
		line(copy, len);
		free(copy);
		p = stop ? stop + 1 : end;
	}
	return 0;
}
