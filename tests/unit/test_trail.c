/* What the trail makes of floods of refusals, and of a worker that wakes too late. */
#include "world.h"

#include "session/engine.h"
#include "session/session.h"
#include "session/trail.h"

static const struct audit_record *last_of(struct world *w, enum audit_event event, enum reason why)
{
	for (size_t i = w->audits; i-- > 0;)
		if (w->audit[i].r.event == event && w->audit[i].r.reason == why)
			return &w->audit[i].r;
	return NULL;
}

static void refuse(struct world *w, enum reason why, const char *from, unsigned int times)
{
	struct engine *e = world_home(w, 0);
	struct endpoint remote;

	endpoint_parse(from, &remote);
	while (times-- > 0)
		trail_refused(e, NULL, AUDIT_SECURITY_VALIDATION_FAILED, why, &remote, w->now);
}

/* What comes within a second of the first of its kind is one record, of that kind alone. */
static void test_summed_by_reason(void **state)
{
	struct world *w = world_new(1, 1);
	const struct audit_record *r;
	size_t before;

	world_start(w);
	world_run(w, 2000);
	before = w->audits;
	refuse(w, REASON_BAD_PROOF, "192.0.2.1:1000", 5);
	refuse(w, REASON_ILLEGAL_TRANSITION, "192.0.2.9:1000", 3);
	refuse(w, REASON_BAD_PROOF, "192.0.2.2:1000", 7);
	world_run(w, 3000);
	assert_int_equal(w->audits - before,
			 4); /* the first of each at once, and one for the others of each */
	r = last_of(w, AUDIT_SECURITY_VALIDATION_FAILED, REASON_BAD_PROOF);
	assert_int_equal(r->count, 11);
	assert_int_equal(r->sources, 2);
	assert_int_equal(r->remote.port, 0); /* of two, the last would pass for both */
	r = last_of(w, AUDIT_SECURITY_VALIDATION_FAILED, REASON_ILLEGAL_TRANSITION);
	assert_int_equal(r->count, 2);
	assert_int_equal(r->sources, 0);
	assert_int_equal(r->remote.port, 1000);
	world_free(w);
}

/* Different events are never one record, though their reason is the same. */
static void test_summed_by_event(void **state)
{
	struct world *w = world_new(1, 1);
	struct engine *e;
	struct endpoint from;

	world_start(w);
	world_run(w, 2000);
	e = world_home(w, 0);
	endpoint_parse("192.0.2.1:1000", &from);
	for (unsigned int i = 0; i < 5; i++) {
		trail_refused(e, NULL, AUDIT_SECURITY_VALIDATION_FAILED, REASON_POLICY_DENIED, &from, w->now);
		trail_refused(e, NULL, AUDIT_TRANSPORT_SWITCH_DENIED, REASON_POLICY_DENIED, &from, w->now);
	}
	world_run(w, 3000);
	assert_int_equal(last_of(w, AUDIT_SECURITY_VALIDATION_FAILED, REASON_POLICY_DENIED)->count, 4);
	assert_int_equal(last_of(w, AUDIT_TRANSPORT_SWITCH_DENIED, REASON_POLICY_DENIED)->count, 4);
	world_free(w);
}

/* A daemon that ends tells before that how many had come and never attached. */
static void test_unfinished_at_the_end(void **state)
{
	struct world *w = world_new(1, 1);
	const struct audit_record *r;
	struct session *s;

	world_attach(w);
	s = world_peer(w, 0);
	for (unsigned int i = 0; i < 4; i++)
		trail_unattached(s, REASON_HANDSHAKE_TIMEOUT, w->now);
	r = last_of(w, AUDIT_HANDSHAKES_UNFINISHED, REASON_HANDSHAKE_TIMEOUT);
	assert_int_equal(r->count, 1);
	engine_shutdown(world_home(w, 0), w->now);
	r = last_of(w, AUDIT_HANDSHAKES_UNFINISHED, REASON_HANDSHAKE_TIMEOUT);
	assert_int_equal(r->count, 3);
	assert_string_equal(r->peer, session_peer_name(s));
	world_free(w);
}

static const struct audit_record *end_of(struct world *w, bool client)
{
	for (size_t i = w->audits; i-- > 0;)
		if (w->audit[i].r.client == client && w->audit[i].r.event == AUDIT_SESSION_TERMINATED)
			return &w->audit[i].r;
	return NULL;
}

/* The last record of a session says what it has carried, each way, and over how many paths. */
static void test_traffic_is_told(void **state)
{
	struct world *w = world_new(1, 1);
	const struct audit_record *client, *server;
	struct world_client *c = &w->client[0];
	struct session *s;

	w->paths = 2;
	world_attach(w);
	world_run(w, 2000);
	world_traffic(w, &c->up, 1000, false);
	world_traffic(w, &c->down, 3000, false);
	world_run(w, 500);
	s = world_session(w, 0);
	engine_jump(world_client_engine(w, 0), s->id, !s->active->number, 1, w->now);
	world_run(w, 500);
	c->up.interval_us = c->down.interval_us = 0;
	world_run(w, 500);
	assert_true(engine_terminate(world_client_engine(w, 0), world_session(w, 0)->id, w->now));
	world_run(w, 500);
	client = end_of(w, true);
	server = end_of(w, false);
	assert_true(client && server);
	assert_true(c->down.sent > 100 && c->up.sent > 2 * c->down.sent);
	assert_int_equal(client->traffic.tx_packets, c->up.sent);
	assert_int_equal(server->traffic.rx_packets, c->up.sent);
	assert_int_equal(server->traffic.tx_packets, c->down.sent);
	assert_int_equal(client->traffic.rx_packets, c->down.sent);
	assert_in_range(client->traffic.tx_bytes, 20 * c->up.sent, 1500 * c->up.sent);
	assert_int_equal(server->traffic.rx_bytes, client->traffic.tx_bytes);
	assert_in_range(server->traffic.tx_bytes, 20 * c->down.sent, 1500 * c->down.sent);
	assert_int_equal(client->traffic.rx_bytes, server->traffic.tx_bytes);
	assert_int_equal(client->traffic.paths_used, 2);
	assert_int_equal(server->traffic.paths_used, 2);
	world_free(w);
}

static void test_many_sources(void **state)
{
	struct world *w = world_new(1, 1);
	const struct audit_record *r;
	char from[32];

	world_start(w);
	world_run(w, 2000);
	for (int i = 0; i < 200; i++) {
		snprintf(from, sizeof(from), "198.51.100.%d:4000", i);
		refuse(w, REASON_BAD_PROOF, from, 1);
	}
	world_run(w, 2000);
	r = last_of(w, AUDIT_SECURITY_VALIDATION_FAILED, REASON_BAD_PROOF);
	assert_int_equal(r->count, 199);
	assert_in_range(r->sources, 100, 199); /* at least: some share a bit */
	world_free(w);
}

/* The process was stopped for two seconds: whatever is noticed first afterwards says so, be it by a packet. */
static void test_late(void **state)
{
	struct world *w = world_new(1, 1);
	const struct audit_record *r;

	world_start(w);
	world_run(w, 2000);
	w->now = time_add_ms(w->now, 100000);
	engine_tick(world_home(w, 0), w->now);
	assert_true(world_home(w, 0)->late_ms >= 2000);
	refuse(w, REASON_BAD_PROOF, "192.0.2.1:1000", 1);
	r = last_of(w, AUDIT_SECURITY_VALIDATION_FAILED, REASON_BAD_PROOF);
	assert_int_equal(r->late_ms, world_home(w, 0)->late_ms);
	engine_tick(world_home(w, 0), time_add_ms(w->now, 1));
	assert_in_range(world_home(w, 0)->late_ms, 0, 1);
	world_free(w);
}

/* State changes that one end tells of, in all, and in how many records. */
static uint64_t changes(struct world *w, bool client, size_t from, size_t *records)
{
	uint64_t n = 0;

	*records = 0;
	for (size_t i = from; i < w->audits; i++) {
		const struct audit_record *r = &w->audit[i].r;

		if (r->client != client || r->event != AUDIT_SESSION_STATE_CHANGE)
			continue;
		++*records;
		n += r->count;
	}
	return n;
}

/* Somebody on the way cuts the only path and lets it pass again, faster than anybody reads. */
static void flap(struct world *w, unsigned int seconds)
{
	for (unsigned int i = 0; i < 2 * seconds; i++) {
		w->client[0].link[0].cut_up = w->client[0].link[0].cut_down = true;
		world_run(w, 250);
		w->client[0].link[0].cut_up = w->client[0].link[0].cut_down = false;
		world_run(w, 250);
	}
}

static void test_flapping(void **state)
{
	struct world *w = world_new(1, 1);
	const struct audit_record *r;
	size_t from, records;

	w->paths = 1;
	world_attach(w);
	world_traffic(w, &w->client[0].up, 5000, false);
	world_traffic(w, &w->client[0].down, 5000, false);
	world_run(w, 1000);
	for (unsigned int minute = 0; minute < 3; minute++) {
		from = w->audits;
		flap(w, 60);
		for (unsigned int client = 0; client < 2; client++) {
			changes(w, client, from, &records);
			/* Before a record of new keys, what waits is told. */
			assert_in_range(records, 1,
					AUDIT_CHANGES_PER_MIN + 1 +
						world_audits(w, client, AUDIT_SESSION_REKEYED, REASON_NONE, from));
			assert_true(w->audits - from <= 5 * AUDIT_CHANGES_PER_MIN); /* attempts too, at both ends */
		}
	}
	assert_in_range(world_session(w, 0)->state_version, 300, 1000);
	world_run(w, 120000);
	/* Nothing is hidden: all of them are told, with where they led and how long. */
	assert_int_equal(changes(w, true, 0, &records), world_session(w, 0)->state_version);
	assert_int_equal(changes(w, false, 0, &records), world_peer(w, 0)->state_version);
	r = NULL;
	for (size_t i = 0; i < w->audits; i++)
		if (w->audit[i].r.client && w->audit[i].r.count > 20)
			r = &w->audit[i].r;
	assert_non_null(r);
	assert_int_equal(r->event, AUDIT_SESSION_STATE_CHANGE);
	assert_int_equal(r->elapsed_ms, r->flaps.attached_ms + r->flaps.volatile_ms + r->flaps.degraded_ms +
						r->flaps.recovering_ms);
	assert_true(r->flaps.attached_ms > 0 && r->flaps.volatile_ms > 0);
	assert_in_range(r->flaps.volatile_most_ms, 1, 1000);
	assert_in_range(r->flaps.span_ms, 1000, 61000);
	world_free(w);
}

/* What waits is told when its minute is over, though the session has nothing else to tell by then. */
static void test_flapping_calms(void **state)
{
	struct world *w = world_new(1, 1);
	size_t records, from;

	w->paths = 1;
	world_attach(w);
	world_traffic(w, &w->client[0].up, 5000, false);
	world_traffic(w, &w->client[0].down, 5000, false);
	world_run(w, 1000);
	flap(w, 20);
	world_run(w, 2000);
	assert_non_null(session_rare(world_session(w, 0))->flapping);
	assert_non_null(session_rare(world_peer(w, 0))->flapping);
	from = w->audits;
	world_run(w, 61000);
	for (size_t i = from; i < w->audits; i++)
		assert_int_equal(w->audit[i].r.event, AUDIT_SESSION_STATE_CHANGE);
	assert_int_equal(changes(w, true, 0, &records), world_session(w, 0)->state_version);
	assert_int_equal(changes(w, false, 0, &records), world_peer(w, 0)->state_version);
	world_free(w);
}

/* A session that ends while its changes wait tells them first. */
static void test_flapping_ends(void **state)
{
	struct world *w = world_new(1, 1);
	size_t records;

	w->paths = 1;
	world_attach(w);
	world_traffic(w, &w->client[0].up, 5000, false);
	world_run(w, 1000);
	flap(w, 30);
	assert_non_null(session_rare(world_session(w, 0))->flapping);
	assert_true(engine_terminate(world_client_engine(w, 0), world_session(w, 0)->id, w->now));
	assert_int_equal(world_audits(w, true, AUDIT_SESSION_TERMINATED, REASON_NONE, 0), 1);
	for (size_t i = w->audits; i-- > 0;)
		if (w->audit[i].r.client && w->audit[i].r.event == AUDIT_SESSION_TERMINATED)
			assert_int_equal(changes(w, true, 0, &records), w->audit[i].r.state_version);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_summed_by_reason),
		cmocka_unit_test(test_summed_by_event),
		cmocka_unit_test(test_unfinished_at_the_end),
		cmocka_unit_test(test_traffic_is_told),
		cmocka_unit_test(test_many_sources),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_flapping),
		cmocka_unit_test(test_flapping_calms),
		cmocka_unit_test(test_flapping_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
