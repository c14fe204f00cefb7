/* A session's life: new keys, a new session before the old one's time is up, a new policy, and its ends. */
#include "session/age.h"
#include "session/engine.h"
#include "session/info.h"
#include "session/keys.h"
#include "session/rekey.h"
#include "session/session.h"
#include "session/wheel.h"
#include "world.h"

#define CLIENT WORLD_WORKERS

static uint8_t old_id[16];

static void remember_id(struct world *w)
{
	memcpy(old_id, world_session(w, 0)->id, 16);
}

static bool renewed(struct world *w)
{
	return world_all_attached(w) && memcmp(world_session(w, 0)->id, old_id, 16) != 0;
}

static bool client_gone(struct world *w)
{
	return world_session(w, 0) == NULL;
}

static void both_ways(struct world *w)
{
	world_traffic(w, &w->client[0].up, 2000, true);
	world_traffic(w, &w->client[0].down, 2000, false);
}

static void assert_nothing_lost(struct world *w)
{
	struct world_client *c = &w->client[0];

	c->up.interval_us = c->down.interval_us = 0;
	world_run(w, 100);
	world_assert(w, c->up.got == c->up.sent && c->up.echoed == c->up.sent && c->down.got == c->down.sent);
	world_assert(w, c->up.twice == 0 && c->down.twice == 0);
}

static struct world *with_policy(uint32_t rekey_ms, uint32_t life_ms)
{
	struct world *w = world_new(1, 1);
	struct policy p = policy_defaults;

	p.max_candidates = WORLD_PATHS;
	p.rekey_after_ms = rekey_ms;
	p.max_lifetime_ms = life_ms;
	world_policy(w, &p);
	return w;
}

static void test_rekey(void **state)
{
	struct world *w = with_policy(10000, 86400000);
	unsigned int last[2] = { 0 };

	world_attach(w);
	remember_id(w);
	both_ways(w);
	world_run(w, 65000);
	world_assert(w, world_session(w, 0)->keys.tx_epoch == 6 && world_peer(w, 0)->keys.tx_epoch == 6);
	assert_nothing_lost(w);
	assert_memory_equal(world_session(w, 0)->id, old_id, 16);
	assert_int_equal(world_session(w, 0)->state_version, 1); /* no transition */
	for (size_t i = 0; i < w->audits; i++) {
		const bool client = w->audit[i].engine == CLIENT;

		if (w->audit[i].r.event != AUDIT_SESSION_REKEYED)
			continue;
		assert_int_equal(w->audit[i].r.epoch, last[client] + 1);
		last[client]++;
	}
	assert_true(last[0] == 6 && last[1] == 6);
	world_free(w);
}

/* Past where the byte on the wire wraps, with hardly any DATA. */
static void test_rekey_for_long(void **state)
{
	struct world *w = with_policy(10000, 86400000);

	world_attach(w);
	world_traffic(w, &w->client[0].up, 3000000, true);
	world_run(w, 2700000);
	world_assert(w, world_session(w, 0)->keys.tx_epoch > 260);
	assert_int_equal(world_session(w, 0)->keys.tx_epoch, world_peer(w, 0)->keys.tx_epoch);
	both_ways(w);
	world_run(w, 1000);
	assert_nothing_lost(w);
	world_free(w);
}

static unsigned int rekeyed(struct world *w)
{
	return world_audits(w, true, AUDIT_SESSION_REKEYED, REASON_NONE, 0) +
	       world_audits(w, false, AUDIT_SESSION_REKEYED, REASON_NONE, 0);
}

/* Keys that have carried no DATA stay, and are not overdue; with DATA their interval is the last. */
static void test_idle(void **state)
{
	struct world *w = with_policy(10000, 86400000);
	struct session *s;

	world_attach(w);
	s = world_session(w, 0);
	world_run(w, 55000);
	assert_int_equal(rekeyed(w), 0);
	both_ways(w);
	world_run(w, 100);
	assert_nothing_lost(w);
	world_run(w, 10000);
	assert_int_equal(rekeyed(w), 2);
	world_run(w, 60000);
	assert_int_equal(rekeyed(w), 2);
	assert_int_equal(world_audits(w, true, AUDIT_SECURITY_VALIDATION_FAILED, REASON_REKEY_OVERDUE, 0) +
				 world_audits(w, false, AUDIT_SECURITY_VALIDATION_FAILED, REASON_REKEY_OVERDUE, 0),
			 0);
	assert_true(engine_rekey(world_client_engine(w, 0), s->id, w->now)); /* an order asks nobody whether they are */
	world_run(w, 1000);
	assert_int_equal(rekeyed(w), 4);
	world_free(w);
}

/* Nor may idle keys seal without end: the server's count is the client's, but for what is lost. */
static void test_idle_packets(void **state)
{
	struct world *w = with_policy(10000, 86400000);
	struct session *s;

	w->config->peers[0].policy.heartbeat_idle_ms = 1000;
	world_attach(w);
	s = world_session(w, 0);
	while (keys_tx(&s->keys)->tx_counter < PROTO_IDLE_PACKETS && s->keys.tx_epoch == 0)
		world_run(w, 100);
	assert_int_equal(s->keys.tx_epoch, 0);
	world_run(w, 12600);
	assert_int_equal(s->keys.tx_epoch, 1);
	world_run(w, 30000);
	assert_int_equal(s->keys.tx_epoch, 1);
	world_free(w);
}

static void rekey_lost(bool up, unsigned int frames, uint32_t n)
{
	struct world *w = with_policy(10000, 86400000);

	world_attach(w);
	both_ways(w);
	world_run(w, 9000);
	world_swallow_frame(w, up, frames, n);
	world_run(w, 5000);
	assert_int_equal(w->swallowed, n);
	world_assert(w, world_session(w, 0)->keys.tx_epoch == 1 && world_peer(w, 0)->keys.tx_epoch == 1);
	assert_nothing_lost(w);
	world_free(w);
}

static void test_rekey_lost(void **state)
{
	rekey_lost(true, FRAME_BIT(FRAME_REKEY_OFFER), 1);
	rekey_lost(true, FRAME_BIT(FRAME_REKEY_OFFER), 5);
	rekey_lost(false, FRAME_BIT(FRAME_REKEY_ACCEPT), 1);
	rekey_lost(false, FRAME_BIT(FRAME_REKEY_ACCEPT), 5);
}

/* The client is silent about it: the server offers, later. */
static void test_server_offers(void **state)
{
	struct world *w = with_policy(10000, 86400000);
	struct policy policy;

	world_attach(w);
	policy = *world_session(w, 0)->policy;
	policy.rekey_after_ms = 3600000;
	world_session_policy(world_session(w, 0), &policy);
	age_begins(world_session(w, 0), w->now);
	both_ways(w);
	world_run(w, 12000);
	assert_int_equal(world_peer(w, 0)->keys.tx_epoch, 0);
	world_run(w, 1500);
	world_assert(w, world_session(w, 0)->keys.tx_epoch == 1 && world_peer(w, 0)->keys.tx_epoch == 1);
	assert_nothing_lost(w);
	world_free(w);
}

/* Both at once, with the Diffie-Hellman taking its time in every order: the client's offer stands. */
static void test_both_offer(void **state)
{
	for (int64_t skew = -3000; skew <= 3000; skew += 250) {
		for (int64_t job = 0; job <= 2000; job += 500) {
			struct world *w = with_policy(10000, 86400000);
			struct jv_time at;

			w->job_us = job;
			world_attach(w);
			both_ways(w);
			at = time_add_ms(w->now, 100);
			world_session(w, 0)->rekey.due = at;
			world_peer(w, 0)->rekey.due = time_add_us(at, skew);
			session_due(world_session(w, 0), DUE_LIFE, at);
			session_due(world_peer(w, 0), DUE_LIFE, time_add_us(at, skew));
			world_run(w, 1100);
			world_assert(w,
				     world_session(w, 0)->keys.tx_epoch == world_peer(w, 0)->keys.tx_epoch);
			world_assert(w, world_session(w, 0)->keys.tx_epoch == 1);
			assert_nothing_lost(w);
			world_free(w);
		}
	}
}

/* Across a jump, and while the path is dead. */
static void test_rekey_and_jump(void **state)
{
	struct world *w = with_policy(10000, 86400000);

	world_attach(w);
	both_ways(w);
	world_run(w, 9990);
	w->client[0].link[0].cut_up = w->client[0].link[0].cut_down = true;
	world_run(w, 1500);
	world_assert(w, world_session(w, 0)->keys.tx_epoch == 1 && world_peer(w, 0)->keys.tx_epoch == 1);
	world_assert(w, world_all_attached(w));
	assert_int_equal(world_session(w, 0)->active->number != 0, 1);
	world_free(w);
}

/* The old epoch's packets are good for the grace and no longer. */
static void test_grace(void **state)
{
	struct world *w = with_policy(20000, 86400000);
	struct datagram held[2];
	uint8_t packet[100];
	uint64_t before;

	world_attach(w);
	w->client[0].link[0].cut_up = true;
	w->recording = RECORD_SENT;
	for (int i = 0; i < 2; i++) {
		world_packet(packet, sizeof(packet), "10.8.0.2", "10.8.0.1");
		world_inner(w, CLIENT, packet, sizeof(packet));
		held[i] = w->record.list[i];
	}
	w->recording = RECORD_NOTHING;
	w->client[0].link[0].cut_up = false;
	world_run(w, 24000);
	assert_int_equal(world_peer(w, 0)->keys.tx_epoch, 1);
	world_inject_up(w, &held[0].route, held[0].data, held[0].len);
	assert_int_equal(w->engine[0].strange, 1);
	world_run(w, 10000);
	before = world_count(w, 0, COUNT_DROP_UNKNOWN_EPOCH);
	world_inject_up(w, &held[1].route, held[1].data, held[1].len);
	assert_int_equal(w->engine[0].strange, 1);
	assert_int_equal(world_count(w, 0, COUNT_DROP_UNKNOWN_EPOCH), before + 1);
	world_free(w);
}

/* Half of the packets a key may seal: time for the next one, whatever the clock says. */
static void test_rekey_by_packets(void **state)
{
	struct world *w = with_policy(3600000, 86400000);

	world_attach(w);
	both_ways(w);
	world_run(w, 100);
	keys_tx(&world_session(w, 0)->keys)->tx_counter = PROTO_PACKETS_PER_EPOCH / 2 - 10;
	world_run(w, 1000);
	world_assert(w, world_session(w, 0)->keys.tx_epoch == 1 && world_peer(w, 0)->keys.tx_epoch == 1);
	keys_tx(&world_peer(w, 0)->keys)->tx_counter = PROTO_PACKETS_PER_EPOCH / 2 - 10;
	world_run(w, 1000);
	world_assert(w, world_session(w, 0)->keys.tx_epoch == 2 && world_peer(w, 0)->keys.tx_epoch == 2);
	assert_nothing_lost(w);
	world_free(w);
}

/* No new key to be had: the session ends rather than use a nonce twice. */
static void test_key_used_up(void **state)
{
	struct world *w = with_policy(3600000, 86400000);

	world_attach(w);
	remember_id(w);
	both_ways(w);
	world_run(w, 100);
	world_swallow_frame(w, false, FRAME_BIT(FRAME_REKEY_ACCEPT), 100000);
	keys_tx(&world_session(w, 0)->keys)->tx_counter = PROTO_PACKETS_PER_EPOCH - 100;
	world_run(w, 3000);
	assert_int_equal(world_audits(w, true, AUDIT_SESSION_TERMINATED, REASON_SECURITY_FAILURE, 0), 1);
	world_swallow_frame(w, false, 0, 0);
	world_assert(w, world_until(w, renewed, 10000));
	world_free(w);
}

/* Make before break: the next session is there before this one's lifetime ends, and no packet is lost. */
static void test_renewal(void **state)
{
	struct world *w = with_policy(120000, 100000);
	uint32_t nets;

	world_attach(w);
	remember_id(w);
	both_ways(w);
	nets = w->client[0].nets;
	world_assert(w, world_until(w, renewed, 99000));
	world_run(w, 2000);
	assert_int_equal(world_audits(w, false, AUDIT_SESSION_TERMINATED, REASON_SUPERSEDED, 0), 1);
	assert_int_equal(world_audits(w, false, AUDIT_SESSION_TERMINATED, REASON_NONE, 0), 1);
	assert_int_equal(world_audits(w, true, AUDIT_SESSION_TERMINATED, REASON_NONE, 0), 1);
	assert_int_equal(w->client[0].nets, nets + 1);
	assert_int_equal(w->client[0].item[0].kind, NET_ITEM_ADDRESS);
	assert_int_equal(w->client[0].item[0].prefix.ip.b[15], 2);
	world_assert(w, w->client[0].up.gap_us <= 10000 && w->client[0].down.gap_us <= 10000);
	world_run(w, 300000);
	world_assert(w, world_all_attached(w));
	assert_in_range(world_audits(w, false, AUDIT_SESSION_TERMINATED, REASON_SUPERSEDED, 0), 3, 5);
	assert_nothing_lost(w);
	world_free(w);
}

/* Nothing of the client's but what belongs to the session it has comes through. */
static bool swallow_next(struct world *w, const struct datagram *d)
{
	const struct path *p = d->up && is_control(d)
				       ? session_find_path(world_client_engine(w, 0),
							   d->data + offsetof(struct packet_header, locator))
				       : NULL;

	return p && p->session != world_session(w, 0);
}

/* One next session at a time: while it waits for its confirmation, new keys for the old one begin no other. */
static void test_renewal_waits(void **state)
{
	struct world *w = with_policy(13000, 70000);

	w->config->peers[0].policy.handshake_timeout_ms = 20000;
	world_attach(w);
	world_traffic(w, &w->client[0].up, 200000, false); /* idle keys are not replaced */
	w->swallow = swallow_next;
	world_run(w, 64000); /* the renewal is due at 63 s, new keys at 65 s */
	assert_int_equal(world_audits(w, true, AUDIT_SESSION_CREATED, REASON_NONE, 0), 2);
	world_run(w, 4000);
	assert_int_equal(world_session(w, 0)->keys.tx_epoch, 5);
	assert_int_equal(world_audits(w, true, AUDIT_SESSION_CREATED, REASON_NONE, 0), 2);
	assert_int_equal(world_client_engine(w, 0)->nsessions, 2);
	world_free(w);
}

/* Nothing answers HELLOs: the lifetime is the end all the same. */
static void test_lifetime(void **state)
{
	struct world *w = with_policy(120000, 60000);

	world_attach(w);
	remember_id(w);
	both_ways(w);
	world_swallow_type(w, false, PACKET_WELCOME, 1000000);
	world_run(w, 59000);
	world_assert(w, world_session(w, 0)->state == STATE_ATTACHED);
	world_run(w, 1100);
	assert_int_equal(world_audits(w, true, AUDIT_SESSION_TERMINATED, REASON_NONE, 0), 1);
	assert_int_equal(
		world_audits(w, true, AUDIT_SESSION_TERMINATED, REASON_SESSION_LIFETIME_EXCEEDED, 0) +
			world_audits(w, true, AUDIT_SESSION_TERMINATED, REASON_PEER_CLOSED, 0),
		1);
	world_swallow_frame(w, true, 0, 0);
	world_assert(w, world_until(w, renewed, 10000));
	world_free(w);
}

/* --- reload --- */

static bool client_has_generation(struct world *w)
{
	return world_session(w, 0) &&
	       world_session(w, 0)->policy_generation == w->config->peers[0].generation;
}

static unsigned int bounds_told(const struct world *w, bool clients, enum audit_event event,
				uint32_t max_switches)
{
	unsigned int n = 0;

	for (size_t i = 0; i < w->audits; i++) {
		const struct audit_record *r = &w->audit[i].r;

		n += r->client == clients && r->event == event &&
		     r->bounds.max_switches_per_min == max_switches &&
		     r->bounds.max_lifetime_ms == policy_defaults.max_lifetime_ms;
	}
	return n;
}

static void test_policy(void **state)
{
	struct world *w = world_new(1, 1);
	struct config *next;

	world_attach(w);
	remember_id(w);
	next = world_config_next(w);
	next->peers[0].generation = 2;
	next->peers[0].policy.drain_ms = 4321;
	next->peers[0].policy.max_switches_per_min = 12;
	world_reload(w, next);
	w->max_switches = 12;
	both_ways(w);
	world_assert(w, world_until(w, client_has_generation, 20000));
	/* It is taken at the next transition. */
	assert_int_equal(world_session(w, 0)->policy->drain_ms, policy_defaults.drain_ms);
	world_jump(w, 0, 1, 1);
	world_run(w, 100);
	assert_int_equal(world_session(w, 0)->policy->drain_ms, 4321);
	assert_int_equal(world_peer(w, 0)->policy->drain_ms, 4321);
	assert_int_equal(world_session(w, 0)->limit.cap, 12);
	assert_memory_equal(world_session(w, 0)->id, old_id, 16);
	/* The records say under which bounds it has lived at either end. */
	for (int clients = 0; clients < 2; clients++) {
		assert_int_equal(bounds_told(w, clients, AUDIT_SESSION_CREATED, 8), 1);
		assert_int_equal(bounds_told(w, clients, AUDIT_POLICY_RELOADED, 12), 1);
	}
	assert_nothing_lost(w);
	world_free(w);
}

/* A lifetime that is lowered below what has passed ends the session at its next transition. */
static void test_lowered_lifetime(void **state)
{
	struct world *w = world_new(1, 1);
	struct config *next;

	world_attach(w);
	remember_id(w);
	world_run(w, 90000);
	next = world_config_next(w);
	next->peers[0].generation = 2;
	next->peers[0].policy.max_lifetime_ms = 60000;
	world_reload(w, next);
	world_assert(w, world_until(w, client_has_generation, 20000));
	world_jump(w, 0, 1, 1);
	world_run(w, 100);
	assert_true(
		world_audits(w, false, AUDIT_SESSION_TERMINATED, REASON_SESSION_LIFETIME_EXCEEDED, 0) +
			world_audits(w, true, AUDIT_SESSION_TERMINATED, REASON_SESSION_LIFETIME_EXCEEDED, 0) >
		0);
	world_free(w);
}

/* More routes than one WELCOME or one frame holds, with frames lost. */
static void test_many_routes(void **state)
{
	struct world *w = world_new(1, 1);
	const size_t many = 300;
	struct config *next;
	bool seen[300] = { false };

	world_attach(w);
	next = world_config_next(w);
	next->peers[0].generation = 5;
	next->tunnel.mtu = 1300;
	free(next->peers[0].routes);
	next->peers[0].routes = calloc(many, sizeof(struct prefix));
	next->peers[0].nroutes = many;
	for (size_t i = 0; i < many; i++) {
		struct prefix *p = &next->peers[0].routes[i];

		p->ip = ip_from_v4((const uint8_t[]){ 10, 100, (uint8_t)(i / 256), (uint8_t)i });
		p->len = 128;
	}
	world_swallow_frame(w, false, FRAME_BIT(FRAME_POLICY), 3);
	world_reload(w, next);
	world_assert(w, world_until(w, client_has_generation, 60000));
	assert_int_equal(w->client[0].items, many + 3); /* address, name server, and the server itself */
	assert_int_equal(w->client[0].mtu, 1300);
	assert_int_equal(world_session(w, 0)->mtu, 1300);
	for (size_t i = 0; i < w->client[0].items; i++) {
		const struct net_item *item = &w->client[0].item[i];

		if (item->kind == NET_ITEM_ROUTE && item->prefix.ip.b[13] == 100)
			seen[item->prefix.ip.b[14] * 256 + item->prefix.ip.b[15]] = true;
	}
	for (size_t i = 0; i < many; i++)
		assert_true(seen[i]);

	/* The next session says it in its WELCOME and the frames behind. */
	remember_id(w);
	assert_true(engine_terminate(w->engine[0].e, world_peer(w, 0)->id, w->now));
	w->client[0].items = 0;
	world_assert(w, world_until(w, renewed, 10000));
	world_assert(w, world_until(w, client_has_generation, 60000));
	assert_int_equal(w->client[0].items, many + 3);
	world_free(w);
}

/* A reload that changes nothing for a peer is not noticed by it. */
static void test_same_policy(void **state)
{
	struct world *w = world_new(1, 2);
	struct session_info before, after;
	size_t audits;

	world_attach(w);
	world_view(w, 0, &before, 1);
	audits = w->audits;
	world_reload(w, world_config_next(w));
	world_view(w, 0, &after, 1);
	assert_memory_equal(&before, &after, sizeof(before));
	world_run(w, 1000);
	assert_int_equal(w->audits, audits);
	world_free(w);
}

/* Peers come and go, and those that stay keep their sessions at their new place in the list. */
static void test_peers_change(void **state)
{
	struct world *w = world_new(1, 3);
	struct config *next;
	struct config_peer first;
	size_t from;

	world_attach(w);
	for (unsigned int i = 0; i < 3; i++)
		world_traffic(w, &w->client[i].up, 5000, true);
	world_run(w, 1001);
	next = world_config_next(w);
	first = next->peers[0]; /* gone; and the other two change places */
	free(first.addresses);
	free(first.routes);
	free(first.dns);
	next->peers[0] = next->peers[2];
	next->npeers = 2;
	from = w->audits;
	w->client[0].up.interval_us = 0;
	world_reload(w, next);
	world_run(w, 1000);
	assert_null(world_session(w, 0));
	assert_int_equal(world_audits(w, false, AUDIT_SESSION_TERMINATED, REASON_PEER_REMOVED, from), 1);
	assert_int_equal(world_audits(w, true, AUDIT_SESSION_TERMINATED, REASON_PEER_CLOSED, from), 1);
	assert_int_equal(w->audits - from,
			 4 + world_audits(w, false, AUDIT_SECURITY_VALIDATION_FAILED, REASON_NONE, from));
	for (unsigned int i = 1; i < 3; i++) {
		assert_int_equal(world_peer(w, i)->peer, i == 2 ? 0 : 1);
		w->client[i].up.interval_us = 0;
	}
	world_run(w, 10);
	for (unsigned int i = 1; i < 3; i++)
		assert_int_equal(w->client[i].up.echoed, w->client[i].up.sent);
	world_free(w);
}

/* --- ends --- */

static void test_operator(void **state)
{
	struct world *w = world_new(1, 1);
	uint8_t nobody[16] = { 3 };

	world_attach(w);
	remember_id(w);
	assert_false(engine_terminate(w->engine[0].e, nobody, w->now));
	assert_true(engine_terminate(w->engine[0].e, old_id, w->now));
	assert_false(engine_terminate(w->engine[0].e, old_id, w->now));
	world_assert(w, world_until(w, client_gone, 5));
	assert_int_equal(world_audits(w, false, AUDIT_SESSION_TERMINATED, REASON_OPERATOR_TERMINATED, 0), 1);
	assert_int_equal(world_audits(w, true, AUDIT_SESSION_TERMINATED, REASON_PEER_CLOSED, 0), 1);
	world_assert(w, world_until(w, renewed, 1000));

	remember_id(w);
	assert_true(engine_terminate(world_client_engine(w, 0), old_id, w->now));
	world_assert(w, world_until(w, renewed, 10000));
	assert_int_equal(engine_session_count(w->engine[0].e), 1);
	world_free(w);
}

/* Sessions that end as soon as they begin are begun ever more slowly. */
static void test_young(void **state)
{
	struct world *w = world_new(1, 1);
	unsigned int ends = 0;

	world_start(w);
	for (unsigned int i = 0; i < 60000; i += 10) {
		struct session *s = world_peer(w, 0);

		if (s && world_session(w, 0))
			ends += engine_terminate(w->engine[0].e, s->id, w->now);
		world_run(w, 10);
	}
	assert_in_range(ends, 5, 40);
	world_free(w);
}

static void test_shutdown(void **state)
{
	struct world *w = world_new(1, 2);

	world_attach(w);
	engine_shutdown(world_client_engine(w, 0), w->now);
	world_run(w, 1000);
	assert_null(world_session(w, 0));
	assert_int_equal(world_audits(w, false, AUDIT_SESSION_TERMINATED, REASON_PEER_CLOSED, 0), 1);
	assert_int_equal(engine_session_count(w->engine[0].e), 1);
	assert_int_equal(world_served(w, COUNT_HELLO_RECEIVED), 2); /* no new attempt */
	engine_shutdown(w->engine[0].e, w->now);
	assert_int_equal(engine_session_count(w->engine[0].e), 0);
	world_run(w, 1);
	assert_null(world_session(w, 1));
	world_free(w);
}

/* CLOSE is lost on every path: RESET says it when the client speaks next. */
static void test_lost_close(void **state)
{
	struct world *w = world_new(1, 1);

	world_attach(w);
	remember_id(w);
	world_swallow_frame(w, false, FRAME_BIT(FRAME_CLOSE), 10);
	assert_true(engine_terminate(w->engine[0].e, old_id, w->now));
	assert_true(w->swallowed >= 1);
	world_traffic(w, &w->client[0].up, 10000, false);
	world_assert(w, world_until(w, renewed, 1000));
	world_free(w);
}

/* Everything at once, for long, by several seeds: the invariants hold at the end of it. */
static void test_storm(void **state)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct world *w = world_new(2, 3);
		struct prng rng = { seed };
		struct policy p = policy_defaults;

		w->rng.state += seed;
		p.max_candidates = WORLD_PATHS;
		p.rekey_after_ms = 10000;
		p.max_lifetime_ms = 120000;
		p.failback_after_ms = 3000;
		world_policy(w, &p);
		world_start(w);
		for (unsigned int c = 0; c < 3; c++) {
			world_traffic(w, &w->client[c].up, 20000, true);
			world_traffic(w, &w->client[c].down, 30000, false);
		}
		for (unsigned int step = 0; step < 300; step++) {
			const unsigned int c = (unsigned int)prng_below(&rng, 3);
			struct world_link *l = &w->client[c].link[prng_below(&rng, 3)];

			switch (prng_below(&rng, 8)) {
			case 0:
				l->cut_up = l->cut_down = true;
				break;
			case 1:
				l->cut_up = true;
				break;
			case 2:
				l->cut_down = true;
				break;
			case 3:
				l->loss_ppm = (uint32_t)prng_below(&rng, 300000);
				break;
			case 4:
				l->delay_us = 500 + (int64_t)prng_below(&rng, 60000);
				break;
			case 5:
				if (l->nat < 5)
					l->nat++;
				break;
			case 6:
				if (world_session(w, c))
					world_jump(w, c, (uint8_t)prng_below(&rng, 3), 1);
				break;
			default:
				for (unsigned int n = 0; n < 3; n++)
					w->client[c].link[n] =
						(struct world_link){ .delay_us = 500,
								     .nat = w->client[c].link[n].nat };
			}
			world_run(w, prng_below(&rng, 4000));
		}
		for (unsigned int c = 0; c < 3; c++)
			for (unsigned int n = 0; n < 3; n++)
				w->client[c].link[n] = (struct world_link){ .delay_us = 500,
									    .nat = w->client[c].link[n].nat };
		world_assert(w, world_until(w, world_all_attached, 70000));
		world_free(w);
	}
}

/* One timer for all that a session has to do by the clock: the longest due first, and nothing that was put off meanwhile. */
static void test_due_in_turn(void **state)
{
	struct world *w = world_new(1, 1);
	struct session *s;
	struct jv_time now;
	unsigned int left;
	enum due what;

	world_attach(w);
	s = world_peer(w, 0);
	now = wheel_time(wheel_floor(w->now));
	session_stop_timers(s);
	assert_true(time_is_never(timer_due(&s->timer)));
	session_due(s, DUE_LIFE, time_add_us(now, -2000));
	session_due(s, DUE_HEALTH, time_add_us(now, -3999)); /* rounded up to the wheel's tick */
	session_due(s, DUE_STANDBY, time_add_us(now, -3000));
	session_due(s, DUE_PMTU, time_add_us(now, 5000));
	assert_int_equal(timer_due(&s->timer).us, now.us - 3000);
	left = session_due_now(s, now);
	assert_int_equal(left, 1u << DUE_LIFE | 1u << DUE_HEALTH | 1u << DUE_STANDBY);
	assert_true(session_due_next(s, &left, now, &what) && what == DUE_HEALTH);
	assert_true(session_due_next(s, &left, now, &what) && what == DUE_STANDBY);
	session_due(s, DUE_STANDBY, now); /* once in a turn */
	session_due(s, DUE_LIFE, time_add_us(now, 9000));
	assert_false(session_due_next(s, &left, now, &what));
	assert_int_equal(timer_due(&s->timer).us, now.us);
	session_due(s, DUE_STANDBY, TIME_NEVER);
	session_due_earlier(s, DUE_PMTU, time_add_us(now, 7000));
	session_due_earlier(s, DUE_LIFE, TIME_NEVER);
	assert_int_equal(session_due_at(s, DUE_PMTU).us, now.us + 5000);
	session_due_earlier(s, DUE_PMTU, time_add_us(now, 4000));
	assert_int_equal(timer_due(&s->timer).us, now.us + 4000);
	session_due(s, DUE_PMTU,
		    time_add_ms(now, UINT64_C(100) * 86400000)); /* beyond what can be told: late enough */
	assert_true(session_due_at(s, DUE_PMTU).us > now.us + INT64_C(49) * 86400000000);
	assert_int_equal(timer_due(&s->timer).us, now.us + 9000);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_due_in_turn),
		cmocka_unit_test(test_rekey),
		cmocka_unit_test(test_rekey_for_long),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_idle_packets),
		cmocka_unit_test(test_rekey_lost),
		cmocka_unit_test(test_server_offers),
		cmocka_unit_test(test_both_offer),
		cmocka_unit_test(test_rekey_and_jump),
		cmocka_unit_test(test_grace),
		cmocka_unit_test(test_rekey_by_packets),
		cmocka_unit_test(test_key_used_up),
		cmocka_unit_test(test_renewal),
		cmocka_unit_test(test_renewal_waits),
		cmocka_unit_test(test_lifetime),
		cmocka_unit_test(test_lowered_lifetime),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_many_routes),
		cmocka_unit_test(test_same_policy),
		cmocka_unit_test(test_peers_change),
		cmocka_unit_test(test_operator),
		cmocka_unit_test(test_young),
		cmocka_unit_test(test_shutdown),
		cmocka_unit_test(test_lost_close),
		cmocka_unit_test(test_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
