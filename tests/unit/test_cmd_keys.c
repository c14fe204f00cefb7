/* keygen and pubkey as programs: what goes in and out of their standard streams, and their exit codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "cmd/cmd.h"

struct result {
	int code;
	char out[512];
	char err[512];
};

static void put(FILE *file, const char *text, size_t len)
{
	assert_int_equal(fwrite(text, 1, len, file), len);
	rewind(file);
	assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
}

static void get(FILE *file, char text[512])
{
	rewind(file);
	text[fread(text, 1, 511, file)] = '\0';
	fclose(file);
}

static struct result run(int (*cmd)(int argc, char **argv), char *arg, const char *in, size_t inlen,
			 mode_t mode)
{
	FILE *files[3] = { tmpfile(), tmpfile(), tmpfile() };
	char name[] = "test";
	char *argv[] = { name, arg, NULL };
	struct result r;
	int status;
	pid_t pid;

	put(files[0], in, inlen);
	fchmod(fileno(files[1]), mode);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 3; i++)
			dup2(fileno(files[i]), i);
		status = cmd(arg ? 2 : 1, argv);
		fflush(NULL);
		_exit(status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	r.code = WEXITSTATUS(status);
	get(files[1], r.out);
	get(files[2], r.err);
	fclose(files[0]);
	return r;
}

static struct result pubkey(const char *in)
{
	return run(cmd_pubkey, NULL, in, strlen(in), 0600);
}

static void test_keygen(void **state)
{
	struct result a = run(cmd_keygen, NULL, "", 0, 0600), b = run(cmd_keygen, NULL, "", 0, 0600);
	uint8_t key[32];

	assert_int_equal(a.code, 0);
	assert_string_equal(a.err, "");
	assert_int_equal(strlen(a.out), KEY_BASE64_LEN + 1);
	assert_int_equal(a.out[KEY_BASE64_LEN], '\n');
	a.out[KEY_BASE64_LEN] = '\0';
	assert_true(base64_decode(key, 32, a.out));
	assert_int_equal(key[0] & 7, 0);
	assert_int_equal(key[31] & 0xc0, 0x40);
	assert_memory_not_equal(a.out, b.out, KEY_BASE64_LEN);
}

static void test_keygen_warns(void **state)
{
	struct result r = run(cmd_keygen, NULL, "", 0, 0644);

	assert_int_equal(r.code, 0);
	assert_non_null(strstr(r.err, "others may read"));
}

static void test_pair(void **state)
{
	struct result key = run(cmd_keygen, NULL, "", 0, 0600);
	struct result pub = pubkey(key.out);

	assert_int_equal(pub.code, 0);
	assert_int_equal(strlen(pub.out), KEY_BASE64_LEN + 1);
	assert_memory_not_equal(key.out, pub.out, KEY_BASE64_LEN);
}

/* RFC 7748 section 6.1, Alice. */
#define PRIVATE "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo="
#define PUBLIC "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="

static void test_known_key(void **state)
{
	static const char *const inputs[] = { PRIVATE, PRIVATE "\n", PRIVATE "\r\n", PRIVATE " \n\t\n" };

	for (size_t i = 0; i < sizeof(inputs) / sizeof(*inputs); i++) {
		struct result r = pubkey(inputs[i]);

		assert_int_equal(r.code, 0);
		assert_string_equal(r.out, PUBLIC "\n");
		assert_string_equal(r.err, "");
	}
}

static void expect_refused(struct result r, const char *why)
{
	assert_int_equal(r.code, 1);
	assert_string_equal(r.out, "");
	assert_non_null(strstr(r.err, why));
	assert_null(strstr(r.err, "dwdtCnMYpX08")); /* no part of a key in a message */
}

static void test_bad_keys(void **state)
{
	char longer[4096];

	expect_refused(pubkey(""), "empty");
	expect_refused(pubkey("\n"), "empty");
	expect_refused(pubkey("dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo"), "44 characters");
	expect_refused(pubkey(PRIVATE "\n" PRIVATE "\n"), "44 characters");
	expect_refused(pubkey(" " PRIVATE), "44 characters");
	expect_refused(pubkey("dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCp="), "not the base64");
	expect_refused(pubkey("!wdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo="), "not the base64");
	expect_refused(run(cmd_pubkey, NULL, PRIVATE "\0\n", sizeof(PRIVATE) + 1, 0600), "44 characters");
	memset(longer, 'A', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	expect_refused(pubkey(longer), "44 characters");
}

static void test_usage(void **state)
{
	char help[] = "--help", other[] = "file";
	struct result r = run(cmd_keygen, help, "", 0, 0600);

	assert_int_equal(r.code, 0);
	assert_non_null(strstr(r.out, "usage: jumpvpnd keygen"));
	assert_non_null(strstr(r.out, "Exit codes"));
	r = run(cmd_pubkey, other, "", 0, 0600);
	assert_int_equal(r.code, 2);
	assert_string_equal(r.out, "");
	assert_non_null(strstr(r.err, "unexpected argument \"file\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keygen),   cmocka_unit_test(test_keygen_warns),
		cmocka_unit_test(test_pair),     cmocka_unit_test(test_known_key),
		cmocka_unit_test(test_bad_keys), cmocka_unit_test(test_usage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
