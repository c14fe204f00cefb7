/*
 * The manual pages against the code: test vectors of jumpvpn-protocol(7), policy and keys of
 * jumpvpnd.yaml(5), reasons and audit events of jumpvpnd(8). Run from the top of the tree. With --print it
 * writes the vectors as the page has them.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "a_frame.h"
#include "audit/record.h"
#include "base/text.h"
#include "base/wire.h"
#include "config/schema.h"
#include "crypto/crypto.h"
#include "jumpvpn/policy.h"
#include "jumpvpn/reason.h"
#include "proto/cookie.h"
#include "proto/frame.h"
#include "proto/noise.h"
#include "proto/packet.h"
#include "session/keys.h"

#define PROTOCOL "man/jumpvpn-protocol.7"
#define DAEMON "man/jumpvpnd.8"
#define YAML "man/jumpvpnd.yaml.5"

/* --- pages --- */

static char *page_read(const char *file)
{
	FILE *f = fopen(file, "r");
	char *text = calloc(1, 1 << 20);
	size_t len;

	if (!f)
		fail_msg("%s: not there; run this from the top of the tree", file);
	assert_non_null(text);
	len = fread(text, 1, (1 << 20) - 1, f);
	assert_true(len > 0 && feof(f));
	fclose(f);
	return text;
}

/* Without blanks and newlines: how the page breaks its lines is its own affair. */
static char *page_dense(const char *file)
{
	char *text = page_read(file), *to = text;

	for (const char *at = text; *at; at++)
		if (!strchr(" \t\n", *at))
			*to++ = *at;
	*to = '\0';
	return text;
}

/* --- vectors --- */

static char *protocol; /* dense; NULL: print */

static void vector(const char *label, const void *data, size_t len)
{
	char *want;
	size_t at;

	if (!protocol) {
		printf("%s\n", label);
		for (size_t i = 0; i < len; i++)
			printf("%s%02x%s", i % 32 ? "" : "    ", ((const uint8_t *)data)[i],
			       i % 32 == 31 || i + 1 == len ? "\n" : "");
		return;
	}
	want = calloc(1, strlen(label) + 2 * len + 1);
	assert_non_null(want);
	at = 0;
	for (const char *c = label; *c; c++)
		if (*c != ' ')
			want[at++] = *c;
	hex_encode(want + at, data, len);
	if (!strstr(protocol, want))
		fail_msg("%s does not have: %s", PROTOCOL, want);
	free(want);
}

static void count_up(uint8_t *out, uint8_t first, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(first + i);
}

struct world {
	uint8_t server[32], server_pub[32], client[32], client_pub[32], e_client[32], e_server[32];
	struct cookie_keys cookie_keys;
	uint8_t reset_key[32];
	struct packet_hello hello;
	struct noise initiator, responder;
	struct packet_welcome welcome;
	struct noise_split split;
	struct locator locator[5];
};

static void hello(struct world *w)
{
	struct hello_payload payload = { .suites = put_be16(6), .paths = 3, .number = put_be64(0x1234) };
	uint8_t psk[32] = { 0 }, opened[sizeof(payload)], hash[32];

	noise_init_initiator(&w->initiator, SUITE_AES_256_GCM, PROTO_PROLOGUE, strlen(PROTO_PROLOGUE),
			     w->client, w->client_pub, w->server_pub, psk);
	noise_init_responder(&w->responder, SUITE_AES_256_GCM, PROTO_PROLOGUE, strlen(PROTO_PROLOGUE),
			     w->server, w->server_pub);
	w->hello.type = PACKET_HELLO;
	w->hello.suite = SUITE_AES_256_GCM;
	count_up(w->hello.handshake_id, 0xa0, 8);
	assert_true(noise_create_hello(&w->initiator, w->e_client, w->hello.e, w->hello.s, w->hello.payload,
				       &payload, sizeof(payload)));
	cookie_sign_hello(&w->cookie_keys, &w->hello, NULL);
	assert_true(noise_consume_hello(&w->responder, w->hello.e, w->hello.s, w->hello.payload,
					sizeof(w->hello.payload), opened));
	vector("HELLO, bytes 0 to 95", &w->hello, 96);
	vector("HELLO, mac1", w->hello.mac1, 16);
	sha256_2(hash, &w->hello, sizeof(w->hello), NULL, 0);
	vector("HELLO, SHA-256 of all 1200 bytes", hash, 32);
}

static void compose(struct world *w, struct welcome *in)
{
	count_up(in->session_id, 0x80, 16);
	in->suite = SUITE_AES_256_GCM;
	in->policy_generation = 1;
	in->mtu = 1420;
	in->policy = policy_defaults;
	in->locators = 5;
	for (uint8_t i = 0; i < 5; i++) {
		struct locator *l = &w->locator[i];

		l->slot = i;
		memset(l->locator, 0xd0 + i, sizeof(l->locator));
		l->locator[LOCATOR_NODE] = 1;
		reset_token(l->token, w->reset_key, l->locator);
		in->locator[i] = *l;
	}
	in->items = 2;
	in->item[0].kind = NET_ITEM_ADDRESS;
	assert_true(prefix_parse("10.8.0.2", &in->item[0].prefix));
	in->item[1].kind = NET_ITEM_ROUTE;
	assert_true(prefix_parse("10.8.0.0/24", &in->item[1].prefix));
}

static void welcome(struct world *w)
{
	struct packet_welcome *p = &w->welcome;
	uint8_t psk[32] = { 0 }, payload[PROTO_WELCOME_PAYLOAD], opened[PROTO_WELCOME_PAYLOAD], hash[32];
	struct writer out = writer_init(payload, sizeof(payload));
	struct noise_split split;
	static struct welcome in;

	compose(w, &in);
	welcome_write(&out, &in);
	assert_false(out.error);
	vector("WELCOME payload, bytes 0 to 27", payload, 28);
	vector("WELCOME payload, bytes 120 to 280", payload + 120, 161);
	assert_int_equal(out.len, sizeof(payload));
	p->type = PACKET_WELCOME;
	p->suite = SUITE_AES_256_GCM;
	count_up(p->handshake_id, 0xa0, 8);
	assert_true(noise_create_welcome(&w->responder, w->e_server, psk, p->e, p->payload, payload,
					 sizeof(payload), &w->split));
	assert_true(noise_consume_welcome(&w->initiator, p->e, p->payload, sizeof(p->payload), opened, &split));
	assert_memory_equal(&split, &w->split, sizeof(split));
	vector("WELCOME, bytes 0 to 47", p, 48);
	sha256_2(hash, p, sizeof(*p), NULL, 0);
	vector("WELCOME, SHA-256 of all 1200 bytes", hash, 32);
	vector("handshake hash", split.h, 32);
	vector("Split() key c2s", split.i2r, 32);
	vector("Split() key s2c", split.r2i, 32);
}

static struct key_store store;

static struct keys keys_of(const struct noise_split *split, enum suite suite)
{
	struct keys k = { .window = 0 };

	assert_true(keys_start(&k, &store, true, suite, split, 64));
	return k;
}

static void seal(const char *label, const struct keys *k, enum sealed_kind kind, uint64_t counter,
		 const uint8_t locator[8], const void *plain, size_t len)
{
	uint8_t packet[256];
	struct aead_key *aead = aligned_alloc(64, (aead_key_size() + 63) / 64 * 64);
	struct mask_key *mask = malloc(mask_key_size());

	assert_true(aead && mask && len + PROTO_OVERHEAD <= sizeof(packet));
	aead_key_init(aead, k->suite, k->epoch[0]->tx_key);
	mask_key_init(mask, k->suite, k->tx_mask);
	memcpy(packet + PROTO_HEADER_LEN, plain, len);
	len = packet_seal(packet, packet + PROTO_HEADER_LEN, len, kind, 0, counter, locator, aead,
			  k->epoch[0]->tx_iv, mask);
	vector(label, packet, len);
	aead_key_clear(aead);
	mask_key_clear(mask);
	free(aead);
	free(mask);
}

static void schedule(const struct world *w)
{
	struct keys k = keys_of(&w->split, SUITE_AES_256_GCM);

	vector("S(0)", k.secret, 32);
	vector("key c2s, epoch 0", k.epoch[0]->tx_key, 32);
	vector("key s2c, epoch 0", k.epoch[0]->rx_key, 32);
	vector("iv c2s, epoch 0", k.epoch[0]->tx_iv, 12);
	vector("iv s2c, epoch 0", k.epoch[0]->rx_iv, 12);
	vector("hp c2s", k.tx_mask, 32);
	vector("hp s2c", k.rx_mask, 32);
}

static void probes(void)
{
	const struct a_frame probe = { .type = FRAME_PROBE, .probe = { put_be32(1), put_be16(1452), PROBE_BACK } };
	const struct a_frame ack = { .type = FRAME_PROBE_ACK, .probe_ack = { put_be32(1), put_be16(1452), put_be16(250) } };
	uint8_t plain[16];
	struct writer out = writer_init(plain, sizeof(plain));

	frame_write(&out, LIES(&probe));
	vector("PROBE frame, id 1, size 1452, BACK", plain, out.len);
	out = writer_init(plain, sizeof(plain));
	frame_write(&out, LIES(&ack));
	vector("PROBE_ACK frame to that, since 250 ms", plain, out.len);
}

static void sealed(const struct world *w)
{
	static const uint8_t inner[28] = {
		0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, 1, 0x26, 0xcf, 10, 8, 0, 2, 10, 8, 0, 1,
		8, 0, 0xf7, 0xfd, 0, 1, 0, 1,
	};
	const uint8_t *slot0 = w->locator[0].locator;
	const struct keys aes = keys_of(&w->split, SUITE_AES_256_GCM);
	const struct keys chacha = keys_of(&w->split, SUITE_CHACHA20_POLY1305);
	struct a_frame ping = { .type = FRAME_PING, .ping = { .id = put_be32(1), .age_us = put_be64(2500), .policy_generation = put_be32(1),
							    .report = { .sent = put_be32(1) } } };
	uint8_t plain[PROTO_CONTROL_SMALL - PROTO_OVERHEAD];
	struct writer out = writer_init(plain, sizeof(plain));

	frame_write(&out, LIES(&ping));
	vector("PING frame", plain, out.len);
	probes();
	write_zeroes(&out, sizeof(plain) - out.len);
	seal("CONTROL with that PING, epoch 0, counter 0, slot 0", &aes, SEALED_CONTROL, 0, slot0, plain,
	     sizeof(plain));
	vector("inner packet", inner, sizeof(inner));
	seal("DATA, epoch 0, counter 1, slot 0, AES-256-GCM", &aes, SEALED_DATA, 1, slot0, inner,
	     sizeof(inner));
	seal("DATA, epoch 0, counter 1, slot 0, ChaCha20-Poly1305", &chacha, SEALED_DATA, 1, slot0, inner,
	     sizeof(inner));
}

static void rekey(const struct world *w)
{
	struct keys k = keys_of(&w->split, SUITE_AES_256_GCM);
	uint8_t offer[32], accept[32], offer_pub[32], shared[32];

	count_up(offer, 0xe0, 32);
	count_up(accept, 0x10, 32);
	x25519_public(offer_pub, offer);
	assert_true(x25519(shared, accept, offer_pub));
	assert_true(keys_next(&k, &store, shared));
	vector("X25519(e, e')", shared, 32);
	vector("S(1)", k.secret, 32);
	vector("key c2s, epoch 1", k.epoch[1]->tx_key, 32);
	vector("iv c2s, epoch 1", k.epoch[1]->tx_iv, 12);
}

static void cookies(struct world *w)
{
	struct endpoint from = { .port = 50000 };
	struct packet_hello again = w->hello;
	struct packet_cookie c;
	struct cookie_jar jar = { .period = 1 };
	uint8_t nonce[16], cookie[16];

	assert_true(ip_parse("192.0.2.7", &from.ip));
	count_up(nonce, 0xb0, 16);
	count_up(jar.secret[0], 0xc0, 16);
	cookie_create(&jar, &w->cookie_keys, &w->hello, &from, nonce, &c);
	assert_true(cookie_consume(&w->cookie_keys, &c, w->hello.mac1, cookie));
	cookie_sign_hello(&w->cookie_keys, &again, cookie);
	vector("cookie", cookie, 16);
	vector("COOKIE", &c, sizeof(c));
	vector("mac2 of that HELLO with this cookie", again.mac2, 16);
}

static void resets(const struct world *w)
{
	struct packet_reset r = { .type = PACKET_RESET };

	memcpy(r.locator, w->locator[0].locator, 8);
	memcpy(r.token, w->locator[0].token, 16);
	vector("reset key", w->reset_key, 32);
	vector("RESET for the locator of slot 0", &r, sizeof(r));
}

static void all_vectors(void)
{
	static const uint8_t no_machine[32];
	static struct world w;
	struct keycache *cache = keycache_new(16);

	assert_non_null(cache);
	key_store_init(&store, cache, 4);
	count_up(w.server, 0x00, 32);
	count_up(w.client, 0x20, 32);
	count_up(w.e_client, 0x40, 32);
	count_up(w.e_server, 0x60, 32);
	x25519_public(w.server_pub, w.server);
	x25519_public(w.client_pub, w.client);
	cookie_keys_derive(&w.cookie_keys, w.server_pub);
	reset_key_derive(w.reset_key, w.server, no_machine);
	vector("server public key", w.server_pub, 32);
	vector("client public key", w.client_pub, 32);
	vector("mac1 key", w.cookie_keys.mac1, 16);
	vector("cookie key", w.cookie_keys.cookie, 32);
	hello(&w);
	welcome(&w);
	schedule(&w);
	sealed(&w);
	rekey(&w);
	cookies(&w);
	resets(&w);
	key_store_free(&store);
	keycache_free(cache);
}

static void test_vectors(void **state)
{
	protocol = page_dense(PROTOCOL);
	all_vectors();
	free(protocol);
	protocol = NULL;
}

/* --- tables: each row is looked for as the page must have it --- */

__attribute__((format(printf, 3, 4)))
static void row(const char *text, const char *file, const char *fmt, ...)
{
	char want[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(want, sizeof(want), fmt, ap);
	va_end(ap);
	if (!strstr(text, want))
		fail_msg("%s does not have: %s", file, want + strspn(want, "\n"));
}

/* 200000 ppm is 0.2, 1100000 is 1.1. */
static const char *value(char buf[32], const char *kind, uint32_t n)
{
	if (!strcmp(kind, "PPM"))
		snprintf(buf, 32, "%g", n / (double)POLICY_PPM);
	else
		snprintf(buf, 32, "%" PRIu32, n);
	return buf;
}

static unsigned int count_lines(const char *text, const char *beginning)
{
	unsigned int n = 0;

	for (const char *at = text; (at = strstr(at, beginning)); at++)
		n += at == text || at[-1] == '\n';
	return n;
}

static void test_policy_table(void **state)
{
	char *text = page_read(YAML), a[32], b[32], c[32];

#define X(section, key, KIND, def, least, most)                                                    \
	row(text, YAML, "\n.It " #section "." #key " Ta %s Ta %s Ta %s\n", value(a, #KIND, def),     \
	    value(b, #KIND, least), value(c, #KIND, most));
	POLICY_LIST(X)
#undef X
	assert_int_equal(count_lines(text, ".It session.") + count_lines(text, ".It volatility.") +
			 count_lines(text, ".It switching.") + count_lines(text, ".It transport.") +
			 count_lines(text, ".It security."), POLICY_KEYS);
	free(text);
}

static void test_policy_order(void **state)
{
	char *text = page_read(PROTOCOL);
	unsigned int n = 0;

#define X(section, key, KIND, def, least, most)                                                    \
	row(text, PROTOCOL, "\n.It %u Ta " #section "." #key " Ta %u Ta %u\n", n++, (unsigned int)(least), \
	    (unsigned int)(most));
	POLICY_LIST(X)
#undef X
	free(text);
}

static void test_reason_table(void **state)
{
	char *text = page_read(DAEMON), *wire = page_read(PROTOCOL);

#define X(num, NAME, name, words)                                                                  \
	row(text, DAEMON, "\n.It " #num " Ta " #name " Ta " words "\n");                             \
	row(wire, PROTOCOL, "\n.It " #num " Ta " #name " Ta ");
	REASON_LIST(X)
#undef X
	free(text);
	free(wire);
}

static void keys_stand(const char *text, const struct key_table *t)
{
	for (size_t i = 0; i < t->count; i++)
		row(text, YAML, "\n.It %s Ta ", t->keys[i].path);
}

static void test_yaml_keys(void **state)
{
	char *text = page_read(YAML);

	keys_stand(text, &config_table);
	keys_stand(text, &peer_table);
	keys_stand(text, &transport_table);
	free(text);
}

static void test_audit_events(void **state)
{
	char *text = page_read(DAEMON);

#define X(NAME, name) row(text, DAEMON, "\n.It " #name " Ta ");
	AUDIT_LIST(X)
#undef X
	free(text);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_policy_table),
		cmocka_unit_test(test_policy_order),
		cmocka_unit_test(test_reason_table),
		cmocka_unit_test(test_yaml_keys),
		cmocka_unit_test(test_audit_events),
	};

	if (crypto_init() < 0)
		return 1;
	if (argc > 1 && !strcmp(argv[1], "--print")) {
		all_vectors();
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
