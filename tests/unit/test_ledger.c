/* Lines of a log: read back as they were written, refused when they are not, and missed when they are gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "report/ledger.h"
#include "prng.h"

enum { LINES = 24, FOUND = 64 };

struct book { /* a log as text lines */
	char text[LINES][AUDIT_LINE_MAX];
	bool file[LINES]; /* a new file begins */
	size_t n;
	struct audit_chain chain;
	uint64_t seq;
	bool torn; /* the last line has no newline */
};

struct heard {
	size_t n;
	struct verify_finding f[FOUND];
	struct verify_totals verified;
	struct ledger_totals log;
};

/* Any function of all its bytes will do here; the daemon's is SHA-256. */
static void digest(uint8_t out[32], const void *a, size_t alen, const void *b, size_t blen)
{
	uint64_t h = UINT64_C(14695981039346656037);
	const uint8_t *p = a, *q = b;

	for (size_t i = 0; i < alen; i++)
		h = (h ^ p[i]) * UINT64_C(1099511628211);
	for (size_t i = 0; i < blen; i++)
		h = (h ^ q[i]) * UINT64_C(1099511628211);
	for (size_t i = 0; i < 32; i++)
		out[i] = (uint8_t)(h >> (i % 8 * 8)) ^ (uint8_t)i;
}

/* --- reading --- */

static bool flip(struct prng *rng)
{
	return prng_below(rng, 2) == 0;
}

static struct audit_record any_record(struct prng *rng)
{
	struct audit_record r = { .count = 1, .path_from = AUDIT_NO_PATH, .path_to = AUDIT_NO_PATH };

	r.seq = 1 + prng_next(rng) % 1000000;
	r.ts_ms = prng_next(rng);
	r.at.us = (int64_t)(prng_next(rng) >> 3);
	r.event = (enum audit_event)prng_below(rng, AUDIT_EVENT_COUNT);
	r.client = flip(rng);
	r.node_id = (uint8_t)prng_next(rng);
	r.worker = (uint8_t)prng_next(rng);
	r.policy_version = (uint32_t)prng_next(rng);
	do
		r.reason = (enum reason)prng_below(rng, REASON_MAX + 1);
	while (!reason_name(r.reason));
	r.has_session = flip(rng);
	if (r.has_session) {
		prng_fill(rng, r.session_id, sizeof(r.session_id));
		r.state_version = (uint32_t)prng_next(rng);
		r.binding_version = (uint32_t)prng_next(rng);
		r.from = r.to = (enum state)prng_below(rng, STATE_COUNT);
		if (r.event == AUDIT_SESSION_STATE_CHANGE)
			r.to = (enum state)prng_below(rng, STATE_COUNT);
	}
	if (flip(rng))
		r.path_from = (uint8_t)prng_below(rng, 255);
	if (flip(rng))
		r.path_to = (uint8_t)prng_below(rng, 255);
	if (flip(rng))
		strcpy(r.path_name, "l\"t\\e\x01\xc3\xa4");
	if (flip(rng))
		memset(r.peer, 'p', sizeof(r.peer)); /* without a NUL */
	if (flip(rng))
		endpoint_parse(flip(rng) ? "[2001:db8::1]:4433" : "10.1.2.3:9", &r.remote);
	r.budget_left = (uint32_t)prng_below(rng, 60);
	r.retry_after_ms = flip(rng) ? (uint32_t)prng_next(rng) : 0;
	r.elapsed_ms = flip(rng) ? prng_next(rng) : 0;
	r.epoch = flip(rng) ? (uint32_t)prng_next(rng) : 0;
	r.srtt_us = flip(rng) ? (uint32_t)prng_next(rng) : 0;
	r.loss_ppm = flip(rng) ? (uint32_t)prng_next(rng) : 0;
	r.late_ms = flip(rng) ? (uint32_t)prng_next(rng) : 0;
	r.sources = flip(rng) ? (uint32_t)prng_next(rng) : 0;
	if (flip(rng))
		memset(r.public_key, 'k', sizeof(r.public_key)); /* without a NUL */
	r.count = flip(rng) ? 1 : 1 + prng_below(rng, 1000);
	if (r.event == AUDIT_SESSION_STATE_CHANGE || r.event == AUDIT_SESSION_TERMINATED)
		prng_fill(rng, &r.traffic, sizeof(r.traffic));
	if (flip(rng)) {
		prng_fill(rng, &r.bounds, sizeof(r.bounds));
		r.bounds.max_lifetime_ms |= 1;
	}
	return r;
}

static void test_round_trip(void **state)
{
	struct audit_chain c = { .digest = digest, .run = { 1, 2, 3 } };
	struct prng rng = { 1 };

	for (int i = 0; i < 20000; i++) {
		const struct audit_record r = any_record(&rng);
		const uint8_t before[AUDIT_CHAIN_LEN] = { c.value[0] };
		char line[AUDIT_LINE_MAX], again[AUDIT_LINE_MAX];
		struct decoded read;
		struct audit_chain c2 = c;
		size_t len = chain_line(line, &r, &c, i % 3 == 0);
		const char *why = decode(&read, line, len);

		if (why)
			fail_msg("%s: %s", why, line);
		assert_int_equal(read.has_prev, i % 3 == 0);
		if (i % 3 == 0)
			assert_int_equal(read.prev[0], before[0]);
		assert_memory_equal(read.chain, c.value, sizeof(c.value));
		assert_memory_equal(read.run, c.run, sizeof(c.run));
		assert_int_equal(chain_line(again, &read.r, &c2, i % 3 == 0), len);
		assert_string_equal(line, again);
	}
}

/* Cut anywhere, or with any one byte changed: never taken for what it was, never read beyond its end. */
static void test_every_byte(void **state)
{
	struct audit_chain c = { .digest = digest };
	struct prng rng = { 2 };

	for (int i = 0; i < 200; i++) {
		const struct audit_record r = any_record(&rng);
		char line[AUDIT_LINE_MAX];
		const size_t len = chain_line(line, &r, &c, true);
		struct decoded read;

		for (size_t cut = 0; cut < len; cut++) {
			char *copy = malloc(cut + 1);

			assert_non_null(copy);
			memcpy(copy, line, cut);
			assert_non_null(decode(&read, copy, cut));
			copy = realloc(copy, cut ? cut : 1);
			assert_non_null(decode(&read, copy, cut));
			free(copy);
		}
		for (size_t at = 0; at < len; at++) {
			const char was = line[at];
			uint8_t value[AUDIT_CHAIN_LEN];

			line[at] = (char)prng_next(&rng);
			if (line[at] != was && !decode(&read, line, len)) {
				chain_next(digest, value, read.prev, line, read.chained);
				/* Hex digits may be written in capitals. */
				if (memcmp(value, read.chain, sizeof(value)) == 0)
					assert_int_equal(line[at] | 0x20, was);
			}
			line[at] = was;
		}
	}
}

static void test_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		"{",
		"{}",
		"[]",
		"null",
		"{\"seq\"}",
		"{\"seq\":}",
		"{\"seq\":1",
		"{\"seq\":01}",
		"{\"seq\":-1}",
		"{\"seq\":1.0}",
		"{\"seq\":1e3}",
		"{\"seq\":18446744073709551616}",
		"{\"seq\":\"1\"}",
		"{\"seq\": 1}",
		" {\"seq\":1}",
		"{\"seq\":1,}",
		"{\"nothing\":1}",
		"{\"peer\":\"\\u0000\"}",
		"{\"peer\":\"\\n\"}",
		"{\"peer\":\"\\",
		"{\"peer\":\"\\u00",
		"{\"peer\":7}",
		"{\"node_id\":256}",
		"{\"worker\":true}",
	};
	struct decoded read;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_non_null(decode(&read, wrong[i], strlen(wrong[i])));
}

/* One thing wrong in a line that is right otherwise. */
static void test_refused_nearly_right(void **state)
{
	static const struct {
		const char *from, *to;
	} wrong[] = {
		{ "\"node_id\":0,", "" },
		{ "\"node_id\":0,", "\"node_id\":0,\"node_id\":0," },
		{ "\"node_id\":0,", "\"node_id\":00," },
		{ "\"node_id\":0,", "\"node_id\":256," },
		{ "\"node_id\":0,", "\"node_id\":\"0\"," },
		{ "\"node_id\":0,", "\"node_id\":0,\"state\":\"ATTACHED\"," },
		{ "\"node_id\":0,", "\"node_id\":0,\"max_lifetime_ms\":1," },
		{ "\"node_id\":0,", "\"node_id\":0, " },
		{ "\"seq\":1,", "" },
		{ "\"server\"", "\"both\"" },
		{ "PolicyReloaded", "policyReloaded" },
		{ "\"none\"", "\"nothing\"" },
		{ "\"}", "\"}}" },
		{ "\"}", "\",\"count\":2}" },
	};
	struct audit_chain c = { .digest = digest };
	struct audit_record r = {
		.event = AUDIT_POLICY_RELOADED, .seq = 1, .count = 1, .path_from = AUDIT_NO_PATH
	};
	char line[AUDIT_LINE_MAX], bad[2 * AUDIT_LINE_MAX];
	struct decoded read;
	const char *why;

	r.path_to = AUDIT_NO_PATH;
	chain_line(line, &r, &c, false);
	assert_null(decode(&read, line, strlen(line)));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const char *at = strstr(line, wrong[i].from);

		assert_non_null(at);
		snprintf(bad, sizeof(bad), "%.*s%s%s", (int)(at - line), line, wrong[i].to,
			 at + strlen(wrong[i].from));
		if (!decode(&read, bad, strlen(bad)))
			fail_msg("taken: %s", bad);
	}
	memset(bad, ' ', sizeof(bad));
	why = decode(&read, bad, AUDIT_LINE_MAX);
	assert_string_equal(why, "the line is too long");
}

/* --- whole logs --- */

static struct audit_record next_record(struct book *b)
{
	struct audit_record r = { .event = AUDIT_POLICY_RELOADED, .count = 1 };

	r.seq = ++b->seq;
	r.ts_ms = 1000 + b->seq;
	r.at.us = (int64_t)b->seq;
	r.path_from = r.path_to = AUDIT_NO_PATH;
	return r;
}

static void put(struct book *b, const struct audit_record *r, bool new_file)
{
	assert_true(b->n < LINES);
	b->file[b->n] = new_file;
	chain_line(b->text[b->n++], r, &b->chain, new_file);
}

static void put_some(struct book *b, size_t n, bool new_file)
{
	for (size_t i = 0; i < n; i++) {
		const struct audit_record r = next_record(b);

		put(b, &r, new_file && i == 0);
	}
}

static void new_run(struct book *b, uint8_t run)
{
	b->chain.digest = digest;
	b->chain.run[0] = run;
	b->seq = 0;
}

static void found(void *ctx, const struct verify_finding *f)
{
	struct heard *h = ctx;

	assert_true(h->n < FOUND);
	h->f[h->n++] = *f;
}

static void judge(const struct book *b, struct heard *h)
{
	struct verify *v = verify_new(found, h);
	uint32_t origins = 0;
	struct ledger *log = ledger_new(v, &origins, digest, found, h);

	h->n = 0;
	for (size_t i = 0; i < b->n; i++) {
		struct decoded read;
		const char *why = decode(&read, b->text[i], strlen(b->text[i]));

		if (b->file[i])
			ledger_file(log);
		if (why)
			ledger_bad(log, i, why, b->torn && i + 1 == b->n);
		else
			ledger_line(log, i, b->text[i], &read);
	}
	ledger_end(log);
	verify_end(v);
	verify_totals(v, &h->verified);
	ledger_totals(log, &h->log);
	ledger_free(log);
	verify_free(v);
}

/* These findings and no others, notes included: "rule line" each, behind NOTHING. */
static void expect(const struct book *b, size_t n, const char *const *wanted)
{
	struct heard h;
	bool ok;

	judge(b, &h);
	ok = h.n == n;
	for (size_t i = 0; ok && i < n; i++) {
		char got[32];

		snprintf(got, sizeof(got), "%s %d", h.f[i].rule, (int)h.f[i].line);
		ok = strcmp(got, wanted[i + 1]) == 0;
	}
	for (size_t i = 0; !ok && i < h.n; i++)
		print_error("%s %d: %s\n", h.f[i].rule, (int)h.f[i].line, h.f[i].text);
	if (!ok)
		fail_msg("%zu findings wanted, %zu found", n, h.n);
}

#define EXPECT(b, ...)                                                     \
	do {                                                               \
		const char *const wanted[] = { __VA_ARGS__ };              \
		expect(b, sizeof(wanted) / sizeof(wanted[0]) - 1, wanted); \
	} while (0)
#define NOTHING ""

static void drop(struct book *b, size_t at)
{
	memmove(b->text[at], b->text[at + 1], (b->n - at - 1) * sizeof(b->text[0]));
	memmove(&b->file[at], &b->file[at + 1], (b->n - at - 1) * sizeof(b->file[0]));
	b->n--;
}

static void insert_copy(struct book *b, size_t at, size_t of)
{
	char line[AUDIT_LINE_MAX];

	strcpy(line, b->text[of]);
	memmove(b->text[at + 1], b->text[at], (b->n - at) * sizeof(b->text[0]));
	memmove(&b->file[at + 1], &b->file[at], (b->n - at) * sizeof(b->file[0]));
	strcpy(b->text[at], line);
	b->file[at] = false;
	b->n++;
}

static void edit(struct book *b, size_t at, const char *from, const char *to)
{
	char *p = strstr(b->text[at], from);

	assert_non_null(p);
	assert_int_equal(strlen(from), strlen(to));
	memcpy(p, to, strlen(to));
}

/* Ten lines of one run; rotated behind the fifth. */
static void ten(struct book *b)
{
	memset(b, 0, sizeof(*b));
	new_run(b, 1);
	put_some(b, 5, true);
	put_some(b, 5, true);
}

static void test_whole(void **state)
{
	struct book b;
	struct heard h;

	ten(&b);
	judge(&b, &h);
	assert_int_equal(h.n, 0);
	assert_int_equal(h.log.lines, 10);
	assert_int_equal(h.log.runs, 1);
	assert_int_equal(h.verified.records, 10);
	assert_memory_equal(h.log.head, b.chain.value, sizeof(b.chain.value));
	new_run(&b, 2); /* restarted: on the same file, and then on a new one */
	put_some(&b, 1, true);
	b.file[10] = false;
	put_some(&b, 2, false);
	EXPECT(&b, NOTHING);
	new_run(&b, 3);
	memset(b.chain.value, 0, sizeof(b.chain.value));
	put_some(&b, 2, true);
	EXPECT(&b, NOTHING);
	b.file[13] = false; /* but in the middle of a file it would have built on what is there */
	EXPECT(&b, NOTHING, "gap 13");
}

static void test_edited(void **state)
{
	struct book b;
	char want[16];

	for (size_t i = 0; i < 10; i++) {
		ten(&b);
		edit(&b, i, "\"worker\":0", "\"worker\":1");
		snprintf(want, sizeof(want), "chain %d", (int)i);
		EXPECT(&b, NOTHING, want);
	}
	ten(&b);
	edit(&b, 3, "\"seq\":4", "\"seq\":9"); /* one line is wrong, so one line is told of */
	EXPECT(&b, NOTHING, "chain 4");
	ten(&b);
	edit(&b, 3, "\"seq\":4", "\"sex\":4");
	EXPECT(&b, NOTHING, "malformed 3");
}

static void test_dropped(void **state)
{
	struct book b;
	struct heard h;

	for (size_t i = 1; i < 9; i++) {
		ten(&b);
		drop(&b, i);
		judge(&b, &h);
		assert_int_equal(h.n, 1);
		assert_string_equal(h.f[0].rule, "gap");
		assert_int_equal(h.f[0].line, i);
	}
	ten(&b);
	drop(&b, 0);
	drop(&b, 0); /* a rotated file that was not given: no violation, and said */
	EXPECT(&b, NOTHING, "note 0");
	ten(&b);
	for (int i = 0; i < 3; i++)
		drop(&b, 3);
	EXPECT(&b, NOTHING, "gap 3");
}

static void test_doubled_and_moved(void **state)
{
	struct book b;

	for (size_t i = 1; i < 9; i++) {
		char want[2][16];

		ten(&b);
		insert_copy(&b, i + 1, i);
		snprintf(want[0], sizeof(want[0]), "duplicate %d", (int)i + 1);
		EXPECT(&b, NOTHING, want[0]);
		ten(&b);
		insert_copy(&b, 10, i);
		snprintf(want[0], sizeof(want[0]), "duplicate 10");
		EXPECT(&b, NOTHING, want[0]);
	}
	ten(&b);
	insert_copy(&b, 2, 3); /* swapped */
	drop(&b, 4);
	EXPECT(&b, NOTHING, "order 3");
	ten(&b); /* 7, 8 before 6 */
	insert_copy(&b, 9, 6);
	drop(&b, 6);
	EXPECT(&b, NOTHING, "order 8");
}

static void test_loss_is_told(void **state)
{
	struct book b;
	struct audit_record gap = {
		.event = AUDIT_AUDIT_GAP, .count = 3, .ts_ms = 1, .path_from = AUDIT_NO_PATH
	};

	gap.path_to = AUDIT_NO_PATH;
	memset(&b, 0, sizeof(b));
	new_run(&b, 1);
	put_some(&b, 3, true);
	put(&b, &gap, false); /* the sink lost three, and says so */
	b.seq += 3;
	put_some(&b, 3, false);
	EXPECT(&b, NOTHING);
	drop(&b, 3);
	EXPECT(&b, NOTHING, "gap 3");

	memset(&b, 0, sizeof(b));
	new_run(&b, 1);
	put_some(&b, 3, true);
	gap.count = 2; /* and this one says too little */
	put(&b, &gap, false);
	b.seq += 3;
	put_some(&b, 3, false);
	EXPECT(&b, NOTHING, "gap 4");

	memset(&b, 0, sizeof(b));
	new_run(&b, 1);
	put_some(&b, 3, true);
	b.seq += 4; /* no file was configured for a while */
	put_some(&b, 3, true);
	EXPECT(&b, NOTHING, "note 3");
}

static void test_killed(void **state)
{
	struct book b;

	memset(&b, 0, sizeof(b));
	new_run(&b, 1);
	put_some(&b, 4, true);
	insert_copy(&b, 4, 3);
	b.text[4][40] = '\0';
	new_run(&b, 2);
	put_some(&b, 2, true);
	b.file[5] = false;
	EXPECT(&b, NOTHING, "note 4");
	insert_copy(&b, 2, 1); /* but not in the middle of a run */
	b.text[2][40] = '\0';
	EXPECT(&b, NOTHING, "malformed 2", "note 5");
	drop(&b, 6); /* the first line of the second run */
	drop(&b, 2);
	EXPECT(&b, NOTHING, "note 4", "gap 5");
}

/* A log that is being written may end anywhere; but a line that is there must be right. */
static void test_being_written(void **state)
{
	struct book b;

	ten(&b);
	b.text[9][40] = '\0';
	EXPECT(&b, NOTHING, "malformed 9");
	b.torn = true;
	EXPECT(&b, NOTHING, "note 9");
}

static void test_file_left_out(void **state)
{
	struct book b;

	memset(&b, 0, sizeof(b));
	new_run(&b, 1);
	put_some(&b, 3, true);
	put_some(&b, 3, true);
	put_some(&b, 3, true);
	for (int i = 0; i < 3; i++)
		drop(&b, 3);
	EXPECT(&b, NOTHING, "gap 3");
}

static void test_chain_of_a_file(void **state)
{
	struct book b;
	char text[3 * AUDIT_LINE_MAX];
	uint8_t value[AUDIT_CHAIN_LEN] = { 7 };

	ten(&b);
	snprintf(text, sizeof(text), "%s\n%s\n", b.text[8], b.text[9]);
	assert_true(chain_find(text, strlen(text), value));
	assert_memory_equal(value, b.chain.value, sizeof(value));
	memset(value, 7, sizeof(value));
	text[strlen(text) - 1] = '\0'; /* torn: the line before counts */
	assert_true(chain_find(text, strlen(text), value));
	assert_memory_not_equal(value, b.chain.value, sizeof(value));
	assert_false(chain_find("nothing\n", 8, value));
	assert_false(chain_find("", 0, value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_refused),         cmocka_unit_test(test_refused_nearly_right),
		cmocka_unit_test(test_whole),           cmocka_unit_test(test_edited),
		cmocka_unit_test(test_dropped),         cmocka_unit_test(test_doubled_and_moved),
		cmocka_unit_test(test_loss_is_told),    cmocka_unit_test(test_killed),
		cmocka_unit_test(test_being_written),   cmocka_unit_test(test_file_left_out),
		cmocka_unit_test(test_chain_of_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
