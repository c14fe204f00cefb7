/*
 * AES-GCM and ChaCha20-Poly1305 by intel-ipsec-mb (x86-64), for bulk.
 *
 * Its manager queues jobs and belongs to one thread. We queue nothing: the direct calls work on the
 * memory they are handed and never see a manager, so one manager is made at start, asked for the
 * functions it chose for this CPU, and freed; what is left is constant and any thread may use it.
 */
#include "crypto/aead.h"

#ifdef HAVE_IPSEC_MB

#include <errno.h>
#include <intel-ipsec-mb.h>
#include <string.h>

#define KEY_LEN_COUNT 3 /* AES-128, -192, -256 */

/* Written by aead_ipsec_mb_init() alone, before there is a second thread. */
static struct {
	bool has_gcm, has_chacha;
	const char *arch;
	keyexp_t round_keys;
	aes_gcm_pre_t expand[KEY_LEN_COUNT];
	aes_gcm_enc_dec_t enc[KEY_LEN_COUNT];
	aes_gcm_enc_dec_t dec[KEY_LEN_COUNT];
	chacha_poly_init_t chacha_init;
	chacha_poly_enc_dec_update_t chacha_enc;
	chacha_poly_enc_dec_update_t chacha_dec;
	chacha_poly_finalize_t chacha_final;
} lib = { .arch = "none" };

struct gcm_key {
	struct aead_key head;
	aes_gcm_enc_dec_t enc;
	aes_gcm_enc_dec_t dec;
	struct gcm_context_data ctx; /* here and not on the stack: it ends as secret as the key */
	_Alignas(64) struct gcm_key_data expanded;
};

struct chacha_key {
	struct aead_key head;
	uint8_t key[32];
	struct chacha20_poly1305_context_data ctx;
};

static_assert(sizeof(struct gcm_key) <= AEAD_KEY_MAX, "gcm_key");
static_assert(sizeof(struct chacha_key) <= AEAD_KEY_MAX, "chacha_key");

static bool gcm_init(struct aead_key *k, const uint8_t *key, size_t klen)
{
	struct gcm_key *g = (struct gcm_key *)k;
	size_t i = klen / 8 - 2;

	if (klen != 16 && klen != 24 && klen != 32)
		return false;
	g->enc = lib.enc[i];
	g->dec = lib.dec[i];
	lib.expand[i](key, &g->expanded);
	return true;
}

static void nothing_to_free(struct aead_key *k)
{
	(void)k;
}

static void gcm_seal(struct aead_key *k, uint8_t *out, const uint8_t *nonce, const void *ad, size_t adlen,
		     const uint8_t *in, size_t len)
{
	struct gcm_key *g = (struct gcm_key *)k;

	g->enc(&g->expanded, &g->ctx, out, in, len, nonce, ad, adlen, out + len, PROTO_TAG_LEN);
}

static bool gcm_open(struct aead_key *k, uint8_t *out, const uint8_t *nonce, const void *ad, size_t adlen,
		     const uint8_t *in, size_t len)
{
	struct gcm_key *g = (struct gcm_key *)k;
	uint8_t tag[PROTO_TAG_LEN];

	g->dec(&g->expanded, &g->ctx, out, in, len, nonce, ad, adlen, tag, sizeof(tag));
	return crypto_equal(tag, in + len, sizeof(tag));
}

static bool chacha_init(struct aead_key *k, const uint8_t *key, size_t klen)
{
	struct chacha_key *c = (struct chacha_key *)k;

	if (klen != sizeof(c->key))
		return false;
	memcpy(c->key, key, sizeof(c->key));
	return true;
}

static void chacha_seal(struct aead_key *k, uint8_t *out, const uint8_t *nonce, const void *ad, size_t adlen,
			const uint8_t *in, size_t len)
{
	struct chacha_key *c = (struct chacha_key *)k;

	lib.chacha_init(c->key, &c->ctx, nonce, ad, adlen);
	lib.chacha_enc(c->key, &c->ctx, out, in, len);
	lib.chacha_final(&c->ctx, out + len, PROTO_TAG_LEN);
}

static bool chacha_open(struct aead_key *k, uint8_t *out, const uint8_t *nonce, const void *ad, size_t adlen,
			const uint8_t *in, size_t len)
{
	struct chacha_key *c = (struct chacha_key *)k;
	uint8_t tag[PROTO_TAG_LEN];

	lib.chacha_init(c->key, &c->ctx, nonce, ad, adlen);
	lib.chacha_dec(c->key, &c->ctx, out, in, len);
	lib.chacha_final(&c->ctx, tag, sizeof(tag));
	return crypto_equal(tag, in + len, sizeof(tag));
}

static const struct aead_ops gcm_ops = {
	"ipsec-mb", sizeof(struct gcm_key), gcm_init, nothing_to_free, gcm_seal, gcm_open,
};
static const struct aead_ops chacha_ops = {
	"ipsec-mb", sizeof(struct chacha_key), chacha_init, nothing_to_free, chacha_seal, chacha_open,
};

static const char *arch_name(IMB_ARCH arch)
{
	switch (arch) {
	case IMB_ARCH_SSE:
		return "SSE";
#if IMB_VERSION_NUM < IMB_VERSION(2, 0, 0) /* 2.0 has nothing between SSE and AVX2 */
	case IMB_ARCH_AVX:
		return "AVX";
#endif
	case IMB_ARCH_AVX2:
		return "AVX2";
	case IMB_ARCH_AVX512:
		return "AVX512";
	default:
		return "none";
	}
}

static void take_functions(const IMB_MGR *m)
{
	const aes_gcm_pre_t expand[] = { m->gcm128_pre, m->gcm192_pre, m->gcm256_pre };
	const aes_gcm_enc_dec_t enc[] = { m->gcm128_enc, m->gcm192_enc, m->gcm256_enc };
	const aes_gcm_enc_dec_t dec[] = { m->gcm128_dec, m->gcm192_dec, m->gcm256_dec };

	lib.round_keys = m->keyexp_256;
	memcpy(lib.expand, expand, sizeof(expand));
	memcpy(lib.enc, enc, sizeof(enc));
	memcpy(lib.dec, dec, sizeof(dec));
	lib.chacha_init = m->chacha20_poly1305_init;
	lib.chacha_enc = m->chacha20_poly1305_enc_update;
	lib.chacha_dec = m->chacha20_poly1305_dec_update;
	lib.chacha_final = m->chacha20_poly1305_finalize;
}

/* Without AES instructions the library emulates them, slowly; mbedTLS is then as good. */
static bool is_usable(IMB_MGR *m, IMB_ARCH arch)
{
	const uint64_t needed = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;

	if (imb_get_errno(m) || arch < IMB_ARCH_SSE || (m->features & needed) != needed)
		return false;
	return !(m->features & IMB_FEATURE_SELF_TEST) || m->features & IMB_FEATURE_SELF_TEST_PASS;
}

int aead_ipsec_mb_init(void)
{
	IMB_ARCH arch = IMB_ARCH_NONE;
	IMB_MGR *m;

	if (lib.has_gcm)
		return 0;
	m = alloc_mb_mgr(0);
	if (!m)
		return -ENOMEM;
	init_mb_mgr_auto(m, &arch);
	if (is_usable(m, arch)) {
		take_functions(m);
		lib.arch = arch_name(arch);
		lib.has_gcm = true;
		lib.has_chacha = lib.chacha_init && lib.chacha_enc && lib.chacha_dec && lib.chacha_final;
	}
	free_mb_mgr(m);
	return 0;
}

const struct aead_ops *aead_ipsec_mb(enum suite suite)
{
	switch (suite) {
	case SUITE_AES_256_GCM:
		return lib.has_gcm ? &gcm_ops : NULL;
	case SUITE_CHACHA20_POLY1305:
		return lib.has_chacha ? &chacha_ops : NULL;
	}
	return NULL;
}

const char *aead_ipsec_mb_arch(void)
{
	return lib.arch;
}

void aead_ipsec_mb_expand(uint8_t rounds[15][16], const uint8_t key[32])
{
	_Alignas(16) uint8_t unused[15][16]; /* of decryption */

	lib.round_keys(key, rounds, unused);
	crypto_wipe(unused, sizeof(unused));
}

#endif
