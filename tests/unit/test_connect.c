/* Where a session begins, and what is known while none does. */
#include <errno.h>

#include "world.h"
#include "session/called.h"
#include "session/client_state.h"
#include "session/engine.h"
#include "session/info.h"

#define CLIENT WORLD_WORKERS

static uint8_t active_of(struct world *w)
{
	world_assert(w, world_until(w, world_all_attached, 3000));
	return world_session(w, 0)->active->number;
}

static struct world *world_of(uint64_t seed)
{
	struct world *w = world_new(1, 1);

	w->rng.state = seed;
	return w;
}

/* --- the preferred transport --- */

static void test_preferred_is_slow(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct world *w = world_of(seed);

		w->client[0].link[0].delay_us = 220000;
		world_start(w);
		assert_int_equal(active_of(w), 0);
		world_free(w);
	}
}

/* One lost packet, whichever of the handshake it is, does not put the session elsewhere. */
static void test_preferred_loses_one(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct world *w = world_of(seed);

		world_swallow_type(w, seed % 2, seed % 2 ? PACKET_HELLO : PACKET_WELCOME, 1);
		world_start(w);
		assert_int_equal(active_of(w), 0);
		assert_true(w->swallowed == 1);
		world_free(w);
	}
}

/* It costs half a second when it is dead. */
static void test_preferred_is_dead(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct world *w = world_of(seed);

		w->client[0].link[0].cut_up = true;
		world_start(w);
		assert_int_equal(active_of(w), 1);
		assert_in_range(w->now.us - START_US, 500000, 520000);
		world_free(w);
	}
}

/* And nothing when it is not there. */
static void test_preferred_is_down(void **state)
{
	struct world *w = world_of(1);

	world_start(w);
	engine_candidate_down(world_client_engine(w, 0), 0, REASON_TRANSPORT_DEAD, w->now);
	assert_int_equal(active_of(w), 1);
	assert_in_range(w->now.us - START_US, 0, 20000);
	world_free(w);
}

/* Down in the middle of its head start: the others need not wait for it. */
static void test_preferred_goes_down(void **state)
{
	struct world *w = world_of(1);

	w->client[0].link[0].cut_up = true;
	world_start(w);
	world_run(w, 20);
	engine_candidate_down(world_client_engine(w, 0), 0, REASON_TRANSPORT_DEAD, w->now);
	assert_int_equal(active_of(w), 1);
	assert_in_range(w->now.us - START_US, 0, 270000);
	world_free(w);
}

/* Alone, a path is called as often as ever. */
static void test_single(void **state)
{
	struct world *w = world_of(1);

	w->paths = 1;
	w->client[0].link[0].cut_up = true;
	world_start(w);
	world_run(w, 1000);
	assert_in_range(world_client_engine(w, 0)->client->next_serial, 2, 3);
	world_free(w);
}

/* --- nobody answers --- */

static struct path_info called(struct world *w, uint8_t number)
{
	struct session_info info;

	assert_true(engine_connecting(world_client_engine(w, 0), &info, w->now));
	assert_true(number < info.npaths);
	return info.path[number];
}

static const char *text_of(struct world *w)
{
	static char buf[CALLED_TEXT_MAX];
	const struct path_info p = called(w, 0);
	const char *text = called_text(&p, buf);

	assert_non_null(text);
	return text;
}

static struct world *single(void)
{
	struct world *w = world_of(1);

	w->paths = 1;
	return w;
}

/* After 5 s, and then each minute. */
static void test_complaints(void **state)
{
	struct world *w = single();

	w->client[0].link[0].cut_up = true;
	world_start(w);
	world_run(w, 4900);
	assert_int_equal(w->client[0].complaints, 0);
	world_run(w, 200);
	assert_int_equal(w->client[0].complaints, 1);
	assert_true(called(w, 0).sent > 3 && called(w, 0).received == 0);
	assert_non_null(strstr(text_of(w), "no answer: is server.public_key"));
	world_run(w, 59000);
	assert_int_equal(w->client[0].complaints, 1);
	world_run(w, 1000 + 535000);
	assert_int_equal(w->client[0].complaints, 10);
	w->client[0].link[0].cut_up = false;
	world_assert(w, world_until(w, world_all_attached, 10000));
	world_run(w, 120000);
	assert_int_equal(w->client[0].complaints, 10);
	world_free(w);
}

/* A client that is down knows that, too. */
static void test_nothing_sent(void **state)
{
	struct world *w = single();
	char buf[CALLED_TEXT_MAX];
	struct path_info p;

	world_start(w);
	engine_candidate_down(world_client_engine(w, 0), 0, REASON_TRANSPORT_DEAD, w->now);
	world_run(w, 5100);
	assert_int_equal(w->client[0].complaints, 1);
	p = called(w, 0);
	assert_null(called_text(&p, buf));
	assert_int_equal(p.fault, FAULT_NO_CARRIER);
	world_free(w);
}

/* A PSK on one side alone: there is an answer, and it does not open. */
static void test_psk(void **state)
{
	struct world *w = single();

	memset(w->client[0].config.server_psk, 1, 32);
	world_start(w);
	world_run(w, 5100);
	assert_int_equal(w->client[0].complaints, 1);
	assert_true(called(w, 0).strange > 0);
	assert_non_null(strstr(text_of(w), "server.psk_file"));
	assert_null(world_session(w, 0));
	world_free(w);
}

/* Another server's key: mac1 is wrong, and who does not know it gets silence. */
static void test_wrong_key(void **state)
{
	struct world *w = single();

	w->client[0].config.server_public_key[0] ^= 1;
	world_start(w);
	world_run(w, 5100);
	assert_non_null(strstr(text_of(w), "no answer: is server.public_key"));
	world_free(w);
}

static void test_icmp(void **state)
{
	static const struct {
		int error;
		const char *text;
	} cases[] = {
		{ ECONNREFUSED, "nothing listens on that port" },
		{ ENETUNREACH, "is there a route" },
		{ EPERM, "firewall" },
		{ EIO, "Input/output error" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *w = single();
		struct engine *e;

		w->client[0].link[0].cut_up = true;
		world_start(w);
		world_run(w, 2000);
		e = world_client_engine(w, 0);
		engine_path_error(e, 999, EPIPE); /* not ours */
		for (unsigned int n = 0; n < PROTO_PATHS_MAX; n++)
			if (e->client->attempt[n].open)
				engine_path_error(e, e->client->attempt[n].socket, cases[i].error);
		world_assert(w, strstr(text_of(w), cases[i].text));
		world_free(w);
	}
}

static struct datagram welcome_of(struct world *w)
{
	for (size_t i = w->record.n; i-- > 0;)
		if (w->record.list[i].data[0] == PACKET_WELCOME)
			return w->record.list[i];
	assert_true(false);
	return w->record.list[0];
}

/* It answers this HELLO, and opens; but says that it is of another suite. */
static void test_welcome_of_another_suite(void **state)
{
	struct world *w = world_of(1);
	struct datagram d;

	(void)state;
	w->recording = RECORD_SENT;
	world_swallow_type(w, false, PACKET_WELCOME, UINT32_MAX);
	world_start(w);
	world_run(w, 100);
	d = welcome_of(w);
	for (unsigned int suite = 0; suite < 4; suite++) {
		const uint64_t bad = world_count(w, CLIENT, COUNT_WELCOME_BAD);
		const uint8_t right = d.data[1];

		if (suite == right)
			continue;
		d.data[1] = (uint8_t)suite;
		world_late(w, &d);
		world_run(w, 5);
		assert_int_equal(world_count(w, CLIENT, COUNT_WELCOME_BAD), bad + 1);
		assert_null(world_client_engine(w, 0)->client->next);
		d.data[1] = right;
	}
	world_late(w, &d);
	world_run(w, 5);
	world_assert(w, world_all_attached(w));
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_preferred_is_slow),  cmocka_unit_test(test_preferred_loses_one),
		cmocka_unit_test(test_preferred_is_dead),  cmocka_unit_test(test_preferred_is_down),
		cmocka_unit_test(test_preferred_goes_down), cmocka_unit_test(test_single),
		cmocka_unit_test(test_complaints),	   cmocka_unit_test(test_nothing_sent),
		cmocka_unit_test(test_psk),		   cmocka_unit_test(test_wrong_key),
		cmocka_unit_test(test_icmp),
		cmocka_unit_test(test_welcome_of_another_suite),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
