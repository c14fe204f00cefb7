/*
 * What somebody sees who has no keys. That CONTROL has one of two lengths, and WELCOME one, is held by every test in the
 * world (world_sealed()); here are the sessions that have all of it to show.
 */
#include "session/engine.h"
#include "session/pmtu.h"
#include "session/size.h"
#include "world.h"

#include "jumpvpn/locator.h"
#include "proto/packet.h"

#define ALL_SMALL                                                                                             \
	(FRAME_BIT(FRAME_PING) | FRAME_BIT(FRAME_PONG) | FRAME_BIT(FRAME_JUMP) | FRAME_BIT(FRAME_JUMP_ACK) |  \
	 FRAME_BIT(FRAME_PATH_CHALLENGE) | FRAME_BIT(FRAME_PATH_RESPONSE) | FRAME_BIT(FRAME_REKEY_OFFER) |    \
	 FRAME_BIT(FRAME_REKEY_ACCEPT) | FRAME_BIT(FRAME_CLOSE))
#define ALL_LARGE (FRAME_BIT(FRAME_LOCATORS) | FRAME_BIT(FRAME_POLICY))
#define ALL_PROBES (FRAME_BIT(FRAME_PROBE) | FRAME_BIT(FRAME_PROBE_ACK))

static void give_routes(struct config *c, size_t n)
{
	free(c->peers[0].routes);
	c->peers[0].routes = calloc(n, sizeof(struct prefix));
	assert_non_null(c->peers[0].routes);
	c->peers[0].nroutes = n;
	for (size_t i = 0; i < n; i++)
		c->peers[0].routes[i] = (struct prefix){ ip_from_v4((const uint8_t[]){ 10, 100, 0, (uint8_t)i }), 128 };
}

/* Handshake, DATA both ways, keys, a jump, another policy, a path that changes its address, fresh locators, the end. */
static void all_of_a_session(struct world *w)
{
	struct config *next;
	uint8_t id[16];

	w->recording = RECORD_SENT;
	world_attach(w);
	world_traffic(w, &w->client[0].up, 5000, true);
	world_run(w, 1000);
	memcpy(id, world_session(w, 0)->id, 16);
	assert_true(engine_rekey(world_client_engine(w, 0), id, w->now));
	world_run(w, 200);
	world_jump(w, 0, 1, 1);
	world_run(w, 500);
	w->client[0].link[1].nat++;
	world_run(w, 500);
	next = world_config_next(w);
	next->peers[0].generation++;
	give_routes(next, 60);
	world_reload(w, next);
	world_run(w, 1000);
	w->client[0].link[1].cut_up = w->client[0].link[1].cut_down = true;
	world_run(w, 15000);
	assert_true(world_session(w, 0)->locators_seq > 0);
	engine_shutdown(world_client_engine(w, 0), w->now);
	world_run(w, 100);
}

static void test_two_lengths(void **state)
{
	struct world *w = world_new(1, 1);
	unsigned int small = 0, large = 0;
	bool inner = false;

	(void)state;
	all_of_a_session(w);
	for (size_t i = 0; i < w->record.n; i++) {
		const struct datagram *d = &w->record.list[i];

		if (d->data[0] == PACKET_RESET) { /* what was under way at the end */
			assert_int_equal(d->len, sizeof(struct packet_reset));
		} else if (d->data[0] != PACKET_SEALED) {
			assert_true(d->data[0] == PACKET_HELLO || d->data[0] == PACKET_WELCOME);
			assert_int_equal(d->len, 1200);
		} else if (d->inner) {
			inner = true;
		} else if (!(d->frames & ALL_PROBES)) {
			assert_true(d->len == PROTO_CONTROL_SMALL || d->len == PROTO_CONTROL_MAX);
			*(d->len == PROTO_CONTROL_SMALL ? &small : &large) |= d->frames;
		}
	}
	assert_true(inner);
	assert_int_equal(small, ALL_SMALL);
	assert_int_equal(large, ALL_LARGE);
	world_free(w);
}

/* The masked bytes tell neither the kind nor the epoch: each bit is set in half of the packets of either. */
static void test_header_tells_nothing(void **state)
{
	struct world *w = world_new(1, 1);
	uint32_t n[2] = { 0 }, set[2][8] = { { 0 } };

	(void)state;
	w->recording = RECORD_SENT;
	world_attach(w);
	world_traffic(w, &w->client[0].up, 2000, true);
	world_run(w, 60000);
	for (size_t i = 0; i < w->record.n; i++) {
		const struct datagram *d = &w->record.list[i];

		if (d->data[0] != PACKET_SEALED)
			continue;
		n[d->inner]++;
		for (int bit = 0; bit < 8; bit++)
			set[d->inner][bit] += d->data[1] >> bit & 1;
	}
	assert_true(n[0] > 200 && n[1] > 10000);
	for (int kind = 0; kind < 2; kind++)
		for (int bit = 0; bit < 8; bit++)
			assert_in_range(set[kind][bit], n[kind] * 35 / 100, n[kind] * 65 / 100);
	world_free(w);
}

/* However much or little there is to say. */
static void test_welcome_is_padded(void **state)
{
	(void)state;
	for (size_t routes = 0; routes <= 200; routes += 50) {
		struct world *w = world_new(1, 1);
		unsigned int welcomes = 0;

		give_routes(w->config, routes);
		w->recording = RECORD_SENT;
		world_attach(w);
		for (size_t i = 0; i < w->record.n; i++)
			if (w->record.list[i].data[0] == PACKET_WELCOME) {
				assert_int_equal(w->record.list[i].len, PROTO_WELCOME_LEN);
				welcomes++;
			}
		assert_int_equal(welcomes, 1);
		/* its address and name server, and the server's own, which these routes do not hold */
		assert_int_equal(w->client[0].items, routes + 2 + (routes > 0));
		world_free(w);
	}
}

/* Sessions of one worker have nothing in common that those of the other have not. */
static void test_worker_is_not_seen(void **state)
{
	uint32_t of_worker[2][256] = { { 0 } };

	(void)state;
	for (int round = 0; round < 12; round++) {
		struct world *w = world_new(2, 2);

		w->rng.state = 1000 + (uint64_t)round;
		world_attach(w);
		for (unsigned int i = 0; i < 2; i++) {
			const struct session *s = world_session(w, i);

			for (uint8_t slot = 0; slot < s->slots; slot++) {
				const uint8_t *locator = s->slot[slot].locator;

				assert_int_equal(locator_worker(locator, w->engine[0].e->steer_key, 2), i % 2);
				assert_int_equal(locator[LOCATOR_NODE], 1);
				of_worker[i][locator[1]]++;
			}
		}
		world_free(w);
	}
	for (int worker = 0; worker < 2; worker++) {
		unsigned int values = 0;

		for (int v = 0; v < 256; v++)
			values += of_worker[worker][v] > 0;
		assert_true(values > 40); /* of 60 draws */
	}
}

/* A path that carries less than the large size, and the network fragments nothing: LOCATORS and POLICY get through,
 * once it is known. */
static void test_small_path(void **state)
{
	struct world *w = world_new(1, 1);
	uint8_t packet[1400];
	struct config *next;
	size_t from, largest = 0;

	(void)state;
	world_attach(w);
	world_jump(w, 0, 1, 1);
	world_run(w, 100);
	w->client[0].link[1].hole_up = w->client[0].link[1].hole_down = 700;
	for (int i = 0; i < 400; i++) { /* large packets make both sides ask */
		world_packet(packet, sizeof(packet), "10.8.0.2", "10.8.0.1");
		world_inner(w, WORLD_WORKERS, packet, sizeof(packet));
		world_packet(packet, sizeof(packet), "10.8.0.1", "10.8.0.2");
		world_inner(w, 0, packet, sizeof(packet));
		world_run(w, 10);
	}
	assert_in_range(size_datagram(world_peer(w, 0)->active), 600, 700);
	w->recording = RECORD_SENT;
	from = w->record.n;
	next = world_config_next(w);
	next->peers[0].generation++;
	give_routes(next, 20);
	world_reload(w, next);
	world_run(w, 2000);
	for (size_t i = from; i < w->record.n; i++)
		if (w->record.list[i].frames & FRAME_BIT(FRAME_POLICY))
			largest = w->record.list[i].len;
	assert_int_equal(largest, size_datagram(world_peer(w, 0)->active));
	assert_int_equal(world_session(w, 0)->policy_generation, next->peers[0].generation);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_lengths),        cmocka_unit_test(test_header_tells_nothing),
		cmocka_unit_test(test_welcome_is_padded),  cmocka_unit_test(test_worker_is_not_seen),
		cmocka_unit_test(test_small_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
