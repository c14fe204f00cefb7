/*
 * Holds the crypto and proto rooms to published test vectors: vectors FILE...
 *
 * Knows, by their content, Noise vectors in cacophony's JSON form (Noise_IKpsk2_25519_*_SHA256), and
 * Wycheproof's AES-GCM, CHACHA20-POLY1305 and X25519. Every implementation built in must answer right.
 * What the library does not do (other patterns, other sizes of nonce and tag) is skipped, and never
 * counts as passed.
 *
 * A line for each failure, then "N passed, N failed" and what was skipped. Exit 1 also on a file that
 * cannot be read or holds no vector known here; 2 on wrong usage.
 */
#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/crypto.h"
#include "proto/noise.h"

#define CANARY 0xa5

enum verdict { PASSED, FAILED, SKIPPED };

struct run {
	const char *file;
	const char *what; /* "tcId" or "vector" */
	long long number;
	bool complained; /* of the vector at hand */
	unsigned int count[3];
};

struct bytes {
	uint8_t *data; /* never NULL once read */
	size_t len;
};

/* The vector at hand has failed, and this is why. */
__attribute__((format(printf, 2, 3))) static void complain(struct run *r, const char *fmt, ...)
{
	va_list ap;

	printf("%s: %s %lld: ", r->file, r->what, r->number);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	r->complained = true;
}

static void begin_vector(struct run *r, const char *what, long long number)
{
	r->what = what;
	r->number = number;
	r->complained = false;
}

static void end_vector(struct run *r, enum verdict v)
{
	r->count[r->complained ? FAILED : v]++;
}

static void *allocate(size_t len)
{
	void *p = malloc(len ? len : 1);

	if (!p) {
		fprintf(stderr, "vectors: out of memory\n");
		exit(1);
	}
	return p;
}

static struct bytes bytes_new(size_t len)
{
	struct bytes b = { allocate(len), len };

	memset(b.data, CANARY, len);
	return b;
}

static bool bytes_from_hex(struct run *r, struct bytes *b, const json_t *value, const char *key)
{
	const char *hex = json_string_value(value);

	if (!hex) {
		complain(r, "\"%s\" is %s", key, value ? "not a string" : "missing");
		return false;
	}
	*b = bytes_new(json_string_length(value) / 2);
	if (hex_decode(b->data, b->len, hex))
		return true;
	complain(r, "\"%s\" is not hexadecimal", key);
	return false;
}

static bool read_bytes_of(struct run *r, struct bytes *b, const json_t *object, const char *key)
{
	return bytes_from_hex(r, b, json_object_get(object, key), key);
}

static bool key_from_hex(struct run *r, struct bytes *b, const json_t *value, const char *key)
{
	if (!bytes_from_hex(r, b, value, key))
		return false;
	if (b->len == 32)
		return true;
	complain(r, "\"%s\" has %zu bytes, not 32", key, b->len);
	return false;
}

static bool read_key_of(struct run *r, struct bytes *b, const json_t *object, const char *key)
{
	return key_from_hex(r, b, json_object_get(object, key), key);
}

static bool same(const struct bytes *b, const uint8_t *data, size_t len)
{
	return b->len == len && !memcmp(b->data, data, len);
}

/* Is `data` free of plaintext: all zero, or as it was before? */
static bool is_clean(const uint8_t *data, const uint8_t *before, size_t len)
{
	bool zeroed = true;

	for (size_t i = 0; i < len; i++)
		zeroed &= data[i] == 0;
	return zeroed || !memcmp(data, before, len);
}

/* --- Wycheproof: AEAD --- */

struct aead_vector {
	enum suite suite;
	const char *result;
	struct bytes key, iv, aad, msg, ct, tag;
	struct bytes sealed; /* ct || tag */
};

static const char *result_of(struct run *r, const json_t *test)
{
	const char *result = json_string_value(json_object_get(test, "result"));

	if (result &&
	    (!strcmp(result, "valid") || !strcmp(result, "invalid") || !strcmp(result, "acceptable")))
		return result;
	complain(r, "\"result\" is none of valid, invalid, acceptable");
	return NULL;
}

static bool aead_vector_read(struct run *r, struct aead_vector *v, const json_t *test)
{
	v->result = result_of(r, test);
	if (!v->result || !read_bytes_of(r, &v->key, test, "key") || !read_bytes_of(r, &v->iv, test, "iv") ||
	    !read_bytes_of(r, &v->aad, test, "aad") || !read_bytes_of(r, &v->msg, test, "msg") ||
	    !read_bytes_of(r, &v->ct, test, "ct") || !read_bytes_of(r, &v->tag, test, "tag"))
		return false;
	v->sealed = bytes_new(v->ct.len + v->tag.len);
	memcpy(v->sealed.data, v->ct.data, v->ct.len);
	memcpy(v->sealed.data + v->ct.len, v->tag.data, v->tag.len);
	return true;
}

static void aead_vector_free(struct aead_vector *v)
{
	free(v->key.data);
	free(v->iv.data);
	free(v->aad.data);
	free(v->msg.data);
	free(v->ct.data);
	free(v->tag.data);
	free(v->sealed.data);
}

static void check_opened(struct run *r, const struct aead_vector *v, const char *name, bool opened,
			 const struct bytes *out, const struct bytes *before)
{
	if (opened && !strcmp(v->result, "invalid"))
		complain(r, "%s opens what is not authentic", name);
	else if (opened && !same(&v->msg, out->data, v->ct.len))
		complain(r, "%s opens it to something else", name);
	else if (!opened && !strcmp(v->result, "valid"))
		complain(r, "%s does not open it", name);
	else if (!opened && !is_clean(out->data, before->data, v->ct.len))
		complain(r, "%s leaves plaintext behind a refusal", name);
}

static void check_open(struct run *r, const struct aead_vector *v, unsigned int i, const char *name,
		       bool in_place)
{
	struct bytes out = bytes_new(v->sealed.len), before = bytes_new(v->sealed.len);
	const uint8_t *in = v->sealed.data;
	bool opened, lacks;

	if (in_place) {
		memcpy(out.data, v->sealed.data, v->sealed.len);
		memcpy(before.data, v->sealed.data, v->sealed.len);
		in = out.data;
	}
	opened = aead_vector_open(i, v->suite, v->key.data, v->key.len, out.data, v->iv.data, v->aad.data,
				  v->aad.len, in, v->sealed.len, &lacks);
	check_opened(r, v, name, opened, &out, &before);
	free(out.data);
	free(before.data);
}

/* False where the implementation has no keys of that size. */
static bool check_seal(struct run *r, const struct aead_vector *v, unsigned int i, const char *name,
		       bool in_place)
{
	struct bytes out = bytes_new(v->msg.len + PROTO_TAG_LEN);
	const uint8_t *in = v->msg.data;
	bool lacks;

	if (in_place) {
		memcpy(out.data, v->msg.data, v->msg.len);
		in = out.data;
	}
	aead_vector_seal(i, v->suite, v->key.data, v->key.len, out.data, v->iv.data, v->aad.data, v->aad.len,
			 in, v->msg.len, &lacks);
	if (!lacks && !strcmp(v->result, "valid") && !same(&v->sealed, out.data, out.len))
		complain(r, "%s seals it differently", name);
	free(out.data);
	return !lacks;
}

static enum verdict check_aead(struct run *r, const struct aead_vector *v)
{
	enum verdict verdict = SKIPPED;
	const char *name;

	if (v->iv.len != PROTO_NONCE_LEN || v->tag.len != PROTO_TAG_LEN)
		return SKIPPED;
	for (unsigned int i = 0; (name = aead_vector_name(i, v->suite)); i++) {
		if (!check_seal(r, v, i, name, false))
			continue;
		check_seal(r, v, i, name, true);
		check_open(r, v, i, name, false);
		check_open(r, v, i, name, true);
		verdict = PASSED;
	}
	return verdict;
}

static enum verdict run_aead(struct run *r, enum suite suite, const json_t *test)
{
	struct aead_vector v = { .suite = suite };
	enum verdict verdict = FAILED;

	if (aead_vector_read(r, &v, test))
		verdict = check_aead(r, &v);
	aead_vector_free(&v);
	return verdict;
}

/* --- Wycheproof: X25519 --- */

static void check_x25519(struct run *r, const char *result, const uint8_t *private_key,
			 const uint8_t *public_key, const uint8_t *shared)
{
	static const uint8_t zero[32];
	bool refuse = !memcmp(shared, zero, 32) || !strcmp(result, "invalid");
	const char *name;
	uint8_t out[32];

	for (unsigned int i = 0; (name = x25519_vector_name(i)); i++) {
		bool ok = x25519_vector(i, out, private_key, public_key);

		if (ok && refuse)
			complain(r, "%s accepts a key that it must refuse", name);
		else if (!ok && !refuse)
			complain(r, "%s refuses the key", name);
		else if (ok && memcmp(out, shared, 32))
			complain(r, "%s computes another secret", name);
	}
}

static enum verdict run_x25519(struct run *r, const json_t *test)
{
	struct bytes private_key = { 0 }, public_key = { 0 }, shared = { 0 };
	const char *result = result_of(r, test);
	enum verdict verdict = FAILED;

	if (!result || !read_bytes_of(r, &private_key, test, "private") ||
	    !read_bytes_of(r, &public_key, test, "public") || !read_bytes_of(r, &shared, test, "shared"))
		goto out;
	verdict = SKIPPED;
	if (private_key.len != 32 || public_key.len != 32 || shared.len != 32)
		goto out;
	check_x25519(r, result, private_key.data, public_key.data, shared.data);
	verdict = PASSED;
out:
	free(private_key.data);
	free(public_key.data);
	free(shared.data);
	return verdict;
}

/* --- Wycheproof: files --- */

enum kind { KIND_UNKNOWN, KIND_AES_GCM, KIND_CHACHA, KIND_X25519 };

static bool is_text(const json_t *object, const char *key, const char *text)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value && !strcmp(value, text);
}

static enum kind kind_of(const json_t *root, const json_t *group)
{
	if (is_text(group, "type", "XdhComp"))
		return is_text(group, "curve", "curve25519") ? KIND_X25519 : KIND_UNKNOWN;
	if (!is_text(group, "type", "AeadTest"))
		return KIND_UNKNOWN;
	if (is_text(root, "algorithm", "AES-GCM"))
		return KIND_AES_GCM;
	return is_text(root, "algorithm", "CHACHA20-POLY1305") ? KIND_CHACHA : KIND_UNKNOWN;
}

static enum verdict run_test(struct run *r, enum kind kind, const json_t *test)
{
	switch (kind) {
	case KIND_AES_GCM:
		return run_aead(r, SUITE_AES_256_GCM, test);
	case KIND_CHACHA:
		return run_aead(r, SUITE_CHACHA20_POLY1305, test);
	case KIND_X25519:
		return run_x25519(r, test);
	case KIND_UNKNOWN:
		break;
	}
	return SKIPPED;
}

static void run_wycheproof(struct run *r, const json_t *root, const json_t *groups)
{
	long long serial = 0;
	size_t g, t;
	json_t *group, *test;

	json_array_foreach(groups, g, group) {
		enum kind kind = kind_of(root, group);

		json_array_foreach(json_object_get(group, "tests"), t, test) {
			const json_t *id = json_object_get(test, "tcId");

			serial++;
			begin_vector(r, "tcId", json_is_integer(id) ? json_integer_value(id) : serial);
			end_vector(r, run_test(r, kind, test));
		}
	}
}

/* --- Noise --- */

struct noise_vector {
	enum suite suite;
	struct bytes init_prologue, resp_prologue;
	struct bytes init_static, init_ephemeral, init_remote_static, init_psk;
	struct bytes resp_static, resp_ephemeral, resp_psk;
	struct bytes handshake_hash; /* data is NULL where the file has none */
	const json_t *messages;
};

struct noise_message {
	struct bytes payload;
	struct bytes ciphertext;
};

static bool read_psk(struct run *r, struct bytes *b, const json_t *vector, const char *key)
{
	const json_t *list = json_object_get(vector, key);

	if (json_array_size(list) != 1) {
		complain(r, "\"%s\" is not a list of one key", key);
		return false;
	}
	return key_from_hex(r, b, json_array_get(list, 0), key);
}

static bool noise_vector_read(struct run *r, struct noise_vector *v, const json_t *vector)
{
	v->messages = json_object_get(vector, "messages");
	if (json_array_size(v->messages) < 2) {
		complain(r, "\"messages\" lacks the two of the handshake");
		return false;
	}
	if (json_object_get(vector, "handshake_hash") &&
	    !read_key_of(r, &v->handshake_hash, vector, "handshake_hash"))
		return false;
	return read_bytes_of(r, &v->init_prologue, vector, "init_prologue") &&
	       read_bytes_of(r, &v->resp_prologue, vector, "resp_prologue") &&
	       read_key_of(r, &v->init_static, vector, "init_static") &&
	       read_key_of(r, &v->init_ephemeral, vector, "init_ephemeral") &&
	       read_key_of(r, &v->init_remote_static, vector, "init_remote_static") &&
	       read_key_of(r, &v->resp_static, vector, "resp_static") &&
	       read_key_of(r, &v->resp_ephemeral, vector, "resp_ephemeral") &&
	       read_psk(r, &v->init_psk, vector, "init_psks") &&
	       read_psk(r, &v->resp_psk, vector, "resp_psks");
}

static void noise_vector_free(struct noise_vector *v)
{
	free(v->init_prologue.data);
	free(v->resp_prologue.data);
	free(v->init_static.data);
	free(v->init_ephemeral.data);
	free(v->init_remote_static.data);
	free(v->init_psk.data);
	free(v->resp_static.data);
	free(v->resp_ephemeral.data);
	free(v->resp_psk.data);
	free(v->handshake_hash.data);
}

/* `extra` is what the ciphertext has beyond the payload. */
static bool message_read(struct run *r, struct noise_message *m, const struct noise_vector *v, size_t i,
			 size_t extra)
{
	const json_t *message = json_array_get(v->messages, i);

	if (!read_bytes_of(r, &m->payload, message, "payload") ||
	    !read_bytes_of(r, &m->ciphertext, message, "ciphertext"))
		return false;
	if (m->ciphertext.len == m->payload.len + extra)
		return true;
	complain(r, "message %zu: %zu bytes of ciphertext for %zu of payload", i, m->ciphertext.len,
		 m->payload.len);
	return false;
}

static void message_free(struct noise_message *m)
{
	free(m->payload.data);
	free(m->ciphertext.data);
}

static void check_hello(struct run *r, const struct noise_vector *v, struct noise *init, struct noise *resp)
{
	struct noise_message m = { { 0 }, { 0 } };
	struct bytes made = { 0 }, opened = { 0 };
	uint8_t *c;

	if (!message_read(r, &m, v, 0, 32 + 48 + PROTO_TAG_LEN))
		goto out;
	made = bytes_new(m.ciphertext.len);
	opened = bytes_new(m.payload.len);
	c = made.data;
	if (!noise_create_hello(init, v->init_ephemeral.data, c, c + 32, c + 80, m.payload.data,
				m.payload.len) ||
	    !same(&m.ciphertext, made.data, made.len))
		complain(r, "message 0: the initiator makes another one");
	c = m.ciphertext.data;
	if (!noise_consume_hello(resp, c, c + 32, c + 80, m.ciphertext.len - 80, opened.data) ||
	    !same(&m.payload, opened.data, opened.len))
		complain(r, "message 0: the responder does not read it");
	else if (memcmp(resp->rs, init->s_pub, 32))
		complain(r, "message 0: the responder reads another static key");
out:
	message_free(&m);
	free(made.data);
	free(opened.data);
}

static void check_welcome(struct run *r, const struct noise_vector *v, struct noise *init, struct noise *resp,
			  struct noise_split *i, struct noise_split *s)
{
	struct noise_message m = { { 0 }, { 0 } };
	struct bytes made = { 0 }, opened = { 0 };
	const uint8_t *c;

	if (!message_read(r, &m, v, 1, 32 + PROTO_TAG_LEN))
		goto out;
	made = bytes_new(m.ciphertext.len);
	opened = bytes_new(m.payload.len);
	if (!noise_create_welcome(resp, v->resp_ephemeral.data, v->resp_psk.data, made.data, made.data + 32,
				  m.payload.data, m.payload.len, s) ||
	    !same(&m.ciphertext, made.data, made.len))
		complain(r, "message 1: the responder makes another one");
	c = m.ciphertext.data;
	if (!noise_consume_welcome(init, c, c + 32, m.ciphertext.len - 32, opened.data, i) ||
	    !same(&m.payload, opened.data, opened.len))
		complain(r, "message 1: the initiator does not read it");
	else if (memcmp(i, s, sizeof(*i)))
		complain(r, "the two sides split to different keys");
	else if (v->handshake_hash.data && !same(&v->handshake_hash, i->h, sizeof(i->h)))
		complain(r, "another handshake hash");
out:
	message_free(&m);
	free(made.data);
	free(opened.data);
}

/* Section 12: big endian for AESGCM, little endian for ChaChaPoly. */
static void transport_nonce(enum suite suite, uint64_t n, uint8_t nonce[PROTO_NONCE_LEN])
{
	memset(nonce, 0, PROTO_NONCE_LEN);
	for (unsigned int i = 0; i < 8; i++)
		nonce[suite == SUITE_AES_256_GCM ? 11 - i : 4 + i] = (uint8_t)(n >> 8 * i);
}

/* Message 2 is the initiator's; from there on they take turns, each counting its own. */
static void check_transport(struct run *r, const struct noise_vector *v, size_t i,
			    const struct noise_split *keys)
{
	const uint8_t *key = i % 2 == 0 ? keys->i2r : keys->r2i;
	struct noise_message m = { { 0 }, { 0 } };
	uint8_t nonce[PROTO_NONCE_LEN];
	struct bytes made = { 0 };
	const char *name;
	bool lacks;

	transport_nonce(v->suite, (i - 2) / 2, nonce);
	if (!message_read(r, &m, v, i, PROTO_TAG_LEN))
		goto out;
	made = bytes_new(m.ciphertext.len);
	for (unsigned int n = 0; (name = aead_vector_name(n, v->suite)); n++) {
		aead_vector_seal(n, v->suite, key, 32, made.data, nonce, NULL, 0, m.payload.data,
				 m.payload.len, &lacks);
		if (lacks || !same(&m.ciphertext, made.data, made.len))
			complain(r, "message %zu: %s seals it differently", i, name);
		if (!aead_vector_open(n, v->suite, key, 32, made.data, nonce, NULL, 0, m.ciphertext.data,
				      m.ciphertext.len, &lacks) ||
		    !same(&m.payload, made.data, m.payload.len))
			complain(r, "message %zu: %s does not open it", i, name);
	}
out:
	message_free(&m);
	free(made.data);
}

static void check_noise(struct run *r, const struct noise_vector *v)
{
	struct noise_split i = { .i2r = { 0 } }, s = { .i2r = { 0 } };
	uint8_t init_public[32], resp_public[32];
	struct noise init, resp;

	x25519_public(init_public, v->init_static.data);
	x25519_public(resp_public, v->resp_static.data);
	noise_init_initiator(&init, v->suite, v->init_prologue.data, v->init_prologue.len,
			     v->init_static.data, init_public, v->init_remote_static.data, v->init_psk.data);
	noise_init_responder(&resp, v->suite, v->resp_prologue.data, v->resp_prologue.len,
			     v->resp_static.data, resp_public);
	check_hello(r, v, &init, &resp);
	if (!r->complained)
		check_welcome(r, v, &init, &resp, &i, &s);
	for (size_t n = 2; !r->complained && n < json_array_size(v->messages); n++)
		check_transport(r, v, n, &i);
}

static enum verdict run_noise(struct run *r, const json_t *vector)
{
	struct noise_vector v = { .suite = SUITE_AES_256_GCM };

	if (is_text(vector, "protocol_name", "Noise_IKpsk2_25519_ChaChaPoly_SHA256"))
		v.suite = SUITE_CHACHA20_POLY1305;
	else if (!is_text(vector, "protocol_name", "Noise_IKpsk2_25519_AESGCM_SHA256"))
		return SKIPPED;
	if (noise_vector_read(r, &v, vector))
		check_noise(r, &v);
	noise_vector_free(&v);
	return PASSED;
}

/* --- Files --- */

static bool run_file(struct run *r)
{
	unsigned int before = r->count[PASSED] + r->count[FAILED];
	json_error_t error;
	json_t *root = json_load_file(r->file, 0, &error), *list, *vector;
	size_t i;

	if (!root) {
		if (error.line > 0)
			printf("%s:%d:%d: %s\n", r->file, error.line, error.column, error.text);
		else
			printf("%s\n", error.text); /* names the file */
		return false;
	}
	run_wycheproof(r, root, json_object_get(root, "testGroups"));
	list = json_object_get(root, "vectors");
	json_array_foreach(list, i, vector) {
		begin_vector(r, "vector", (long long)i);
		end_vector(r, run_noise(r, vector));
	}
	json_decref(root);
	if (r->count[PASSED] + r->count[FAILED] > before)
		return true;
	printf("%s: no vector that is known here\n", r->file);
	return false;
}

int main(int argc, char **argv)
{
	struct run r = { .what = "vector" };
	bool ok = true;

	if (argc < 2 || argv[1][0] == '-') {
		fprintf(stderr, "usage: vectors FILE...\n");
		return 2;
	}
	if (crypto_init()) {
		fprintf(stderr, "vectors: the crypto libraries do not start\n");
		return 1;
	}
	for (int i = 1; i < argc; i++) {
		r.file = argv[i];
		ok &= run_file(&r);
	}
	printf("%u passed, %u failed", r.count[PASSED], r.count[FAILED]);
	if (r.count[SKIPPED])
		printf(", %u skipped", r.count[SKIPPED]);
	putchar('\n');
	return ok && !r.count[FAILED] ? 0 : 1;
}
