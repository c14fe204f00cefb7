/* `jumpvpnd keygen`: a fresh X25519 private key, as `wg genkey` writes one. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "cmd/cmd.h"
#include "cmd/keys.h"
#include "crypto/crypto.h"

static const char usage[] =
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
		return keys_usage(argv[1], usage);
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
