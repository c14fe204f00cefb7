/*
 * Path MTU in the virtual world: holes that swallow what is long are found, and taken for nothing else.
 */
#include "proto/carry.h"
#include "session/engine.h"
#include "session/info.h"
#include "session/pmtu.h"
#include "session/session.h"
#include "session/size.h"
#include "world.h"

#define INNER 1400

struct bulk { /* large inner packets between the two ends, until now */
	unsigned int engine;
	const char *src, *dst;
};

static const struct bulk up = { WORLD_WORKERS, "10.8.0.2", "10.8.0.1" };
static const struct bulk down = { 0, "10.8.0.1", "10.8.0.2" };

/* Every 5 ms a packet of `size` bytes with DF, for `ms`. */
static void flow(struct world *w, const struct bulk *b, size_t size, unsigned int ms)
{
	uint8_t packet[2000];

	world_packet(packet, size, b->src, b->dst);
	packet[6] = 0x40;
	for (unsigned int t = 0; t < ms; t += 5) {
		world_inner(w, b->engine, packet, size);
		world_run(w, 5);
	}
}

static struct path *path_of(struct world *w, const struct bulk *b)
{
	return b == &up ? world_session(w, 0)->active : world_peer(w, 0)->active;
}

static void hole(struct world *w, unsigned int path, const struct bulk *b, size_t len)
{
	struct world_link *l = &w->client[0].link[path];

	*(b == &up ? &l->hole_up : &l->hole_down) = len;
}

static struct world *attached(void)
{
	struct world *w = world_new(1, 1);

	w->config->tunnel.mtu = 1420;
	world_attach(w);
	world_run(w, 1000);
	return w;
}

/* Nothing large, no probes. */
static void test_small_packets_ask_nothing(void **state)
{
	struct world *w = attached();
	struct session *s = world_session(w, 0);

	(void)state;
	flow(w, &up, 400, 3000);
	assert_int_equal(s->next_probe_id, 0);
	assert_int_equal(world_peer(w, 0)->next_probe_id, 0);
	assert_int_equal(path_pmtu(s->active)->state, PMTU_BASE);
	assert_int_equal(size_inner(s->active), s->mtu);
	world_free(w);
}

/* A path that carries all: one probe each half second while large packets flow, none afterwards. */
static void test_whole_path_costs_little(void **state)
{
	struct world *w = attached();
	struct session *s = world_session(w, 0);
	uint32_t before;

	(void)state;
	flow(w, &up, INNER, 5000);
	assert_int_equal(path_pmtu(s->active)->state, PMTU_COMPLETE);
	assert_int_equal(size_inner(s->active), s->mtu);
	assert_in_range(s->next_probe_id, 9, 14); /* and the standby paths, once */
	world_run(w, 2000);
	before = s->next_probe_id;
	world_run(w, 700000);
	assert_int_equal(s->next_probe_id, before);
	world_free(w);
}

/* Found within 2 s in either direction, to PMTU_STEP, without a transition. */
static void test_hole_is_found(void **state)
{
	static const size_t sizes[] = { 1451, 1400, 1300, 1199, 700, 548 };
	static const struct bulk *const ways[] = { &up, &down };
	struct session_info info;

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
		const struct bulk *b = ways[i % 2];
		const size_t size = sizes[i / 2];
		struct world *w = attached();
		struct session *s = world_session(w, 0), *peer = world_peer(w, 0);
		const uint32_t versions = s->state_version + peer->state_version;

		flow(w, b, INNER, 1000);
		assert_int_equal(size_inner(path_of(w, b)), s->mtu);
		hole(w, 0, b, size);
		flow(w, b, INNER, 2000);
		world_assert(w, size_datagram(path_of(w, b)) <= size);
		assert_in_range(size - size_datagram(path_of(w, b)), 0, PMTU_STEP);
		assert_int_equal(size_inner(path_of(w, b == &up ? &down : &up)), s->mtu);
		flow(w, b, INNER, 10000);
		assert_int_equal(s->state_version + peer->state_version, versions);
		assert_int_equal(world_view(w, b->engine, &info, 1), 1);
		assert_int_equal(info.path[0].mtu, size_inner(path_of(w, b)));
		world_free(w);
	}
}

/* The sender is told, and what it sends then arrives. */
static void test_sender_is_told(void **state)
{
	struct world *w = attached();
	struct session *s = world_session(w, 0);
	const struct world_engine *we = &w->engine[WORLD_WORKERS];
	uint64_t got;

	(void)state;
	hole(w, 0, &up, 1300);
	flow(w, &up, INNER, 2000);
	assert_true(we->icmp > 0);
	assert_int_equal(we->icmp_type, 3);
	assert_int_equal(we->icmp_code, 4);
	got = world_peer(w, 0)->rx_packets;
	flow(w, &up, size_inner(s->active), 1000);
	assert_int_equal(world_peer(w, 0)->rx_packets - got, 200);
	world_free(w);
}

/* Who may be fragmented is not told: it all arrives, in pieces. */
static void test_without_df_is_fragmented(void **state)
{
	struct world *w = attached();
	uint8_t packet[INNER];
	uint64_t got;

	(void)state;
	hole(w, 0, &up, 800);
	flow(w, &up, INNER, 2000);
	got = world_peer(w, 0)->rx_packets;
	world_packet(packet, sizeof(packet), up.src, up.dst);
	packet[6] = 0;
	world_inner(w, up.engine, packet, sizeof(packet));
	world_run(w, 100);
	assert_int_equal(world_peer(w, 0)->rx_packets - got, 2);
	assert_int_equal(world_count(w, up.engine, COUNT_FRAGMENTED), 1);
	world_free(w);
}

/* The hole is gone: found after a while, and not at once. */
static void test_size_grows_again(void **state)
{
	struct world *w = attached();
	struct session *s = world_session(w, 0);

	(void)state;
	hole(w, 0, &up, 1300);
	flow(w, &up, INNER, 3000);
	assert_true(size_datagram(s->active) <= 1300);
	hole(w, 0, &up, 0);
	flow(w, &up, 1000, 5000);
	assert_true(size_datagram(s->active) <= 1300);
	flow(w, &up, 1000, 7000);
	assert_int_equal(size_inner(s->active), s->mtu);
	world_free(w);
}

/* The way up gets longer each time it leads nowhere, up to ten minutes. */
static void test_growth_is_asked_for_ever_more_rarely(void **state)
{
	struct world *w = attached();
	struct session *s = world_session(w, 0);

	(void)state;
	hole(w, 0, &up, 1300);
	flow(w, &up, 1200, 2000);
	for (int i = 0; i < 30; i++) {
		flow(w, &up, 1200, 600);
		world_run(w, 100000);
	}
	assert_true(path_pmtu(s->active)->raise_ms > 300000);
	assert_true(path_pmtu(s->active)->raise_ms <= PMTU_RAISE_MAX_MS);
	world_free(w);
}

/* A jump to a path that is narrower: known before, and so nothing is lost for its size. */
static void test_standby_is_known(void **state)
{
	struct world *w = attached();
	struct session *s = world_session(w, 0);

	(void)state;
	hole(w, 1, &up, 1300);
	hole(w, 1, &down, 1350);
	flow(w, &up, INNER, 2000);
	flow(w, &down, INNER, 2000);
	w->holed = 0;
	world_jump(w, 0, 1, 7);
	world_run(w, 20);
	assert_int_equal(s->active->number, 1);
	assert_in_range(size_datagram(s->active), 1300 - PMTU_STEP, 1300);
	assert_in_range(size_datagram(world_peer(w, 0)->active), 1350 - PMTU_STEP, 1350);
	assert_int_equal(w->holed, 0);
	world_free(w);
}

/* Narrower since it was asked: the jump asks again, at once. */
static void test_jump_asks_again(void **state)
{
	struct world *w = attached();
	struct session *s = world_session(w, 0);

	(void)state;
	flow(w, &up, INNER, 2000);
	assert_int_equal(path_pmtu(session_path_numbered(s, 1))->state, PMTU_COMPLETE);
	hole(w, 1, &up, 1300);
	world_jump(w, 0, 1, 7);
	flow(w, &up, INNER, 300);
	assert_int_equal(s->active->number, 1);
	assert_in_range(size_datagram(s->active), 800, 1300);
	world_free(w);
}

/* Just confirmed, and narrower since: a jump does not wait for the next time. */
static void test_jump_asks_at_once(void **state)
{
	struct world *w = world_new(1, 1);
	struct policy p = policy_defaults;
	struct session *s;

	(void)state;
	p.switch_cooldown_ms = 0;
	world_policy(w, &p);
	world_attach(w);
	s = world_session(w, 0);
	flow(w, &up, INNER, 1000);
	world_jump(w, 0, 1, 7);
	flow(w, &up, INNER, 200);
	world_jump(w, 0, 0, 8);
	flow(w, &up, INNER, 20);
	hole(w, 1, &up, 1300);
	world_jump(w, 0, 1, 9);
	flow(w, &up, INNER, 150);
	assert_int_equal(s->active->number, 1);
	assert_in_range(size_datagram(s->active), 800, 1300);
	world_free(w);
}

/* A PONG that shows packets missing hastens the question. */
static void test_missing_packets_hasten(void **state)
{
	struct world *w = attached();
	struct session *s = world_session(w, 0);
	uint32_t asked;

	(void)state;
	flow(w, &up, INNER, 1000);
	asked = s->next_probe_id;
	while (s->next_probe_id == asked)
		flow(w, &up, INNER, 5);
	hole(w, 0, &up, 1300);
	flow(w, &up, INNER, 250); /* half of PMTU_CONFIRM_MS */
	assert_in_range(size_datagram(s->active), 800, 1300);
	world_free(w);
}

/* The same candidate from a new port, on both ends: what was found is the first guess. */
static void test_new_port_keeps_the_guess(void **state)
{
	struct world *w = attached();
	struct path *c, *p;

	(void)state;
	hole(w, 1, &up, 1300);
	hole(w, 1, &down, 1350);
	flow(w, &up, INNER, 2000);
	flow(w, &down, INNER, 2000);
	c = session_path_numbered(world_session(w, 0), 1);
	engine_candidate_moved(world_client_engine(w, 0), 1, w->now);
	assert_ptr_not_equal(session_path_numbered(world_session(w, 0), 1), c);
	c = session_path_numbered(world_session(w, 0), 1);
	assert_int_equal(path_pmtu(c)->state, PMTU_BASE);
	assert_in_range(size_datagram(c), 1300 - PMTU_STEP, 1300);
	world_run(w, 5);
	p = session_path_numbered(world_peer(w, 0), 1);
	assert_int_equal(p->slot, c->slot);
	assert_in_range(size_datagram(p), 1350 - PMTU_STEP, 1350);
	world_free(w);
}

/* What is really lost still moves the session, large or small. */
static void test_loss_is_loss(void **state)
{
	static const size_t sizes[] = { 100, INNER };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct world *w = attached();
		struct session *s = world_session(w, 0);

		world_traffic(w, &w->client[0].up, 5000, true);
		flow(w, &up, sizes[i], 1000);
		w->client[0].link[0].loss_ppm = 300000;
		flow(w, &up, sizes[i], 8000);
		world_assert(w, s->active->number != 0);
		world_assert(w, world_audits(w, true, AUDIT_SESSION_STATE_CHANGE,
					     REASON_LOSS_THRESHOLD_EXCEEDED, 0) == 1);
		world_free(w);
	}
}

/*
 * Large packets in one direction, most of the traffic, and little ones in the other, so that the windows of both ends
 * show great loss: it is for their size.
 */
static void test_hole_is_no_loss(void **state)
{
	static const struct bulk *const ways[] = { &up, &down };

	(void)state;
	for (unsigned int i = 0; i < 2 * 40; i++) {
		const struct bulk *b = ways[i % 2];
		struct world *w = attached();
		struct policy p = *world_session(w, 0)->policy;

		p.loss_window_ms = 500; /* the shortest */
		world_session_policy(world_session(w, 0), &p);
		world_session_policy(world_peer(w, 0), &p);
		world_traffic(w, &w->client[0].up, 20000, true);
		flow(w, b, INNER, 1000 + 25 * i);
		hole(w, 0, b, 1300);
		flow(w, b, INNER, 5000);
		world_assert(w,
			     world_session(w, 0)->state_version == 1 && world_peer(w, 0)->state_version == 1);
		assert_in_range(size_datagram(path_of(w, b)), 1300 - PMTU_STEP, 1300);
		world_free(w);
	}
}

/* A path dies while its size is asked for: death, and no smaller size. */
static void test_death_is_death(void **state)
{
	struct world *w = attached();
	struct session *s = world_session(w, 0);
	struct path *was = s->active;

	(void)state;
	flow(w, &up, INNER, 1000);
	w->client[0].link[0].cut_up = w->client[0].link[0].cut_down = true;
	flow(w, &up, INNER, 2000);
	assert_int_equal(s->active->number, 1);
	assert_int_equal(size_inner(s->active), s->mtu);
	assert_int_equal(size_inner(was), s->mtu);
	world_free(w);
}

/* Probes and answers stand in no count: what the reports tell stays exact. */
static void test_probes_are_not_counted(void **state)
{
	struct world *w = attached();
	struct path *c, *p;

	(void)state;
	flow(w, &up, INNER, 3000);
	flow(w, &down, INNER, 3000);
	world_run(w, 100);
	c = world_session(w, 0)->active;
	p = world_peer(w, 0)->active;
	assert_true(world_session(w, 0)->next_probe_id > 3 && world_peer(w, 0)->next_probe_id > 3);
	assert_int_equal(c->sent, p->received);
	assert_int_equal(p->sent, c->received);
	world_free(w);
}

/* A TCP SYN with MSS 1460 and no right checksum, which the tunnel need not mend. */
static size_t syn_packet(uint8_t packet[44], const struct bulk *b)
{
	world_packet(packet, 44, b->src, b->dst);
	packet[9] = 6;
	memset(packet + 20, 0, 24);
	packet[32] = 0x60;
	packet[33] = 0x02;
	memcpy(packet + 40, (const uint8_t[]){ 2, 4, 1460 >> 8, 1460 & 255 }, 4);
	return 44;
}

static unsigned int mss_through(struct world *w, const struct bulk *b)
{
	struct world_engine *we = &w->engine[b == &up ? 0 : WORLD_WORKERS];
	uint8_t packet[44];

	memset(we->last, 0, sizeof(we->last));
	world_inner(w, b->engine, packet, syn_packet(packet, b));
	world_run(w, 10);
	assert_int_equal(we->last[33], 0x02);
	return (unsigned int)(we->last[42] << 8 | we->last[43]);
}

/* What fits the narrower direction, whichever way the SYN goes: its sender is told what to send, and the other one, too. */
static void test_mss_follows_the_path(void **state)
{
	static const struct bulk *const ways[] = { &up, &down };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct world *w = attached();
		unsigned int want;

		assert_int_equal(mss_through(w, &up), 1380);
		assert_int_equal(mss_through(w, &down), 1380);
		hole(w, 0, ways[i], 1300);
		flow(w, ways[i], INNER, 2000);
		want = size_inner(path_of(w, ways[i])) - 40u;
		assert_true(want < 1300 && want > 1200);
		assert_int_equal(mss_through(w, &up), want);
		assert_int_equal(mss_through(w, &down), want);
		assert_true(world_count(w, 0, COUNT_MSS_CLAMPED) +
				    world_count(w, WORLD_WORKERS, COUNT_MSS_CLAMPED) >=
			    4);
		world_free(w);
	}
}

static void test_mss_clamp_is_off(void **state)
{
	struct world *w = world_new(1, 1);

	(void)state;
	w->config->tunnel.mss_clamp = w->client[0].config.tunnel.mss_clamp = false;
	world_attach(w);
	assert_int_equal(mss_through(w, &up), 1460);
	assert_int_equal(mss_through(w, &down), 1460);
	world_free(w);
}

static uint8_t mark;

/* What the network does to ECN on the way: each DATA arrives with `mark`, if it can be marked at all. */
static bool mark_data(struct world *w, const struct datagram *d)
{
	if (d->inner && d->ecn != ECN_NOT_ECT)
		((struct datagram *)(uintptr_t)d)->ecn = mark;
	return false;
}

static bool mark_all(struct world *w, const struct datagram *d)
{
	((struct datagram *)(uintptr_t)d)->ecn = ECN_CE;
	return false;
}

static void test_ecn_crosses(void **state)
{
	uint8_t packet[100];

	(void)state;
	for (unsigned int i = 0; i < 8; i++) {
		const struct bulk *b = i & 4 ? &down : &up;
		struct world *w = attached();
		struct world_engine *we = &w->engine[b == &up ? 0 : WORLD_WORKERS];

		mark = ECN_CE;
		w->swallow = mark_data;
		world_packet(packet, sizeof(packet), b->src, b->dst);
		packet[1] = 0xb8 | (i & 3); /* and DSCP */
		world_inner(w, b->engine, packet, sizeof(packet));
		world_run(w, 10);
		assert_int_equal(we->last[1], 0xb8 | ((i & 3) ? ECN_CE : ECN_NOT_ECT));

		w->swallow = mark_all; /* somebody marks what must not be */
		packet[1] = 0;
		we->last[1] = 0xff;
		world_inner(w, b->engine, packet, sizeof(packet));
		world_run(w, 10);
		assert_int_equal(we->last[1], 0xff);
		assert_int_equal(world_count(w, we->index, COUNT_DROP_ECN), 1);
		world_free(w);
	}
}

/* An answer to a PROBE that nobody sent, on a path that never asked for a size. */
static void test_unasked_answer(void **state)
{
	struct world *w = world_new(1, 1);
	const struct frame_probe_ack ack = { .size = put_be16(1200) };
	const struct frame f = { FRAME_PROBE_ACK, { .probe_ack = &ack } };
	struct path *p;

	world_attach(w);
	p = session_path_numbered(world_peer(w, 0), 1);
	assert_ptr_equal(path_pmtu(p), &pmtu_never);
	assert_int_equal(pmtu_acked(p, &f, w->now), PMTU_NOTHING);
	assert_ptr_equal(path_pmtu(p), &pmtu_never);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unasked_answer),
		cmocka_unit_test(test_small_packets_ask_nothing),
		cmocka_unit_test(test_whole_path_costs_little),
		cmocka_unit_test(test_hole_is_found),
		cmocka_unit_test(test_sender_is_told),
		cmocka_unit_test(test_without_df_is_fragmented),
		cmocka_unit_test(test_size_grows_again),
		cmocka_unit_test(test_growth_is_asked_for_ever_more_rarely),
		cmocka_unit_test(test_standby_is_known),
		cmocka_unit_test(test_jump_asks_again),
		cmocka_unit_test(test_jump_asks_at_once),
		cmocka_unit_test(test_missing_packets_hasten),
		cmocka_unit_test(test_new_port_keeps_the_guess),
		cmocka_unit_test(test_loss_is_loss),
		cmocka_unit_test(test_hole_is_no_loss),
		cmocka_unit_test(test_death_is_death),
		cmocka_unit_test(test_probes_are_not_counted),
		cmocka_unit_test(test_mss_follows_the_path),
		cmocka_unit_test(test_mss_clamp_is_off),
		cmocka_unit_test(test_ecn_crosses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
