/* Start-up of the crypto room: wakes the accelerators and tells what will do the work. */
#include "crypto/crypto.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <mbedtls/aes.h> /* for the library's configuration */
#include <mbedtls/version.h>
#include "config.h"
#ifdef HAVE_SODIUM
#include <sodium.h>
#endif
#ifdef HAVE_IPSEC_MB
#include <intel-ipsec-mb.h>
#endif
#ifdef __aarch64__
#include <sys/auxv.h>
#endif

#include "crypto/aead.h"

/* Written by crypto_init() alone, before there is a second thread. */
static char description[192] = "not initialised";

bool crypto_has_aes(void)
{
#ifdef __x86_64__
	return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#elif defined(__aarch64__) && defined(MBEDTLS_AESCE_C)
	/* mbedTLS 2.28 does not use them, and then they do not count. */
	return getauxval(AT_HWCAP) & HWCAP_AES;
#else
	return false;
#endif
}

static void describe_aead(char *out, size_t size, enum suite suite)
{
	const struct aead_ops *fast = aead_ipsec_mb(suite);

	if (fast)
		snprintf(out, size, "%s (%s)", fast->name, aead_ipsec_mb_arch());
	else
		snprintf(out, size, "%s", aead_mbedtls(suite)->name);
}

static void describe(void)
{
	char aes[48], chacha[48];
	unsigned int last = 0;

	while (x25519_vector_name(last + 1))
		last++;
	describe_aead(aes, sizeof(aes), SUITE_AES_256_GCM);
	describe_aead(chacha, sizeof(chacha), SUITE_CHACHA20_POLY1305);
	snprintf(description, sizeof(description), "AES-256-GCM by %s, ChaCha20-Poly1305 by %s, X25519 by %s",
		 aes, chacha, x25519_vector_name(last));
}

int crypto_init(void)
{
	int rc;

#ifdef HAVE_SODIUM
	/* Picks its code for this CPU; it seeds a generator too, which nobody here asks. */
	if (sodium_init() < 0)
		return -EIO;
#endif
	rc = aead_ipsec_mb_init();
	if (rc)
		return rc;
	describe();
	return 0;
}

const char *crypto_describe(void)
{
	return description;
}

static const char *mbedtls_version(void)
{
	static char text[18]; /* the library writes no more; always the same */

	mbedtls_version_get_string(text);
	return text;
}

const char *crypto_library(unsigned int n, const char **name)
{
	static const struct library {
		const char *name;
		const char *(*version)(void);
	} libraries[] = {
		{ "mbedTLS", mbedtls_version },
#ifdef HAVE_SODIUM
		{ "libsodium", sodium_version_string },
#endif
#ifdef HAVE_IPSEC_MB
		{ "ipsec-mb", imb_get_version_str },
#endif
	};

	if (n >= sizeof(libraries) / sizeof(*libraries))
		return NULL;
	*name = libraries[n].name;
	return libraries[n].version();
}
