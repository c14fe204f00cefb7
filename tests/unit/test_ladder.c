/* What a client does when its path dies: rung after rung, each bounded and in the trail; and when it must not move. */
#include "session/client.h"
#include "session/client_state.h"
#include "session/engine.h"
#include "session/info.h"
#include "session/session.h"
#include "world.h"

#define CLIENT WORLD_WORKERS
#define FLAPS 100000

/* --- the network: remotes and ports that are dead --- */

static uint32_t dead_remotes;   /* a bit for each, by the last byte of its address */
static uint32_t poisoned_below; /* sockets with a lower number reach nothing, on any path */

static bool dead(struct world *w, const struct datagram *d)
{
	const struct ip *server = d->up ? &d->route.local : &d->route.remote.ip;
	const uint32_t socket = d->up ? (d->route.remote.port - 1000u) % 10000 : d->route.socket;

	return dead_remotes >> server->b[15] & 1 || socket < poisoned_below;
}

static struct endpoint remote_of(const char *text)
{
	struct endpoint e = { .port = 4433 };

	assert_true(ip_parse(text, &e.ip));
	return e;
}

/* A candidate with remotes 1.. of both families in turn: 192.0.2.1, 2001:db8::2, 192.0.2.3 ... */
static struct candidate candidate_of(uint8_t number, uint8_t remotes)
{
	struct candidate c = { .number = number, .via = number, .remotes = remotes };

	snprintf(c.name, sizeof(c.name), "path%u", number);
	for (uint8_t i = 0; i < remotes; i++) {
		char text[32];

		snprintf(text, sizeof(text), i % 2 ? "2001:db8::%u" : "192.0.2.%u", i + 1);
		c.remote[i] = remote_of(text);
	}
	return c;
}

static struct world *world_with(uint8_t remotes)
{
	struct world *w = world_new(1, 1);

	dead_remotes = poisoned_below = 0;
	w->paths = 1;
	w->swallow = dead;
	world_start(w);
	for (uint8_t n = 0; remotes > 1 && n < w->paths; n++) {
		struct candidate c = candidate_of(n, remotes);

		engine_candidate_up(world_client_engine(w, 0), &c, w->now);
	}
	return w;
}

static bool attached(struct world *w)
{
	return world_all_attached(w);
}

static uint8_t active_remote(struct world *w)
{
	return world_session(w, 0)->active->lead.remote.b[15];
}

static bool on_another_port(struct world *w)
{
	return world_all_attached(w) && session_near(world_session(w, 0)->active)->socket >= poisoned_below;
}

static bool on_a_living_remote(struct world *w)
{
	return world_all_attached(w) && !(dead_remotes >> active_remote(w) & 1);
}

static uint8_t old_id[16];

static void remember_id(struct world *w)
{
	memcpy(old_id, world_session(w, 0)->id, 16);
}

static void assert_same_session(struct world *w)
{
	assert_memory_equal(world_session(w, 0)->id, old_id, 16);
	assert_memory_equal(world_peer(w, 0)->id, old_id, 16);
}

static struct world *carrying(uint8_t remotes)
{
	struct world *w = world_with(remotes);

	world_assert(w, world_until(w, attached, 1000));
	world_traffic(w, &w->client[0].up, 5000, true);
	world_run(w, 2003);
	remember_id(w);
	return w;
}

/* The last bytes of the addresses that were tried, in order. */
static size_t tried(struct world *w, size_t from, uint8_t *out, size_t max)
{
	size_t n = 0;

	for (size_t i = from; i < w->audits; i++)
		if (w->audit[i].engine == CLIENT && w->audit[i].r.event == AUDIT_REATTACH_ATTEMPT && n < max)
			out[n++] = w->audit[i].r.remote.ip.b[15];
	return n;
}

/* --- rungs --- */

/* One path, and the NAT on the way swallows what its mapping should carry: a new port is all it takes. */
static void test_poisoned_port(void **state)
{
	struct world *w = carrying(1);
	uint8_t list[4];
	size_t from = w->audits;

	poisoned_below = world_client_engine(w, 0)->client->next_socket + 1;
	world_assert(w, world_until(w, on_another_port, 200));
	world_run(w, 1000);
	assert_same_session(w);
	assert_true(w->client[0].up.gap_us < 200000);
	/* It is opened, asked, and jumped to. */
	assert_int_equal(tried(w, from, list, 4), 2);
	assert_true(list[0] == 1 && list[1] == 1);
	assert_int_equal(world_audits(w, true, AUDIT_TRANSPORT_SWITCH, REASON_NONE, from), 1);
	assert_int_equal(w->locators_reused, 0);
	world_free(w);
}

static bool dead_or_locators(struct world *w, const struct datagram *d)
{
	return dead(w, d) || (!d->up && d->frames & FRAME_BIT(FRAME_LOCATORS));
}

/* One port after the other is poisoned and no new locator arrives: the last one is used from a new port. */
static void test_cornered(void **state)
{
	struct world *w = carrying(1);
	const uint8_t slots = world_session(w, 0)->slots;

	w->swallow = dead_or_locators;
	for (uint8_t i = 1; i < slots; i++) {
		poisoned_below = world_client_engine(w, 0)->client->next_socket + 1;
		world_assert(w, world_until(w, on_another_port, 3000));
		world_run(w, 2000);
	}
	assert_int_equal(world_session(w, 0)->binding_version, slots - 1);
	poisoned_below = world_client_engine(w, 0)->client->next_socket + 1;
	world_assert(w, world_until(w, on_another_port, 10000));
	world_run(w, 1000);
	assert_same_session(w);
	assert_int_equal(world_session(w, 0)->binding_version, slots - 1);
	assert_int_equal(world_audits(w, false, AUDIT_TRANSPORT_REBOUND, REASON_NONE, 0), 1);
	world_free(w);
}

/* One family dies and the other lives; and the other way round, and back, all in one session. */
static void test_families(void **state)
{
	struct world *w = carrying(2);
	uint8_t list[8] = { 0 };
	size_t from;

	for (uint8_t i = 0; i < 4; i++) {
		from = w->audits;
		dead_remotes = 1u << active_remote(w);
		world_assert(w, world_until(w, on_a_living_remote, 500));
		assert_same_session(w);
		/* First from a new port, then to the other address. */
		assert_int_equal(tried(w, from, list, 8), 3);
		assert_int_equal(list[0], i % 2 + 1);
		assert_int_equal(list[1], (i + 1) % 2 + 1);
		assert_int_equal(list[2], list[1]);
		world_run(w, 20000);
		world_assert(w, world_all_attached(w));
	}
	assert_in_range(w->client[0].up.gap_us, 0, 500000);
	world_free(w);
}

/* The interface loses its addresses of one family: what the link says needs no probing. They come back, and the
 * path that answers is not left for them. */
static void test_family_taken_away(void **state)
{
	struct world *w = carrying(2);
	struct engine *e = world_client_engine(w, 0);
	struct candidate both = candidate_of(0, 2), v6 = both;

	v6.remotes = 1;
	v6.remote[0] = both.remote[1];
	dead_remotes = 1u << 1;
	engine_candidate_up(e, &v6, w->now);
	engine_candidate_moved(e, 0, w->now);
	world_assert(w, world_until(w, on_a_living_remote, 5));
	assert_same_session(w);
	dead_remotes = 0;
	world_run(w, 5000);
	engine_candidate_up(e, &both, w->now);
	world_run(w, 5000);
	assert_int_equal(active_remote(w), 2);
	assert_int_equal(world_session(w, 0)->binding_version, 1);
	/* And it is there when it is needed. */
	dead_remotes = 1u << 2;
	world_assert(w, world_until(w, on_a_living_remote, 3000));
	assert_int_equal(active_remote(w), 1);
	world_free(w);
}

/* All remotes are dead: each is tried in its turn, around and around, names are looked up again at their pace, and
 * what they mean by then is used. */
static void test_rounds(void **state)
{
	struct world *w = carrying(5);
	struct candidate other = candidate_of(0, 1);
	struct session_info info;
	uint8_t list[64];
	size_t from = w->audits, n;

	dead_remotes = 0x3e;
	world_run(w, 60000);
	assert_same_session(w);
	/* It says what it waits for, how long at most, and that it is not idle. */
	assert_int_equal(world_view(w, CLIENT, &info, 1), 1);
	assert_true(info.doing == DOING_WAITING && info.reason == REASON_VOLATILE_PERSISTED);
	assert_in_range(info.deadline_ms, 50000, 62000);
	assert_in_range(info.next_ms, 0, 2000);
	n = tried(w, from, list, 64);
	assert_in_range(n, 12, 40);
	assert_int_equal(list[0], 1);
	for (size_t i = 0, next = 1; i < 12; i++) /* some twice: while jumping and while waiting */
		if (i > 0 && list[i] != list[i - 1])
			assert_int_equal(list[i], next = next % 5 + 1);
	assert_in_range(w->client[0].resolves, 2, 12);
	other.remote[0] = remote_of("192.0.2.9");
	engine_candidate_up(world_client_engine(w, 0), &other, w->now);
	world_assert(w, world_until(w, on_a_living_remote, 10));
	assert_same_session(w);
	assert_int_equal(active_remote(w), 9);
	world_free(w);
}

/* Names that mean something else, or in another order, move nobody who is well. */
static void test_other_names(void **state)
{
	struct world *w = carrying(3);
	struct candidate c = candidate_of(0, 3);

	c.remote[0] = remote_of("192.0.2.9");
	for (unsigned int i = 0; i < 50; i++) {
		c.remote[1] = remote_of(i % 2 ? "192.0.2.10" : "192.0.2.11");
		engine_candidate_up(world_client_engine(w, 0), &c, w->now);
		world_run(w, 100);
	}
	world_assert(w, world_all_attached(w) && world_session(w, 0)->binding_version == 0);
	assert_int_equal(w->client[0].opens - w->client[0].closes, 1);
	dead_remotes = 1u << 1;
	world_assert(w, world_until(w, on_a_living_remote, 1000));
	assert_int_equal(active_remote(w), 9);
	/* In another order, the one in use is still the first to be tried again. */
	world_run(w, 5000);
	c.remote[0] = remote_of("192.0.2.12");
	c.remote[2] = remote_of("192.0.2.9");
	engine_candidate_up(world_client_engine(w, 0), &c, w->now);
	poisoned_below = world_client_engine(w, 0)->client->next_socket + 1;
	world_assert(w, world_until(w, on_another_port, 1000));
	assert_int_equal(active_remote(w), 9);
	world_free(w);
}

/* Nothing is known to answer, so one of them it is; but it is another that answers now. */
static void test_answers_first(void **state)
{
	struct world *w = world_new(1, 1);

	dead_remotes = poisoned_below = 0;
	w->client[0].link[1].cut_up = w->client[0].link[2].cut_up = true;
	world_start(w);
	world_traffic(w, &w->client[0].up, 5000, true);
	world_run(w, 10003);
	world_assert(w, world_all_attached(w) && world_session(w, 0)->active->number == 0);
	w->client[0].link[2].cut_up = false;
	engine_candidate_down(world_client_engine(w, 0), 0, REASON_TRANSPORT_DEAD, w->now);
	world_assert(w, world_session(w, 0)->jump->number == 1); /* the first of two that are not known */
	world_run(w, 200);
	world_assert(w, world_all_attached(w) && world_session(w, 0)->active->number == 2);
	world_free(w);
}

/* Two candidates with one local end: each has an address of its own, and one of them keeps the other's warm. */
static void test_one_local_end(void **state)
{
	struct world *w = world_with(1);
	struct engine *e = world_client_engine(w, 0);
	struct candidate first = candidate_of(0, 2), second = candidate_of(1, 1);
	struct path *p;

	w->paths = 2;
	second.via = first.via;
	second.remote[0] = first.remote[1];
	engine_candidate_up(e, &first, w->now);
	engine_candidate_up(e, &second, w->now);
	world_assert(w, world_until(w, attached, 1000));
	world_traffic(w, &w->client[0].up, 5000, true);
	world_run(w, 2003);
	dead_remotes = 1u << 1;
	world_assert(w, world_until(w, on_a_living_remote, 150)); /* it was warm */
	assert_int_equal(world_session(w, 0)->active->number, 1);
	world_run(w, 60000);
	p = session_path_numbered(world_session(w, 0), 0);
	assert_true(p && p->lead.remote.b[15] == 1);
	/* With nowhere else to go the first one has no path. */
	first.remotes = 1;
	first.remote[0] = second.remote[0];
	engine_candidate_up(e, &first, w->now);
	world_run(w, 20000);
	assert_null(session_path_numbered(world_session(w, 0), 0));
	world_assert(w, world_all_attached(w));
	world_free(w);
}

/* --- connecting --- */

static unsigned int hellos(const struct world *w)
{
	unsigned int n = 0;

	for (size_t i = 0; i < w->record.n; i++)
		n += w->record.list[i].data[0] == PACKET_HELLO;
	return n;
}

/* The first family is dead: the other one is not far behind; all are dead: no storm, and names are asked. */
static void test_connect(void **state)
{
	struct world *w = world_with(4);

	w->recording = RECORD_SENT;
	dead_remotes = 0xa; /* IPv4 */
	world_assert(w, world_until(w, attached, 400));
	assert_int_equal(active_remote(w), 2);
	world_free(w);

	w = world_with(8);
	w->recording = RECORD_SENT;
	dead_remotes = 0x1fe & ~(1u << 8); /* all but the last: one round */
	world_assert(w, world_until(w, attached, 7 * 400));
	assert_int_equal(active_remote(w), 8);
	assert_int_equal(hellos(w), 8);
	world_free(w);

	w = world_with(3);
	w->recording = RECORD_SENT;
	dead_remotes = 0xe;
	world_run(w, 120000);
	assert_in_range(hellos(w), 25, 50);
	assert_in_range(w->client[0].resolves, 10, 25);
	dead_remotes = 0x6;
	world_assert(w, world_until(w, attached, 3 * 6300));
	world_free(w);
}

/* A long way to the server: the WELCOME to the first HELLO counts, though others have gone out since. */
static void test_connect_slowly(void **state)
{
	struct world *w = world_with(2);

	w->client[0].link[0].delay_us = 700000;
	dead_remotes = 1u << 2;
	world_assert(w, world_until(w, attached, 9000));
	assert_int_equal(active_remote(w), 1);
	world_free(w);
}

/* --- without a fresh locator --- */

static struct policy policy_of(void)
{
	struct policy p = policy_defaults;

	p.max_candidates = WORLD_PATHS;
	return p;
}

/* A session that rests must move again and again, whose next heartbeat is far: it follows each time. */
static void idle_moves(uint8_t paths, uint8_t number)
{
	struct world *w = world_new(1, 1);
	struct engine *e;

	w->paths = paths;
	world_attach(w);
	world_run(w, 1000);
	remember_id(w);
	e = world_client_engine(w, 0);
	for (unsigned int i = 0; i < 5; i++) {
		const uint32_t before = session_near(session_path_numbered(world_session(w, 0), number))->socket;

		engine_candidate_moved(e, number, w->now);
		world_run(w, 2500);
		assert_int_not_equal(session_near(session_path_numbered(world_session(w, 0), number))->socket, before);
		assert_same_session(w);
	}
	assert_int_equal(w->locators_reused, 0);
	world_free(w);
}

static void test_idle_moves(void **state)
{
	idle_moves(1, 0);
	idle_moves(2, 0);
	idle_moves(2, 1);
}

/* Two paths are granted, and the spare locators have just been used up. A third candidate waits for a place. */
static struct world *used_up(void)
{
	const struct candidate third = candidate_of(2, 1);
	struct policy p = policy_of();
	struct world *w = world_new(1, 1);

	p.max_candidates = 2;
	w->paths = 2;
	world_policy(w, &p);
	world_attach(w);
	w->paths = 3;
	engine_candidate_up(world_client_engine(w, 0), &third, w->now);
	world_run(w, 1000);
	assert_null(session_path_numbered(world_session(w, 0), 2));
	for (unsigned int i = 0; i < 2; i++)
		engine_candidate_moved(world_client_engine(w, 0), 1, w->now);
	return w;
}

/* The order to the third has to wait for one. */
static void test_order_waits(void **state)
{
	struct world *w = used_up();

	world_jump(w, 0, 2, 7);
	assert_int_equal(w->jumped.n, 0);
	world_run(w, 500);
	assert_int_equal(w->jumped.n, 1);
	assert_int_equal(w->jumped.why, REASON_NONE);
	assert_int_equal(world_session(w, 0)->active->number, 2);
	world_free(w);
}

/* No answer comes: it is refused after two seconds; and at once when the session ends. */
static void test_order_waits_in_vain(void **state)
{
	struct world *w = used_up();

	world_swallow_frame(w, false, FRAME_BIT(FRAME_LOCATORS), UINT32_MAX);
	world_jump(w, 0, 2, 7);
	world_run(w, 1900);
	assert_int_equal(w->jumped.n, 0);
	world_run(w, 200);
	assert_int_equal(w->jumped.n, 1);
	assert_int_equal(w->jumped.why, REASON_INVALID_TRANSPORT_CANDIDATE);
	world_free(w);

	w = used_up();
	world_jump(w, 0, 2, 7);
	engine_terminate(world_client_engine(w, 0), world_session(w, 0)->id, w->now);
	assert_int_equal(w->jumped.n, 1);
	assert_int_equal(w->jumped.why, REASON_OPERATOR_TERMINATED);
	world_free(w);
}

/* --- which one, and when not --- */

/* Two paths, and then the active one, 60 ms there and back so far, becomes slower than the policy allows. */
static struct world *slow_world(struct policy *p, int64_t other_us)
{
	struct world *w = world_new(1, 1);

	w->paths = 2;
	w->client[0].link[0].delay_us = 30000;
	w->client[0].link[1].delay_us = other_us;
	p->latency_volatile_threshold_ms = 80;
	p->volatile_to_degraded_ms = 60000;
	world_policy(w, p);
	world_attach(w);
	world_traffic(w, &w->client[0].up, 5000, true);
	world_run(w, 5000);
	return w;
}

/* A path that answers is left for one that is better by improvement_factor, and for no other. */
static void hysteresis(int64_t other_us, bool moves)
{
	struct policy p = policy_of();
	struct world *w;

	p.improvement_factor = 1250000;
	w = slow_world(&p, other_us);
	w->client[0].link[0].delay_us = 50000;
	world_run(w, 30000);
	assert_int_equal(world_session(w, 0)->active->number, moves);
	assert_int_equal(world_audits(w, true, AUDIT_SESSION_STATE_CHANGE, REASON_LOSS_RECOVERY, 0), moves);
	world_free(w);
}

static void test_hysteresis(void **state)
{
	hysteresis(45000, false);
	hysteresis(30000, true);
}

/* All but one of the switches of a minute are used: a slow path is not left, a dead one is. */
static void test_last_token(void **state)
{
	struct policy p = policy_of();
	struct world *w;
	size_t from;

	p.switch_cooldown_ms = 0;
	p.failback_after_ms = 0;
	p.max_switches_per_min = 3;
	w = slow_world(&p, 30000);
	for (uint8_t i = 0; i < 2; i++) {
		world_jump(w, 0, !i, i + 1u);
		world_run(w, 2000);
		assert_int_equal(world_session(w, 0)->active->number, !i);
	}
	from = w->audits;
	w->client[0].link[0].delay_us = 50000;
	world_run(w, 15000);
	assert_int_equal(world_session(w, 0)->active->number, 0);
	assert_true(world_audits(w, true, AUDIT_TRANSPORT_SWITCH_DENIED, REASON_SWITCH_RATE_LIMITED, from) >
		    0);
	engine_candidate_down(world_client_engine(w, 0), 0, REASON_TRANSPORT_DEAD, w->now);
	world_run(w, 3000);
	world_assert(w, world_all_attached(w) && world_session(w, 0)->active->number == 1);
	world_free(w);
}

/* Path 0 is slow now: it answers every probe, but it would be left again. */
static void test_no_failback_to_slow(void **state)
{
	struct world *w = world_new(1, 1);
	struct policy p = policy_of();

	w->paths = 2;
	p.latency_volatile_threshold_ms = 20;
	p.failback_after_ms = 5000;
	world_policy(w, &p);
	world_attach(w);
	world_traffic(w, &w->client[0].up, 5000, true);
	world_run(w, 1000);
	w->client[0].link[0].delay_us = 50000;
	world_run(w, 120000);
	world_assert(w, world_session(w, 0)->active->number == 1);
	assert_int_equal(world_session(w, 0)->switches, 1);
	w->client[0].link[0].delay_us = 500;
	world_run(w, 240000); /* what its sparse probes told of it is forgotten slowly */
	world_assert(w, world_session(w, 0)->active->number == 0);
	assert_int_equal(world_session(w, 0)->switches, 2);
	world_free(w);
}

/* Path 0 loses a third of all, each way: it is warm now and then, and never well for long enough. */
static void test_no_failback_to_lossy(void **state)
{
	struct world *w = world_new(1, 1);
	struct policy p = policy_of();

	w->paths = 2;
	p.failback_after_ms = 20000;
	p.standby_probe_ms = 1000;
	world_policy(w, &p);
	world_attach(w);
	world_traffic(w, &w->client[0].up, 5000, true);
	world_run(w, 1000);
	world_jump(w, 0, 1, 1);
	w->client[0].link[0].loss_ppm = 300000;
	world_run(w, 300000);
	assert_int_equal(world_session(w, 0)->active->number, 1);
	assert_int_equal(world_session(w, 0)->switches, 1);
	w->client[0].link[0].loss_ppm = 0;
	world_run(w, 60000);
	assert_int_equal(world_session(w, 0)->active->number, 0);
	world_free(w);
}

static bool carries_on_0(struct world *w)
{
	const struct session *s = world_session(w, 0);

	return s && s->active && s->active->number == 0;
}

/* A path that is well while idle and lossy when it carries. */
static bool lossy_when_loaded(struct world *w, const struct datagram *d)
{
	return d->client == 0 && d->path == 0 && carries_on_0(w) && d->len > 100 && d->order % 2;
}

/* In an hour it is gone back to at 5, 10, 20 ... 160 s, and then every 160 s: fewer than 30 times, not 600. */
static void test_no_ping_pong(void **state)
{
	struct world *w = world_new(1, 1);
	struct policy p = policy_of();
	unsigned int back;

	w->paths = 2;
	p.failback_after_ms = 5000;
	p.standby_probe_ms = 1000;
	world_policy(w, &p);
	world_attach(w);
	world_traffic(w, &w->client[0].up, 20000, true);
	world_run(w, 1000);
	w->swallow = lossy_when_loaded;
	for (unsigned int i = 0; i < 3600; i++) {
		/* The loss is seen at once: what is held down here is the going back. */
		if (carries_on_0(w) && world_all_attached(w))
			client_path_dead(world_session(w, 0), REASON_CONSECUTIVE_DROP_EXCEEDED, w->now);
		world_run(w, 1000);
	}
	back = world_audits(w, true, AUDIT_SESSION_STATE_CHANGE, REASON_HEALTH_RECOVERED, 0);
	assert_in_range(back, 5, 30);
	/* It is mended: one that lasts ends the doubt. */
	w->swallow = NULL;
	world_run(w, 400000);
	world_assert(w, carries_on_0(w) && world_all_attached(w));
	assert_int_equal(world_session(w, 0)->jump->failback_doubt, 0);
	world_free(w);
}

/* --- links that go --- */

/* The target of the jump goes: the next one at once; and when there is none, the session says so. */
static void test_target_lost(void **state)
{
	struct world *w = world_new(1, 1);
	struct engine *e;

	world_attach(w);
	world_traffic(w, &w->client[0].up, 5000, true);
	world_run(w, 2000);
	e = world_client_engine(w, 0);
	for (uint8_t n = 0; n < 3; n++)
		w->client[0].link[n].cut_up = true;
	engine_candidate_down(e, 0, REASON_TRANSPORT_DEAD, w->now);
	assert_int_equal(world_session(w, 0)->state, STATE_RECOVERING);
	assert_int_equal(world_session(w, 0)->jump->number, 1);
	engine_candidate_down(e, 1, REASON_TRANSPORT_DEAD, w->now);
	assert_int_equal(world_session(w, 0)->state, STATE_RECOVERING);
	assert_int_equal(world_session(w, 0)->jump->number, 2);
	engine_candidate_down(e, 2, REASON_TRANSPORT_DEAD, w->now);
	assert_int_equal(world_session(w, 0)->state, STATE_DEGRADED);
	assert_int_equal(world_session(w, 0)->reason, REASON_NO_CANDIDATE_TRANSPORTS);
	world_free(w);
}

/* Links that come and go a hundred thousand times, ten milliseconds apart. */
static void test_flaps(void **state)
{
	struct world *w = world_new(1, 1);
	uint64_t minutes;
	struct engine *e;
	size_t from;

	world_attach(w);
	world_traffic(w, &w->client[0].up, 50000, true);
	world_run(w, 2000);
	remember_id(w);
	e = world_client_engine(w, 0);
	from = w->audits;
	w->client[0].opens = w->client[0].closes = 0;
	for (uint32_t i = 0; i < FLAPS; i++) {
		const uint8_t n = (uint8_t)(i % 2);
		struct candidate c = e->client->candidate[n].c;

		if (i % 7 == 6)
			engine_candidate_moved(e, n, w->now);
		engine_candidate_down(e, n, REASON_TRANSPORT_DEAD, w->now);
		world_run(w, 4);
		engine_candidate_up(e, &c, w->now);
		world_run(w, 6);
	}
	minutes = FLAPS / 100 / 60 + 1;
	assert_same_session(w);
	/* Path 2 never went: after the first jumps the session stays there. */
	world_assert(w, world_all_attached(w));
	assert_true(world_session(w, 0)->switches <= minutes * w->max_switches);
	assert_true(w->client[0].opens <= 2 * (FLAPS / 100 + 10));
	assert_in_range(w->client[0].opens + 3 - w->client[0].closes, 1, 4);
	assert_true(w->audits - from <= minutes * 120);
	world_run(w, 5000);
	assert_int_equal(w->client[0].opens - w->client[0].closes, 0);
	world_free(w);
}

/* The same with the only path there is, and none to flee to. */
static void test_flaps_alone(void **state)
{
	struct world *w = carrying(2);
	struct engine *e = world_client_engine(w, 0);
	const struct candidate c = e->client->candidate[0].c;
	const uint64_t minutes = FLAPS / 10 / 100 / 60 + 1;
	size_t from = w->audits;

	w->client[0].opens = w->client[0].closes = 0;
	for (uint32_t i = 0; i < FLAPS / 10; i++) {
		engine_candidate_down(e, 0, REASON_TRANSPORT_DEAD, w->now);
		world_run(w, 4);
		engine_candidate_up(e, &c, w->now);
		world_run(w, 6);
	}
	assert_true(w->audits - from <= minutes * 60 * 8);
	assert_true(w->client[0].opens <= FLAPS / 1000 + 10);
	world_assert(w, world_until(w, attached, 20000));
	world_run(w, 5000);
	/* The port in use, and perhaps one that would be next. */
	assert_in_range(w->client[0].opens + 1 - w->client[0].closes, 1, 2);
	world_free(w);
}

/* Without a session: each time that a link comes a HELLO may go, but no faster than otherwise. */
static void test_flaps_connecting(void **state)
{
	struct world *w = world_with(2);
	struct engine *e = world_client_engine(w, 0);
	const struct candidate c = e->client->candidate[0].c;

	w->recording = RECORD_SENT;
	dead_remotes = 6;
	for (uint32_t i = 0; i < 6000; i++) {
		assert_true(i != 20 || hellos(w) == 1);
		engine_candidate_down(e, 0, REASON_TRANSPORT_DEAD, w->now);
		world_run(w, 4);
		engine_candidate_up(e, &c, w->now);
		world_run(w, 6);
	}
	assert_in_range(hellos(w), 10, 75);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_poisoned_port), cmocka_unit_test(test_cornered),        cmocka_unit_test(test_families),
		cmocka_unit_test(test_idle_moves),           cmocka_unit_test(test_order_waits),
		cmocka_unit_test(test_order_waits_in_vain),
		cmocka_unit_test(test_family_taken_away),    cmocka_unit_test(test_rounds),
		cmocka_unit_test(test_other_names),          cmocka_unit_test(test_answers_first),
		cmocka_unit_test(test_one_local_end),        cmocka_unit_test(test_connect),
		cmocka_unit_test(test_connect_slowly),       cmocka_unit_test(test_hysteresis),
		cmocka_unit_test(test_last_token),           cmocka_unit_test(test_no_failback_to_slow),
		cmocka_unit_test(test_no_failback_to_lossy), cmocka_unit_test(test_no_ping_pong),
		cmocka_unit_test(test_target_lost),          cmocka_unit_test(test_flaps),
		cmocka_unit_test(test_flaps_alone),          cmocka_unit_test(test_flaps_connecting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
