/* `jumpvpnd keygen`: a fresh X25519 private key, as `wg genkey` writes one; and `jumpvpnd pubkey`: its public key. */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "cmd/cmd.h"
#include "crypto/crypto.h"

/* Neither takes arguments: answers --help, anything else with an error; an exit code. */
static int usage(const char *arg, const char *text)
{
	if (!strcmp(arg, "--help") || !strcmp(arg, "-h")) {
		fputs(text, stdout);
		return EXIT_DONE;
	}
	fprintf(stderr, "unexpected argument \"%s\"\n%s", arg, text);
	return EXIT_USAGE;
}

/* --- keygen --- */

static const char keygen_usage[] =
	"usage: jumpvpnd keygen > FILE\n\n"
	"Writes a new private key to standard output. Keep it secret: (umask 077; jumpvpnd keygen > FILE).\n\n"
	CMD_EXIT_CODES;

static void warn_of_readers(void)
{
	struct stat st;

	if (fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077))
		fprintf(stderr,
			"warning: others may read the file this key goes to; use \"umask 077\" before\n");
}

int cmd_keygen(int argc, char **argv)
{
	uint8_t key[32];
	char text[KEY_BASE64_LEN + 1];
	bool written;

	if (argc > 1)
		return usage(argv[1], keygen_usage);
	if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key)) {
		fprintf(stderr, "jumpvpnd keygen: no random bytes: %s\n", strerror(errno));
		return EXIT_NO;
	}
	warn_of_readers();
	key[0] &= 248; /* as RFC 7748 section 5 does on use; so that equal keys look equal */
	key[31] = (key[31] & 127) | 64;
	base64_encode(text, key, sizeof(key));
	written = printf("%s\n", text) > 0 && fflush(stdout) == 0;
	crypto_wipe(key, sizeof(key));
	crypto_wipe(text, sizeof(text));
	if (!written)
		fprintf(stderr, "jumpvpnd keygen: cannot write the key: %s\n", strerror(errno));
	return written ? EXIT_DONE : EXIT_NO;
}

/* --- pubkey --- */

static const char pubkey_usage[] =
	"usage: jumpvpnd pubkey < FILE\n\n"
	"Reads a private key from standard input and writes its public key to standard output.\n\n"
	CMD_EXIT_CODES;

/* All of standard input, without stdio, which would keep a copy of the key; its length, or -1. */
static ssize_t read_input(char *buf, size_t cap)
{
	size_t len = 0;

	while (len < cap) {
		ssize_t n = read(STDIN_FILENO, buf + len, cap - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

/* The key with the white space behind it taken off; NULL, or what is wrong with it. */
static const char *parse_key(uint8_t key[32], char *text, size_t len)
{
	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	text[len] = '\0';
	if (!len)
		return "standard input is empty: it must hold one private key in base64";
	if (len != KEY_BASE64_LEN || strlen(text) != len)
		return "a private key is 44 characters of base64, and nothing else may stand beside it";
	if (!base64_decode(key, 32, text))
		return "this is not the base64 of 32 bytes";
	return NULL;
}

int cmd_pubkey(int argc, char **argv)
{
	char text[256];
	uint8_t key[32], public_key[32];
	const char *wrong;
	ssize_t len;

	if (argc > 1)
		return usage(argv[1], pubkey_usage);
	len = read_input(text, sizeof(text) - 1);
	wrong = len < 0 ? strerror(errno) : parse_key(key, text, (size_t)len);
	if (!wrong && crypto_init() < 0)
		wrong = "the crypto library does not start";
	if (!wrong && !x25519_public(public_key, key))
		wrong = "out of memory";
	if (!wrong) {
		base64_encode(text, public_key, sizeof(public_key));
		if (printf("%s\n", text) < 0 || fflush(stdout) != 0)
			wrong = "cannot write the public key";
	}
	crypto_wipe(key, sizeof(key));
	crypto_wipe(text, sizeof(text));
	if (wrong)
		fprintf(stderr, "jumpvpnd pubkey: %s\n", wrong);
	return wrong ? EXIT_NO : EXIT_DONE;
}
