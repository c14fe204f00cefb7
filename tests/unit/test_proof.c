/* Where a path leads, and what an address must have shown before much is sent there. */
#include "session/due.h"
#include "session/engine.h"
#include "session/health.h"
#include "session/keys.h"
#include "session/limit.h"
#include "session/path.h"
#include "session/send.h"
#include "session/session.h"
#include "world.h"

#include "proto/packet.h"

/* As the owner of p's session may: this frame and padding up to `len` bytes, the `ahead`th counter from now, from anywhere. */
static size_t forge(struct world *w, struct path *p, const struct a_frame *f, size_t len, uint64_t ahead,
		    const struct route *from)
{
	struct session *s = p->session;
	struct epoch *ep = keys_tx(&s->keys);
	struct keycache *cache = s->engine->cache;
	uint8_t packet[PROTO_CONTROL_MAX] = { 0 };
	struct writer out = writer_init(packet + PROTO_HEADER_LEN, sizeof(packet) - PROTO_OVERHEAD);
	size_t n;

	frame_write(&out, LIES(f));
	n = packet_seal(packet, packet + PROTO_HEADER_LEN, len > out.len ? len : out.len, SEALED_CONTROL,
			(uint8_t)ep->number, ep->tx_counter + ahead, session_locator(p),
			keycache_aead(cache, ep->cache, s->keys.suite, ep->tx_key), ep->tx_iv,
			keycache_mask(cache, s->keys.mask_cache, s->keys.suite, s->keys.tx_mask));
	world_inject_up(w, from, packet, n);
	return n;
}

/* --- somebody on one path --- */

static uint8_t his_path;
static size_t to_client, longest; /* bytes on his path */

static bool swallows_responses(struct world *w, const struct datagram *d)
{
	(void)w;
	return d->up && d->path == his_path && d->frames & FRAME_BIT(FRAME_PATH_RESPONSE);
}

/* The client has left: nothing comes from there any more. */
static bool nobody_there(struct world *w, const struct datagram *d)
{
	(void)w;
	if (!d->up && d->client == 0 && d->path == his_path) {
		to_client += d->len;
		longest = d->len > longest ? d->len : longest;
	}
	return d->client == 0;
}

/* A session that may move `max` times a minute, of each kind, without a pause. */
static struct world *with_switches(uint32_t max)
{
	struct world *w = world_new(1, 1);
	struct policy p = policy_defaults;

	p.max_candidates = WORLD_PATHS;
	p.max_switches_per_min = max;
	p.switch_cooldown_ms = 0;
	world_policy(w, &p);
	w->paths = 2;
	world_attach(w);
	return w;
}

static uint32_t switches_left(struct world *w)
{
	return switch_limit_left(&world_peer(w, 0)->limit, 60, w->now);
}

static unsigned int rebindings(struct world *w)
{
	return world_audits(w, false, AUDIT_TRANSPORT_REBOUND, REASON_NONE, 0);
}

/* --- the budget of rebindings --- */

/*
 * A NAT on one path gives out one port after the other. That costs no switch; and when the minute has no rebinding left,
 * the client leaves for the other path.
 */
static void test_address_that_never_settles(void **state)
{
	struct world *w = with_switches(3);

	world_traffic(w, &w->client[0].up, 20000, false);
	for (unsigned int i = 1; i <= 3; i++) {
		world_run(w, 700);
		w->client[0].link[0].nat++;
		world_run(w, 700);
		world_assert(w, rebindings(w) == i && world_peer(w, 0)->active->number == 0);
	}
	assert_int_equal(switches_left(w), 3);
	w->client[0].link[0].nat++;
	world_run(w, 1000);
	assert_int_equal(rebindings(w), 3);
	world_assert(w, world_all_attached(w) && world_session(w, 0)->active->number == 1);
	assert_int_equal(world_audits(w, false, AUDIT_SESSION_STATE_CHANGE, REASON_ADDRESS_CHANGED, 0), 1);
	assert_int_equal(world_audits(w, true, AUDIT_TRANSPORT_SWITCH, REASON_PEER_REPORTED, 0), 1);
	world_free(w);
}

/* A jump for loss when all switches but the last are used up. */
static bool leaves_for_loss(uint32_t loss_ppm)
{
	struct world *w = with_switches(2);
	bool left;

	world_jump(w, 0, 1, 1);
	world_run(w, 100);
	world_assert(w, world_session(w, 0)->active->number == 1 && switches_left(w) == 1);
	world_traffic(w, &w->client[0].up, 500, true);
	world_run(w, 1000);
	w->client[0].link[1].loss_ppm = loss_ppm;
	world_run(w, 15000);
	left = world_session(w, 0)->active->number == 0;
	world_assert(w, left == (world_audits(w, true, AUDIT_TRANSPORT_SWITCH, REASON_LOSS_THRESHOLD_EXCEEDED,
					      0) == 1));
	assert_int_equal(switches_left(w), left ? 0 : 1);
	world_free(w);
	return left;
}

static void test_reserve_for_great_loss(void **state)
{
	assert_true(leaves_for_loss(600000));
	assert_false(leaves_for_loss(350000));
}

/* --- an address that does not answer --- */

/*
 * The NAT of the other path has forgotten its mapping, and who sits there lets everything pass but what would prove the
 * new address. The session goes there: what the 3x rule holds back is no silence of ours, and it does not stay.
 */
static void response_suppressed(uint32_t rescue_bytes, int64_t interval_us)
{
	struct world *w = world_new(1, 1);
	struct policy p = policy_defaults;
	uint32_t got;

	p.max_candidates = WORLD_PATHS;
	p.rescue_bytes = rescue_bytes;
	world_policy(w, &p);
	w->paths = 2;
	world_attach(w);
	world_traffic(w, &w->client[0].down, interval_us, false);
	world_run(w, 1000);
	his_path = 1;
	w->swallow = swallows_responses;
	w->client[0].link[1].nat++;
	world_run(w, 300);
	world_jump(w, 0, 1, 1);
	world_run(w, 20);
	world_assert(w, world_peer(w, 0)->active->number == 1 && !path_is_proven(world_peer(w, 0)->active));
	world_run(w, 8000);
	world_assert(w, world_all_attached(w) && world_session(w, 0)->active->number == 0);
	got = w->client[0].down.got;
	world_run(w, 1000);
	assert_true(w->client[0].down.got - got >= 990000 / interval_us);
	world_free(w);
}

static void test_response_suppressed(void **state)
{
	response_suppressed(policy_defaults.rescue_bytes, 1000);
	response_suppressed(0, 1000);
	response_suppressed(policy_defaults.rescue_bytes, 100000); /* too little to be a loss */
}

/* The server alone knows it; a client that is told so by PEER_DEAD, and had it not seen it itself, leaves. */
static void test_server_says_why(void **state)
{
	struct world *w = with_switches(8);

	his_path = 0;
	world_run(w, 1000);
	w->swallow = swallows_responses;
	world_peer(w, 0)->active->state = PATH_KNOWN;
	due_restart(world_peer(w, 0), w->now);
	world_run(w, 8000);
	world_assert(w, world_all_attached(w) && world_session(w, 0)->active->number == 1);
	assert_int_equal(
		world_audits(w, false, AUDIT_SESSION_STATE_CHANGE, REASON_CONSECUTIVE_DROP_EXCEEDED, 0), 1);
	world_free(w);
}

/* So many challenges unanswered: nobody jumps there, by the server's judgement and by the client's own. */
static void test_unusable_is_refused(void **state)
{
	struct world *w = with_switches(8);
	struct path *there;

	his_path = 1;
	w->swallow = swallows_responses;
	w->client[0].link[1].nat++;
	world_run(w, 70000);
	there = session_path_numbered(world_peer(w, 0), 1);
	world_assert(w, path_is_ignored(there) && !path_is_proven(there));
	world_assert(w, !path_is_warm(session_path_numbered(world_session(w, 0), 1), &policy_defaults));
	world_jump(w, 0, 1, 1);
	world_run(w, 2000);
	assert_int_equal(w->jumped.why, REASON_INVALID_TRANSPORT_CANDIDATE);
	world_assert(w, world_all_attached(w) && world_session(w, 0)->active->number == 0);
	w->swallow = NULL; /* and when it answers, it is as good as any */
	world_run(w, 5000);
	world_jump(w, 0, 1, 1);
	world_run(w, 100);
	world_assert(w, world_all_attached(w) && world_session(w, 0)->active->number == 1);
	world_free(w);
}

/* What is held back counts as sent: the peer's next report shows what is missing. */
static void test_held_back_is_sent(void **state)
{
	struct world *w = with_switches(8);
	struct path *p = world_peer(w, 0)->active;
	uint8_t packet[1000];
	uint32_t sent;

	world_run(w, 100);
	p->state = PATH_KNOWN;
	p->proven_at = w->now;
	assert_non_null(session_need_upkeep(p));
	p->upkeep->credit_rx = p->upkeep->credit_tx = 0;
	sent = p->sent;
	for (unsigned int i = 0; i < 20; i++) {
		world_packet(packet, sizeof(packet), "10.8.0.1", "10.8.0.2");
		engine_inner(w->engine[0].e, packet, sizeof(packet), w->now);
	}
	assert_in_range(p->sent - sent, 20, 22);
	assert_true(world_count(w, 0, COUNT_DROP_AMPLIFICATION) >= 20);
	world_free(w);
}

/* --- a proof ages --- */

static void test_proof_is_renewed(void **state)
{
	struct world *w = with_switches(8);

	for (unsigned int i = 0; i < 20; i++) {
		world_run(w, 30000);
		for (uint8_t n = 0; n < 2; n++) {
			const struct path *p = session_path_numbered(world_peer(w, 0), n);

			world_assert(w,
				     path_is_proven(p) && time_since_ms(w->now, p->proven_at) < 2 * PROTO_PROOF_MS);
		}
	}
	assert_int_equal(world_session(w, 0)->binding_version, 0);
	world_free(w);
}

/* Whoever proved an address and left it cannot have us send there for longer than that. */
static void test_left_address(void **state)
{
	const struct route own = world_stranger(1);
	struct a_frame f;
	struct world *w = with_switches(8);
	struct path *p = session_path_numbered(world_session(w, 0), 0);
	size_t sent = 0, before;
	uint64_t ahead = 1000;

	world_run(w, 1000);
	his_path = 0;
	to_client = 0;
	w->swallow = nobody_there;
	f = (struct a_frame){
		.type = FRAME_PING, .ping = { .locators_seq = put_be32(7), .policy_generation = put_be32(7) }
	}; /* who knows nothing of what the server would tell */
	for (unsigned int i = 0; i < 20; i++, ahead++) {
		f.ping.id = put_be32(1000 + i);
		f.ping.age_us = put_be64(session_age_us(p->session, w->now));
		sent += forge(w, p, &f, 0, ahead, &own);
		world_run(w, 60);
	}
	assert_true(to_client <= 3 * sent);
	f = (struct a_frame){ .type = FRAME_PROBE, .probe = { .id = put_be32(1), .size = put_be16(1400), .flags = PROBE_BACK } };
	for (unsigned int i = 0; i < 6000; i++, ahead++) {
		sent += forge(w, p, &f, 0, ahead, &own);
		world_run(w, 1);
	}
	assert_true(to_client <= 3 * sent + 1000);
	world_run(w, 60000);
	for (unsigned int i = 0; i < 200; i++, ahead++)
		forge(w, p, &f, 0, ahead, &own);
	before = to_client;
	for (unsigned int i = 0; i < 2000; i++, ahead++) {
		forge(w, p, &f, 0, ahead, &own);
		world_run(w, 1);
	}
	assert_true(to_client - before <= 400); /* nobody has answered there for so long */
	w->swallow = NULL;
	world_free(w);
}

/* --- answers to PROBE --- */

static void test_probe_answers(void **state)
{
	struct world *w = with_switches(8);
	struct path *p = session_path_numbered(world_session(w, 0), 0);
	const struct route home = session_route(world_peer(w, 0)->active);
	const struct a_frame f = { .type = FRAME_PROBE,
				 .probe = { .id = put_be32(1), .size = put_be16(1400), .flags = PROBE_BACK } };
	size_t from, n;

	world_run(w, 1000);
	his_path = 0;
	to_client = longest = 0;
	w->swallow = nobody_there;
	n = forge(w, p, &f, 0, 1000, &home); /* 36 times as long it could be */
	world_run(w, 1);
	assert_in_range(longest, 41, 3 * n);
	world_run(w, 1000);
	to_client = 0;
	from = w->audits;
	for (unsigned int i = 0; i < 1000; i++) {
		forge(w, p, &f, 1100, 2000 + i, &home);
		world_run(w, 1);
	}
	assert_true(to_client <= 2 * PROTO_PROBE_ANSWERS * 1452 + 4000);
	assert_true(world_count(w, 0, COUNT_DROP_PROBE_LIMIT) > 800);
	assert_in_range(world_audits(w, false, AUDIT_SECURITY_VALIDATION_FAILED, REASON_POLICY_DENIED, from),
			1, 3);
	w->swallow = NULL;
	world_free(w);
}

/* Whoever asks seldom is challenged seldom: the proof ends all the same, and what goes there is bound by what comes. */
static void test_proof_ends(void **state)
{
	struct world *w = world_new(1, 1);
	struct policy pol = policy_defaults;
	const struct path *p;
	int64_t proven_us;

	(void)state;
	pol.max_candidates = WORLD_PATHS;
	pol.standby_probe_ms = 60000;
	world_policy(w, &pol);
	w->paths = 2;
	world_attach(w);
	world_run(w, 5000);
	his_path = !world_session(w, 0)->active->number;
	p = session_path_numbered(world_peer(w, 0), his_path);
	assert_true(p && path_is_proven(p) && p != world_peer(w, 0)->active);
	proven_us = p->proven_at.us;
	w->swallow = swallows_responses;
	while (w->now.us < proven_us + 170 * 1000000) {
		world_run(w, 1000);
		assert_true(path_is_proven(p) && p->proven_at.us == proven_us && p->ignored < PROTO_CHALLENGES);
	}
	world_run(w, 75000); /* a PING has come since */
	assert_false(path_is_proven(p));
	assert_true(p->ignored < PROTO_CHALLENGES); /* not for that */
	assert_true(path_upkeep(p)->credit_rx <= 2 * PROTO_CONTROL_MAX);
	w->swallow = NULL;
	world_run(w, 75000);
	assert_true(path_is_proven(p));
	world_free(w);
}

/* However often a client says that it lacks locators: each 50 ms it is told, on the same path or another. */
static void test_locators_are_limited(void **state)
{
	struct world *w = with_switches(8);

	(void)state;
	world_run(w, 3000);
	world_swallow_frame(w, false, FRAME_BIT(FRAME_LOCATORS), UINT32_MAX);
	world_peer(w, 0)->locators_seq++;
	for (unsigned int i = 0; i < 200; i++) {
		send_ping(world_session(w, 0)->active, 0, w->now);
		world_run(w, 1);
	}
	assert_in_range(w->swallowed, 200 / PROTO_RETRY_MIN_MS, 200 / PROTO_RETRY_MIN_MS + 1);
	world_swallow_frame(w, false, 0, 0);
	world_run(w, 6000);
	assert_int_equal(world_session(w, 0)->locators_seq, world_peer(w, 0)->locators_seq);
	world_free(w);
}

/* A client that uses up its locators as fast as it can say so gets a new one each 50 ms at most. */
static void test_generations_are_limited(void **state)
{
	struct world *w = with_switches(8);
	struct a_frame f = { .type = FRAME_PING };
	struct session *s;
	uint32_t seq;

	(void)state;
	world_run(w, 3000);
	s = world_session(w, 0);
	seq = world_peer(w, 0)->locators_seq;
	for (unsigned int i = 0; i < 500; i++) {
		f.ping = world_a_ping(s, ++s->next_ping_id, s->active->number, w->now).ping;
		f.ping.spent = put_be16((uint16_t)(1u << (s->slots - 1)));
		f.ping.locators_seq = put_be32(world_peer(w, 0)->locators_seq);
		send_frame(s->active, LIES(&f), w->now);
		world_run(w, 1);
	}
	assert_in_range(world_peer(w, 0)->locators_seq - seq, 5, 500 / PROTO_RETRY_MIN_MS);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_address_that_never_settles),
		cmocka_unit_test(test_reserve_for_great_loss),
		cmocka_unit_test(test_response_suppressed),
		cmocka_unit_test(test_server_says_why),
		cmocka_unit_test(test_unusable_is_refused),
		cmocka_unit_test(test_held_back_is_sent),
		cmocka_unit_test(test_proof_is_renewed),
		cmocka_unit_test(test_left_address),
		cmocka_unit_test(test_probe_answers),
		cmocka_unit_test(test_proof_ends),
		cmocka_unit_test(test_locators_are_limited),
		cmocka_unit_test(test_generations_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
