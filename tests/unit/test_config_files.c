/* What may be wrong with the files a configuration names: key files, peers_dir, the file itself. */
#include "test_config.h"

static void expect_file_error(const char *file, const char *expect)
{
	struct config_errors e;
	char buf[2048];

	assert_null(config_load(file, &e));
	assert_string_equal(messages(&e, buf, sizeof(buf)), expect);
}

static void test_unreadable(void **state)
{
	expect_file_error("nowhere.yaml", "nowhere.yaml: cannot be read: No such file or directory\n");
	expect_file_error(".", ".: cannot be read: Is a directory\n");
}

/* --- key files --- */

static void expect_key(const char *text, const char *expect)
{
	struct config_errors e;
	char buf[2048];

	assert_null(config_parse("t", STR(text), &e));
	assert_string_equal(messages(&e, buf, sizeof(buf)), expect);
}

#define WITH_KEY(file) "version: \"1.0\"\nprivate_key_file: " file "\nlisten: [ \"udp://0.0.0.0:4433\" ]\n"

static void test_key_mode(void **state)
{
	static const mode_t open_modes[] = { 0610, 0620, 0640, 0601, 0602, 0604, 0644, 0777, 0440 };
	char expect[256];

	for (size_t i = 0; i < sizeof(open_modes) / sizeof(open_modes[0]); i++) {
		put_file("open", KEY_A "\n", open_modes[i]);
		snprintf(expect, sizeof(expect),
			 "t:2:19: private_key_file: open is open to others (mode %04o); "
			 "mend it with: chmod 600 open\n",
			 (unsigned int)open_modes[i]);
		expect_key(WITH_KEY("open"), expect);
	}
	put_file("open", KEY_A "\n", 0600);
	config_free(parse_good(WITH_KEY("open")));
	put_file("open", KEY_A "\n", 0400);
	config_free(parse_good(WITH_KEY("open")));
}

static void test_key_content(void **state)
{
	static const char *const wrong[] = {
		"",
		"\n",
		"QUFB\n",
		KEY_ZERO "\n",
		KEY_A KEY_A,
		KEY_A "\nmore\n",
		" " KEY_A "\n",
		"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUF=\n",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		put_file("bad", wrong[i], 0600);
		expect_key(WITH_KEY("bad"),
			   "t:2:19: private_key_file: bad holds no key: one line of 44 characters of "
			   "base64, not all zero; make one with: (umask 077; jumpvpnd keygen > bad)\n");
	}
	put_file("bad", KEY_A, 0600);
	config_free(parse_good(WITH_KEY("bad")));
	put_file("bad", KEY_A " \r\n\n", 0600);
	config_free(parse_good(WITH_KEY("bad")));
}

static void test_key_kind(void **state)
{
	assert_int_equal(mkdir("dir", 0700), 0);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	expect_key(WITH_KEY("dir"), "t:2:19: private_key_file: dir is not a regular file\n");
	expect_key(WITH_KEY("fifo"), "t:2:19: private_key_file: fifo is not a regular file\n");
	expect_key(WITH_KEY("nokey"), "t:2:19: private_key_file: nokey does not exist; make it with: "
				      "(umask 077; jumpvpnd keygen > nokey)\n");
	expect_key(SERVER "peers: [ { name: a, public_key: " KEY_A
			  ", addresses: [ 10.0.0.2 ], psk_file: nopsk } ]\n",
		   "t:5:114: peers[0].psk_file: nopsk does not exist; make it with: "
		   "(umask 077; head -c 32 /dev/urandom | base64 > nopsk)\n");
}

/* Only root can give a file away. */
static void test_key_owner(void **state)
{
	if (geteuid() != 0)
		skip();
	put_file("theirs", KEY_A "\n", 0600);
	assert_int_equal(chown("theirs", 12345, 0), 0);
	expect_key(WITH_KEY("theirs"),
		   "t:2:19: private_key_file: theirs belongs to user 12345; allowed: root, or the "
		   "user that runs this; mend it with: chown root theirs\n");
}

/* The documented steps: root checks what the service's own user will read. */
static void test_key_owner_checked(void **state)
{
	struct config_errors errors, notes;
	struct config *config;

	if (geteuid() != 0)
		skip();
	put_file("key2", KEY_A "\n", 0600);
	assert_int_equal(chown("key2", 12345, 0), 0);
	put_file(
		"t",
		"version: \"1.0\"\nrole: server\nprivate_key_file: key2\nlisten: [ \"udp://0.0.0.0:4433\" ]\ntunnel: { addresses: [ 10.8.0.1/24 ] }\n",
		0644);
	config = config_check("t", &errors, &notes);
	assert_non_null(config);
	assert_int_equal(notes.count, 1);
	assert_non_null(
		strstr(notes.list[0].text, "key2 belongs to user 12345: only a daemon that is started as"));
	config_free(config);
	config_errors_free(&errors);
	config_errors_free(&notes);
}

/* --- across files --- */

static void test_peers_dir(void **state)
{
	assert_int_equal(mkdir("d", 0755), 0);
	put_file("d/10.yaml", "- { name: b, public_key: " KEY_B ", addresses: [ 10.0.0.3 ] }\n", 0644);
	put_file("d/20.yaml",
		 "- { name: a, public_key: " KEY_B ", addresses: [ 10.0.0.4, 10.0.0.3 ], dsn: [] }\n", 0644);
	put_file("d/30.yaml", "peers: []\n", 0644);
	put_file("d/40.yaml", "", 0644);
	put_file("d/50.yaml", "- [\n", 0644);
	assert_int_equal(mkdir("d/60.yaml", 0755), 0);
	put_file("main.yaml",
		 SERVER "peers_dir: d\npeers: [ { name: a, public_key: " KEY_A
			", addresses: [ 10.0.0.2 ] } ]\nmtu: 1\n",
		 0644);
	expect_file_error(
		"main.yaml",
		"main.yaml:7:1: mtu: unknown key; did you mean \"tunnel.mtu\"?\n"
		"d/20.yaml:1:11: [0].name: \"a\" is another peer's already, at main.yaml:6:18\n"
		"d/20.yaml:1:26: [0].public_key: \"" KEY_B "\" is another peer's already, at d/10.yaml:1:26\n"
		"d/20.yaml:1:95: [0].addresses[1]: 10.0.0.3 is peer \"b\"'s already, at d/10.yaml:1:85\n"
		"d/20.yaml:1:107: [0].dsn: unknown key; did you mean \"dns\"?\n"
		"d/30.yaml:1:1: expected a list of peers, found a mapping\n"
		"d/40.yaml: the file is empty\n"
		"d/50.yaml:2:1: not valid YAML: did not find expected node content (while parsing a flow "
		"node, which began at line 2)\n"
		"d/60.yaml: cannot be read: not a regular file\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unreadable),  cmocka_unit_test(test_key_mode),
		cmocka_unit_test(test_key_content), cmocka_unit_test(test_key_kind),
		cmocka_unit_test(test_key_owner),   cmocka_unit_test(test_key_owner_checked),
		cmocka_unit_test(test_peers_dir),
	};

	return cmocka_run_group_tests(tests, enter_dir, leave_dir);
}
