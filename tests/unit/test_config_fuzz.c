/* Files cut short, files with one byte changed: a configuration or errors, never both, never neither. */
#include "test_config.h"

static const char *const seeds[] = {
	SERVER "node: { id: 7, name: gw-1 }\n"
	       "workers: auto\n"
	       "tunnel: { name: jump0, addresses: [ 10.8.0.1/24, \"fd00:8::1/64\" ], mtu: 1420 }\n"
	       "peers:\n"
	       "  - name: alice\n"
	       "    public_key: \"" KEY_A "\"\n"
	       "    addresses: [ 10.8.0.2, 'fd00:8::2' ]\n"
	       "    psk_file: psk\n"
	       "    policy: { switching: { improvement_factor: 1.25 } }\n"
	       "  - { name: bob, public_key: " KEY_B ", addresses: [ 10.8.0.3, 10.9.0.0/16 ], dns: [] }\n"
	       "peers_dir: peers.d\n"
	       "policy: { security: { replay_window: 4096 } } # a comment\n"
	       "push: { routes: [ 10.0.0.0/8 ], dns: [ 10.8.0.1 ] }\n"
	       "audit: { syslog: { facility: daemon }, jsonl: a.jsonl }\n"
	       "metrics: { listen: \"127.0.0.1:9551\" }\n",
	CLIENT "transports:\n"
	       "  - { name: wifi, interface: wlan0, address: 192.0.2.1 }\n"
	       "  - name: lte\n"
	       "    endpoint: \"udp://[2001:db8::1]:4433\"\n"
	       "tunnel: { routes: [ 0.0.0.0/0, \"::/0\" ], dns: true }\n"
	       "audit: { syslog: false }\n",
};

static void either(const char *text, size_t len)
{
	struct config_errors e;
	struct config *c = config_parse("t", text, len, &e);

	assert_true((c != NULL) == (e.count == 0));
	for (size_t i = 0; i < e.count; i++) {
		char *line = config_error_format(&e.list[i]);

		assert_non_null(line);
		assert_null(strpbrk(line, "\033\r\t"));
		assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
		free(line);
	}
	config_errors_free(&e);
	config_free(c);
}

static void test_seeds(void **state)
{
	for (size_t s = 0; s < sizeof(seeds) / sizeof(seeds[0]); s++)
		config_free(parse_good(seeds[s]));
}

/* Copies of exact size, so that a sanitizer sees the first byte read too many. */
static void test_truncations(void **state)
{
	for (size_t s = 0; s < sizeof(seeds) / sizeof(seeds[0]); s++) {
		for (size_t len = 0; len < strlen(seeds[s]); len++) {
			char *copy = malloc(len ? len : 1);

			assert_non_null(copy);
			memcpy(copy, seeds[s], len);
			either(copy, len);
			free(copy);
		}
	}
}

static void test_mutations(void **state)
{
	static const char bytes[] = "\0\n \t:-[]{}'\"#&*!|>%@`?,~0x_z\x7f\x80\xc2\xff";

	for (size_t s = 0; s < sizeof(seeds) / sizeof(seeds[0]); s++) {
		size_t len = strlen(seeds[s]);
		char *copy = malloc(len);

		assert_non_null(copy);
		memcpy(copy, seeds[s], len);
		for (size_t i = 0; i < len; i++) {
			for (size_t b = 0; b < sizeof(bytes) - 1; b++) {
				copy[i] = bytes[b];
				either(copy, len);
			}
			copy[i] = seeds[s][i];
		}
		free(copy);
	}
}

static int enter_fuzz(void **state)
{
	if (enter_dir(state))
		return -1;
	return mkdir("peers.d", 0755);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seeds),
		cmocka_unit_test(test_truncations),
		cmocka_unit_test(test_mutations),
	};

	return cmocka_run_group_tests(tests, enter_fuzz, leave_dir);
}
