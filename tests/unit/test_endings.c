/* Every end of a session: both sides say why, within a bound, also when the CLOSE is lost; and what was said once is
 * worth nothing the second time. */
#include "session/client_state.h"
#include "session/connect.h"
#include "session/end.h"
#include "session/engine.h"
#include "session/info.h"
#include "session/keys.h"
#include "session/send.h"
#include "session/session.h"
#include "world.h"

#define CLIENT WORLD_WORKERS

static uint8_t ended_id[16];

static void terminate_server(struct world *w)
{
	assert_true(engine_terminate(w->engine[0].e, ended_id, w->now));
}

static void terminate_client(struct world *w)
{
	assert_true(engine_terminate(world_client_engine(w, 0), ended_id, w->now));
}

static void remove_peer(struct world *w)
{
	struct config *next = world_config_next(w);

	next->peers[0].public_key[0] ^= 1; /* another peer in his place */
	world_reload(w, next);
}

static void readdress_peer(struct world *w)
{
	struct config *next = world_config_next(w);

	next->peers[0].addresses[0].ip.b[15] = 77;
	world_reload(w, next);
}

static void stop_server(struct world *w)
{
	engine_shutdown(w->engine[0].e, w->now);
}

static void stop_client(struct world *w)
{
	engine_shutdown(world_client_engine(w, 0), w->now);
}

static void restart_server(struct world *w)
{
	world_restart(w, 0);
}

static void take_over(struct world *w)
{
	connect_start(world_client_engine(w, 0), w->now);
}

/* By another machine with the client's key. */
static void taken_by_other(struct world *w)
{
	end_session(world_peer(w, 0), REASON_SUPERSEDED, w->now);
}

static void use_up_server(struct world *w)
{
	keys_tx(&world_peer(w, 0)->keys)->tx_counter = PROTO_PACKETS_PER_EPOCH;
}

static void use_up_client(struct world *w)
{
	keys_tx(&world_session(w, 0)->keys)->tx_counter = PROTO_PACKETS_PER_EPOCH;
}

static void clone_server(struct world *w)
{
	engine_cloned(w->engine[0].e, w->now);
}

static void clone_client(struct world *w)
{
	engine_cloned(world_client_engine(w, 0), w->now);
}

/* No next session to be had. The server's is the older end, by what a WELCOME takes. */
static void outlive(struct world *w)
{
	world_swallow_type(w, true, PACKET_HELLO, UINT32_MAX);
	world_run(w, 59990 - time_since_ms(w->now, world_peer(w, 0)->born));
}

#define NOT_TOLD REASON_NONE

/* With traffic both ways every 10 ms. The client begins anew where it can, and that ends what the server still has. */
static const struct ending {
	const char *what;
	void (*cause)(struct world *w);
	enum reason server, client;
	uint32_t within_ms;
	enum reason lost_server, lost_client; /* with every CLOSE lost */
	uint32_t lost_within_ms;
} endings[] = {
	{ "terminated at the server", terminate_server, REASON_OPERATOR_TERMINATED, REASON_PEER_CLOSED, 2,
	  REASON_OPERATOR_TERMINATED, REASON_PEER_CLOSED, 15 },
	{ "terminated at the client", terminate_client, REASON_PEER_CLOSED, REASON_OPERATOR_TERMINATED, 2,
	  REASON_SUPERSEDED, REASON_OPERATOR_TERMINATED, 2000 },
	{ "peer removed", remove_peer, REASON_PEER_REMOVED, REASON_PEER_CLOSED, 2, REASON_PEER_REMOVED,
	  REASON_PEER_CLOSED, 15 },
	{ "peer has other addresses", readdress_peer, REASON_PEER_REMOVED, REASON_PEER_CLOSED, 2,
	  REASON_PEER_REMOVED, REASON_PEER_CLOSED, 15 },
	{ "server stops", stop_server, REASON_OPERATOR_TERMINATED, REASON_PEER_CLOSED, 2,
	  REASON_OPERATOR_TERMINATED, REASON_PEER_CLOSED, 15 },
	{ "client stops", stop_client, REASON_PEER_CLOSED, REASON_OPERATOR_TERMINATED, 2,
	  REASON_TRANSPORT_TTL_EXCEEDED, REASON_OPERATOR_TERMINATED, 125000 },
	{ "server restarts", restart_server, NOT_TOLD, REASON_PEER_CLOSED, 15, NOT_TOLD, REASON_PEER_CLOSED,
	  15 },
	{ "taken over", take_over, REASON_SUPERSEDED, REASON_SUPERSEDED, 10, REASON_SUPERSEDED,
	  REASON_SUPERSEDED, 10 },
	{ "taken over by another", taken_by_other, REASON_SUPERSEDED, REASON_SUPERSEDED, 2, REASON_SUPERSEDED,
	  REASON_PEER_CLOSED, 2000 },
	/* No counter is left for a CLOSE: RESET, or the next session, says it. */
	{ "server's keys used up", use_up_server, REASON_SECURITY_FAILURE, REASON_PEER_CLOSED, 15,
	  REASON_SECURITY_FAILURE, REASON_PEER_CLOSED, 25 },
	{ "client's keys used up", use_up_client, REASON_SUPERSEDED, REASON_SECURITY_FAILURE, 20,
	  REASON_SUPERSEDED, REASON_SECURITY_FAILURE, 20 },
	/* Nothing is said: RESET, or the next session, tells it. */
	{ "server cloned", clone_server, REASON_MACHINE_CLONED, REASON_PEER_CLOSED, 15, REASON_MACHINE_CLONED,
	  REASON_PEER_CLOSED, 15 },
	{ "client cloned", clone_client, REASON_SUPERSEDED, REASON_MACHINE_CLONED, 20, REASON_SUPERSEDED,
	  REASON_MACHINE_CLONED, 20 },
	{ "lifetime", outlive, REASON_SESSION_LIFETIME_EXCEEDED, REASON_PEER_CLOSED, 11,
	  REASON_SESSION_LIFETIME_EXCEEDED, REASON_SESSION_LIFETIME_EXCEEDED, 12 },
};

/* How often that session's end is on record there, and why. */
static unsigned int ended(struct world *w, bool client, enum reason *why)
{
	unsigned int n = 0;

	for (size_t i = 0; i < w->audits; i++) {
		const struct audit_record *r = &w->audit[i].r;

		if ((w->audit[i].engine >= WORLD_WORKERS) != client || r->event != AUDIT_SESSION_TERMINATED ||
		    memcmp(r->session_id, ended_id, 16) != 0)
			continue;
		*why = r->reason;
		n++;
	}
	return n;
}

static const struct ending *awaited;

static bool both_told(struct world *w)
{
	enum reason why;

	return ended(w, true, &why) && (awaited->server == NOT_TOLD || ended(w, false, &why));
}

static bool no_close(struct world *w, const struct datagram *d)
{
	return d->frames & FRAME_BIT(FRAME_CLOSE) || (w->swallow_left && d->up && d->data[0] == PACKET_HELLO);
}

static void test_endings(void **state)
{
	for (size_t i = 0; i < 2 * sizeof(endings) / sizeof(endings[0]); i++) {
		const struct ending *e = &endings[i / 2];
		const bool lost = i % 2;
		struct world *w = world_new(1, 1);
		enum reason server = REASON_NONE, client = REASON_NONE;
		struct policy p = policy_defaults;

		awaited = e;
		if (e->cause == outlive)
			p.max_lifetime_ms = 60000;
		world_policy(w, &p);
		world_attach(w);
		memcpy(ended_id, world_session(w, 0)->id, 16);
		world_traffic(w, &w->client[0].up, 10000, false);
		world_traffic(w, &w->client[0].down, 10000, false);
		world_run(w, 100);
		e->cause(w);
		if (lost) /* a CLOSE that was sent at once is still in flight */
			w->flight.n = 0;
		if (lost)
			w->swallow = no_close;
		if (!world_until(w, both_told, lost ? e->lost_within_ms : e->within_ms)) {
			world_explain(w, w->audits > 12 ? w->audits - 12 : 0, w->audits);
			fail_msg("%s%s: not in time", e->what, lost ? ", CLOSE lost" : "");
		}
		world_run(w, 3000);
		if (e->cause == restart_server) /* one is enough: the client says nothing to it */
			assert_int_equal(world_count(w, 0, COUNT_RESET_SENT), 1);
		assert_int_equal(ended(w, false, &server), e->server == NOT_TOLD ? 0 : 1);
		assert_int_equal(ended(w, true, &client), 1);
		if (server != (lost ? e->lost_server : e->server) ||
		    client != (lost ? e->lost_client : e->client))
			fail_msg("%s%s: %s, %s", e->what, lost ? ", CLOSE lost" : "", reason_name(server),
				 reason_name(client));
		world_free(w);
	}
}

/* --- said before --- */

static bool attached_again(struct world *w)
{
	return world_all_attached(w) && memcmp(world_session(w, 0)->id, ended_id, 16) != 0;
}

/* CLOSE and RESET of the last session, and CLOSE sent back to its sender, while the next one lives. */
static void test_nothing_twice(void **state)
{
	struct world *w = world_new(1, 1);
	struct session_info before[2], after[2];
	struct datagram reset = { .len = 0 };
	size_t n, audits;

	world_attach(w);
	w->recording = RECORD_SENT;
	for (unsigned int i = 0; i < 3; i++) {
		memcpy(ended_id, world_session(w, 0)->id, 16);
		if (i == 0)
			terminate_server(w);
		else if (i == 1)
			terminate_client(w);
		else
			world_restart(w, 0);
		world_traffic(w, &w->client[0].up, 10000, false);
		world_assert(w, world_until(w, attached_again, 10000));
	}
	w->client[0].up.interval_us = 0;
	world_run(w, 20000);
	w->recording = RECORD_NOTHING;
	world_view(w, 0, &before[0], 1);
	world_view(w, CLIENT, &before[1], 1);
	audits = w->audits;
	n = w->record.n;
	for (size_t i = 0; i < n; i++) {
		const struct datagram *d = &w->record.list[i];
		const struct route *there = world_route(world_session(w, 0)->active);

		if (d->data[0] == PACKET_RESET)
			reset = *d;
		if (!(d->frames & FRAME_BIT(FRAME_CLOSE)) && d->data[0] != PACKET_RESET)
			continue;
		/* Both ways, from everywhere it could come from. */
		world_inject_up(w, world_route(world_peer(w, 0)->active), d->data, d->len);
		world_inject_down(w, 0, there, d->data, d->len);
		world_inject_down(w, 0, &d->route, d->data, d->len);
	}
	assert_int_equal(reset.len, sizeof(struct packet_reset));
	world_view(w, 0, &after[0], 1);
	world_view(w, CLIENT, &after[1], 1);
	assert_memory_equal(before, after, sizeof(before));
	assert_int_equal(w->audits, audits);
	world_free(w);
}

/* A CLOSE of the living session in the wrong hands: changed, or sent back. */
static void test_forged_close(void **state)
{
	struct world *w = world_new(1, 1);
	struct datagram d;

	world_attach(w);
	w->recording = RECORD_SENT;
	world_swallow_frame(w, true, FRAME_BIT(FRAME_CLOSE), 10);
	send_close(world_session(w, 0), REASON_OPERATOR_TERMINATED, w->now);
	d = world_recorded(w, true, FRAME_BIT(FRAME_CLOSE));
	for (size_t bit = 0; bit < 8 * d.len; bit++) {
		struct datagram bad = d;

		bad.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		world_inject_up(w, &d.route, bad.data, bad.len);
		world_inject_down(w, 0, world_route(world_session(w, 0)->active), bad.data, bad.len);
	}
	world_inject_down(w, 0, world_route(world_session(w, 0)->active), d.data, d.len);
	assert_true(world_all_attached(w));
	assert_int_equal(world_audits(w, false, AUDIT_SESSION_STATE_CHANGE, REASON_NONE, 0), 1);
	/* The true one ends it, and again it does nothing. */
	memcpy(ended_id, world_peer(w, 0)->id, 16);
	world_late(w, &d);
	assert_null(world_peer(w, 0));
	world_late(w, &d);
	world_run(w, 20000);
	assert_int_equal(world_audits(w, false, AUDIT_SESSION_TERMINATED, REASON_PEER_CLOSED, 0), 1);
	world_assert(w, world_until(w, attached_again, 20000));
	world_free(w);
}

static bool bears_locator(const struct datagram *d, uint8_t locators[][8], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (d->data[0] == PACKET_SEALED && memcmp(d->data + 8, locators[i], 8) == 0)
			return true;
	return false;
}

/* Whose machine was cloned seals nothing more under its keys, not even a CLOSE; a next session follows. */
static void test_cloned_is_silent(void **state)
{
	for (unsigned int client = 0; client < 2; client++) {
		struct world *w = world_new(1, 1);
		uint8_t old[PROTO_SLOTS_MAX][8];
		const struct session *s;
		size_t n = 0;

		world_attach(w);
		s = world_session(w, 0);
		memcpy(ended_id, s->id, 16);
		for (uint8_t i = 0; i < s->slots; i++)
			if (session_issued(s, i))
				memcpy(old[n++], s->slot[i].locator, 8);
		world_traffic(w, &w->client[0].up, 1000, true);
		world_traffic(w, &w->client[0].down, 1000, true);
		world_run(w, 100);
		w->recording = RECORD_SENT;
		engine_cloned(client ? world_client_engine(w, 0) : w->engine[0].e, w->now);
		world_assert(w, world_until(w, attached_again, 10000));
		world_run(w, 3000);
		for (size_t i = 0; i < w->record.n; i++)
			if (w->record.list[i].up == (client == 1))
				assert_false(bears_locator(&w->record.list[i], old, n));
		assert_int_equal(world_audits(w, client, AUDIT_SESSION_TERMINATED, REASON_MACHINE_CLONED, 0),
				 1);
		world_free(w);
	}
}

/* The answer to a HELLO of before would give both copies one session: another HELLO goes out. */
static void test_cloned_while_connecting(void **state)
{
	struct world *w = world_new(1, 1);
	struct client *c;

	w->recording = RECORD_SENT;
	world_start(w);
	while (w->record.n == 0)
		world_run(w, 1);
	c = world_client_engine(w, 0)->client;
	assert_int_equal(w->record.list[0].data[0], PACKET_HELLO);
	assert_true(c->attempt[0].open);
	engine_cloned(world_client_engine(w, 0), w->now);
	assert_false(c->attempt[0].open);
	world_assert(w, world_until(w, world_all_attached, 10000));
	for (size_t i = 1; i < w->record.n; i++)
		assert_memory_not_equal(w->record.list[i].data, w->record.list[0].data,
					sizeof(struct packet_hello));
	assert_int_equal(world_audits(w, true, AUDIT_SESSION_CREATED, REASON_NONE, 0), 1);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_endings),
		cmocka_unit_test(test_nothing_twice),
		cmocka_unit_test(test_forged_close),
		cmocka_unit_test(test_cloned_is_silent),
		cmocka_unit_test(test_cloned_while_connecting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
