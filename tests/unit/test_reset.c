/* RESET: whoever sends in a client's name takes nothing from it. */
#include "session/session.h"
#include "world.h"

#include "proto/packet.h"

static uint8_t old_id[16];

static bool attached_again(struct world *w)
{
	const struct session *s = world_session(w, 0);

	return s && s->state == STATE_ATTACHED && memcmp(s->id, old_id, sizeof(old_id)) != 0;
}

/* DATA under a locator that looks like one of the server's, and nobody has. */
static void flood(struct world *w, const struct route *from, const uint8_t locator[8], unsigned int n)
{
	uint8_t packet[64] = { PACKET_SEALED };
	uint8_t *to = packet + offsetof(struct packet_header, locator);
	uint32_t random = 7;

	memcpy(to, locator, 8);
	for (unsigned int i = 0; i < n; i++) {
		for (unsigned int k = 2; k < 8; k++) {
			random = random * 1664525 + 1013904223;
			to[k] = (uint8_t)(random >> 24);
		}
		world_inject_up(w, from, packet, sizeof(packet));
	}
}

/* The server was restarted; before the client speaks again, its address has asked for more than any limit allows. */
static void test_in_its_name(void **state)
{
	struct world *w = world_new(1, 1);
	struct route from;
	uint8_t locator[8];

	world_attach(w);
	memcpy(old_id, world_session(w, 0)->id, sizeof(old_id));
	memcpy(locator, session_locator(world_session(w, 0)->active), sizeof(locator));
	from = session_route(world_peer(w, 0)->active);
	world_restart(w, 0);
	flood(w, &from, locator, 60000);
	assert_in_range(world_count(w, 0, COUNT_RESET_SENT), 0, 8); /* one in 65,536 is like ours by chance */
	world_traffic(w, &w->client[0].up, 1000, false);
	world_assert(w, world_until(w, attached_again, 20));
	world_free(w);
}

/* He has a locator that the server did issue, once: he may use up what is for that one. */
static void test_with_another_locator(void **state)
{
	uint8_t packet[64] = { PACKET_SEALED };
	struct world *w = world_new(1, 2);
	struct route from;

	world_attach(w);
	memcpy(old_id, world_session(w, 0)->id, sizeof(old_id));
	from = session_route(world_peer(w, 0)->active);
	memcpy(packet + offsetof(struct packet_header, locator), session_locator(world_session(w, 1)->active), 8);
	world_restart(w, 0);
	for (unsigned int i = 0; i < 1000; i++)
		world_inject_up(w, &from, packet, sizeof(packet));
	assert_int_equal(world_count(w, 0, COUNT_RESET_SENT), 5);
	world_traffic(w, &w->client[0].up, 1000, false);
	world_assert(w, world_until(w, attached_again, 20));
	world_free(w);
}

/* Somebody has seen the client's locators, and asks for each of them all the time from elsewhere: that is for him, and the
 * client has its own. */
static void test_asked_from_elsewhere(void **state)
{
	struct world *w = world_new(1, 1);
	uint8_t packet[64] = { PACKET_SEALED };
	const struct path *p;

	(void)state;
	world_attach(w);
	memcpy(old_id, world_session(w, 0)->id, sizeof(old_id));
	world_restart(w, 0);
	for (unsigned int i = 0; i < 1000; i++) {
		const struct route thief = world_stranger(1 + i % 3);

		p = session_path_numbered(world_session(w, 0), i / 3 % w->paths);
		memcpy(packet + offsetof(struct packet_header, locator), session_locator(p), 8);
		world_inject_up(w, &thief, packet, sizeof(packet));
	}
	assert_int_equal(world_count(w, 0, COUNT_RESET_SENT), 5 * 3 * w->paths);
	world_traffic(w, &w->client[0].up, 1000, false);
	world_assert(w, world_until(w, attached_again, 20));
	world_free(w);
}

/* None of them reaches the client: it calls the server beside its probes, and the new session takes over. */
static void test_with_its_own_locators(void **state)
{
	struct world *w = world_new(1, 1);
	const struct route thief = world_stranger(1);
	uint8_t packet[WORLD_PATHS][64] = { { 0 } };

	world_attach(w);
	memcpy(old_id, world_session(w, 0)->id, sizeof(old_id));
	for (uint8_t n = 0; n < w->paths; n++) {
		packet[n][0] = PACKET_SEALED;
		memcpy(packet[n] + offsetof(struct packet_header, locator),
		       session_locator(session_path_numbered(world_session(w, 0), n)), 8);
	}
	world_restart(w, 0);
	world_traffic(w, &w->client[0].up, 20000, false);
	world_swallow_type(w, false, PACKET_RESET, UINT32_MAX); /* none of them is for the client */
	for (unsigned int ms = 0; ms < 6000 && !attached_again(w); ms++) {
		for (uint8_t n = 0; n < w->paths; n++)
			world_inject_up(w, &thief, packet[n], sizeof(packet[n]));
		world_run(w, 1);
	}
	world_assert(w, attached_again(w));
	assert_in_range(world_audits(w, true, AUDIT_SESSION_TERMINATED, REASON_SUPERSEDED, 0), 1, 1);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_its_name),
		cmocka_unit_test(test_with_another_locator),
		cmocka_unit_test(test_asked_from_elsewhere),
		cmocka_unit_test(test_with_its_own_locators),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
