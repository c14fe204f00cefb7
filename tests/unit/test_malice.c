/* What a peer that has all keys, or somebody on its network, makes of the rules' corners. */
#include "session/engine.h"
#include "session/keys.h"
#include "session/lead.h"
#include "session/send.h"
#include "session/session.h"
#include "world.h"

#include "base/wire.h"
#include "proto/packet.h"

#define CLIENT WORLD_WORKERS

/* As the owner of p's session may: this frame and padding up to `len` bytes, under any counter, from anywhere. */
static void forge(struct world *w, struct path *p, const struct a_frame *f, size_t len, uint64_t counter,
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
			(uint8_t)ep->number, counter, session_locator(p),
			keycache_aead(cache, ep->cache, s->keys.suite, ep->tx_key), ep->tx_iv,
			keycache_mask(cache, s->keys.mask_cache, s->keys.suite, s->keys.tx_mask));
	world_inject_up(w, from, packet, n);
}

static size_t bytes_to(const struct world *w, const struct route *to)
{
	size_t sum = 0;

	for (size_t i = 0; i < w->record.n; i++)
		if (w->record.list[i].client == WORLD_CLIENTS &&
		    endpoint_equal(&w->record.list[i].route.remote, &to->remote))
			sum += w->record.list[i].len;
	return sum;
}

static void full_packets(struct world *w, unsigned int n)
{
	static uint8_t packet[1400];

	while (n-- > 0) {
		world_packet(packet, sizeof(packet), "10.8.0.1", "10.8.0.2");
		engine_inner(w->engine[0].e, packet, sizeof(packet), w->now);
		world_run(w, 1);
	}
}

/* --- the 3x rule --- */

/*
 * What one address has sent is no credit for another. He sends much from his own and answers no challenge; then a
 * JUMP that is older by its number, in the name of somebody else.
 */
static void test_credit_of_another(void **state)
{
	const struct route own = world_stranger(1), victim = world_stranger(2);
	struct world *w = world_new(1, 1);
	struct session *s;
	struct path *p;
	struct a_frame f;
	uint64_t counter;

	world_attach(w);
	world_run(w, 1000);
	s = world_session(w, 0);
	p = session_path_numbered(s, 2);
	counter = keys_tx(&s->keys)->tx_counter + 100;
	w->recording = RECORD_SENT;
	for (uint32_t i = 0; i < 200; i++) {
		f = world_a_ping(s, 1000 + i, 2, w->now);
		forge(w, p, &f, 1100, counter + 1 + i, &own);
		world_run(w, 1);
	}
	f = world_a_jump(s, 900, 2, w->now);
	forge(w, p, &f, 0, counter, &victim);
	full_packets(w, 200);
	assert_int_equal(bytes_to(w, &victim), 0);
	world_assert(w, world_peer(w, 0)->active->number == 2);
	world_assert(w, lead_goes_to(world_peer(w, 0)->active, &own.remote));
	w->recording = RECORD_NOTHING;
	world_free(w);
}

/* The same with a path that is active at the victim's address, not proven, and on trial at his own. */
static void test_credit_on_trial(void **state)
{
	const struct route own = world_stranger(1), victim = world_stranger(2);
	struct world *w = world_new(1, 1);
	struct session *s;
	struct path *p;
	struct a_frame f;
	uint64_t counter;

	world_attach(w);
	world_run(w, 1000);
	s = world_session(w, 0);
	p = session_path_numbered(s, 2);
	counter = keys_tx(&s->keys)->tx_counter + 100;
	w->recording = RECORD_SENT;
	f = world_a_jump(s, 900, 2, w->now);
	forge(w, p, &f, 0, counter, &victim);
	for (uint32_t i = 0; i < 200; i++) {
		f = world_a_ping(s, 1000 + i, 2, w->now);
		forge(w, p, &f, 1100, counter + 1 + i, &own);
		full_packets(w, 1);
	}
	assert_in_range(bytes_to(w, &own), 100, 3 * 200 * 1100); /* and he is asked */
	assert_in_range(bytes_to(w, &victim), 0, 3 * 100);
	w->recording = RECORD_NOTHING;
	world_free(w);
}

/* A JUMP from another address on the active path: what it brought is all that goes there until that is proven. */
static void test_credit_of_jump(void **state)
{
	const struct route own = world_stranger(1);
	struct world *w = world_new(1, 1);
	struct session *s;
	struct a_frame f;

	world_attach(w);
	world_run(w, 1000);
	s = world_session(w, 0);
	w->recording = RECORD_SENT;
	f = world_a_jump(s, 900, 0, w->now);
	forge(w, s->active, &f, 1100, keys_tx(&s->keys)->tx_counter + 100, &own);
	full_packets(w, 20);
	assert_in_range(bytes_to(w, &own), 1400, 3 * 1132);
	w->recording = RECORD_NOTHING;
	world_free(w);
}

static unsigned int challenges_to(const struct world *w, const struct route *to)
{
	unsigned int n = 0;

	for (size_t i = 0; i < w->record.n; i++)
		n += w->record.list[i].frames & FRAME_BIT(FRAME_PATH_CHALLENGE) &&
		     endpoint_equal(&w->record.list[i].route.remote, &to->remote);
	return n;
}

/* The same JUMP: one challenge goes there, as to an address on trial, and its answer counts behind the jump. */
static void test_challenge_of_jump(void **state)
{
	struct a_frame answer = { .type = FRAME_PATH_RESPONSE }, f;
	const struct route own = world_stranger(1);
	struct world *w = world_new(1, 1);
	struct session *s;
	struct path *p;
	uint64_t counter;

	world_attach(w);
	world_run(w, 1000);
	s = world_session(w, 0);
	p = world_peer(w, 0)->active;
	counter = keys_tx(&s->keys)->tx_counter + 100;
	w->recording = RECORD_SENT;
	f = world_a_jump(s, 900, 0, w->now);
	forge(w, s->active, &f, 0, counter, &own);
	world_assert(w, route_equal(world_route(p), &own) && !path_is_proven(p) && !path_trial(p));
	world_run(w, 20);
	assert_int_equal(challenges_to(w, &own), 1);
	memcpy(answer.path_probe.nonce, path_upkeep(p)->challenge.nonce, sizeof(answer.path_probe.nonce));
	f = world_a_ping(s, 1000, 0, w->now);
	world_run(w, 50);
	forge(w, s->active, &f, 0, counter + 1, &own);
	world_run(w, 20);
	assert_in_range(challenges_to(w, &own), 2, 3);
	forge(w, s->active, &answer, 0, counter + 2, &own);
	assert_true(path_is_proven(p));
	w->recording = RECORD_NOTHING;
	world_free(w);
}

/* A locator that was heard of, but of no use, leads nowhere: an older JUMP on it is not followed. */
static void test_jump_to_nowhere(void **state)
{
	struct a_frame f = { .type = FRAME_PATH_RESPONSE };
	struct world *w = world_new(1, 1);
	struct path *fresh = NULL;
	struct session *s;
	uint64_t counter;

	world_attach(w);
	world_run(w, 1000);
	s = world_session(w, 0);
	for (uint8_t i = 0; i < s->slots && !fresh; i++)
		if (session_issued(s, i) && s->slot[i].path->number == PATH_NONE)
			fresh = s->slot[i].path;
	assert_non_null(fresh);
	counter = keys_tx(&s->keys)->tx_counter + 100;
	forge(w, fresh, &f, 0, counter + 1, &(struct route){ .remote = world_stranger(1).remote });
	f = world_a_jump(s, 900, 3, w->now);
	forge(w, fresh, &f, 0, counter, &(struct route){ .remote = world_stranger(1).remote });
	world_assert(w, world_peer(w, 0)->active->number == 0);
	world_free(w);
}

/* --- held back --- */

#define HELD_MAX 32

static struct datagram held[HELD_MAX];
static unsigned int holds, pongs;

/* Every second answer on path 0, either way. */
static bool hold_pongs(struct world *w, const struct datagram *d)
{
	(void)w;
	if (d->path != 0 || !(d->frames & FRAME_BIT(FRAME_PONG)) || pongs++ % 2 == 0 || holds == HELD_MAX)
		return false;
	held[holds++] = *d;
	return true;
}

static bool elsewhere(struct world *w)
{
	return world_all_attached(w) && world_session(w, 0)->active->number != 0;
}

/* Answers come seconds late, all at once, and then the path dies: that is seen all the same. */
static void test_late_pongs(void **state)
{
	struct world *w = world_new(1, 1);

	world_attach(w);
	world_traffic(w, &w->client[0].up, 10000, true);
	world_run(w, 1000);
	holds = pongs = 0;
	w->swallow = hold_pongs;
	world_run(w, 6000);
	w->swallow = NULL;
	assert_in_range(holds, 5, HELD_MAX);
	for (unsigned int i = 0; i < holds; i++)
		world_late(w, &held[i]);
	world_run(w, 10);
	world_assert(w, world_session(w, 0)->active->number == 0);
	w->client[0].link[0].cut_down = true;
	world_assert(w, world_until(w, elsewhere, 1000));
	world_free(w);
}

/* --- a server that means no good --- */

static void alternate(const struct session *c, struct a_frame *f)
{
	f->jump_reject.reason = REASON_STALE_BINDING_VERSION;
	f->jump_reject.binding_version = put_be32(c->jump->binding == 7 ? 9 : 7);
}

static void count_up(const struct session *c, struct a_frame *f)
{
	f->jump_reject.reason = REASON_STALE_BINDING_VERSION;
	f->jump_reject.binding_version = put_be32(c->jump->binding + 1);
}

static void soon(const struct session *c, struct a_frame *f)
{
	(void)c;
	f->jump_reject.reason = REASON_SWITCH_RATE_LIMITED;
	f->jump_reject.retry_after_ms = put_be32(1);
}

/* It denies every JUMP as soon as it is sent, for `ms`: how many attempts does that make? */
static unsigned int denied(void (*how)(const struct session *c, struct a_frame *f), unsigned int ms)
{
	struct world *w = world_new(1, 1);
	struct session *c, *s;
	unsigned int attempts;
	size_t from;

	world_attach(w);
	world_run(w, 1000);
	c = world_session(w, 0);
	s = world_peer(w, 0);
	world_swallow_frame(w, true, FRAME_BIT(FRAME_JUMP), UINT32_MAX);
	from = w->audits;
	world_jump(w, 0, 1, 5);
	for (unsigned int i = 0; i < ms; i++) {
		struct a_frame f = { .type = FRAME_JUMP_REJECT };

		f.jump_reject.id = put_be32(c->jump->id);
		how(c, &f);
		if (c->jump->pending)
			send_frame(session_path_numbered(s, c->jump->number), LIES(&f), w->now);
		world_run(w, 1);
	}
	attempts = world_audits(w, true, AUDIT_REATTACH_ATTEMPT, REASON_NONE, from);
	w->swallow = NULL;
	world_run(w, 5000);
	world_assert(w, world_all_attached(w));
	world_free(w);
	return attempts;
}

static void test_denied_without_end(void **state)
{
	assert_in_range(denied(alternate, 20000), 2, 60);
	assert_in_range(denied(count_up, 10000), 61, 11 * 61);
	assert_in_range(denied(soon, 5000), 2, 220);
}

/* It says of its own that it has moved, ever again: the client does not follow more often than a minute allows. */
static void test_moves_without_end(void **state)
{
	struct world *w = world_new(1, 1);
	struct session *c, *s;

	world_attach(w);
	world_run(w, 1000);
	c = world_session(w, 0);
	s = world_peer(w, 0);
	for (uint32_t i = 0; i < 30; i++) {
		struct a_frame f = { .type = FRAME_JUMP_ACK };

		f.jump_ack.id = put_be32(1);
		f.jump_ack.binding_version = put_be32(c->binding_version + 1);
		send_frame(session_path_numbered(s, i % 2), LIES(&f), w->now);
		world_run(w, 100);
	}
	assert_in_range(world_audits(w, true, AUDIT_TRANSPORT_SWITCH, REASON_NONE, 0), 1, 8);
	world_free(w);
}

/* --- corners of the order in which a packet is judged --- */

/* No honest side seals so many: a counter of 2^30 is not taken, nor what would read as no DATA at all in a report. */
static void test_counters_beyond(void **state)
{
	static const uint64_t beyond[] = { PROTO_PACKETS_PER_EPOCH, PROTO_COUNTER_MAX };
	struct world *w = world_new(1, 1);
	struct session *s, *peer;
	struct path *p;
	struct a_frame f;
	uint64_t taken;

	world_attach(w);
	world_run(w, 1000);
	s = world_session(w, 0);
	peer = world_peer(w, 0);
	p = session_path_numbered(s, 0);
	for (size_t i = 0; i < 2; i++) {
		const uint64_t bad = world_count(w, 0, COUNT_DROP_BAD_TAG);

		taken = world_count(w, 0, COUNT_RX_CONTROL);
		f = world_a_ping(s, 1000, 0, w->now);
		forge(w, p, &f, 0, beyond[i], world_route(peer->active));
		assert_int_equal(world_count(w, 0, COUNT_DROP_BAD_TAG), bad + 1);
		assert_int_equal(world_count(w, 0, COUNT_RX_CONTROL), taken);
	}
	world_run(w, 20000);
	world_assert(w, world_all_attached(w)); /* the window has not moved */
	taken = world_count(w, 0, COUNT_RX_CONTROL);
	forge(w, p, &f, 0, PROTO_PACKETS_PER_EPOCH - 1, world_route(peer->active));
	assert_int_equal(world_count(w, 0, COUNT_RX_CONTROL), taken + 1);
	world_free(w);
}

/* The lifetime is over, and the timer has not run yet: a JUMP is denied. Then it has. */
static void test_expired_in_the_moment(void **state)
{
	struct world *w = world_new(1, 1);
	const struct route own = world_stranger(1);
	struct policy policy = policy_defaults;
	struct session *s;
	struct a_frame f;

	policy.max_lifetime_ms = 60000;
	world_policy(w, &policy);
	world_attach(w);
	world_swallow_type(w, true, PACKET_HELLO, UINT32_MAX); /* no session follows */
	s = world_peer(w, 0);
	world_run(w, time_since_ms(time_add_ms(s->born, 60000), w->now) - 20);
	w->now = time_add_ms(s->born, 60000);
	s = world_session(w, 0);
	f = world_a_jump(s, 900, 1, w->now);
	forge(w, session_path_numbered(s, 1), &f, 0, keys_tx(&s->keys)->tx_counter + 100, &own);
	assert_int_equal(
		world_audits(w, false, AUDIT_TRANSPORT_SWITCH_DENIED, REASON_SESSION_EXPIRED, 0), 1);
	world_run(w, 2);
	assert_null(world_peer(w, 0));
	world_free(w);
}

/* A JUMP that other CONTROL has overtaken, from somebody's address: the switch is made, to where the path leads. */
static void test_older_jump_from_elsewhere(void **state)
{
	struct world *w = world_new(1, 1);
	const struct route own = world_stranger(1);
	struct session *s, *peer;
	struct endpoint leads;
	struct a_frame f;
	uint64_t counter;

	world_attach(w);
	world_run(w, 1000);
	s = world_session(w, 0);
	peer = world_peer(w, 0);
	leads = session_remote(session_path_numbered(peer, 2));
	counter = keys_tx(&s->keys)->tx_counter++;
	send_ping(session_path_numbered(s, 2), 0, w->now);
	world_run(w, 10);
	w->recording = RECORD_SENT;
	f = world_a_jump(s, s->next_jump_id + 1, 2, w->now);
	forge(w, session_path_numbered(s, 2), &f, 0, counter, &own);
	world_assert(w, peer->active->number == 2 && lead_goes_to(peer->active, &leads));
	assert_int_equal(bytes_to(w, &own), 0);
	w->recording = RECORD_NOTHING;
	world_free(w);
}

/* A PING with an id that came before is answered. */
static void test_same_id_again(void **state)
{
	struct world *w = world_new(1, 1);
	struct session *s;
	struct a_frame f;
	uint64_t sent;

	world_attach(w);
	world_run(w, 1000);
	s = world_session(w, 0);
	sent = world_count(w, 0, COUNT_TX_CONTROL);
	for (uint32_t i = 0; i < 3; i++) {
		f = world_a_ping(s, 1, 0, w->now);
		forge(w, s->active, &f, 0, keys_tx(&s->keys)->tx_counter++, world_route(world_peer(w, 0)->active));
	}
	assert_int_equal(world_count(w, 0, COUNT_TX_CONTROL), sent + 3);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counters_beyond),   cmocka_unit_test(test_expired_in_the_moment),
		cmocka_unit_test(test_older_jump_from_elsewhere), cmocka_unit_test(test_same_id_again),
		cmocka_unit_test(test_credit_of_another), cmocka_unit_test(test_credit_on_trial),
		cmocka_unit_test(test_challenge_of_jump),
		cmocka_unit_test(test_credit_of_jump),    cmocka_unit_test(test_jump_to_nowhere),
		cmocka_unit_test(test_late_pongs),        cmocka_unit_test(test_denied_without_end),
		cmocka_unit_test(test_moves_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
