/* From HELLO to session, and what keeps strangers out. */
#include "world.h"

#include "base/text.h"

#include "jumpvpn/locator.h"
#include "proto/cookie.h"
#include "session/client_state.h"
#include "session/engine.h"
#include "session/info.h"
#include "session/turns.h"

static uint8_t old_id[16];

static bool client_attached_to_other(struct world *w)
{
	return world_all_attached(w) && memcmp(world_session(w, 0)->id, old_id, 16) != 0;
}

static void remember_id(struct world *w)
{
	memcpy(old_id, world_session(w, 0)->id, 16);
}

static void test_attach(void **state)
{
	struct world *w = world_new(1, 1);
	struct session_info c, s;

	world_attach(w);
	assert_int_equal(world_view(w, WORLD_WORKERS, &c, 1), 1);
	assert_int_equal(world_view(w, 0, &s, 1), 1);
	assert_memory_equal(c.id, s.id, 16);
	assert_int_equal(c.state, STATE_ATTACHED);
	assert_int_equal(s.state, STATE_ATTACHED);
	assert_true(c.state_version == 1 && s.state_version == 1 && c.binding_version == 0 &&
		    s.binding_version == 0);
	assert_true(c.suite == SUITE_AES_256_GCM && s.suite == SUITE_AES_256_GCM);
	assert_true(c.npaths == 3 && s.npaths == 3);
	assert_string_equal(c.path[0].name, "path0");
	assert_string_equal(s.peer, "client0");
	assert_int_equal(c.path[0].srtt_us, 1000);
	assert_true(c.doing == DOING_CARRYING && c.deadline_ms == UINT64_MAX);
	for (int end = 0; end < 2; end++) {
		assert_int_equal(world_audits(w, end, AUDIT_SESSION_CREATED, REASON_NONE, 0), 1);
		assert_int_equal(
			world_audits(w, end, AUDIT_SESSION_STATE_CHANGE, REASON_ATTACHED_TO_TRANSPORT, 0), 1);
		assert_int_equal(
			world_audits(w, end, AUDIT_TRANSPORT_ATTACHED, REASON_ATTACHED_TO_TRANSPORT, 0), 1);
	}
	assert_int_equal(w->audits, 6);

	/* What the server says for the tunnel device. */
	assert_int_equal(w->client[0].nets, 1);
	assert_int_equal(w->client[0].mtu, 1420);
	assert_int_equal(w->client[0].items, 3);
	assert_int_equal(w->client[0].item[0].kind, NET_ITEM_ADDRESS);
	assert_int_equal(w->client[0].item[1].kind, NET_ITEM_ROUTE);
	assert_int_equal(w->client[0].item[2].kind, NET_ITEM_DNS);
	world_free(w);
}

/* An idle session costs next to nothing. */
static void test_idle_is_quiet(void **state)
{
	struct world *w = world_new(1, 1);
	uint64_t before;

	world_attach(w);
	world_run(w, 1000);
	before = world_count(w, 0, COUNT_RX_CONTROL);
	world_run(w, 60000);
	/* two standby paths every 5 s, one active every 15 s */
	assert_in_range(world_count(w, 0, COUNT_RX_CONTROL) - before, 24, 34);
	world_free(w);
}

static void lost_once(bool up, enum packet_type type, unsigned int n)
{
	struct world *w = world_new(1, 1);

	world_swallow_type(w, up, type, n);
	world_start(w);
	world_assert(w, world_until(w, world_all_attached, 8000));
	assert_int_equal(w->swallowed, n);
	world_run(w, 6000);
	world_assert(w, world_all_attached(w));
	assert_int_equal(engine_session_count(w->engine[0].e), 1); /* what came to nothing has died */
	world_free(w);
}

static void test_lost(void **state)
{
	lost_once(true, PACKET_HELLO, 1);
	lost_once(false, PACKET_WELCOME, 1);
	lost_once(true, PACKET_SEALED, 1);  /* the first PING */
	lost_once(false, PACKET_SEALED, 1); /* its PONG */
	lost_once(true, PACKET_SEALED, 4);
	lost_once(false, PACKET_SEALED, 4);
	lost_once(true, PACKET_HELLO, 4);
}

/* A satellite: the WELCOME comes when HELLOs have followed it, and counts: one round trip, and the one that confirms. */
static void far_away(int64_t delay_us, uint64_t within_ms)
{
	struct world *w = world_new(1, 1);

	w->paths = 1;
	w->client[0].link[0].delay_us = delay_us;
	world_start(w);
	world_assert(w, world_until(w, world_all_attached, within_ms));
	assert_int_equal(world_count(w, 0, COUNT_WELCOME_SENT), 1);
	assert_int_equal(world_audits(w, true, AUDIT_SESSION_CREATED, REASON_NONE, 0), 1);
	world_run(w, 8000);
	assert_int_equal(engine_session_count(w->engine[0].e), 1);
	world_free(w);
}

static void test_far_away(void **state)
{
	far_away(100000, 420);
	far_away(300000, 1250);
	far_away(500000, 2050);
	far_away(750000, 3050);
}

static void test_slow_jobs(void **state)
{
	struct world *w = world_new(1, 1);

	w->job_us = 40000;
	world_attach(w);
	world_free(w);
}

static void test_first_path_dead(void **state)
{
	struct world *w = world_new(1, 1);

	w->client[0].link[0].cut_up = true;
	world_start(w);
	world_assert(w, world_until(w, world_all_attached, 1000));
	assert_int_not_equal(world_session(w, 0)->active->number, 0);
	world_free(w);
}

/* A one-way path is no path: WELCOMEs never arrive. */
static void test_one_way(void **state)
{
	struct world *w = world_new(1, 1);

	for (int i = 0; i < 3; i++)
		w->client[0].link[i].cut_down = true;
	world_start(w);
	world_run(w, 30000);
	assert_null(world_session(w, 0));
	assert_null(world_peer(w, 0));
	assert_in_range(world_served(w, COUNT_HELLO_RECEIVED), 4, 20);
	for (int i = 0; i < 3; i++)
		w->client[0].link[i].cut_down = false;
	world_assert(w, world_until(w, world_all_attached, 12000));
	world_free(w);
}

static void test_wrong_server_key(void **state)
{
	struct world *w = world_new(1, 1);

	w->client[0].config.server_public_key[5] ^= 1;
	world_start(w);
	world_run(w, 10000);
	assert_true(world_count(w, 0, COUNT_HELLO_RECEIVED) > 3);
	assert_int_equal(world_count(w, 0, COUNT_HELLO_BAD_MAC), world_count(w, 0, COUNT_HELLO_RECEIVED));
	assert_true(w->order == world_count(w, 0, COUNT_HELLO_RECEIVED)); /* nothing came back */
	assert_int_equal(w->audits, 0);
	world_free(w);
}

static void test_unknown_peer(void **state)
{
	struct world *w = world_new(1, 1);
	char key[KEY_BASE64_LEN + 1];

	w->config->npeers = 0;
	world_start(w);
	world_run(w, 10000);
	assert_true(world_count(w, 0, COUNT_HELLO_UNKNOWN_PEER) > 3);
	/* A COOKIE for each, as anybody gets. */
	assert_int_equal(w->order, 2 * world_count(w, 0, COUNT_HELLO_RECEIVED));
	assert_int_equal(engine_session_count(w->engine[0].e), 0);
	/* The operator learns which key it was, to let it in or to see who is locked out: once a minute. */
	assert_int_equal(world_audits(w, false, AUDIT_SECURITY_VALIDATION_FAILED, REASON_UNKNOWN_PEER, 0), 1);
	base64_encode(key, w->client[0].config.public_key, 32);
	assert_memory_equal(w->audit[0].r.public_key, key, AUDIT_KEY_MAX);
	world_run(w, 60000);
	assert_int_equal(world_audits(w, false, AUDIT_SECURITY_VALIDATION_FAILED, REASON_UNKNOWN_PEER, 0), 2);
	assert_true(w->audit[w->audits - 1].r.count > 3);
	w->config->npeers = 1;
	world_free(w);
}

static void test_psk(void **state)
{
	struct world *w = world_new(1, 1);

	memset(w->config->peers[0].psk, 7, 32);
	world_start(w);
	world_run(w, 4000);
	assert_null(world_session(w, 0));
	assert_null(world_peer(w, 0));
	assert_true(world_count(w, WORLD_WORKERS, COUNT_WELCOME_BAD) > 0);
	memset(w->client[0].config.server_psk, 7, 32);
	world_assert(w, world_until(w, world_all_attached, 15000));
	world_free(w);
}

static void suites(bool client_aes, bool server_aes, enum suite want)
{
	struct world *w = world_new(1, 1);

	w->aes[0] = client_aes;
	w->aes[1] = server_aes;
	world_attach(w);
	assert_int_equal(world_session(w, 0)->keys.suite, want);
	assert_int_equal(world_peer(w, 0)->keys.suite, want);
	world_traffic(w, &w->client[0].up, 10000, true);
	world_run(w, 1005);
	assert_true(w->client[0].up.sent == 100 && w->client[0].up.echoed == 100);
	world_free(w);
}

static void test_suites(void **state)
{
	suites(true, true, SUITE_AES_256_GCM);
	suites(true, false, SUITE_CHACHA20_POLY1305);
	suites(false, true, SUITE_CHACHA20_POLY1305);
	suites(false, false, SUITE_CHACHA20_POLY1305);
}

static struct datagram first_hello(struct world *w)
{
	for (size_t i = 0; i < w->record.n; i++)
		if (w->record.list[i].data[0] == PACKET_HELLO)
			return w->record.list[i];
	fail_msg("no HELLO");
	return w->record.list[0];
}

/* Nothing changes for the session that there is, and nothing is born of the replays. */
static void test_replayed_hello(void **state)
{
	struct world *w = world_new(1, 1);
	const struct route stranger = world_stranger(1);
	struct session_info before, after[3];
	struct datagram hello;

	w->recording = RECORD_SENT;
	world_attach(w);
	hello = first_hello(w);
	for (int i = 0; i < 5; i++) {
		world_inject_up(w, i % 2 ? &hello.route : &stranger, hello.data, hello.len);
		world_run(w, 1);
	}
	assert_int_equal(world_view(w, 0, after, 3), 1);
	assert_true(after[0].state == STATE_ATTACHED);
	assert_int_equal(world_count(w, 0, COUNT_WELCOME_SENT), 1);
	assert_int_equal(world_count(w, 0, COUNT_HELLO_REPEATED), 2); /* from where it was welcomed */
	assert_int_equal(world_count(w, 0, COUNT_HELLO_REPLAYED), 3);
	assert_int_equal(world_count(w, 0, COUNT_COOKIE_SENT), 3);
	assert_ptr_equal(world_peer(w, 0),
			 container_of(world_home(w, 0)->sessions.next, struct session, node));
	before = after[0];
	world_run(w, 6000);
	assert_int_equal(world_view(w, 0, after, 3), 1);
	assert_memory_equal(after[0].id, before.id, 16);
	assert_true(after[0].state_version == before.state_version && after[0].state == STATE_ATTACHED);
	assert_int_equal(world_audits(w, false, AUDIT_HANDSHAKES_UNFINISHED, REASON_NONE, 0), 0);
	assert_true(w->stranger_bytes <= 3 * hello.len); /* no amplification */
	world_assert(w, world_all_attached(w));
	world_free(w);
}

/* HELLOs of yesterday, two of them: both are asked for their address. */
static void test_old_hellos(void **state)
{
	struct world *w = world_new(1, 1);
	const struct route stranger = world_stranger(1);

	w->recording = RECORD_SENT;
	world_attach(w);
	remember_id(w);
	assert_true(engine_terminate(w->engine[0].e, old_id, w->now));
	world_assert(w, world_until(w, client_attached_to_other, 10000));
	w->recording = RECORD_NOTHING;
	world_run(w, 5000);
	for (size_t i = 0; i < w->record.n; i++) {
		if (w->record.list[i].data[0] != PACKET_HELLO)
			continue;
		world_inject_up(w, &stranger, w->record.list[i].data, w->record.list[i].len);
		world_run(w, 5);
	}
	assert_int_equal(engine_session_count(w->engine[0].e), 1);
	assert_int_equal(world_count(w, 0, COUNT_COOKIE_SENT), 2);
	assert_int_equal(w->stranger_datagrams, 2);
	world_run(w, 6000);
	assert_int_equal(engine_session_count(w->engine[0].e), 1);
	world_assert(w, world_all_attached(w));
	world_free(w);
}

/* Replays from everywhere all the time do not keep an honest client out. */
static void test_replay_flood(void **state)
{
	struct world *w = world_new(1, 1);
	struct datagram hello;
	unsigned int stranger = 0;

	w->recording = RECORD_SENT;
	world_swallow_type(w, false, PACKET_WELCOME, 1);
	world_start(w);
	world_run(w, 10);
	hello = first_hello(w);
	w->recording = RECORD_NOTHING;
	while (!world_session(w, 0) && stranger < 20000) {
		const struct route r = world_stranger(stranger++);

		world_inject_up(w, &r, hello.data, hello.len);
		world_run(w, 20);
		assert_true(engine_session_count(w->engine[0].e) <= 2);
	}
	world_assert(w, world_until(w, world_all_attached, 100));
	assert_true(stranger < 200);
	world_free(w);
}

/* WELCOMEs that get lost leave at most two sessions in BIRTH, and these die. */
static void test_births(void **state)
{
	struct world *w = world_new(1, 1);
	size_t most = 0;

	world_swallow_type(w, false, PACKET_WELCOME, 12);
	world_start(w);
	for (unsigned int i = 0; i < 3000 && !world_session(w, 0); i++) {
		const size_t n = engine_session_count(w->engine[0].e);

		most = n > most ? n : most;
		world_run(w, 20);
	}
	assert_int_equal(most, 2);
	assert_int_equal(w->swallowed, 12);
	world_assert(w, world_until(w, world_all_attached, 10000));
	world_run(w, 6000);
	assert_int_equal(engine_session_count(w->engine[0].e), 1);
	world_free(w);
}

/* A HELLO with other bytes inside fails at mac1 or is malformed, or is an old one: nothing is born. */
static void test_damaged_hello(void **state)
{
	struct world *w = world_new(1, 1);
	struct datagram hello;
	unsigned int inside = 0;

	w->recording = RECORD_SENT;
	world_attach(w);
	hello = first_hello(w);
	for (size_t bit = 0; bit < sizeof(struct packet_hello) * 8; bit += 37) {
		if (bit / 8 >= offsetof(struct packet_hello, mac2))
			break; /* mac2 counts under load alone */
		inside += bit / 8 >= offsetof(struct packet_hello, payload) &&
			  bit / 8 < offsetof(struct packet_hello, mac1);
		world_inject_up(w, &(struct route){ .remote = world_stranger((unsigned int)bit).remote },
				(hello.data[bit / 8] ^= (uint8_t)(1u << bit % 8), hello.data), hello.len);
		hello.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t len = 0; len < hello.len; len += 13)
		world_inject_up(w, &hello.route, hello.data, len);
	world_run(w, 10);
	assert_int_equal(engine_session_count(w->engine[0].e), 1);
	assert_int_equal(w->stranger_datagrams, inside);
	assert_int_equal(w->stranger_type, PACKET_COOKIE);
	assert_int_equal(world_count(w, 0, COUNT_HELLO_BAD_CRYPTO),
			 0); /* its `e` is known: no Diffie-Hellman */
	world_free(w);
}

/* By somebody who knows the server's public key, and nothing else. */
static void any_hello(struct world *w, const struct route *from)
{
	struct packet_hello h = { .type = PACKET_HELLO, .suite = SUITE_AES_256_GCM };

	prng_fill(&w->rng, h.e, sizeof(h.e) + sizeof(h.s));
	cookie_sign_hello(w->engine[0].e->cookie_keys, &h, NULL);
	world_inject_up(w, from, &h, sizeof(h));
}

static size_t key_agreements(const struct world *w)
{
	return w->engine[0].e->njobs + w->engine[0].e->turns->n;
}

static void test_hello_rate(void **state)
{
	struct world *w = world_new(1, 1);
	struct route stranger = world_stranger(1);

	world_attach(w);
	for (int i = 0; i < 300; i++) {
		stranger.remote.port++;
		any_hello(w, &stranger);
	}
	assert_int_equal(key_agreements(w), 20);     /* the burst of one source */
	assert_int_equal(w->engine[0].e->njobs, 16); /* under way; the others wait */
	assert_int_equal(world_count(w, 0, COUNT_COOKIE_SENT), 280);
	world_free(w);
}

/* Many sources at once: from here on a HELLO must prove its address before it costs a Diffie-Hellman. */
static void test_load(void **state)
{
	struct world *w = world_new(1, 1);

	world_attach(w);
	w->job_us = 3000000;
	for (unsigned int i = 0; i < 250; i++) {
		const struct route r = world_stranger(i);

		any_hello(w, &r);
	}
	assert_int_equal(key_agreements(w), 32);
	assert_int_equal(world_count(w, 0, COUNT_COOKIE_SENT), 250 - 32);
	assert_int_equal(w->stranger_datagrams, 250 - 32);
	assert_int_equal(w->stranger_type, PACKET_COOKIE);
	assert_int_equal(w->stranger_bytes, (250 - 32) * sizeof(struct packet_cookie));
	world_free(w);
}

static void under_load(struct world *w)
{
	w->engine[0].e->hello_second = (uint32_t)(w->now.us / 1000000);
	w->engine[0].e->hello_count = 1000;
}

static void test_cookie(void **state)
{
	struct world *w = world_new(1, 1);
	const struct route stranger = world_stranger(1);
	uint32_t ms = 0;

	w->recording = RECORD_SENT;
	world_start(w);
	while (!world_session(w, 0) && ms++ < 100) {
		under_load(w);
		world_run(w, 1);
	}
	assert_int_equal(world_count(w, 0, COUNT_COOKIE_SENT), 1);
	world_assert(w, world_until(w, world_all_attached, 1000));
	assert_int_equal(world_count(w, WORLD_WORKERS, COUNT_WELCOME_BAD), 0);

	/* Its mac2 is good for its own address alone. */
	under_load(w);
	for (size_t i = 0, n = w->record.n; i < n; i++)
		if (w->record.list[i].data[0] == PACKET_HELLO)
			world_inject_up(w, &stranger, w->record.list[i].data, w->record.list[i].len);
	assert_int_equal(world_count(w, 0, COUNT_COOKIE_SENT), 3);
	assert_int_equal(w->engine[0].e->njobs, 0);
	world_free(w);
}

static void test_server_restart(void **state)
{
	struct world *w = world_new(1, 1);

	world_attach(w);
	remember_id(w);
	world_run(w, 5);
	world_restart(w, 0);
	world_traffic(w, &w->client[0].up, 10000, false);
	world_assert(w, world_until(w, client_attached_to_other, 200));
	assert_int_equal(world_audits(w, true, AUDIT_SESSION_TERMINATED, REASON_PEER_CLOSED, 0), 1);
	world_free(w);
}

static void test_forged_reset(void **state)
{
	struct world *w = world_new(1, 1);
	struct route from = { .socket = 1, .remote = { .port = 4433 } };
	struct packet_reset r = { .type = PACKET_RESET };
	struct session_info before, after;
	struct path *p;

	world_attach(w);
	p = world_session(w, 0)->active;
	memcpy(r.locator, session_locator(p), 8);
	world_view(w, WORLD_WORKERS, &before, 1);
	for (unsigned int bit = 0; bit < 128; bit++) {
		memcpy(r.token, session_token(p->session, p->slot), 16);
		r.token[bit / 8] ^= (uint8_t)(1u << bit % 8);
		world_inject_down(w, 0, &from, &r, sizeof(r));
	}
	memcpy(r.token, session_token(p->session, p->slot), 16);
	r.locator[7] ^= 1;
	world_inject_down(w, 0, &from, &r, sizeof(r));
	r.locator[7] ^= 1;
	from.socket = 2; /* on another path than the locator's */
	world_inject_down(w, 0, &from, &r, sizeof(r));
	world_view(w, WORLD_WORKERS, &after, 1);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(world_count(w, WORLD_WORKERS, COUNT_RESET_IGNORED), 130);
	world_free(w);
}

/* A second server with the same key and node id, on another machine: its RESETs end nothing, and are told of. */
static void test_twin_server(void **state)
{
	struct world *w = world_new(1, 1);
	const uint8_t machine[32] = { 2 };
	struct packet_reset r = { .type = PACKET_RESET };
	uint8_t key[32];
	const struct path *p;

	world_attach(w);
	p = world_session(w, 0)->active;
	memcpy(r.locator, session_locator(p), 8);
	reset_key_derive(key, w->config->private_key, machine);
	reset_token(r.token, key, r.locator);
	remember_id(w);
	for (int i = 0; i < 1000; i++)
		world_inject_down(w, 0, world_route(p), &r, sizeof(r));
	world_run(w, 2000);
	assert_true(world_all_attached(w));
	assert_false(client_attached_to_other(w));
	assert_int_equal(world_count(w, WORLD_WORKERS, COUNT_RESET_FOREIGN), 1000);
	assert_int_equal(world_audits(w, true, AUDIT_SECURITY_VALIDATION_FAILED, REASON_FOREIGN_RESET, 0), 2);
	/* The true one's still counts. */
	reset_key_derive(key, w->config->private_key, (const uint8_t[32]){ 0 });
	reset_token(r.token, key, r.locator);
	world_inject_down(w, 0, world_route(p), &r, sizeof(r));
	assert_int_equal(world_audits(w, true, AUDIT_SESSION_TERMINATED, REASON_PEER_CLOSED, 0), 1);
	world_free(w);
}

/* One from the same image, machine id and all: what it ends was not its own, and how often it does is told. */
static void test_twin_of_the_same_image(void **state)
{
	struct world *w = world_new(1, 1);

	world_attach(w);
	world_traffic(w, &w->client[0].up, 10000, false);
	for (unsigned int n = 1; n <= 5; n++) {
		remember_id(w);
		world_restart(w, 0);
		world_assert(w, world_until(w, client_attached_to_other, 60000));
		world_assert(w, world_audits(w, true, AUDIT_SECURITY_VALIDATION_FAILED, REASON_RESET_AGAIN,
					     0) == (n < 3 ? 0 : n - 2));
		world_run(w, 60000);
	}
	/* One that comes long after them is a restart. */
	world_run(w, 700000);
	remember_id(w);
	world_restart(w, 0);
	world_assert(w, world_until(w, client_attached_to_other, 60000));
	world_assert(w, world_audits(w, true, AUDIT_SECURITY_VALIDATION_FAILED, REASON_RESET_AGAIN, 0) == 3);
	world_free(w);
}

/* The server moves to another machine, and its RESETs are not believed: the client comes back all the same. */
static void test_server_on_another_machine(void **state)
{
	struct world *w = world_new(1, 1);

	world_attach(w);
	remember_id(w);
	w->machine = 3;
	world_restart(w, 0);
	world_traffic(w, &w->client[0].up, 10000, false);
	world_assert(w, world_until(w, client_attached_to_other, 20000));
	assert_int_equal(world_audits(w, true, AUDIT_SESSION_TERMINATED, REASON_PEER_CLOSED, 0), 0);
	assert_true(world_count(w, WORLD_WORKERS, COUNT_RESET_FOREIGN) > 0);
	world_free(w);
}

/* RESETs are no echo: never longer than what asked, within the rate, and for locators of this node, that this server has
 * issued, alone. */
static void test_reset_is_bounded(void **state)
{
	struct world *w = world_new(1, 1);
	const struct route stranger = world_stranger(1);
	uint8_t data[100] = { PACKET_SEALED };

	world_attach(w);
	data[8] = 9; /* another node's */
	world_inject_up(w, &stranger, data, sizeof(data));
	assert_int_equal(w->stranger_datagrams, 0);
	data[8] = 1;
	for (size_t len = 0; len < sizeof(struct packet_reset); len++)
		world_inject_up(w, &stranger, data, len);
	assert_int_equal(w->stranger_datagrams, 0);
	world_inject_up(w, &stranger, data, sizeof(data)); /* not a locator that this server has issued */
	assert_int_equal(w->stranger_datagrams, 0);
	locator_mark(data + 8, &w->engine[0].e->locator_key);
	for (int i = 0; i < 1000; i++)
		world_inject_up(w, &stranger, data, sizeof(data));
	assert_int_equal(w->stranger_datagrams, 5);
	assert_int_equal(w->stranger_bytes, 5 * sizeof(struct packet_reset));
	world_free(w);
}

/* The client forgets (a restart without a word): its new session takes over from the old one. */
static void test_supersede(void **state)
{
	struct world *w = world_new(1, 1);
	struct world_engine *we = &w->engine[WORLD_WORKERS];
	struct engine_setup setup = { .ctx = we,
				      .config = &w->client[0].config,
				      .workers = 1,
				      .key_cache = 64,
				      .hardware_aes = true };
	struct candidate cand = { .number = 0, .name = "path0", .remotes = 1 };

	world_attach(w);
	remember_id(w);
	world_run(w, 5);
	setup.io = we->e->io;
	cand.remote[0] = we->e->client->candidate[0].c.remote[0];
	engine_free(we->e);
	free(w->client[0].socket);
	w->client[0].socket = NULL;
	w->client[0].sockets = 0;
	w->client[0].link[0].nat++; /* another port, as after a restart */
	w->flight.n = 0;
	we->e = engine_new(&setup, w->now);
	engine_candidate_up(we->e, &cand, w->now);
	world_assert(w, world_until(w, client_attached_to_other, 1000));
	assert_int_equal(world_audits(w, false, AUDIT_SESSION_TERMINATED, REASON_SUPERSEDED, 0), 1);
	assert_int_equal(engine_session_count(w->engine[0].e), 1);
	world_free(w);
}

static void test_two_workers(void **state)
{
	for (unsigned int hello = 0; hello < 2; hello++) {
		struct world *w = world_new(2, 3);

		w->hello_worker = hello;
		world_attach(w);
		for (unsigned int i = 0; i < 3; i++) {
			struct session *s = world_session(w, i);

			assert_int_equal(locator_worker(session_locator(s->active), w->engine[0].e->steer_key, 2),
					 i % 2);
			world_traffic(w, &w->client[i].up, 10000, true);
			world_traffic(w, &w->client[i].down, 10000, false);
		}
		world_run(w, 1005);
		for (unsigned int i = 0; i < 3; i++) {
			assert_int_equal(w->client[i].up.echoed, 100);
			assert_int_equal(w->client[i].down.got, 100);
		}
		assert_int_equal(w->engine[0].e->njobs, 0);
		assert_int_equal(w->engine[1].e->njobs, 0);
		world_free(w);
	}
}

/* A WELCOME that was answered already, or of another attempt, is nothing. */
static void test_replayed_welcome(void **state)
{
	struct world *w = world_new(1, 1);
	struct session_info before, after;

	w->recording = RECORD_SENT;
	world_attach(w);
	world_view(w, WORLD_WORKERS, &before, 1);
	for (size_t i = 0; i < w->record.n; i++)
		if (w->record.list[i].data[0] == PACKET_WELCOME)
			world_inject_down(w, 0, &w->record.list[i].route, w->record.list[i].data,
					  w->record.list[i].len);
	world_view(w, WORLD_WORKERS, &after, 1);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(world_count(w, WORLD_WORKERS, COUNT_WELCOME_BAD), 1);
	world_free(w);
}

/* With no candidate up there is nothing to do, and then there is. */
static void test_candidates_later(void **state)
{
	struct world *w = world_new(1, 1);
	struct engine *e;
	struct candidate cand;

	world_start(w);
	e = world_client_engine(w, 0);
	cand = e->client->candidate[1].c;
	for (uint8_t n = 0; n < 3; n++)
		engine_candidate_down(e, n, REASON_TRANSPORT_DEAD, w->now);
	world_run(w, 60000);
	assert_null(world_session(w, 0));
	engine_candidate_up(e, &cand, w->now);
	world_assert(w, world_until(w, world_all_attached, 10));
	assert_int_equal(world_session(w, 0)->active->number, 1);
	world_free(w);
}

/* Same inputs, same outputs (I9). */
static void test_deterministic(void **state)
{
	struct world *w[2];

	for (int i = 0; i < 2; i++) {
		w[i] = world_new(2, 3);
		for (int n = 0; n < 3; n++)
			w[i]->client[n].link[0].loss_ppm = 200000;
		world_start(w[i]);
		for (int n = 0; n < 3; n++)
			world_traffic(w[i], &w[i]->client[n].up, 5000, true);
		world_run(w[i], 20000);
	}
	assert_int_equal(w[0]->audits, w[1]->audits);
	for (size_t i = 0; i < w[0]->audits; i++)
		assert_memory_equal(&w[0]->audit[i].r, &w[1]->audit[i].r, sizeof(struct audit_record));
	assert_int_equal(w[0]->order, w[1]->order);
	world_free(w[0]);
	world_free(w[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attach),
		cmocka_unit_test(test_idle_is_quiet),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_far_away),
		cmocka_unit_test(test_slow_jobs),
		cmocka_unit_test(test_first_path_dead),
		cmocka_unit_test(test_one_way),
		cmocka_unit_test(test_wrong_server_key),
		cmocka_unit_test(test_unknown_peer),
		cmocka_unit_test(test_psk),
		cmocka_unit_test(test_suites),
		cmocka_unit_test(test_replayed_hello),
		cmocka_unit_test(test_old_hellos),
		cmocka_unit_test(test_replay_flood),
		cmocka_unit_test(test_births),
		cmocka_unit_test(test_damaged_hello),
		cmocka_unit_test(test_hello_rate),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_cookie),
		cmocka_unit_test(test_server_restart),
		cmocka_unit_test(test_forged_reset),
		cmocka_unit_test(test_twin_server),
		cmocka_unit_test(test_twin_of_the_same_image),
		cmocka_unit_test(test_server_on_another_machine),
		cmocka_unit_test(test_reset_is_bounded),
		cmocka_unit_test(test_supersede),
		cmocka_unit_test(test_two_workers),
		cmocka_unit_test(test_replayed_welcome),
		cmocka_unit_test(test_candidates_later),
		cmocka_unit_test(test_deterministic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
