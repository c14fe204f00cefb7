/* Nothing lost inside: what was sent on a dead path arrives, once and in order, whatever else is lost meanwhile. */
#include "session/engine.h"
#include "session/rescue.h"
#include "session/send.h"
#include "session/session.h"
#include "world.h"

#define CLIENT WORLD_WORKERS
#define PACE_US 200  /* between packets, each way */
#define SLOW_US 1000 /* where it takes so long that the replay window would be full */

static void cut(struct world *w, unsigned int path, bool up, bool down)
{
	w->client[0].link[path].cut_up = up;
	w->client[0].link[path].cut_down = down;
}

static struct world *flowing_at(int64_t pace_us, const struct policy *p, unsigned int paths)
{
	struct world *w = world_new(1, 1);

	w->paths = paths;
	world_policy(w, p);
	world_attach(w);
	world_traffic(w, &w->client[0].up, pace_us, false);
	world_traffic(w, &w->client[0].down, pace_us, false);
	world_run(w, 700);
	return w;
}

static struct world *flowing_with(const struct policy *p, unsigned int paths)
{
	return flowing_at(PACE_US, p, paths);
}

static struct world *flowing(unsigned int paths)
{
	return flowing_with(&policy_defaults, paths);
}

static uint64_t rescued(struct world *w)
{
	return world_count(w, CLIENT, COUNT_RESCUED_PACKETS) + world_served(w, COUNT_RESCUED_PACKETS);
}

static uint64_t doubled(struct world *w)
{
	return world_count(w, CLIENT, COUNT_DROP_DUPLICATE) + world_served(w, COUNT_DROP_DUPLICATE);
}

static uint64_t given_up(struct world *w)
{
	return world_count(w, CLIENT, COUNT_RESCUE_LOST) + world_served(w, COUNT_RESCUE_LOST);
}

static void traffic_ends(struct world *w)
{
	w->client[0].up.interval_us = w->client[0].down.interval_us = 0;
	world_run(w, 300);
}

static uint32_t lost(const struct traffic *t)
{
	return t->sent - t->got;
}

/* Rescue is no attack, and nobody inside notices it. */
static void no_trace(struct world *w)
{
	assert_int_equal(w->client[0].up.twice + w->client[0].down.twice, 0);
	assert_int_equal(world_audits(w, true, AUDIT_SECURITY_REPLAY_DETECTED, REASON_NONE, 0), 0);
	assert_int_equal(world_audits(w, false, AUDIT_SECURITY_REPLAY_DETECTED, REASON_NONE, 0), 0);
}

#define nothing_lost(w)                                          \
	do {                                                     \
		traffic_ends(w);                                 \
		world_assert(w, world_all_attached(w));          \
		assert_int_equal(lost(&(w)->client[0].up), 0);   \
		assert_int_equal(lost(&(w)->client[0].down), 0); \
		no_trace(w);                                     \
		world_free(w);                                   \
	} while (0)

/* --- a path dies --- */

static void test_blackhole(void **state)
{
	struct world *w = flowing(2);

	(void)state;
	cut(w, 0, true, true);
	world_run(w, 1000);
	assert_int_equal(world_session(w, 0)->active->number, 1);
	assert_true(world_count(w, CLIENT, COUNT_RESCUED_PACKETS) > 300);
	assert_true(world_served(w, COUNT_RESCUED_PACKETS) > 300);
	assert_true(doubled(w) < 100);
	assert_int_equal(w->client[0].up.late + w->client[0].down.late, 0);
	assert_true(w->client[0].up.gap_us < 120000 && w->client[0].down.gap_us < 120000);
	nothing_lost(w);
}

static void test_one_way(void **state)
{
	(void)state;
	for (int way = 0; way < 2; way++) {
		struct world *w = flowing(2);

		cut(w, 0, way == 0, way == 1);
		world_run(w, 4000);
		assert_int_equal(world_session(w, 0)->active->number, 1);
		assert_true(rescued(w) > 0);
		/* What went twice was received once: that is no loss of the new path. */
		assert_int_equal(world_session(w, 0)->active->health->loss_ppm, 0);
		nothing_lost(w);
	}
}

static bool overtaken_up;
static unsigned int overtaking;

/* The last packets of a dying path overtake one that is lost. */
static bool overtake(struct world *w, const struct datagram *d)
{
	(void)w;
	if (d->path != 0 || d->up != overtaken_up)
		return false;
	if (!d->inner)
		return overtaking > 10;
	overtaking++;
	return overtaking == 1 || overtaking > 10;
}

static void test_overtaken(void **state)
{
	(void)state;
	for (int way = 0; way < 2; way++) {
		struct world *w = flowing(2);

		overtaken_up = way == 0;
		overtaking = 0;
		w->swallow = overtake;
		world_run(w, 4000);
		assert_int_equal(world_session(w, 0)->active->number, 1);
		nothing_lost(w);
	}
}

static void test_link_down(void **state)
{
	struct world *w = flowing(2);

	(void)state;
	cut(w, 0, true, true);
	world_run(w, 5);
	engine_candidate_down(world_client_engine(w, 0), 0, REASON_TRANSPORT_DEAD, w->now);
	world_run(w, 500);
	assert_int_equal(w->client[0].up.late + w->client[0].down.late, 0);
	nothing_lost(w);
}

/* The path jumped to dies at the same moment: the third one carries what both have lost. */
static void test_two_deaths(void **state)
{
	struct world *w = flowing(3);

	(void)state;
	cut(w, 0, true, true);
	cut(w, 1, true, true);
	world_run(w, 2000);
	assert_int_equal(world_session(w, 0)->active->number, 2);
	nothing_lost(w);
}

/* As above, but the second one dies when it has just taken over. */
static void test_death_after_death(void **state)
{
	struct policy p = policy_defaults;
	struct world *w;

	(void)state;
	p.switch_cooldown_ms = 0;
	w = flowing_with(&p, 3);
	cut(w, 0, true, true);
	while (world_session(w, 0)->active->number == 0)
		world_run(w, 1);
	cut(w, 1, true, true);
	world_run(w, 1500);
	assert_int_equal(world_session(w, 0)->active->number, 2);
	nothing_lost(w);
}

/* --- words lost --- */

static void lost_word(bool up, enum frame_type type, uint32_t n)
{
	struct world *w = flowing_at(SLOW_US, &policy_defaults, 2);

	world_run(w, 3000);
	cut(w, 0, true, true);
	world_swallow_frame(w, up, FRAME_BIT(type), n);
	world_run(w, 4500);
	assert_int_equal(w->swallow_left, 0);
	assert_int_equal(w->client[0].up.late, 0);
	assert_int_equal(world_session(w, 0)->active->number, 1);
	/* What was refused was not lost. */
	assert_int_equal(world_audits(w, true, AUDIT_SESSION_STATE_CHANGE, REASON_LOSS_THRESHOLD_EXCEEDED, 0),
			 0);
	nothing_lost(w);
}

static void test_jump_lost(void **state)
{
	(void)state;
	lost_word(true, FRAME_JUMP, 1);
	lost_word(true, FRAME_JUMP, 2);
}

static void test_ack_lost(void **state)
{
	(void)state;
	lost_word(false, FRAME_JUMP_ACK, 1);
	lost_word(false, FRAME_JUMP_ACK, 2);
}

/* Everything on the new path is lost for a while, just when it is jumped to. */
static void test_silent_target(void **state)
{
	struct world *w = flowing_at(SLOW_US, &policy_defaults, 2);

	(void)state;
	cut(w, 0, true, true);
	world_run(w, 80);
	cut(w, 1, true, true);
	world_run(w, 150);
	cut(w, 1, false, false);
	world_run(w, 1500);
	nothing_lost(w);
}

/* What the client sent at once left something behind; only the report of the first JUMP_ACK tells. */
static void test_repeated_ack_repeats_its_report(void **state)
{
	struct world *w = flowing(2);
	struct session *s, *c;
	uint64_t reported;

	(void)state;
	cut(w, 0, true, false); /* the client hears on, and thinks that what it sent has arrived */
	world_swallow_frame(w, false, FRAME_BIT(FRAME_JUMP_ACK), 1);
	while (world_peer(w, 0)->active->number == 0)
		world_run(w, 1);
	s = world_peer(w, 0);
	c = world_session(w, 0);
	reported = s->acked_highest;
	world_run(w, 20);
	assert_true(s->rx_highest > reported); /* came behind the JUMP */
	while (c->jump->pending)
		world_run(w, 1);
	assert_true(c->jump->tries > 1);
	world_run(w, 500);
	nothing_lost(w);
}

/* --- paths that live --- */

static void test_order_doubles_nothing(void **state)
{
	struct world *w = flowing(2);

	(void)state;
	world_jump(w, 0, 1, 7);
	world_run(w, 500);
	assert_int_equal(w->jumped.why, REASON_NONE);
	assert_int_equal(rescued(w), 0);
	assert_int_equal(doubled(w), 0);
	nothing_lost(w);
}

/* What little has been sent has long arrived: there is nothing overdue. */
static void test_order_with_sparse_traffic(void **state)
{
	struct world *w = flowing_at(100000, &policy_defaults, 2);

	(void)state;
	world_run(w, 2050);
	world_jump(w, 0, 1, 7);
	world_run(w, 500);
	assert_int_equal(w->jumped.why, REASON_NONE);
	assert_int_equal(rescued(w), 0);
	nothing_lost(w);
}

/* The operator was faster than we: what the dead path has swallowed is not lost either. */
static void test_order_away_from_death(void **state)
{
	struct world *w = flowing(2);

	(void)state;
	cut(w, 0, true, true);
	world_run(w, 50);
	assert_int_equal(world_session(w, 0)->state, STATE_ATTACHED);
	world_jump(w, 0, 1, 7);
	world_run(w, 500);
	assert_int_equal(w->jumped.why, REASON_NONE);
	assert_true(rescued(w) > 200);
	nothing_lost(w);
}

static void test_rebinding(void **state)
{
	struct world *w = flowing(1);

	(void)state;
	w->client[0].link[0].nat++;
	world_run(w, 1000);
	assert_int_equal(world_audits(w, false, AUDIT_TRANSPORT_REBOUND, REASON_NONE, 0), 1);
	assert_true(world_served(w, COUNT_RESCUED_PACKETS) > 20);
	assert_int_equal(w->client[0].down.late, 0);
	nothing_lost(w);
}

static uint32_t data_up;

static bool count_data_up(struct world *w, const struct datagram *d)
{
	(void)w;
	data_up += d->up && d->inner;
	return false;
}

/* The only path is silent for a second: DATA waits, and arrives in order behind what was lost first. */
static void test_same_path_again(void **state)
{
	struct world *w = flowing(1);

	(void)state;
	cut(w, 0, true, true);
	world_run(w, 300);
	assert_int_not_equal(world_session(w, 0)->state, STATE_ATTACHED);
	cut(w, 0, false, false);
	world_run(w, 3000);
	nothing_lost(w);
}

static void test_waits_without_a_path(void **state)
{
	struct world *w = flowing_at(SLOW_US, &policy_defaults, 1);

	(void)state;
	cut(w, 0, true, true);
	engine_candidate_down(world_client_engine(w, 0), 0, REASON_TRANSPORT_DEAD, w->now);
	w->swallow = count_data_up;
	data_up = 0;
	world_run(w, 1000);
	assert_int_equal(data_up, 0);
	assert_int_equal(world_count(w, CLIENT, COUNT_RESCUE_LOST), 0);
	world_free(w);
}

/* After ten seconds inner TCP has long given up on the oldest. */
static void test_age(void **state)
{
	struct policy p = policy_defaults;
	struct world *w;

	(void)state;
	p.rescue_bytes = 16777216;
	w = world_new(1, 1);
	w->paths = 1;
	world_policy(w, &p);
	world_attach(w);
	world_traffic(w, &w->client[0].up, 5000, false);
	world_run(w, 700);
	cut(w, 0, true, true);
	world_run(w, 10000);
	cut(w, 0, false, false);
	world_run(w, 10000);
	world_assert(w, world_all_attached(w));
	traffic_ends(w);
	/* The path is looked at every 2 s: what waited for less than 2 s when it answered has arrived. */
	assert_in_range(lost(&w->client[0].up), 8000 / 5, 10200 / 5);
	/* Each once; of a few that had arrived only a report too late would have told. */
	assert_in_range(world_count(w, CLIENT, COUNT_RESCUE_LOST), lost(&w->client[0].up),
			lost(&w->client[0].up) + 20);
	no_trace(w);
	world_free(w);
}

/* --- bounds --- */

static void test_off(void **state)
{
	struct policy p = policy_defaults;
	struct world *w;

	(void)state;
	p.rescue_bytes = 0;
	w = flowing_with(&p, 2);
	assert_null(world_session(w, 0)->rescue);
	cut(w, 0, true, true);
	world_run(w, 1000);
	traffic_ends(w);
	assert_int_equal(rescued(w), 0);
	assert_int_equal(world_served(w, COUNT_RESCUE_NO_ROOM), 0);
	assert_true(lost(&w->client[0].up) > 300 && lost(&w->client[0].down) > 300);
	world_free(w);
}

/* A ring for 20 packets, at 512 bytes each, keeps the last 20. */
static void test_small_ring(void **state)
{
	struct policy p = policy_defaults;
	struct world *w;

	(void)state;
	p.rescue_bytes = 20 * 512;
	w = flowing_with(&p, 2);
	assert_int_equal(w->engine[0].e->rescue_bytes, 20 * 512);
	cut(w, 0, true, true);
	world_run(w, 1000);
	traffic_ends(w);
	assert_in_range(world_served(w, COUNT_RESCUED_PACKETS), 15, 25);
	assert_true(lost(&w->client[0].down) > 300);
	no_trace(w);
	world_free(w);
}

/* Silence, a smaller size, and the end of the session give the memory back. */
static void test_memory(void **state)
{
	struct world *w = flowing(2);
	struct config *next;
	struct engine *e = w->engine[0].e;

	(void)state;
	assert_int_equal(e->rescue_bytes, policy_defaults.rescue_bytes);
	w->client[0].up.interval_us = w->client[0].down.interval_us = 0;
	world_run(w, 4000);
	assert_int_equal(e->rescue_bytes, policy_defaults.rescue_bytes);
	world_run(w, 2000);
	assert_int_equal(e->rescue_bytes, 0);
	assert_int_equal(world_client_engine(w, 0)->rescue_bytes, 0);

	world_traffic(w, &w->client[0].down, PACE_US, false);
	world_run(w, 100);
	next = world_config_next(w);
	next->peers[0].policy.rescue_bytes = 4096;
	next->peers[0].generation++;
	world_reload(w, next);
	world_jump(w, 0, 1, 7); /* a transition takes the new policy */
	world_run(w, 500);
	assert_int_equal(e->rescue_bytes, 4096);
	engine_terminate(e, world_peer(w, 0)->id, w->now);
	assert_int_equal(e->rescue_bytes, 0);
	world_free(w);
}

/* When all sessions together have taken what there is, the next one goes without. */
static void test_engine_bound(void **state)
{
	struct world *w = world_new(1, 2);
	struct engine *e = w->engine[0].e;

	(void)state;
	w->paths = 2;
	world_attach(w);
	e = w->engine[0].e;
	e->rescue_bytes = RESCUE_ENGINE_BYTES - policy_defaults.rescue_bytes;
	world_traffic(w, &w->client[0].down, PACE_US, false);
	world_run(w, 100);
	assert_non_null(world_peer(w, 0)->rescue);
	world_traffic(w, &w->client[1].down, PACE_US, false);
	world_run(w, 100);
	assert_null(world_peer(w, 1)->rescue);
	assert_in_range(world_served(w, COUNT_RESCUE_NO_ROOM), 400, 510);
	assert_int_equal(lost(&w->client[1].down) <= 5, true);
	e->rescue_bytes -= RESCUE_ENGINE_BYTES - policy_defaults.rescue_bytes;
	world_run(w, 100);
	assert_non_null(world_peer(w, 1)->rescue);
	world_free(w);
}

static struct {
	struct jv_time tick;
	size_t bytes, most;
} pace;

static bool measure_pace(struct world *w, const struct datagram *d)
{
	if (d->up || !d->inner)
		return false;
	if (time_diff_us(w->now, pace.tick) >= 10000) {
		pace.tick = w->now;
		pace.bytes = 0;
	}
	pace.bytes += d->len;
	if (pace.bytes > pace.most)
		pace.most = pace.bytes;
	return false;
}

/* `n` full packets each millisecond, down. */
static void full_packets(struct world *w, unsigned int n, unsigned int ms)
{
	uint8_t packet[1400];
	const size_t len = world_packet(packet, sizeof(packet), "10.8.0.1", "10.8.0.2");

	for (unsigned int t = 0; t < ms; t++) {
		for (unsigned int i = 0; i < n; i++)
			world_inner(w, 0, packet, len);
		world_run(w, 1);
	}
}

/* No burst that a socket buffer does not take, be there newer traffic (here 45 Mbit/s) or not. */
static void test_pace(void **state)
{
	struct world *w = flowing(2);

	(void)state;
	cut(w, 0, true, true);
	full_packets(w, 4, 70);
	w->swallow = measure_pace;
	memset(&pace, 0, sizeof(pace));
	full_packets(w, 4, 300);
	assert_in_range(pace.most, 8 * 24576, 11 * 24576);
	assert_int_equal(w->engine[CLIENT].strange, 4 * 370);
	nothing_lost(w);
}

/* The pace is not saved up while nothing can go. */
static void test_pace_after_waiting(void **state)
{
	struct world *w = flowing(1);

	(void)state;
	cut(w, 0, true, true);
	full_packets(w, 4, 300);
	assert_true(rescue_holds(world_peer(w, 0)));
	cut(w, 0, false, false);
	w->swallow = measure_pace;
	memset(&pace, 0, sizeof(pace));
	full_packets(w, 4, 2500);
	assert_false(rescue_queues(world_peer(w, 0)));
	assert_in_range(pace.most, 8 * 24576, 11 * 24576);
	world_free(w);
}

/* Traffic beyond that pace cannot keep the queue from ending. */
static void test_queue_ends(void **state)
{
	struct world *w = flowing(2);

	(void)state;
	cut(w, 0, true, true);
	full_packets(w, 20, 150);
	assert_int_equal(world_peer(w, 0)->active->number, 1);
	full_packets(w, 20, 150);
	assert_false(rescue_queues(world_peer(w, 0)));
	world_free(w);
}

/* A peer that asks again and again gets a packet so many times and no more. */
static void test_asked_again(void **state)
{
	struct world *w = flowing(2);
	struct a_frame f = { .type = FRAME_JUMP };
	struct session *c, *s;

	(void)state;
	cut(w, 0, true, true);
	world_run(w, 500);
	w->client[0].up.interval_us = w->client[0].down.interval_us = 0;
	world_run(w, 600);
	c = world_session(w, 0);
	s = world_peer(w, 0);
	cut(w, 1, false, true);
	full_packets(w, 10, 1);
	f.jump.id = put_be32(s->last_jump_id);
	f.jump.path = c->active->number;
	f.jump.reason = REASON_TRANSPORT_DEAD;
	f.jump.highest = put_be48(c->rx_highest);
	memset(&s->engine->counters.n[COUNT_RESCUED_PACKETS], 0, sizeof(uint64_t));
	for (unsigned int i = 0; i < 20; i++) {
		f.jump.binding_version = put_be32(s->binding_version);
		f.jump.age_us = put_be64(session_age_us(c, w->now));
		send_frame(c->active, LIES(&f), w->now);
		world_run(w, 2);
	}
	assert_in_range(world_served(w, COUNT_RESCUED_PACKETS), 40, 4 * (10 + 16));
	world_free(w);
}

static uint16_t poisoned_port;
static uint32_t poisoned_socket;

/* The NAT mapping of the client's first socket leads nowhere; and answers to challenges take a while. */
static bool poisoned(struct world *w, const struct datagram *d)
{
	if (d->up ? d->route.remote.port == poisoned_port : d->route.socket == poisoned_socket)
		return true;
	if (w->swallow_left > 0 && d->frames & FRAME_BIT(FRAME_PATH_RESPONSE)) {
		w->swallow_left--;
		return true;
	}
	return false;
}

/* A rescue to an address that is not proven waits: it gets no more than three times what it sent. */
static void test_unproven(void **state)
{
	struct world *w = flowing(1);
	struct session *s = world_peer(w, 0);
	bool waited = false;

	(void)state;
	poisoned_port = s->active->lead.port;
	poisoned_socket = session_near(world_session(w, 0)->active)->socket;
	w->swallow = poisoned;
	w->swallow_left = 3;
	for (unsigned int i = 0; i < 2000; i++) {
		world_run(w, 1);
		for (uint8_t n = 0; n < s->slots; n++) {
			const struct path *p = s->slot[n].path;

			if (!p || !path_is_known(p) || path_is_proven(p))
				continue;
			assert_true(path_upkeep(p)->credit_tx <= 3 * path_upkeep(p)->credit_rx);
			waited |= p == s->active && s->rescue && rescue_queues(s);
		}
	}
	assert_true(waited);
	assert_int_equal(w->swallow_left, 0);
	nothing_lost(w);
}

/* --- keys and windows --- */

static bool client_rekeyed(struct world *w)
{
	return world_session(w, 0)->keys.tx_epoch == 1;
}

/* The path dies in the middle of a rekey: packets of both epochs are in the ring. */
static void test_rekey(void **state)
{
	struct policy p = policy_defaults;
	struct world *w;

	(void)state;
	p.rekey_after_ms = 10000;
	w = flowing_with(&p, 2);
	world_assert(w, world_until(w, client_rekeyed, 11000));
	cut(w, 0, true, true);
	world_run(w, 1000);
	assert_true(rescued(w) > 300);
	nothing_lost(w);
}

/* What the peer's replay window has left behind is not sent: it would look like an attack. */
static void test_window(void **state)
{
	struct policy p = policy_defaults;
	struct world *w;

	(void)state;
	p.replay_window = 64;
	w = flowing_with(&p, 2);
	cut(w, 0, true, true);
	world_run(w, 1000);
	traffic_ends(w);
	assert_true(given_up(w) > 300);
	assert_true(rescued(w) > 20);
	assert_int_equal(world_served(w, COUNT_DROP_REPLAY), 0);
	assert_int_equal(world_count(w, CLIENT, COUNT_DROP_REPLAY), 0);
	no_trace(w);
	world_free(w);
}

/* --- reports --- */

/* Of CONTROL, and of DATA that was refused, a report says nothing. */
static void test_report(void **state)
{
	struct world *w = world_new(1, 1);
	struct wire_path_report r;
	struct session *s;

	(void)state;
	w->paths = 2;
	world_attach(w);
	world_run(w, 6000);
	s = world_peer(w, 0);
	send_report(s->active, &r);
	assert_int_equal(get_be48(r.highest), 0);
	assert_true(s->keys.epoch[0]->replay.highest > 1);
	world_traffic(w, &w->client[0].up, 1000, false);
	world_run(w, 100);
	send_report(s->active, &r);
	assert_int_equal(r.epoch, 0);
	assert_true(get_be48(r.highest) > 90);
	assert_true(get_be48(r.highest) <= s->keys.epoch[0]->replay.highest);
	w->client[0].up.interval_us = 0;
	world_run(w, 100);
	send_report(s->active, &r);
	world_run(w, 20000);
	assert_int_equal(s->rx_highest, get_be48(r.highest));
	assert_true(s->keys.epoch[0]->replay.highest > get_be48(r.highest));
	world_free(w);
}

/* A report that cannot be true changes nothing. */
static void test_absurd_reports(void **state)
{
	struct world *w = flowing(2);
	struct session *s = world_peer(w, 0);

	(void)state;
	cut(w, 0, true, true);
	world_run(w, 50);
	rescue_reported(s, 0, s->keys.epoch[0]->tx_counter + 1);
	rescue_arrived(s, 0, PROTO_COUNTER_MAX);
	rescue_arrived(s, 1, 5);
	rescue_arrived(s, 255, 5);
	world_run(w, 1000);
	nothing_lost(w);
}

/* --- what comes again --- */

/* The last DATA that the client has sent; it has arrived. */
static struct datagram sent_last(struct world *w)
{
	struct datagram d;
	size_t i;

	w->recording = RECORD_SENT;
	world_run(w, 100);
	for (i = w->record.n; i-- > 0;)
		if (w->record.list[i].up && w->record.list[i].inner)
			break;
	d = w->record.list[i];
	w->recording = RECORD_NOTHING;
	world_run(w, 10);
	return d;
}

static void served_again(struct world *w, uint64_t duplicates, uint64_t replays)
{
	assert_int_equal(world_served(w, COUNT_DROP_DUPLICATE), duplicates);
	assert_int_equal(world_served(w, COUNT_DROP_REPLAY), replays);
}

/* The same DATA again is a copy that the network or the peer has made; long after, or from elsewhere, it is what it always
 * was. */
static void comes_again(bool jumped)
{
	struct world *w = flowing(2);
	const struct route stranger = world_stranger(1);
	struct datagram d;

	if (jumped) {
		world_jump(w, 0, 1, 7);
		world_run(w, 500);
	}
	d = sent_last(w);
	world_late(w, &d);
	served_again(w, 1, 0);
	world_inject_up(w, &stranger, d.data, d.len);
	served_again(w, 1, 1);
	world_run(w, 3000); /* the peer may have sent it again 2 s later, and on a slow path */
	world_late(w, &d);
	served_again(w, 2, 1);
	world_run(w, 7000);
	world_late(w, &d);
	served_again(w, 2, 2);
	world_free(w);
}

static void test_comes_again(void **state)
{
	(void)state;
	comes_again(false);
	comes_again(true);
}

/* What many have overtaken is no replay either. */
static void test_overtaken_by_a_window(void **state)
{
	struct policy p = policy_defaults;
	struct world *w;
	struct datagram d;

	(void)state;
	p.replay_window = 64;
	w = flowing_with(&p, 2);
	d = sent_last(w);
	world_run(w, 1000);
	world_late(w, &d);
	served_again(w, 1, 0);
	world_run(w, 10000);
	world_late(w, &d);
	served_again(w, 1, 1);
	world_free(w);
}

static bool everything(struct world *w, const struct datagram *d)
{
	(void)w;
	(void)d;
	return true;
}

/* The server stops for a while, and what came meanwhile it finds afterwards, in order: on the only path the client sends
 * again what the first answer does not tell of. */
static void test_server_stalls(void **state)
{
	uint64_t again = 0;

	(void)state;
	for (unsigned int ms = 100; ms <= 1900; ms += 300) {
		struct world *w = flowing(1);

		w->recording = RECORD_SENT;
		w->swallow = everything;
		world_run(w, ms);
		w->recording = RECORD_NOTHING;
		w->swallow = NULL;
		for (size_t i = 0; i < w->record.n; i++)
			if (w->record.list[i].up)
				world_late(w, &w->record.list[i]);
		world_run(w, 1000);
		again += world_served(w, COUNT_DROP_DUPLICATE);
		assert_int_equal(world_served(w, COUNT_DROP_REPLAY), 0);
		assert_int_equal(world_count(w, CLIENT, COUNT_DROP_REPLAY), 0);
		no_trace(w);
		world_free(w);
	}
	assert_true(again > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blackhole),
		cmocka_unit_test(test_one_way),
		cmocka_unit_test(test_overtaken),
		cmocka_unit_test(test_link_down),
		cmocka_unit_test(test_two_deaths),
		cmocka_unit_test(test_death_after_death),
		cmocka_unit_test(test_jump_lost),
		cmocka_unit_test(test_ack_lost),
		cmocka_unit_test(test_silent_target),
		cmocka_unit_test(test_repeated_ack_repeats_its_report),
		cmocka_unit_test(test_order_doubles_nothing),
		cmocka_unit_test(test_order_with_sparse_traffic),
		cmocka_unit_test(test_order_away_from_death),
		cmocka_unit_test(test_rebinding),
		cmocka_unit_test(test_same_path_again),
		cmocka_unit_test(test_waits_without_a_path),
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_small_ring),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_engine_bound),
		cmocka_unit_test(test_pace),
		cmocka_unit_test(test_pace_after_waiting),
		cmocka_unit_test(test_queue_ends),
		cmocka_unit_test(test_asked_again),
		cmocka_unit_test(test_unproven),
		cmocka_unit_test(test_rekey),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_absurd_reports),
		cmocka_unit_test(test_comes_again),
		cmocka_unit_test(test_overtaken_by_a_window),
		cmocka_unit_test(test_server_stalls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
