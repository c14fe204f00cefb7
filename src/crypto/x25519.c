/*
 * X25519 (RFC 7748): by libsodium where it is built in, by mbedTLS always.
 *
 * Both mask the top bit of the public key and reduce what is not below p, as section 5 asks, and both
 * answer a low-order point with an error, which leaves `shared` zero.
 */
#include "crypto/crypto.h"

#include <string.h>

#include <mbedtls/ecp.h>
#include <mbedtls/hmac_drbg.h>

#include "base/log.h"
#include "config.h"
#ifdef HAVE_SODIUM
#include <sodium.h>
#endif

#define X25519_LEN 32

static void clamp(uint8_t scalar[X25519_LEN])
{
	scalar[0] &= 248;
	scalar[31] = (scalar[31] & 127) | 64;
}

static int multiply(mbedtls_ecp_group *grp, mbedtls_hmac_drbg_context *drbg, uint8_t out[X25519_LEN],
		    mbedtls_mpi *scalar, mbedtls_ecp_point *point)
{
	size_t len;
	int rc = mbedtls_ecp_mul(grp, point, scalar, point, mbedtls_hmac_drbg_random, drbg);

	if (rc)
		return rc;
	return mbedtls_ecp_point_write_binary(grp, point, MBEDTLS_ECP_PF_UNCOMPRESSED, &len, out, X25519_LEN);
}

/*
 * mbedtls_ecp_mul() blinds its coordinates with random bytes (3.6 insists on them). No randomness is
 * drawn in this room, and none is needed: blinding wants bytes an observer cannot predict, and a
 * generator seeded with the secret scalar and the point gives just those. The result does not depend on them.
 */
static bool x25519_mbedtls(uint8_t shared[32], const uint8_t private_key[32], const uint8_t public_key[32])
{
	const mbedtls_md_info_t *sha256 = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
	uint8_t seed[2 * X25519_LEN];
	mbedtls_hmac_drbg_context drbg;
	mbedtls_ecp_group grp;
	mbedtls_ecp_point point;
	mbedtls_mpi scalar;
	int rc;

	mbedtls_hmac_drbg_init(&drbg);
	mbedtls_ecp_group_init(&grp);
	mbedtls_ecp_point_init(&point);
	mbedtls_mpi_init(&scalar);
	memcpy(seed, private_key, X25519_LEN);
	memcpy(seed + X25519_LEN, public_key, X25519_LEN);
	clamp(seed);

	memset(shared, 0, X25519_LEN);
	rc = mbedtls_ecp_group_load(&grp, MBEDTLS_ECP_DP_CURVE25519);
	if (rc == 0)
		rc = mbedtls_hmac_drbg_seed_buf(&drbg, sha256, seed, sizeof(seed));
	if (rc == 0)
		rc = mbedtls_mpi_read_binary_le(&scalar, seed, X25519_LEN);
	if (rc == 0)
		rc = mbedtls_ecp_point_read_binary(&grp, &point, public_key, X25519_LEN);
	if (rc == 0)
		rc = multiply(&grp, &drbg, shared, &scalar, &point);
	if (rc)
		memset(shared, 0, X25519_LEN);

	mbedtls_mpi_free(&scalar);
	mbedtls_ecp_point_free(&point);
	mbedtls_ecp_group_free(&grp);
	mbedtls_hmac_drbg_free(&drbg);
	crypto_wipe(seed, sizeof(seed));
	return rc == 0;
}

#ifdef HAVE_SODIUM
static bool x25519_sodium(uint8_t shared[32], const uint8_t private_key[32], const uint8_t public_key[32])
{
	if (!crypto_scalarmult_curve25519(shared, private_key, public_key))
		return true;
	memset(shared, 0, X25519_LEN);
	return false;
}

bool x25519(uint8_t shared[32], const uint8_t private_key[32], const uint8_t public_key[32])
{
	return x25519_sodium(shared, private_key, public_key);
}

bool x25519_public(uint8_t public_key[32], const uint8_t private_key[32])
{
	return crypto_scalarmult_curve25519_base(public_key, private_key) == 0;
}
#else
bool x25519(uint8_t shared[32], const uint8_t private_key[32], const uint8_t public_key[32])
{
	return x25519_mbedtls(shared, private_key, public_key);
}

bool x25519_public(uint8_t public_key[32], const uint8_t private_key[32])
{
	static const uint8_t base[X25519_LEN] = { 9 };

	return x25519_mbedtls(public_key, private_key, base);
}
#endif

/* The one x25519() uses is the last. */
static const struct {
	const char *name;
	bool (*multiply)(uint8_t shared[32], const uint8_t private_key[32], const uint8_t public_key[32]);
} implementations[] = {
	{ "mbedTLS", x25519_mbedtls },
#ifdef HAVE_SODIUM
	{ "libsodium", x25519_sodium },
#endif
};

const char *x25519_vector_name(unsigned int implementation)
{
	if (implementation >= sizeof(implementations) / sizeof(implementations[0]))
		return NULL;
	return implementations[implementation].name;
}

bool x25519_vector(unsigned int implementation, uint8_t shared[32], const uint8_t private_key[32],
		   const uint8_t public_key[32])
{
	if (!x25519_vector_name(implementation))
		bug("x25519_vector: no implementation %u", implementation);
	return implementations[implementation].multiply(shared, private_key, public_key);
}
