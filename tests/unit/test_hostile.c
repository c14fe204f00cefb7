/* What somebody on the way, or a peer that means no good, can do: hold back, copy, forge and repeat. */
#include "hello.h"
#include "session/client_state.h"
#include "session/engine.h"
#include "session/info.h"
#include "session/lead.h"
#include "session/learn.h"
#include "session/limit.h"
#include "session/path.h"
#include "session/proof.h"
#include "session/send.h"
#include "session/session.h"
#include "world.h"

#include "base/wire.h"
#include "proto/cookie.h"

#define CLIENT WORLD_WORKERS

static bool jumped(struct world *w)
{
	return w->jumped.n > 0 && world_all_attached(w);
}

static void jump(struct world *w, uint8_t path, uint64_t within_ms)
{
	world_jump(w, 0, path, 77);
	world_assert(w, world_until(w, jumped, within_ms));
	world_assert(w, w->jumped.why == REASON_NONE && world_session(w, 0)->active->number == path);
}

/* Switches without end, and none for comfort. */
static struct world *with_free_policy(void)
{
	struct world *w = world_new(1, 1);
	struct policy p = policy_defaults;

	p.max_candidates = WORLD_PATHS;
	p.max_switches_per_min = 60;
	p.switch_cooldown_ms = 0;
	p.failback_after_ms = 0;
	world_policy(w, &p);
	return w;
}

/* --- held back --- */

static struct datagram held_locators;

/* Until one of them has been sent on a path that stays open. */
static bool hold_locators(struct world *w, const struct datagram *d)
{
	if (d->up || !(d->frames & FRAME_BIT(FRAME_LOCATORS)) || w->swallow_left == 0)
		return false;
	if (d->path != 1) {
		held_locators = *d;
		w->swallow_left--;
	}
	return true;
}

/* The first list of fresh locators comes when all of them have been replaced: nobody takes it up. */
static void test_late_locators(void **state)
{
	struct world *w = with_free_policy();
	uint8_t id[16], before[PROTO_SLOTS_MAX][8];
	struct session *s;
	uint32_t seq;

	world_attach(w);
	s = world_session(w, 0);
	memcpy(id, s->id, 16);
	w->swallow = hold_locators;
	w->swallow_left = 1;
	for (unsigned int i = 0; i < 8; i++) {
		jump(w, 1, 1000);
		world_run(w, 6000);
	}
	assert_int_equal(w->swallow_left, 0);
	seq = s->locators_seq;
	assert_true(seq >= 5);
	for (unsigned int i = 0; i < s->slots; i++)
		memcpy(before[i], s->slot[i].locator, 8);
	world_late(w, &held_locators);
	assert_int_equal(s->locators_seq, seq);
	for (unsigned int i = 0; i < s->slots; i++)
		assert_memory_equal(s->slot[i].locator, before[i], 8);
	jump(w, 1, 1000);
	world_run(w, 1000);
	world_assert(w, world_all_attached(w));
	assert_memory_equal(world_session(w, 0)->id, id, 16);
	world_free(w);
}

static void answer(struct path *p, const struct session *client, uint32_t id, struct jv_time now)
{
	struct a_frame f = { .type = FRAME_PONG };

	f.pong.id = put_be32(id);
	f.pong.path = p->number;
	f.pong.echo_us = put_be64(client->active->health->answered_us);
	f.pong.age_us = put_be64(session_age_us(p->session, now));
	send_report(p, &f.pong.report);
	send_frame(p, LIES(&f), now);
}

/* A PING is answered once, and by the path it went on: what more comes makes up no round trip and no sign of life. */
static void test_second_pong(void **state)
{
	struct world *w = world_new(1, 1);
	const struct path *p, *other;
	struct path *theirs;
	int64_t srtt_us;
	size_t sampled;

	(void)state;
	world_attach(w);
	world_run(w, 3000);
	p = world_session(w, 0)->active;
	theirs = world_peer(w, 0)->active;
	other = session_path_numbered(world_session(w, 0), 1);
	assert_true(other && other != p);
	send_ping(world_session(w, 0)->active, 0, w->now);
	world_run(w, 200);
	assert_false(p->health->ping_out);
	srtt_us = p->health->srtt_us;
	sampled = (size_t)p->health->last_pong.us;
	answer(theirs, world_session(w, 0), p->health->ping_id, w->now);
	answer(theirs, world_session(w, 0), other->health->ping_id, w->now);
	world_run(w, 10);
	assert_int_equal(p->health->srtt_us, srtt_us);
	assert_int_equal(p->health->last_pong.us, sampled);
	/* The first one counts. */
	world_swallow_frame(w, false, FRAME_BIT(FRAME_PONG), 1);
	send_ping(world_session(w, 0)->active, 0, w->now);
	world_run(w, 5);
	answer(theirs, world_session(w, 0), p->health->ping_id, w->now);
	world_run(w, 5);
	assert_true(p->health->srtt_us > srtt_us && (size_t)p->health->last_pong.us > sampled);
	world_free(w);
}

/* Two JUMPs under one binding version: the first is held back until the second has been acknowledged. */
static void test_late_jump(void **state)
{
	struct world *w = world_new(1, 1);
	struct session_info before, after;
	struct datagram held;
	struct session *s;
	struct a_frame f;
	size_t from;

	world_attach(w);
	world_run(w, 1000);
	s = world_session(w, 0);
	w->recording = RECORD_SENT;
	world_swallow_frame(w, true, FRAME_BIT(FRAME_JUMP), 1);
	f = world_a_jump(s, 5, 1, w->now);
	send_frame(session_path_numbered(s, 1), LIES(&f), w->now);
	assert_int_equal(w->swallowed, 1);
	held = world_recorded(w, true, FRAME_BIT(FRAME_JUMP));
	f = world_a_jump(s, 6, 0, w->now); /* "I am well where I am": binds anew, and is no switch */
	send_frame(s->active, LIES(&f), w->now);
	s->next_jump_id = 6;
	world_run(w, 500);
	assert_int_equal(world_peer(w, 0)->last_jump_id, 6);

	from = w->audits;
	world_view(w, 0, &before, 1);
	world_late(w, &held);
	world_view(w, 0, &after, 1);
	assert_true(after.active == 0 && after.state == STATE_ATTACHED);
	assert_true(after.binding_version == before.binding_version &&
		    after.state_version == before.state_version &&
		    after.switches_left == before.switches_left);
	assert_int_equal(w->audits - from, 1);
	assert_int_equal(world_audits(w, false, AUDIT_TRANSPORT_SWITCH_DENIED, REASON_STALE_REQUEST, from),
			 1);
	assert_int_equal(w->audit[from].r.retry_after_ms, 0);
	jump(w, 2, 100);
	world_free(w);
}

static bool met(struct world *w)
{
	return world_all_attached(w) && world_session(w, 0)->binding_version > 0;
}

/* The server has moved and the client does not know of it: probes are answered, data is not taken. */
static void test_peer_has_moved(void **state)
{
	for (unsigned int idle = 0; idle < 2; idle++) {
		struct world *w = world_new(1, 1);
		struct session *s;
		struct a_frame f;

		world_attach(w);
		world_run(w, 1000);
		s = world_session(w, 0);
		s->next_jump_id = 5;
		f = world_a_jump(s, 5, 1, w->now);
		world_swallow_frame(w, false, FRAME_BIT(FRAME_JUMP_ACK), 1);
		send_frame(session_path_numbered(s, 1), LIES(&f), w->now);
		world_run(w, 20);
		assert_int_equal(w->swallowed, 1);
		world_assert(w, world_peer(w, 0)->active->number == 1 && s->active->number == 0);
		world_assert(w, s->state == STATE_ATTACHED && s->binding_version == 0);
		if (!idle)
			world_traffic(w, &w->client[0].up, 5000, true);
		world_assert(w, world_until(w, met, idle ? 20000 : 2500));
		w->client[0].up.echoed = 0;
		world_traffic(w, &w->client[0].up, 5000, true);
		world_run(w, 1001);
		assert_in_range(w->client[0].up.echoed, 198, 201);
		world_free(w);
	}
}

/* What the peer asked for long ago is not done now. */
static void old_wish(bool order, uint64_t age_ms, bool obeyed)
{
	struct world *w = world_new(1, 1);
	struct datagram held;

	world_attach(w);
	world_run(w, 1000);
	w->recording = RECORD_SENT;
	world_swallow_frame(w, false, FRAME_BIT(FRAME_JUMP) | FRAME_BIT(FRAME_PING), 1000);
	if (order)
		engine_jump(w->engine[0].e, world_peer(w, 0)->id, 1, 55, w->now);
	else
		send_ping(session_path_numbered(world_peer(w, 0), 2), PING_PEER_DEAD, w->now);
	assert_int_equal(w->swallowed, 1);
	held = world_recorded(w, false, FRAME_BIT(order ? FRAME_JUMP : FRAME_PING));
	w->recording = RECORD_NOTHING;
	world_run(w, age_ms);
	world_assert(w, world_session(w, 0)->state == STATE_ATTACHED);
	world_late(w, &held);
	world_swallow_frame(w, false, 0, 0);
	world_run(w, 200);
	world_assert(w, world_all_attached(w));
	world_assert(w, world_session(w, 0)->binding_version == obeyed);
	world_free(w);
}

static void test_old_wishes(void **state)
{
	for (unsigned int order = 0; order < 2; order++) {
		old_wish(order, 1000, true);
		old_wish(order, 6000, false);
	}
}

/* --- somebody who sits on the active path and is quicker than the client --- */

/* For 1 ms: he sends what the client sends from his own address, and what comes for him to the client. */
static void thief_works(struct world *w, unsigned int number)
{
	const struct route as = world_stranger(number);
	const struct route down = { .socket = session_near(world_session(w, 0)->active)->socket,
				    .remote = { world_server_ip(), .port = 4433 } };
	static struct datagram d;

	world_run(w, 1);
	for (size_t i = 0; i < w->record.n; i++) {
		d = w->record.list[i];
		if (d.up && d.path == 0)
			world_inject_up(w, &as, d.data, d.len);
		else if (!d.up && d.client == WORLD_CLIENTS)
			world_inject_down(w, 0, &down, d.data, d.len);
	}
	w->record.n = 0;
}

static struct world *with_thief(void)
{
	struct world *w = world_new(1, 1);

	w->client[0].link[0].delay_us = 5000;
	world_attach(w);
	world_traffic(w, &w->client[0].up, 20000, true);
	world_run(w, 1000);
	w->recording = RECORD_SENT;
	return w;
}

/* He is followed now and then, as a NAT would be, but not as often as he likes. */
static void test_thief(void **state)
{
	struct world *w = with_thief();
	struct jv_time last = TIME_ZERO;
	unsigned int followed = 0;

	for (unsigned int i = 0; i < 50000; i++)
		thief_works(w, i);
	w->recording = RECORD_NOTHING;
	for (size_t i = 0; i < w->audits; i++) {
		if (w->audit[i].r.event != AUDIT_TRANSPORT_REBOUND)
			continue;
		assert_true(time_diff_us(w->audit[i].r.at, last) >= 1500000);
		last = w->audit[i].r.at;
		followed++;
	}
	assert_in_range(followed, 1, 8); /* he could do it, at the cost of no switch */
	assert_in_range(world_audits(w, false, AUDIT_TRANSPORT_SWITCH_DENIED, REASON_NONE, 0), 2, 60);
	world_assert(w, world_session(w, 0)->state == STATE_ATTACHED);
	/* Where the address never settles, the client does not stay: that was its one switch. */
	assert_int_not_equal(world_session(w, 0)->active->number, 0);
	assert_int_equal(switch_limit_left(&world_peer(w, 0)->limit, 8, w->now), 7);
	world_free(w);
}

static void test_thief_no_cooldown(void **state)
{
	struct world *w = with_thief();

	for (unsigned int i = 0; i < 2000 && !world_audits(w, false, AUDIT_TRANSPORT_REBOUND, REASON_NONE, 0);
	     i++)
		thief_works(w, i);
	assert_int_equal(world_audits(w, false, AUDIT_TRANSPORT_REBOUND, REASON_NONE, 0), 1);
	w->recording = RECORD_NOTHING;
	jump(w, 1, 20);
	world_free(w);
}

/* --- HELLOs of somebody who knows the server's public key --- */

static void spoof(struct world *w, uint8_t path)
{
	struct engine *e = w->engine[0].e;
	struct packet_hello h = { .type = PACKET_HELLO, .suite = SUITE_AES_256_GCM };
	struct route from = { .local = world_server_ip() };

	prng_fill(&w->rng, h.e, sizeof(h.e) + sizeof(h.s));
	cookie_sign_hello(e->cookie_keys, &h, NULL);
	from.remote.ip = ip_from_v4((const uint8_t[]){ 198, 51, 100, path });
	from.remote.port = (uint16_t)(60000 + prng_below(&w->rng, 5000));
	world_inject_up(w, &from, &h, sizeof(h));
}

/* In the name of the client's own address, many at first and then some: it is asked for a cookie, and gets in. */
static void spoofed(unsigned int first, unsigned int each_ms, unsigned int every_ms)
{
	struct world *w = world_new(1, 1);
	unsigned int ms = 0;

	w->paths = 1;
	world_start(w);
	for (unsigned int i = 0; i < first; i++)
		spoof(w, 0);
	for (; !world_session(w, 0) && ms < 1000; ms++) {
		if (ms % every_ms == 0)
			for (unsigned int i = 0; i < each_ms; i++)
				spoof(w, 0);
		world_run(w, 1);
	}
	world_assert(w, world_until(w, world_all_attached, 5));
	assert_true(ms < 20);
	assert_int_equal(world_count(w, 0, COUNT_WELCOME_SENT), 1);
	assert_true(world_count(w, 0, COUNT_COOKIE_SENT) > 20);
	assert_int_equal(world_count(w, CLIENT, COUNT_HELLO_RECEIVED), 0);
	world_free(w);
}

static void test_spoofed_hellos(void **state)
{
	spoofed(40, 1, 10); /* the bucket of the source is empty all the time */
	spoofed(250, 5, 1); /* and under load */
}

static struct { /* which session came from which HELLO */
	uint8_t id[PROTO_SESSION_ID_LEN], e[PROTO_KEY_LEN];
} birth[16];
static unsigned int births;

static const uint8_t *hello_of(const struct session *s)
{
	for (unsigned int i = 0; i < births; i++)
		if (memcmp(birth[i].id, s->id, sizeof(s->id)) == 0)
			return birth[i].e;
	return NULL;
}

static bool born_of(struct world *w, unsigned int i, const struct packet_hello *h)
{
	const struct session *s = w->engine[0].e->callers[0]->has.s[i];

	return s && s->state == STATE_BIRTH && memcmp(hello_of(s), h->e, sizeof(h->e)) == 0;
}

static void hello(struct world *w, const struct packet_hello *h, const struct route *from)
{
	world_inject_up(w, from, h, sizeof(*h));
	world_run(w, 2);
	for (unsigned int i = 0; i < BIRTHS_MAX; i++) {
		const struct session *s = w->engine[0].e->callers[0]->has.s[i];

		if (!s || hello_of(s) || births == 16)
			continue;
		memcpy(birth[births].id, s->id, sizeof(s->id));
		memcpy(birth[births++].e, h->e, sizeof(h->e));
	}
}

/*
 * Recorded HELLOs of the peer, sent again from addresses whose owner answers COOKIEs, ten a second each: he can
 * make mac2 for them, but not what is sealed. A client far away (its WELCOME takes 600 ms) connects all the same, in
 * the time it takes for a COOKIE and a HELLO more.
 */
static void test_outrun(void **state)
{
	struct world *w = world_new(1, 1);
	struct packet_hello old[4];
	uint8_t cookie[4][PROTO_MAC_LEN];
	unsigned int ms = 0;

	w->paths = 1;
	w->client[0].link[0].delay_us = 300000;
	world_start(w);
	for (unsigned int i = 0; i < 4; i++) {
		const struct route from = world_stranger(i);

		/* The last two were answers to a COOKIE themselves once. */
		cookie_of(w, &from, cookie[i]);
		hello_make(w, &old[i], i < 2 ? NULL : &(struct route){ .remote = { from.remote.ip, .port = 77 } });
	}
	for (; !world_session(w, 0) && ms < 20000; ms++) {
		for (unsigned int i = 0; i < 4; i++) {
			const struct route from = world_stranger(i);

			if (ms % 100 != 20 * i)
				continue;
			cookie_sign_hello(w->engine[0].e->cookie_keys, &old[i], cookie[i]);
			world_inject_up(w, &from, &old[i], sizeof(old[i]));
		}
		world_run(w, 1);
	}
	world_assert(w, world_until(w, world_all_attached, 1000));
	assert_true(ms < 2500);
	assert_true(world_count(w, 0, COUNT_HELLO_REPLAYED) > 0);
	world_run(w, 6000);
	assert_int_equal(engine_session_count(w->engine[0].e), 1);
	world_free(w);
}

/*
 * As above, but he holds back what the client itself sends by his network, made with a COOKIE there, and lets it go
 * bit by bit: it puts out what came by his network, not what comes by the other one.
 */
static void test_outrun_from_one_network(void **state)
{
	struct world *w = world_new(1, 1);
	const struct route his = world_stranger(0);
	struct packet_hello h;
	unsigned int ms = 0;

	w->paths = 1;
	w->client[0].link[0].delay_us = 300000;
	world_start(w);
	for (; !world_session(w, 0) && ms < 20000; ms++) {
		if (ms % 110 == 0) {
			hello_make(w, &h, &his);
			world_inject_up(w, &his, &h, sizeof(h));
		}
		world_run(w, 1);
	}
	world_assert(w, world_until(w, world_all_attached, 1000));
	assert_true(ms < 2500);
	world_run(w, 6000);
	assert_int_equal(engine_session_count(w->engine[0].e), 1);
	world_free(w);
}

/* He is where he says, and sends as fast as he can: key agreements at the rate of one source, then silence. */
static void test_proven_rate(void **state)
{
	struct world *w = world_new(1, 1);
	const struct route from = world_stranger(1);
	struct packet_hello h = { .type = PACKET_HELLO, .suite = SUITE_AES_256_GCM };
	uint8_t cookie[PROTO_MAC_LEN];

	w->clients = 0; /* nobody else */
	world_start(w);
	w->clients = 1;
	cookie_of(w, &from, cookie);
	for (unsigned int ms = 0; ms < 3000; ms++) {
		prng_fill(&w->rng, h.e, sizeof(h.e));
		cookie_sign_hello(w->engine[0].e->cookie_keys, &h, cookie);
		world_inject_up(w, &from, &h, sizeof(h));
		world_run(w, 1);
	}
	assert_in_range(world_count(w, 0, COUNT_HELLO_BAD_CRYPTO), 45, 51); /* 20, and 10 a second */
	assert_in_range(world_count(w, 0, COUNT_HELLO_RATE_LIMITED), 2940, 2960);
	assert_int_equal(world_count(w, 0, COUNT_COOKIE_SENT), world_count(w, 0, COUNT_HELLO_BAD_CRYPTO));
	world_free(w);
}

static struct world *with_silent_client(void)
{
	struct world *w = world_new(1, 1);

	for (unsigned int n = 0; n < WORLD_PATHS; n++)
		w->client[0].link[n].cut_up = true;
	world_start(w);
	return w;
}

static void test_births(void **state)
{
	const struct route from[] = { world_stranger(0), world_stranger(1), world_stranger(2) };
	struct world *w = with_silent_client();
	struct packet_hello h[5];

	hello_make(w, &h[0], NULL);
	hello(w, &h[0], &from[0]);
	assert_true(born_of(w, 0, &h[0]));
	hello(w, &h[0], &from[0]);
	hello(w, &h[0], &from[1]);
	assert_int_equal(world_count(w, 0, COUNT_HELLO_REPEATED), 1);
	assert_int_equal(world_count(w, 0, COUNT_HELLO_REPLAYED), 1);
	assert_int_equal(world_count(w, 0, COUNT_COOKIE_SENT), 1);
	assert_int_equal(engine_session_count(w->engine[0].e), 1);

	/* The second place wants a proven address. */
	hello_make(w, &h[1], NULL);
	hello(w, &h[1], &from[1]);
	assert_int_equal(world_count(w, 0, COUNT_HELLO_WANTS_COOKIE), 1);
	assert_int_equal(world_count(w, 0, COUNT_COOKIE_SENT), 2);
	assert_int_equal(w->stranger_type, PACKET_COOKIE);
	assert_int_equal(engine_session_count(w->engine[0].e), 1);
	hello_make(w, &h[1], &from[1]);
	hello(w, &h[1], &from[2]); /* proven for another one */
	assert_int_equal(world_count(w, 0, COUNT_COOKIE_SENT), 3);
	assert_int_equal(engine_session_count(w->engine[0].e), 1);
	hello(w, &h[1], &from[1]);
	assert_true(born_of(w, 0, &h[0]) && born_of(w, 1, &h[1]));
	hello(w, &h[1], &from[1]);
	assert_int_equal(world_count(w, 0, COUNT_HELLO_REPEATED), 2);

	/* A third one puts out the oldest, wherever it comes from. */
	hello_make(w, &h[2], &from[1]);
	hello(w, &h[2], &from[1]);
	assert_true(born_of(w, 0, &h[1]) && born_of(w, 1, &h[2]));
	hello_make(w, &h[3], &from[2]);
	hello(w, &h[3], &from[2]);
	assert_true(born_of(w, 0, &h[2]) && born_of(w, 1, &h[3]));
	assert_int_equal(world_count(w, 0, COUNT_HELLO_TOO_MANY_BIRTHS), 2);
	assert_int_equal(engine_session_count(w->engine[0].e), 2);
	/* And without a proof nobody goes. */
	hello_make(w, &h[4], NULL);
	hello(w, &h[4], &from[0]);
	assert_true(born_of(w, 0, &h[2]) && born_of(w, 1, &h[3]));
	/* Nor does one from an address that holds a place: its own only, and that not at once. */
	hello_make(w, &h[4], &from[2]);
	hello(w, &h[4], &from[2]);
	assert_true(born_of(w, 0, &h[2]) && born_of(w, 1, &h[3]));
	world_run(w, 1000);
	hello_make(w, &h[4], &from[2]);
	hello(w, &h[4], &from[2]);
	assert_true(born_of(w, 0, &h[2]) && born_of(w, 1, &h[4]));
	assert_int_equal(world_count(w, 0, COUNT_HELLO_TOO_MANY_BIRTHS), 4);
	world_run(w, 6000);
	assert_int_equal(engine_session_count(w->engine[0].e), 0);
	world_free(w);
}

/* The worker that takes HELLOs is another than the peer's: its cookie is the one that it will look for. */
static void test_cookie_of_other_worker(void **state)
{
	struct world *w = world_new(2, 1);

	w->hello_worker = 1;
	w->paths = 1; /* with another, that is called as well */
	world_swallow_type(w, false, PACKET_WELCOME, 1);
	world_start(w);
	world_assert(w, world_until(w, world_all_attached, 1000));
	assert_int_equal(world_count(w, 1, COUNT_COOKIE_SENT), 1);
	assert_int_equal(world_count(w, 0, COUNT_COOKIE_SENT), 0);
	assert_int_equal(world_count(w, 1, COUNT_HELLO_RECEIVED), 3);
	assert_int_equal(world_count(w, CLIENT, COUNT_WELCOME_BAD), 0);
	world_run(w, 6000);
	assert_true(w->engine[0].e->njobs == 0 && w->engine[1].e->njobs == 0);
	world_free(w);
}

/* One that never got its keys is put out: nothing of another's goes with it. */
static void test_birth_without_keys(void **state)
{
	const struct route from = world_stranger(1);
	struct world *w = world_new(1, 1);
	struct keycache *cache;
	const uint8_t one[PROTO_KEY_LEN] = { 1 }, two[PROTO_KEY_LEN] = { 2 }, nonce[PROTO_NONCE_LEN] = { 0 };
	uint8_t out[2][4 + PROTO_TAG_LEN];
	struct packet_hello h[3];

	world_attach(w);
	assert_true(world_peer(w, 0)->keys.mask_cache > 0 && world_session(w, 0)->keys.mask_cache > 0);
	cache = w->engine[0].e->cache;
	keycache_aead(cache, 0, SUITE_CHACHA20_POLY1305, one);
	w->job_us = 10000;
	for (unsigned int i = 0; i < 3; i++) {
		hello_make(w, &h[i], &from);
		hello(w, &h[i], &from);
	}
	world_run(w, 19);
	assert_int_equal(world_count(w, 0, COUNT_HELLO_TOO_MANY_BIRTHS), 1);
	assert_int_equal(world_count(w, 0, COUNT_WELCOME_SENT), 1);
	aead_seal(keycache_aead(cache, 0, SUITE_CHACHA20_POLY1305, two), out[0], nonce, NULL, 0,
		  (const uint8_t *)"abcd", 4);
	aead_seal_once(SUITE_CHACHA20_POLY1305, one, out[1], nonce, NULL, 0, (const uint8_t *)"abcd", 4);
	assert_memory_equal(out[0], out[1], sizeof(out[0]));
	world_run(w, 100);
	assert_int_equal(world_count(w, 0, COUNT_WELCOME_SENT), 3); /* two of the three live */
	world_free(w);
}

static bool has_next(struct world *w)
{
	return world_client_engine(w, 0)->client->next;
}

/* The client forgets all, and begins again from another port. */
static void restart_client(struct world *w)
{
	struct world_engine *we = &w->engine[CLIENT];
	struct engine_setup setup = { .io = we->e->io,
				      .ctx = we,
				      .config = &w->client[0].config,
				      .workers = 1,
				      .key_cache = 64,
				      .hardware_aes = true };
	const struct candidate cand = we->e->client->candidate[0].c;

	while (w->jobs > 0)
		world_run(w, 1);
	engine_free(we->e);
	free(w->client[0].socket);
	w->client[0].socket = NULL;
	w->client[0].sockets = 0;
	w->client[0].link[0].nat++;
	w->flight.n = 0;
	we->e = engine_new(&setup, w->now);
	assert_non_null(we->e);
	engine_candidate_up(we->e, &cand, w->now);
}

/* The confirmation of a first session is held back until a second one is attached, and takes nothing from it. */
static void test_late_confirmation(void **state)
{
	struct world *w = world_new(1, 1);
	struct datagram held;
	uint8_t id[16];

	w->recording = RECORD_SENT;
	world_swallow_frame(w, true, FRAME_BIT(FRAME_PING), 1000);
	world_start(w);
	world_assert(w, world_until(w, has_next, 100));
	held = world_recorded(w, true, FRAME_BIT(FRAME_PING));
	w->recording = RECORD_NOTHING;
	restart_client(w);
	world_swallow_frame(w, true, 0, 0);
	world_assert(w, world_until(w, world_all_attached, 1000));
	assert_int_equal(world_count(w, 0, COUNT_WELCOME_SENT), 2);
	assert_int_equal(engine_session_count(w->engine[0].e), 1);
	assert_int_equal(world_audits(w, false, AUDIT_HANDSHAKES_UNFINISHED, REASON_SUPERSEDED, 0), 1);
	memcpy(id, world_peer(w, 0)->id, 16);
	world_inject_up(w, &held.route, held.data, held.len);
	world_run(w, 100);
	world_assert(w, world_all_attached(w));
	assert_memory_equal(world_peer(w, 0)->id, id, 16);
	world_free(w);
}

/* Somebody saw the HELLO and sends WELCOMEs with its handshake id: the true one is opened all the same. */
static void test_forged_welcomes(void **state)
{
	struct world *w = world_new(1, 1);
	struct attempt *a;
	unsigned int forged = 0;

	w->job_us = 5000;
	world_start(w);
	a = &world_client_engine(w, 0)->client->attempt[0];
	for (unsigned int ms = 0; ms < 200 && !world_session(w, 0); ms++) {
		uint8_t p[PROTO_WELCOME_LEN] = { PACKET_WELCOME, SUITE_AES_256_GCM };
		const struct route from = { .socket = a->socket, .remote = { world_server_ip(), .port = 4433 } };
		const struct greeting *g = &a->greeting[0];

		memcpy(p + offsetof(struct packet_welcome, handshake_id), g->handshake_id, 8);
		while (g->out && g->consuming < 3) {
			prng_fill(&w->rng, p + offsetof(struct packet_welcome, e), 500);
			world_inject_down(w, 0, &from, p, sizeof(p));
			forged++;
		}
		world_run(w, 1);
	}
	world_assert(w, world_until(w, world_all_attached, 20));
	assert_int_equal(world_count(w, 0, COUNT_HELLO_RECEIVED), 1);
	assert_true(forged > 5 && world_count(w, CLIENT, COUNT_WELCOME_BAD) >= forged - 3);
	world_free(w);
}

/* --- a client that is authentic and means no good, or is broken --- */

/* A thousand refused JUMPs, one a millisecond: no attempts in the audit log, and a record a second. */
static void test_refused_jumps(void **state)
{
	struct world *w = world_new(1, 1);
	struct session_info before, after;
	struct session *s;
	uint64_t told = 0;
	size_t from;

	world_attach(w);
	world_run(w, 1000);
	s = world_session(w, 0);
	world_view(w, 0, &before, 1);
	from = w->audits;
	for (unsigned int i = 0; i < 1000; i++) {
		struct a_frame f = world_a_jump(s, 1000 + i, 2, w->now);

		f.jump.binding_version = put_be32(get_be32(f.jump.binding_version) + 3);
		send_frame(session_path_numbered(s, 2), LIES(&f), w->now);
		world_run(w, 1);
	}
	world_run(w, 2000);
	world_view(w, 0, &after, 1);
	assert_true(after.state_version == before.state_version &&
		    after.binding_version == before.binding_version && after.active == 0);
	assert_int_equal(world_audits(w, false, AUDIT_REATTACH_ATTEMPT, REASON_NONE, from), 0);
	for (size_t i = from; i < w->audits; i++) {
		assert_int_equal(w->audit[i].r.event, AUDIT_TRANSPORT_SWITCH_DENIED);
		assert_int_equal(w->audit[i].r.reason, REASON_STALE_BINDING_VERSION);
		told += w->audit[i].r.count;
	}
	assert_true(w->audits - from <= 4);
	assert_int_equal(told, 1000);
	world_assert(w, world_all_attached(w));
	world_free(w);
}

/* In one packet on `p`: refused as a whole, with no answer and nothing learned. */
static void refused(struct world *w, struct path *p, const struct a_frame *a, const struct a_frame *b)
{
	const struct slot *sl = &world_peer(w, 0)->slot[p->slot];
	const uint8_t number = sl->path ? sl->path->number : PATH_NONE;
	const bool known = sl->path && path_is_known(sl->path);
	struct session_info before, after;
	uint64_t sent, bad;
	struct control_packet c;

	world_view(w, 0, &before, 1);
	sent = world_count(w, 0, COUNT_TX_CONTROL);
	bad = world_count(w, 0, COUNT_DROP_BAD_FRAME);
	send_begin(&c);
	frame_write(&c.w, LIES(a));
	if (b)
		frame_write(&c.w, LIES(b));
	assert_true(send_control(&c, p, NULL, w->now));
	world_run(w, 5);
	world_view(w, 0, &after, 1);
	assert_int_equal(world_count(w, 0, COUNT_DROP_BAD_FRAME), bad + 1);
	assert_int_equal(world_count(w, 0, COUNT_TX_CONTROL), sent);
	assert_true(after.state_version == before.state_version &&
		    after.binding_version == before.binding_version && after.active == before.active &&
		    after.npaths == before.npaths && after.state == STATE_ATTACHED);
	assert_true(sl->path->number == number && path_is_known(sl->path) == known);
}

static void test_bad_control(void **state)
{
	struct world *w = world_new(1, 1);
	struct a_frame ping, move, other;
	struct path *fresh = NULL;
	struct session *s;

	world_attach(w);
	world_run(w, 1000);
	s = world_session(w, 0);

	/* a type twice */
	ping = world_a_ping(s, 900, 2, w->now);
	refused(w, session_path_numbered(s, 2), &ping, &ping);
	move = world_a_jump(s, 900, 2, w->now);
	refused(w, session_path_numbered(s, 2), &move, &move);
	/* two path numbers, either way round, and one that is not this path's */
	other = world_a_ping(s, 901, 1, w->now);
	refused(w, session_path_numbered(s, 2), &move, &other);
	refused(w, session_path_numbered(s, 1), &other, &move);
	refused(w, session_path_numbered(s, 2), &other, NULL);
	/* id 0 */
	other = world_a_ping(s, 0, 2, w->now);
	refused(w, session_path_numbered(s, 2), &other, NULL);
	move.jump.id = put_be32(0);
	refused(w, session_path_numbered(s, 2), &ping, &move);

	/* a locator that nothing told a number of */
	for (uint8_t i = 0; i < s->slots && !fresh; i++)
		if (session_issued(s, i) && s->slot[i].path->number == PATH_NONE)
			fresh = s->slot[i].path;
	assert_non_null(fresh);
	assert_true(lead_set(fresh, world_route(s->active)));
	fresh->state = PATH_KNOWN;
	other = (struct a_frame){ .type = FRAME_PATH_RESPONSE };
	refused(w, fresh, &other, NULL);
	session_reset_path(fresh, w->now);

	move = world_a_jump(s, 900, 2, w->now); /* and with nothing wrong it is done */
	send_frame(session_path_numbered(s, 2), LIES(&move), w->now);
	world_run(w, 20);
	assert_int_equal(world_peer(w, 0)->active->number, 2);
	world_free(w);
}

/* Only who was asked can answer, only with what he was asked, and only while he is asked. */
static void test_response_from_elsewhere(void **state)
{
	struct world *w = world_new(1, 1);
	const struct route stranger = world_stranger(1);
	uint8_t nonce[8] = { 0 };
	struct path *p;

	world_attach(w);
	p = session_path_numbered(world_peer(w, 0), 1);
	p->state = PATH_KNOWN;
	assert_non_null(session_need_upkeep(p));
	memset(p->upkeep->challenge.nonce, 0, sizeof(nonce));
	p->upkeep->challenge.out = false;
	learn_answered(p, world_route(p), nonce, w->now);
	assert_false(path_is_proven(p));
	p->upkeep->challenge.out = true;
	learn_answered(p, &stranger, nonce, w->now);
	assert_false(path_is_proven(p));
	nonce[7] = 1;
	learn_answered(p, world_route(p), nonce, w->now);
	assert_false(path_is_proven(p));
	nonce[7] = 0;
	learn_answered(p, world_route(p), nonce, w->now);
	assert_true(path_is_proven(p) && !path_upkeep(p)->challenge.out);
	world_free(w);
}

/* The active path's address is on trial when the session jumps away; its answer comes behind the jump, and binds nothing. */
static void test_response_behind_jump(void **state)
{
	struct world *w = world_new(1, 1);
	const struct route elsewhere = world_stranger(1);
	const uint8_t nonce[8] = { 7 };
	uint32_t left;
	struct path *p;

	world_attach(w);
	p = world_peer(w, 0)->active;
	assert_true(lead_try(p, &elsewhere));
	path_trial(p)->challenge.out = true;
	memcpy(path_trial(p)->challenge.nonce, nonce, sizeof(nonce));
	world_jump(w, 0, 1, 1);
	world_run(w, 20);
	world_assert(w, world_peer(w, 0)->active->number == 1 && path_trial(p));
	left = switch_limit_left(&world_peer(w, 0)->limit, 8, w->now);
	learn_answered(p, &elsewhere, nonce, w->now);
	assert_true(path_is_proven(p) && !path_trial(p) && route_equal(world_route(p), &elsewhere));
	assert_int_equal(switch_limit_left(&world_peer(w, 0)->limit, 8, w->now), left);
	assert_int_equal(world_audits(w, false, AUDIT_TRANSPORT_REBOUND, REASON_NONE, 0), 0);
	world_free(w);
}

/* --- the 3x rule, and a loss at the wrong moment --- */

/* A jump to an address not proven yet, with much to send there; the answers to the first challenges are lost. */
static void cold_jump(bool dead, uint32_t lost)
{
	struct world *w = world_new(1, 1);
	struct traffic *down;
	uint32_t got;

	w->paths = 1;
	w->client[0].link[0].delay_us = 10000;
	world_attach(w);
	world_run(w, 1000);
	down = &w->client[0].down;
	world_traffic(w, down, 1000, false);
	world_run(w, 1000);
	world_swallow_frame(w, true, FRAME_BIT(FRAME_PATH_RESPONSE), lost);
	w->jumped.n = 0;
	if (dead)
		engine_candidate_moved(world_client_engine(w, 0), 0, w->now);
	else
		world_jump(w, 0, 0, 1);
	world_run(w, 350);
	got = down->got;
	world_run(w, 1000);
	assert_in_range(down->got - got, 990, 1001);
	world_run(w, 2000);
	world_assert(w, w->swallowed == lost && world_peer(w, 0)->binding_version == 1);
	world_assert(w, world_all_attached(w) && path_is_proven(world_peer(w, 0)->active));
	assert_in_range(down->gap_us, 0, 250000);
	assert_true(time_diff_us(w->now, down->last_got) < 15000);
	world_free(w);
}

static void test_cold_jump(void **state)
{
	cold_jump(false, 1);
	cold_jump(true, 1);
	cold_jump(false, 2);
	cold_jump(true, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_late_locators),
		cmocka_unit_test(test_late_jump),
		cmocka_unit_test(test_peer_has_moved),
		cmocka_unit_test(test_old_wishes),
		cmocka_unit_test(test_thief),
		cmocka_unit_test(test_thief_no_cooldown),
		cmocka_unit_test(test_spoofed_hellos),
		cmocka_unit_test(test_outrun),
		cmocka_unit_test(test_outrun_from_one_network),
		cmocka_unit_test(test_proven_rate),
		cmocka_unit_test(test_births),
		cmocka_unit_test(test_cookie_of_other_worker),
		cmocka_unit_test(test_birth_without_keys),
		cmocka_unit_test(test_late_confirmation),
		cmocka_unit_test(test_forged_welcomes),
		cmocka_unit_test(test_refused_jumps),
		cmocka_unit_test(test_bad_control),
		cmocka_unit_test(test_cold_jump),
		cmocka_unit_test(test_response_from_elsewhere),
		cmocka_unit_test(test_response_behind_jump),
		cmocka_unit_test(test_second_pong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
