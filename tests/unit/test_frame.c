/* Frames: bytes written by hand pin the wire format, and whatever is not a frame is refused whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "a_frame.h"
#include "aborts.h"
#include "base/text.h"
#include "jumpvpn/reason.h"
#include "prng.h"
#include "proto/frame.h"

#define LOCATOR_A "a1a2a3a4a5a6a7a8" "000102030405060708090a0b0c0d0e0f"
#define LOCATOR_B "b1b2b3b4b5b6b7b8" "101112131415161718191a1b1c1d1e1f"
#define KEY "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
#define REPORT "01020304" "05060708" "09" "0a0b0c0d0e0f" "10" "111213141516"
/* The defaults of DESIGN section 7, in its order. */
#define POLICY                                                                                     \
	"05265c00" "0001d4c0" "00001388" "0001d4c0"                                                \
	"000001f4" "00003a98" "000007d0" "000007d0" "00030d40" "00000003" "00000000" "00000fa0"    \
	"00000008" "000005dc" "00001f40" "0010c8e0" "00007530" "000003e8" "00100000"               \
	"00000003" "00001388"                                                                      \
	"00000800" "00001388"
#define ITEM_ADDRESS "01" "78" "00000000000000000000ffff0a080002" /* 10.8.0.2/24 */
#define ITEM_ROUTE "02" "00" "00000000000000000000000000000000"   /* ::/0 */
#define ITEM_DNS "03" "80" "fd000008000000000000000000000001"     /* fd00:8::1 */

static const struct vector {
	const char *hex;
	enum frame_type type;
} vectors[] = {
	{ "01" "11223344" "07" "01" "0102030405060708" "0a0b0c0d" "11121314" "0123" REPORT, FRAME_PING },
	{ "02" "11223344" "06" "00" "0102030405060708" "1112131415161718" "21222324" REPORT, FRAME_PONG },
	{ "03" "11223344" "05" "07" "21222324" "0102030405060708" "31" "414243444546", FRAME_JUMP },
	{ "04" "11223344" "21222324" "31323334" "41" "515253545556", FRAME_JUMP_ACK },
	{ "05" "11223344" "2f" "000005dc" "21222324", FRAME_JUMP_REJECT },
	{ "06" "0102030405060708", FRAME_PATH_CHALLENGE },
	{ "07" "0102030405060708", FRAME_PATH_RESPONSE },
	{ "08" "11223344" "02" "00" LOCATOR_A "01" LOCATOR_B, FRAME_LOCATORS },
	{ "09" "81" KEY, FRAME_REKEY_OFFER },
	{ "0a" "81" KEY, FRAME_REKEY_ACCEPT },
	{ "0b" "11223344" "01" "03" "058c" POLICY "03" ITEM_ADDRESS ITEM_ROUTE ITEM_DNS, FRAME_POLICY },
	{ "0c" "1a", FRAME_CLOSE },
	{ "0d" "11223344" "05ac" "01", FRAME_PROBE },
	{ "0e" "11223344" "05ac" "1234", FRAME_PROBE_ACK },
};
#define VECTORS (sizeof(vectors) / sizeof(vectors[0]))

#define BUF 1200

static size_t bytes_of(const char *hex, uint8_t buf[BUF])
{
	size_t len = strlen(hex) / 2;

	assert_true(len <= BUF && hex_decode(buf, len, hex));
	return len;
}

/* The frame lies in `data`. */
static bool decodes(const uint8_t *data, size_t len, struct frame *f)
{
	/* a heap copy of just this length: a read behind it is seen */
	uint8_t *copy = malloc(len + (len == 0));
	struct reader r;
	bool ok;

	memcpy(copy, data, len);
	r = reader_init(copy, len);
	memset(f, 0xaa, sizeof(*f));
	ok = frame_next(&r, f) && r.left == 0;
	assert_true(ok == !r.error || r.left > 0 || len == 0);
	if (ok)
		assert_ptr_equal(f->body, copy + 1);
	free(copy);
	f->body = data + 1;
	return ok;
}

static void test_vectors(void **state)
{
	uint8_t want[BUF], got[BUF];

	(void)state;
	for (size_t i = 0; i < VECTORS; i++) {
		struct writer w = writer_init(got, sizeof(got));
		size_t len = bytes_of(vectors[i].hex, want);
		struct frame f;

		assert_true(decodes(want, len, &f));
		assert_int_equal(f.type, vectors[i].type);
		frame_write(&w, &f);
		assert_false(w.error);
		assert_int_equal(w.len, len);
		assert_memory_equal(got, want, len);
	}
}

/* Where each number stands. */
static void test_fields(void **state)
{
	uint8_t buf[BUF];
	struct frame f;
	struct path_report report;
	struct net_item item[3];
	struct policy policy;

	(void)state;
	assert_true(decodes(buf, bytes_of(vectors[0].hex, buf), &f));
	assert_int_equal(get_be32(f.ping->id), 0x11223344);
	assert_int_equal(f.ping->path, 7);
	assert_int_equal(f.ping->flags, PING_PEER_DEAD);
	assert_int_equal(get_be64(f.ping->age_us), 0x0102030405060708);
	assert_int_equal(get_be32(f.ping->policy_generation), 0x0a0b0c0d);
	assert_int_equal(get_be32(f.ping->locators_seq), 0x11121314);
	assert_int_equal(get_be16(f.ping->spent), 0x0123);
	report = frame_report(&f.ping->report);
	assert_int_equal(report.sent, 0x01020304);
	assert_int_equal(report.received, 0x05060708);
	assert_int_equal(report.epoch, 9);
	assert_int_equal(report.highest, 0x0a0b0c0d0e0f);
	assert_int_equal(report.newest_epoch, 0x10);
	assert_int_equal(report.newest, 0x111213141516);
	assert_true(decodes(buf, bytes_of(vectors[1].hex, buf), &f));
	assert_int_equal(f.pong->path, 6);
	assert_int_equal(get_be64(f.pong->echo_us), 0x0102030405060708);
	assert_int_equal(get_be64(f.pong->age_us), 0x1112131415161718);
	assert_int_equal(get_be32(f.pong->binding_version), 0x21222324);
	assert_true(decodes(buf, bytes_of(vectors[2].hex, buf), &f));
	assert_int_equal(f.jump->path, 5);
	assert_int_equal(f.jump->reason, REASON_TRANSPORT_DEAD);
	assert_int_equal(get_be32(f.jump->binding_version), 0x21222324);
	assert_int_equal(get_be64(f.jump->age_us), 0x0102030405060708);
	assert_int_equal(f.jump->epoch, 0x31);
	assert_int_equal(get_be48(f.jump->highest), 0x414243444546);
	assert_true(decodes(buf, bytes_of(vectors[3].hex, buf), &f));
	assert_int_equal(get_be32(f.jump_ack->binding_version), 0x21222324);
	assert_int_equal(get_be32(f.jump_ack->state_version), 0x31323334);
	assert_int_equal(get_be48(f.jump_ack->highest), 0x515253545556);
	assert_true(decodes(buf, bytes_of(vectors[4].hex, buf), &f));
	assert_int_equal(f.jump_reject->reason, REASON_COOLDOWN_ACTIVE);
	assert_int_equal(get_be32(f.jump_reject->retry_after_ms), 1500);
	assert_int_equal(get_be32(f.jump_reject->binding_version), 0x21222324);
	assert_true(decodes(buf, bytes_of(vectors[5].hex, buf), &f));
	assert_int_equal(f.path_probe->nonce[7], 8);
	assert_true(decodes(buf, bytes_of(vectors[7].hex, buf), &f));
	assert_int_equal(get_be32(f.locators->seq), 0x11223344);
	assert_int_equal(f.locators->count, 2);
	assert_int_equal(frame_locators(&f)[1].slot, 1);
	assert_int_equal(frame_locators(&f)[1].locator[0], 0xb1);
	assert_int_equal(frame_locators(&f)[1].token[15], 31);
	assert_true(decodes(buf, bytes_of(vectors[8].hex, buf), &f));
	assert_int_equal(f.rekey->epoch, 0x81);
	assert_int_equal(f.rekey->e[31], 63);
	assert_true(decodes(buf, bytes_of(vectors[10].hex, buf), &f));
	assert_int_equal(get_be32(f.policy->generation), 0x11223344);
	assert_int_equal(f.policy->part, 1);
	assert_int_equal(f.policy->parts, 3);
	assert_int_equal(get_be16(f.policy->mtu), 1420);
	assert_true(frame_policy(&policy, &f.policy->policy));
	assert_memory_equal(&policy, &policy_defaults, sizeof(policy));
	assert_true(frame_get_items(item, frame_items(&f), 3));
	assert_int_equal(item[2].kind, NET_ITEM_DNS);
	assert_int_equal(item[0].prefix.len, 120);
	assert_int_equal(item[0].prefix.ip.b[15], 2);
	assert_true(decodes(buf, bytes_of(vectors[11].hex, buf), &f));
	assert_int_equal(f.close->reason, REASON_PEER_CLOSED);
	assert_true(decodes(buf, bytes_of(vectors[12].hex, buf), &f));
	assert_int_equal(get_be16(f.probe->size), 1452);
	assert_int_equal(f.probe->flags, PROBE_BACK);
	assert_true(decodes(buf, bytes_of(vectors[13].hex, buf), &f));
	assert_int_equal(get_be16(f.probe_ack->size), 1452);
	assert_int_equal(get_be16(f.probe_ack->since_ms), 0x1234);
}

/* What is kept is sent as it came. */
static void test_kept(void **state)
{
	uint8_t buf[BUF];
	struct frame f;
	struct net_item item[3];
	struct wire_net_item wire[3];
	struct wire_policy policy;

	(void)state;
	assert_true(decodes(buf, bytes_of(vectors[10].hex, buf), &f));
	assert_true(frame_get_items(item, frame_items(&f), 3));
	frame_put_items(wire, item, 3);
	assert_memory_equal(wire, frame_items(&f), sizeof(wire));
	frame_put_policy(&policy, &policy_defaults);
	assert_memory_equal(&policy, &f.policy->policy, sizeof(policy));
}

static void test_truncated(void **state)
{
	uint8_t buf[BUF];
	struct frame f;

	(void)state;
	for (size_t i = 0; i < VECTORS; i++) {
		size_t len = bytes_of(vectors[i].hex, buf);

		for (size_t n = 1; n < len; n++)
			assert_false(decodes(buf, n, &f));
	}
}

static void test_does_not_fit(void **state)
{
	uint8_t buf[BUF], untouched[BUF];

	(void)state;
	memset(untouched, 0x5a, sizeof(untouched));
	for (size_t i = 0; i < VECTORS; i++) {
		uint8_t from[BUF];
		size_t len = bytes_of(vectors[i].hex, from);
		struct frame f;

		assert_true(decodes(from, len, &f));

		for (size_t cap = 0; cap < len + 3; cap++) {
			struct writer w = writer_init(buf, cap);

			memset(buf, 0x5a, sizeof(buf));
			w.len = cap < 3 ? cap : 3; /* something stands before it */
			frame_write(&w, &f);
			assert_true(w.error);
			assert_int_equal(w.len, cap < 3 ? cap : 3);
			assert_memory_equal(buf, untouched, sizeof(buf));
		}
	}
}

static void test_unknown_types(void **state)
{
	uint8_t buf[BUF];
	struct frame f;

	(void)state;
	for (unsigned int type = 0; type < 256; type++) {
		struct reader r;

		memset(buf, 0, sizeof(buf));
		buf[0] = (uint8_t)type;
		if (type <= FRAME_PROBE_ACK)
			continue;
		r = reader_init(buf, sizeof(buf));
		assert_false(frame_next(&r, &f));
		assert_true(r.error);
		assert_null(frame_name(type));
	}
	assert_string_equal(frame_name(FRAME_PAD), "PAD");
	assert_string_equal(frame_name(FRAME_PING), "PING");
	assert_string_equal(frame_name(FRAME_JUMP_REJECT), "JUMP_REJECT");
	assert_string_equal(frame_name(FRAME_CLOSE), "CLOSE");
}

/* All frames in one packet, with padding between, in front and behind. */
static void test_sequence(void **state)
{
	uint8_t buf[BUF];
	struct frame f;
	struct reader r;
	size_t at = 0;

	(void)state;
	for (size_t i = 0; i < VECTORS; i++) {
		memset(buf + at, FRAME_PAD, i % 3);
		at += i % 3;
		at += bytes_of(vectors[i].hex, buf + at);
	}
	memset(buf + at, FRAME_PAD, 100);
	r = reader_init(buf, at + 100);
	for (size_t i = 0; i < VECTORS; i++) {
		assert_true(frame_next(&r, &f));
		assert_int_equal(f.type, vectors[i].type);
	}
	assert_false(frame_next(&r, &f));
	assert_false(r.error);
	assert_false(frame_next(&r, &f));
	assert_false(r.error);

	buf[at + 50] = 0xff; /* a bad frame at the end spoils the packet */
	r = reader_init(buf, at + 100);
	for (size_t i = 0; i < VECTORS; i++)
		assert_true(frame_next(&r, &f));
	assert_false(frame_next(&r, &f));
	assert_true(r.error);
	assert_false(frame_next(&r, &f)); /* and stays so */

	r = reader_init(buf, 0);
	assert_false(frame_next(&r, &f));
	assert_false(r.error);
}

/* One byte of a vector is set: does the frame still decode? */
static void test_bounds(void **state)
{
	enum { P = 9 }; /* policy values begin here in POLICY */
	static const struct {
		unsigned int vector, offset;
		uint8_t value;
		bool ok;
	} rows[] = {
		{ 0, 5, 7, true }, { 0, 5, 8, false }, { 0, 5, 255, false },       /* PING path */
		{ 0, 6, 0, true }, { 0, 6, 2, false }, { 0, 6, 0x81, false },      /* flags */
		{ 1, 5, 7, true }, { 1, 5, 8, false }, { 1, 6, 1, false },         /* PONG path, zero */
		{ 2, 5, 8, false }, { 2, 6, 31, true }, { 2, 6, 32, false },       /* JUMP path, reason */
		{ 2, 6, 58, true }, { 2, 6, 59, false }, { 2, 6, 0, true },
		{ 4, 5, 51, true }, { 4, 5, 39, false }, { 4, 5, 255, false },     /* JUMP_REJECT reason */
		{ 7, 5, 0, false }, { 7, 5, 11, false }, { 7, 5, 1, false },       /* LOCATORS count */
		{ 7, 6, 1, false }, { 7, 31, 0, false }, { 7, 31, 2, false },      /* slots: each once, in order */
		{ 10, 1, 0, true }, { 10, 4, 0, true },                            /* POLICY generation */
		{ 10, 5, 2, true }, { 10, 5, 3, false }, { 10, 6, 1, false },      /* POLICY part, parts */
		{ 10, 6, 0, false }, { 10, 6, 16, true }, { 10, 6, 17, false },
		{ 10, 7, 0x02, true }, { 10, 7, 0x01, false },                     /* mtu 0x28c, 0x18c */
		{ 10, 7, 0x22, true }, { 10, 7, 0x23, false },                     /* 0x228c, 0x238c */
		{ 10, P, 0x23, true }, { 10, P, 0x25, false },                     /* max_lifetime_ms */
		{ 10, P + 10, 2, true }, { 10, P + 10, 1, false },                 /* handshake_timeout_ms */
		{ 10, P + 4 * 9 + 3, 0, false }, { 10, P + 4 * 9 + 3, 20, true },  /* max_consecutive_drops */
		{ 10, P + 4 * 9 + 3, 21, false },
		{ 10, P + 4 * 21 + 2, 4, true }, { 10, P + 4 * 21 + 2, 6, false }, /* replay_window */
		{ 10, P + 4 * 21 + 2, 0, false }, { 10, P + 4 * 21 + 1, 1, false },
		{ 10, P + 92, 2, false }, { 10, P + 92, 49, false }, { 10, P + 92, 255, false }, /* items */
		{ 10, P + 93, 2, false }, { 10, P + 93, 0, false }, { 10, P + 93, 4, false },     /* kind: no route has host bits */
		{ 10, P + 93, 3, false },                                          /* DNS is one address */
		{ 10, P + 94, 96, true }, { 10, P + 94, 95, false }, { 10, P + 94, 128, true },  /* IPv4 */
		{ 10, P + 94, 129, false }, { 10, P + 112, 129, false }, { 10, P + 112, 128, true },
		{ 10, P + 128, 1, false }, { 10, P + 113, 0x80, false }, { 10, P + 110, 7, true }, /* host bits: no route's */
		{ 10, P + 130, 127, false },                                       /* DNS length */
		{ 12, 7, 1, true }, { 12, 7, 2, false },                           /* PROBE flags */
		{ 11, 1, 58, true }, { 11, 1, 59, false },                         /* CLOSE reason */
	};
	uint8_t buf[BUF];
	struct frame f;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = bytes_of(vectors[rows[i].vector].hex, buf);

		assert_true(rows[i].offset < len);
		buf[rows[i].offset] = rows[i].value;
		if (decodes(buf, len, &f) != rows[i].ok)
			fail_msg("row %zu: vector %u, byte %u", i, rows[i].vector, rows[i].offset);
	}
}

/* Each policy value: its bounds are in, one beyond is out. */
static void test_policy_bounds(void **state)
{
	static const uint32_t bounds[][2] = {
#define X(section, key, KIND, def, least, most) { least, most },
		POLICY_LIST(X)
#undef X
	};
	uint8_t buf[BUF];
	struct frame f;

	(void)state;
	for (size_t k = 0; k < POLICY_KEYS; k++) {
		for (int side = 0; side < 2; side++) {
			for (int beyond = 0; beyond < 2; beyond++) {
				uint32_t v = bounds[k][side] + (uint32_t)(beyond ? (side ? 1 : -1) : 0);
				size_t len = bytes_of(vectors[10].hex, buf);
				be32 wire = put_be32(v);

				memcpy(buf + 9 + 4 * k, &wire, 4);
				assert_int_equal(decodes(buf, len, &f), !beyond);
			}
		}
	}
}

/* Mutated frames: what decodes, encodes to the very same bytes. */
static void test_one_encoding(void **state)
{
	struct prng rng = { 7 };
	unsigned int decoded = 0;

	(void)state;
	for (int i = 0; i < 60000; i++) {
		uint8_t buf[BUF], again[BUF];
		size_t len = bytes_of(vectors[prng_below(&rng, VECTORS)].hex, buf);
		struct writer w = writer_init(again, sizeof(again));
		struct frame f;

		for (uint64_t n = prng_below(&rng, 4); n > 0; n--)
			buf[prng_below(&rng, len)] = (uint8_t)prng_next(&rng);
		if (buf[0] == FRAME_PAD || !decodes(buf, len, &f))
			continue;
		decoded++;
		frame_write(&w, &f);
		assert_int_equal(w.len, len);
		assert_memory_equal(again, buf, len);
	}
	assert_true(decoded > 10000);
}

#define WELCOME                                                                                    \
	"404142434445464748494a4b4c4d4e4f" "01" "01" "02" "04" "11223344" "058c" "0000" POLICY     \
	"00" LOCATOR_A ITEM_ADDRESS ITEM_DNS

static void test_welcome_vector(void **state)
{
	uint8_t want[BUF], got[BUF];
	size_t len = bytes_of(WELCOME, want);
	struct writer w = writer_init(got, sizeof(got));
	struct welcome in;

	(void)state;
	memset(&in, 0xaa, sizeof(in));
	assert_true(welcome_read(want, len, &in));
	assert_int_equal(in.session_id[15], 0x4f);
	assert_int_equal(in.suite, SUITE_AES_256_GCM);
	assert_int_equal(in.policy_generation, 0x11223344);
	assert_int_equal(in.mtu, 1420);
	assert_int_equal(in.parts, 4);
	assert_memory_equal(&in.policy, &policy_defaults, sizeof(in.policy));
	assert_int_equal(in.locators, 1);
	assert_int_equal(in.locator[0].slot, 0);
	assert_int_equal(in.locator[0].token[15], 15);
	assert_int_equal(in.items, 2);
	assert_int_equal(in.item[1].kind, NET_ITEM_DNS);
	welcome_write(&w, &in);
	assert_int_equal(w.len, PROTO_WELCOME_PAYLOAD);
	assert_memory_equal(got, want, len);
	for (size_t i = len; i < w.len; i++)
		assert_int_equal(got[i], 0);
	for (size_t cap = 0; cap < PROTO_WELCOME_PAYLOAD; cap++) {
		w = writer_init(got, cap);
		memset(got, 0x5a, sizeof(got));
		welcome_write(&w, &in);
		assert_true(w.error && w.len == 0 && got[0] == 0x5a);
	}
	for (size_t n = 0; n < BUF; n++) { /* not shorter; and what stands behind says nothing */
		memset(got, 0xff, sizeof(got));
		memcpy(got, want, n < len ? n : len);
		assert_int_equal(welcome_read(got, n, &in), n >= len);
	}
}

static void test_welcome_bounds(void **state)
{
	static const struct {
		unsigned int offset;
		uint8_t value;
		bool ok;
	} rows[] = {
		{ 16, 2, true }, { 16, 0, false }, { 16, 3, false },     /* suite */
		{ 17, 0, false }, { 17, 2, false }, { 17, 11, false },   /* locators */
		{ 18, 1, true }, { 18, 3, false }, { 18, 49, false },   /* items */
		{ 19, 0, true }, { 19, 16, true }, { 19, 17, false },    /* parts */
		{ 24, 0x02, true }, { 24, 0x01, false }, { 24, 0x24, false }, /* mtu */
		{ 26, 1, false }, { 27, 1, false },                      /* zero */
		{ 28, 0x25, false }, { 38, 1, false },                   /* policy */
		{ 120, 1, false }, { 120, 10, false },                   /* slot */
		{ 145, 4, false }, { 146, 95, false },                   /* kind, length */
	};
	uint8_t buf[BUF];
	struct welcome out;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = bytes_of(WELCOME, buf);

		buf[rows[i].offset] = rows[i].value;
		if (welcome_read(buf, len, &out) != rows[i].ok)
			fail_msg("row %zu: byte %u", i, rows[i].offset);
	}
}

/* It is what says that a client has none. */
static void test_generation_is_not_zero(void **state)
{
	uint8_t buf[BUF];
	struct welcome out;
	struct frame f;
	size_t len = bytes_of(WELCOME, buf);

	(void)state;
	memset(buf + 20, 0, 4);
	assert_false(welcome_read(buf, len, &out));
	buf[23] = 1;
	assert_true(welcome_read(buf, len, &out));
	len = bytes_of(vectors[10].hex, buf);
	memset(buf + 1, 0, 4);
	assert_false(decodes(buf, len, &f));
	buf[1] = 1;
	assert_true(decodes(buf, len, &f));
}

/* The largest of both fit where they must go. */
static void test_sizes(void **state)
{
	static struct welcome in = { .suite = 1, .policy_generation = 1, .mtu = 1420, .locators = PROTO_SLOTS_MAX, .items = 36 };
	static struct a_frame f = { .type = FRAME_POLICY, .policy = { .parts = 1, .items = POLICY_ITEMS_MAX } };
	uint8_t buf[PROTO_CONTROL_MAX];
	struct writer w = writer_init(buf, PROTO_WELCOME_PAYLOAD);

	(void)state;
	welcome_write(&w, &in);
	assert_false(w.error);
	w = writer_init(buf, sizeof(buf));
	in.items = 43; /* one more than there is room for beside ten locators */
	welcome_write(&w, &in);
	assert_true(w.error && w.len == 0);
	w = writer_init(buf, PROTO_CONTROL_MAX - PROTO_OVERHEAD);
	frame_write(&w, LIES(&f));
	assert_false(w.error);
}

/* All that one packet holds beside LOCATORS and POLICY goes by the small size. */
static void test_small_size(void **state)
{
	static const enum frame_type together[][3] = {
		{ FRAME_PING, FRAME_PATH_CHALLENGE }, { FRAME_PONG, FRAME_PATH_CHALLENGE },
		{ FRAME_JUMP_ACK, FRAME_PATH_CHALLENGE }, { FRAME_REKEY_OFFER }, { FRAME_REKEY_ACCEPT },
		{ FRAME_JUMP }, { FRAME_JUMP_REJECT }, { FRAME_PATH_RESPONSE }, { FRAME_CLOSE }, { FRAME_PROBE_ACK },
	};
	uint8_t buf[PROTO_CONTROL_SMALL];

	(void)state;
	for (size_t i = 0; i < sizeof(together) / sizeof(together[0]); i++) {
		struct writer w = writer_init(buf, PROTO_CONTROL_SMALL - PROTO_OVERHEAD);

		for (size_t k = 0; k < 3 && together[i][k] != FRAME_PAD; k++)
			frame_write(&w, LIES(&(struct a_frame){ .type = together[i][k] }));
		assert_true(!w.error && w.len > 0);
	}
}

static void write_frame(void *arg)
{
	uint8_t buf[BUF];
	struct writer w = writer_init(buf, sizeof(buf));

	frame_write(&w, LIES((struct a_frame *)arg));
}

static void test_impossible_frames_abort(void **state)
{
	struct a_frame f = { .type = FRAME_CLOSE };

	(void)state;
	assert_false(aborts(write_frame, &f));
	f.type = FRAME_PROBE_ACK + 1;
	assert_true(aborts(write_frame, &f));
	f.type = FRAME_PAD;
	assert_true(aborts(write_frame, &f));
	f = (struct a_frame){ .type = FRAME_LOCATORS, .locators.count = PROTO_SLOTS_MAX };
	assert_false(aborts(write_frame, &f));
	f.locators.count++;
	assert_true(aborts(write_frame, &f));
	f = (struct a_frame){ .type = FRAME_POLICY, .policy.items = POLICY_ITEMS_MAX };
	assert_false(aborts(write_frame, &f));
	f.policy.items++;
	assert_true(aborts(write_frame, &f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_does_not_fit),
		cmocka_unit_test(test_unknown_types),
		cmocka_unit_test(test_sequence),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_policy_bounds),
		cmocka_unit_test(test_one_encoding),
		cmocka_unit_test(test_welcome_vector),
		cmocka_unit_test(test_welcome_bounds),
		cmocka_unit_test(test_generation_is_not_zero),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_small_size),
		cmocka_unit_test(test_impossible_frames_abort),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
