/* The data path: what gets through, what is refused and how that is told; foreign bytes change nothing. */
#include "session/info.h"
#include "session/session.h"
#include "world.h"

#define CLIENT WORLD_WORKERS

static void test_both_ways(void **state)
{
	struct world *w = world_new(1, 2);

	world_attach(w);
	for (unsigned int i = 0; i < 2; i++) {
		world_traffic(w, &w->client[i].up, 1000, true);
		world_traffic(w, &w->client[i].down, 700, false);
	}
	world_run(w, 5000);
	for (unsigned int i = 0; i < 2; i++) {
		struct world_client *c = &w->client[i];

		c->up.interval_us = c->down.interval_us = 0;
		world_run(w, 10);
		assert_true(c->up.sent >= 4999 && c->down.sent >= 7000);
		assert_true(c->up.got == c->up.sent && c->up.echoed == c->up.sent &&
			    c->down.got == c->down.sent);
		assert_true(c->up.twice == 0 && c->down.twice == 0);
	}
	/* A busy and healthy path is no reason for any record. */
	assert_int_equal(w->audits, 12);
	assert_int_equal(world_served(w, COUNT_RX_PACKETS), w->client[0].up.sent + w->client[1].up.sent);
	world_free(w);
}

static void refused(const char *src, const char *dst, unsigned int engine, enum counter c,
		    unsigned int counted_at)
{
	struct world *w = world_new(1, 2);
	uint8_t packet[200];

	world_attach(w);
	world_packet(packet, sizeof(packet), src, dst);
	world_inner(w, engine, packet, sizeof(packet));
	world_run(w, 10);
	assert_int_equal(world_count(w, counted_at, c), 1);
	assert_int_equal(w->engine[counted_at].strange, 0);
	world_free(w);
}

static void test_sources(void **state)
{
	struct world *w = world_new(1, 2);
	struct prefix behind, beyond;
	uint8_t packet[200];

	refused("10.8.0.3", "10.8.0.1", CLIENT, COUNT_DROP_BAD_SOURCE, 0); /* another peer's */
	refused("10.9.1.7", "10.8.0.1", CLIENT, COUNT_DROP_BAD_SOURCE, 0);
	refused("10.8.0.1", "10.8.0.1", CLIENT, COUNT_DROP_BAD_SOURCE, 0); /* the server's own */
	refused("192.0.2.9", "10.8.0.1", CLIENT, COUNT_DROP_BAD_SOURCE, 0);

	assert_true(prefix_parse("10.9.0.0/24", &behind) && prefix_parse("8.8.8.0/24", &beyond));
	w->client[0].config.accept.destinations = (struct config_networks){ &behind, 1, true };
	w->client[0].config.accept.sources = (struct config_networks){ &beyond, 1, true };
	world_attach(w);
	world_packet(packet, sizeof(packet), "10.9.0.77", "10.8.0.1"); /* behind this peer */
	world_inner(w, CLIENT, packet, sizeof(packet));
	world_packet(packet, sizeof(packet), "8.8.8.8", "10.9.0.77");
	world_inner(w, 0, packet, sizeof(packet));
	world_run(w, 10);
	assert_true(w->engine[0].strange == 1 && w->engine[CLIENT].strange == 1);
	world_free(w);
}

/* What concerns one link alone is not sent by either end, and is nobody's fault. */
static void test_link_chatter(void **state)
{
	(void)state;
	refused("10.8.0.2", "224.0.0.251", CLIENT, COUNT_LINK_CHATTER, CLIENT);
	refused("10.8.0.1", "255.255.255.255", 0, COUNT_LINK_CHATTER, 0);
	refused("10.8.0.1", "239.255.255.250", 0, COUNT_LINK_CHATTER, 0);
}

static void test_malformed_inner(void **state)
{
	struct world *w = world_new(1, 1);
	uint8_t packet[100];

	world_attach(w);
	world_packet(packet, sizeof(packet), "10.8.0.2", "10.8.0.1");
	for (size_t len = 1; len < sizeof(packet); len++)
		world_inner(w, CLIENT, packet, len);
	packet[0] = 0x55;
	world_inner(w, CLIENT, packet, sizeof(packet));
	assert_int_equal(world_count(w, CLIENT, COUNT_DROP_BAD_INNER), 100 - 1 + 1);
	assert_int_equal(world_count(w, CLIENT, COUNT_TX_PACKETS), 0);
	world_free(w);
}

static void icmp(struct world *w, unsigned int engine, size_t len, const char *src, const char *dst,
		 enum counter c, uint8_t code)
{
	const uint32_t before = w->engine[engine].icmp;
	uint8_t packet[1600];

	world_packet(packet, len, src, dst);
	world_inner(w, engine, packet, len);
	assert_int_equal(w->engine[engine].icmp, before + 1);
	assert_true(w->engine[engine].icmp_type == 3 && w->engine[engine].icmp_code == code);
	assert_true(world_count(w, engine, c) > 0);
}

static void test_unreachable(void **state)
{
	struct world *w = world_new(1, 2);
	uint8_t packet[100];

	w->client[1].config.server_public_key[0] ^= 1; /* this one never gets in */
	world_start(w);
	world_run(w, 1000);
	icmp(w, 0, 100, "10.8.0.1", "10.77.0.1", COUNT_DROP_NO_OWNER, 0);  /* net unreachable */
	icmp(w, 0, 100, "10.8.0.1", "10.8.0.3", COUNT_DROP_NO_SESSION, 1); /* host unreachable */
	icmp(w, 0, 1421, "10.8.0.1", "10.8.0.2", COUNT_DROP_TOO_BIG, 4);   /* fragmentation needed */
	icmp(w, CLIENT, 1421, "10.8.0.2", "10.8.0.1", COUNT_DROP_TOO_BIG, 4);

	/* One source cannot make us send more than a few. */
	world_packet(packet, sizeof(packet), "10.8.0.1", "10.77.0.1");
	for (int i = 0; i < 1000; i++)
		world_inner(w, 0, packet, sizeof(packet));
	assert_true(w->engine[0].icmp <= 20);

	/* A client without a session says nothing: it waits. */
	world_packet(packet, sizeof(packet), "10.8.0.3", "10.8.0.1");
	world_inner(w, CLIENT + 1, packet, sizeof(packet));
	assert_int_equal(w->engine[CLIENT + 1].icmp, 0);
	assert_int_equal(world_count(w, CLIENT + 1, COUNT_DROP_NO_SESSION), 1);
	world_free(w);
}

static void test_full_size(void **state)
{
	struct world *w = world_new(1, 1);
	uint8_t packet[1420];

	world_attach(w);
	world_packet(packet, sizeof(packet), "10.8.0.2", "10.8.0.1");
	world_inner(w, CLIENT, packet, sizeof(packet));
	world_packet(packet, sizeof(packet), "10.8.0.1", "10.8.0.2");
	world_inner(w, 0, packet, sizeof(packet));
	world_run(w, 2);
	assert_true(w->engine[0].strange == 1 && w->engine[CLIENT].strange == 1);
	world_free(w);
}

/* DATA that comes under the locator of a standby path is authentic, and still not taken. */
static void test_other_path(void **state)
{
	struct world *w = world_new(1, 1);
	struct datagram *d = NULL;
	uint8_t packet[100];

	world_attach(w);
	w->recording = RECORD_SENT;
	w->client[0].link[0].cut_up = w->client[0].link[0].cut_down = true;
	world_packet(packet, sizeof(packet), "10.8.0.2", "10.8.0.1");
	world_inner(w, CLIENT, packet, sizeof(packet));
	world_packet(packet, sizeof(packet), "10.8.0.1", "10.8.0.2");
	world_inner(w, 0, packet, sizeof(packet));
	w->client[0].link[0].cut_up = w->client[0].link[0].cut_down = false;
	assert_int_equal(w->record.n, 2);
	for (size_t i = 0; i < 2; i++) {
		struct session *s = w->record.list[i].up ? world_peer(w, 0) : world_session(w, 0);
		uint8_t other[WORLD_DATAGRAM_MAX];
		struct route r = w->record.list[i].route;

		d = &w->record.list[i];
		memcpy(other, d->data, d->len);
		memcpy(other + 8, session_locator(session_path_numbered(s, 1)), 8);
		if (d->up) {
			world_inject_up(w, &r, other, d->len);
		} else {
			r.socket = session_near(session_path_numbered(s, 1))->socket;
			world_inject_down(w, 0, &r, other, d->len);
		}
		assert_int_equal(world_count(w, d->up ? 0 : CLIENT, COUNT_DROP_WRONG_PATH), 1);
		assert_int_equal(w->engine[d->up ? 0 : CLIENT].strange, 0);
	}
	/* ... and it is not used up by that: on the active path it arrives. */
	for (size_t i = 0; i < 2; i++) {
		d = &w->record.list[i];
		if (d->up)
			world_inject_up(w, &d->route, d->data, d->len);
		else
			world_inject_down(w, 0, &d->route, d->data, d->len);
		assert_int_equal(w->engine[d->up ? 0 : CLIENT].strange, 1);
	}
	world_free(w);
}

/* A client's socket takes only what is for its own path. */
static void test_other_socket(void **state)
{
	struct world *w = world_new(1, 1);
	struct datagram d;

	world_attach(w);
	w->recording = RECORD_SENT;
	world_traffic(w, &w->client[0].down, 10000, false);
	world_run(w, 15);
	d = w->record.list[0];
	d.route.socket = session_near(session_path_numbered(world_session(w, 0), 1))->socket;
	world_inject_down(w, 0, &d.route, d.data, d.len);
	assert_int_equal(world_count(w, CLIENT, COUNT_DROP_UNEXPECTED), 1);
	world_free(w);
}

struct views {
	struct session_info end[2];
	size_t audits;
	uint64_t sent, delivered;
};

static void look(struct world *w, struct views *v)
{
	memset(v, 0, sizeof(*v));
	assert_int_equal(world_view(w, 0, &v->end[0], 1), 1);
	assert_int_equal(world_view(w, CLIENT, &v->end[1], 1), 1);
	v->delivered = world_count(w, 0, COUNT_RX_PACKETS) + world_count(w, CLIENT, COUNT_RX_PACKETS);
	v->sent = w->order;
}

/* Traffic of every kind, recorded: DATA, health, jumps, rekeys. */
static struct world *eventful(void)
{
	struct world *w = world_new(1, 1);
	struct policy p = policy_defaults;

	p.rekey_after_ms = 10000;
	p.max_candidates = WORLD_PATHS;
	world_policy(w, &p);
	w->recording = RECORD_ARRIVED;
	world_start(w);
	world_traffic(w, &w->client[0].up, 20000, true);
	world_run(w, 2000);
	world_jump(w, 0, 1, 1);
	world_run(w, 2000);
	world_jump(w, 0, 1, 1);
	world_run(w, 2000);
	world_jump(w, 0, 0, 1);
	world_run(w, 14000);
	w->client[0].up.interval_us = 0;
	world_run(w, 5);
	world_assert(w, world_all_attached(w));
	return w;
}

/* I10: everything once more, in the same order and backwards, from the same places and from elsewhere. */
static void test_replays(void **state)
{
	struct world *w = eventful();
	const struct route stranger = world_stranger(1);
	struct views before, after;
	const size_t n = w->record.n;

	assert_true(n > 1000);
	w->recording = RECORD_NOTHING;
	look(w, &before);
	for (unsigned int round = 0; round < 3; round++) {
		for (size_t i = 0; i < n; i++) {
			struct datagram *d = &w->record.list[round == 1 ? n - 1 - i : i];

			if (d->data[0] == PACKET_HELLO)
				continue;
			if (d->up)
				world_inject_up(w, round == 2 ? &stranger : &d->route, d->data, d->len);
			else
				world_inject_down(w, 0, &d->route, d->data, d->len);
		}
	}
	look(w, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_true(w->stranger_datagrams <= 80); /* RESETs for locators that are no more, from four places */
	world_run(w, 1000);
	world_assert(w, world_all_attached(w));
	world_free(w);
}

/* DATA and CONTROL of each direction that has not arrived yet, with each bit wrong and of each length. */
static void damage(struct world *w, const struct datagram *d)
{
	struct views before, after;
	uint8_t data[WORLD_DATAGRAM_MAX];

	look(w, &before);
	for (size_t bit = 0; bit < d->len * 8; bit++) {
		memcpy(data, d->data, d->len);
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (d->up)
			world_inject_up(w, &d->route, data, d->len);
		else
			world_inject_down(w, 0, &d->route, data, d->len);
	}
	for (size_t len = 0; len < d->len; len++) {
		if (d->up)
			world_inject_up(w, &d->route, d->data, len);
		else
			world_inject_down(w, 0, &d->route, d->data, len);
	}
	look(w, &after);
	after.sent = before.sent = 0; /* RESETs */
	assert_memory_equal(&before, &after, sizeof(before));
}

static void test_damage(void **state)
{
	struct world *w = world_new(1, 1);
	bool seen[2][2] = { { false } };

	world_attach(w);
	world_traffic(w, &w->client[0].up, 20000, true);
	world_run(w, 95);
	w->recording = RECORD_SENT;
	w->client[0].link[0].cut_up = w->client[0].link[0].cut_down = true;
	world_jump(w, 0, 0, 1);
	world_traffic(w, &w->client[0].down, 3000, false);
	world_run(w, 40);
	world_traffic(w, &w->client[0].down, 0, false);
	w->recording = RECORD_NOTHING;
	for (size_t i = 0; i < w->record.n; i++) {
		const struct datagram d = w->record.list[i];

		if (d.data[0] != PACKET_SEALED || seen[d.up][d.inner])
			continue;
		seen[d.up][d.inner] = true;
		damage(w, &d);
	}
	assert_true(seen[1][0] && seen[1][1] && seen[0][1]);
	world_free(w);
}

static void test_random_bytes(void **state)
{
	struct world *w = world_new(1, 1);
	struct prng rng = { 11 };
	struct views before, after;
	uint8_t data[WORLD_DATAGRAM_MAX];

	world_attach(w);
	look(w, &before);
	for (int i = 0; i < 50000; i++) {
		const size_t len = prng_below(&rng, 200);
		const struct route r = world_stranger((unsigned int)i);

		prng_fill(&rng, data, len + 16);
		data[0] = (uint8_t)(0x10 + prng_below(&rng, 8));
		if (i % 3 == 0)
			memcpy(data + 8, world_peer(w, 0)->slot[i % 5].locator, 8);
		world_inject_up(w, &r, data, len);
		world_inject_down(w, 0, &(struct route){ .socket = 1 + (uint32_t)(i % 3) }, data, len);
	}
	look(w, &after);
	before.sent = after.sent = 0;
	assert_memory_equal(&before, &after, sizeof(before));
	world_free(w);
}

/* A flood of forgeries makes one record a second, and the number in it is right. */
static void test_flood(void **state)
{
	struct world *w = world_new(1, 1);
	const struct route stranger = world_stranger(1);
	uint8_t data[100] = { PACKET_SEALED };
	uint64_t told = 0;
	unsigned int records = 0;

	world_attach(w);
	memcpy(data + 8, session_locator(world_peer(w, 0)->active), 8);
	for (int ms = 0; ms < 3000; ms++) {
		for (int i = 0; i < 10; i++) {
			data[20]++;
			data[21] = (uint8_t)ms;
			world_inject_up(w, &stranger, data, sizeof(data));
		}
		world_run(w, 1);
	}
	world_run(w, 2000);
	for (size_t i = 0; i < w->audits; i++) {
		if (w->audit[i].r.event != AUDIT_SECURITY_VALIDATION_FAILED)
			continue;
		told += w->audit[i].r.count;
		records++;
	}
	assert_int_equal(told, world_count(w, 0, COUNT_DROP_BAD_TAG) + world_count(w, 0, COUNT_DROP_REPLAY));
	assert_in_range(records, 3, 5);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways),       cmocka_unit_test(test_sources),
		cmocka_unit_test(test_link_chatter),
		cmocka_unit_test(test_malformed_inner), cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_full_size),       cmocka_unit_test(test_other_path),
		cmocka_unit_test(test_other_socket),    cmocka_unit_test(test_replays),
		cmocka_unit_test(test_damage),          cmocka_unit_test(test_random_bytes),
		cmocka_unit_test(test_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
