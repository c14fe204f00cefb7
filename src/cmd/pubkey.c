/* `jumpvpnd pubkey`: the public key of the private key on standard input, as `wg pubkey`. */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cmd/cmd.h"
#include "cmd/keys.h"
#include "crypto/crypto.h"

static const char usage[] =
	"usage: jumpvpnd pubkey < FILE\n\n"
	"Reads a private key from standard input and writes its public key to standard output.\n\n"
	CMD_EXIT_CODES;

int keys_usage(const char *arg, const char *text)
{
	if (!strcmp(arg, "--help") || !strcmp(arg, "-h")) {
		fputs(text, stdout);
		return EXIT_DONE;
	}
	fprintf(stderr, "unexpected argument \"%s\"\n%s", arg, text);
	return EXIT_USAGE;
}

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
		return keys_usage(argv[1], usage);
	len = read_input(text, sizeof(text) - 1);
	wrong = len < 0 ? strerror(errno) : parse_key(key, text, (size_t)len);
	if (!wrong && crypto_init() < 0)
		wrong = "the crypto library does not start";
	if (!wrong) {
		x25519_public(public_key, key);
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
