/*
 * The inputs of an engine, by type and role: each begins with engine_input(), which frees what has ended in the one before
 * and sees to what was due while the machine slept. Everything below works for the input that is being dealt with.
 *
 * On the thread of the engine.
 */
#include "session/engine.h"

#include <stdlib.h>
#include <string.h>

#include "jumpvpn/locator.h"
#include "proto/cookie.h"
#include "proto/inner.h"
#include "proto/packet.h"
#include "session/accept.h"
#include "session/admit.h"
#include "session/client_state.h"
#include "session/connect.h"
#include "session/end.h"
#include "session/fire.h"
#include "session/info.h"
#include "session/inside.h"
#include "session/job.h"
#include "session/keys.h"
#include "session/life.h"
#include "session/limit.h"
#include "session/match.h"
#include "session/order.h"
#include "session/outbound.h"
#include "session/receive.h"
#include "session/rekey.h"
#include "session/reload.h"
#include "session/reset.h"
#include "session/server.h"
#include "session/session.h"
#include "session/setup.h"
#include "session/table.h"
#include "session/trail.h"
#include "session/uplink.h"
#include "session/walk.h"
#include "session/welcome.h"
#include "session/wheel.h"

#define RESET_PER_SECOND 2 /* for one locator */
#define RESET_BURST 5
#define ICMP_PER_SECOND 10
#define ICMP_BURST 20
#define CLIENT_SESSIONS 16 /* one, the next one, and those just ended */
#define SERVER_SESSIONS ADMIT_MOST((size_t)CONFIG_SESSIONS_MAX)
#define AHEAD_SESSIONS 512 /* fewer stay in the caches: see tests/bench/ahead.c */
#define SLEPT_US 1000000 /* a timer so late says that nobody was there to see to it */

struct engine_peers *engine_peers_new(const struct config *running, const struct config *next, uint32_t worker,
				      uint32_t workers)
{
	return reload_prepare(running, next, worker, workers);
}

void engine_peers_free(struct engine_peers *p)
{
	reload_drop(p);
}

static bool server_new(struct engine *e, const struct engine_setup *setup)
{
	struct hash_key key;

	e->items = calloc((size_t)POLICY_PARTS_MAX * POLICY_ITEMS_MAX, sizeof(e->items[0]));
	e->reset_limit = calloc(1, sizeof(*e->reset_limit));
	if (!reload_begin(e))
		return false;
	if (!e->items || !e->reset_limit || !admit_new(e, setup->cookie_seed))
		return false;
	e->io.random(e->ctx, key.b, sizeof(key.b));
	source_limit_init(e->reset_limit, &key, RESET_PER_SECOND, RESET_BURST);
	reset_key_derive(e->reset_key, e->config->private_key, setup->machine);
	e->steer_key = steer_key_derive(e->config->private_key);
	locator_key_derive(&e->locator_key, e->config->private_key);
	return true;
}

struct engine *engine_new(const struct engine_setup *setup, struct jv_time now)
{
	const bool client = setup->config->role == ROLE_CLIENT;
	const size_t sessions = client ? CLIENT_SESSIONS : SERVER_SESSIONS;
	struct engine *e = calloc(1, sizeof(*e));
	struct hash_key key;

	if (!e)
		return NULL;
	e->io = setup->io;
	e->ctx = setup->ctx;
	e->config = setup->config;
	e->policy_version = e->config->generation;
	e->worker = setup->worker;
	e->workers = setup->workers;
	e->hardware_aes = setup->hardware_aes;
	wheel_init(&e->wheel, now);
	e->session_fire = fire_session;
	e->last_input = now;
	e->pressed = TIME_NEVER;
	list_init(&e->sessions);
	list_init(&e->superseded);
	list_init(&e->dead);
	list_init(&e->jobs);
	list_init(&e->walks);
	timer_init(&e->flood_timer, trail_flush);
	list_init(&e->flapping);
	e->locators = table_new(sessions * PROTO_SLOTS_MAX, offsetof(struct session, slot),
				sizeof(struct slot));
	e->cache = keycache_new(setup->key_cache);
	e->cookie_keys = calloc(1, sizeof(*e->cookie_keys));
	e->icmp_limit = calloc(1, sizeof(*e->icmp_limit));
	if (!setup_slabs(e, sessions + 1) || !e->locators || !e->cache || !e->cookie_keys ||
	    !e->icmp_limit || !(client ? setup_client(e, now) : server_new(e, setup))) {
		engine_free(e);
		return NULL;
	}
	e->io.random(e->ctx, key.b, sizeof(key.b));
	source_limit_init(e->icmp_limit, &key, ICMP_PER_SECOND, ICMP_BURST);
	nears_init(&e->nears, &key);
	cookie_keys_derive(e->cookie_keys, client ? e->config->server_public_key : e->config->public_key);
	return e;
}

static void sessions_drop(struct engine *e, struct list *sessions)
{
	while (!list_is_empty(sessions)) {
		struct session *s = container_of(sessions->next, struct session, node);

		session_stop_timers(s); /* the rings of others are still among them */
		keys_clear(&s->keys, &e->key_store);
		list_remove(&s->node);
		list_append(&e->dead, &s->node);
	}
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	sessions_drop(e, &e->sessions);
	sessions_drop(e, &e->superseded);
	life_reap(e);
	setup_client_free(e);
	if (e->locators)
		table_free(e->locators);
	setup_slabs_free(e);
	if (e->cache)
		keycache_free(e->cache);
	admit_free(e);
	free(e->cookie_keys);
	free(e->items);
	free(e->reset_limit);
	free(e->icmp_limit);
	reload_free(e);
	crypto_wipe(e, sizeof(*e));
	free(e);
}

void engine_count(struct engine *e, enum counter c, uint64_t n)
{
	e->counters.n[c] += n;
}

void engine_pressed(struct engine *e, struct jv_time now)
{
	e->pressed = now;
}

const struct counters *engine_counters(const struct engine *e)
{
	return &e->counters;
}

/*
 * Measured when the clock has moved, before anything has been done about it: whoever acts first would start timers anew. A
 * timer that was started in the past waits in wheel.due and tells nothing.
 */
static void note_lateness(struct engine *e, struct jv_time now)
{
	uint64_t late;

	if (now.us == e->last_input.us)
		return;
	late = list_is_empty(&e->wheel.due) ? time_since_ms(now, wheel_next(&e->wheel)) : 0;
	e->late_ms = late < UINT32_MAX ? (uint32_t)late : UINT32_MAX;
}

void engine_input(struct engine *e, struct jv_time now)
{
	const bool leapt = time_diff_us(now, e->last_input) > SLEPT_US;

	life_reap(e);
	note_lateness(e, now);
	e->last_input = now;
	if (!leapt || time_diff_us(now, wheel_next(&e->wheel)) <= SLEPT_US)
		return;
	e->woke = now;
	fire_woke(e, now);
}

/* --- packets --- */

static void client_datagram(struct engine *e, enum packet_type type, const struct route *from,
			    uint8_t *datagram, size_t len, struct jv_time now)
{
	switch (type) {
	case PACKET_WELCOME:
		welcome_received(e, from, datagram, len, now);
		break;
	case PACKET_COOKIE:
		connect_cookie(e, from, datagram, len, now);
		break;
	case PACKET_RESET:
		reset_received(e, from, datagram, len, now);
		break;
	default:
		e->counters.n[COUNT_DROP_UNEXPECTED]++;
	}
}

static void datagram_received(struct engine *e, struct reception *r, uint8_t *datagram, size_t len)
{
	const enum packet_type type = packet_classify(datagram, len);

	if (type == PACKET_SEALED) {
		receive_sealed(e, r, datagram, len);
		return;
	}
	r->slot = NULL; /* a handshake may end the session it belongs to */
	if (type == 0)
		e->counters.n[COUNT_DROP_MALFORMED]++;
	else if (e->client)
		client_datagram(e, type, r->from, datagram, len, r->now);
	else if (type == PACKET_HELLO)
		admit_hello(e, r->from, datagram, len, r->now);
	else
		e->counters.n[COUNT_DROP_UNEXPECTED]++;
}

void engine_datagram(struct engine *e, const struct route *from, uint8_t ecn, uint8_t *datagram, size_t len,
		     struct jv_time now)
{
	struct reception r = { .from = from, .ecn = ecn, .now = now };

	engine_input(e, now);
	datagram_received(e, &r, datagram, len);
}

void engine_datagrams(struct engine *e, const struct route *from, uint8_t ecn, uint8_t *run, size_t len,
		      size_t segment, struct jv_time now)
{
	struct reception r = { .from = from, .ecn = ecn, .now = now };

	engine_input(e, now);
	for (; len > segment; run += segment, len -= segment) {
		r.next = len - segment >= PROTO_OVERHEAD ? run + segment : NULL;
		datagram_received(e, &r, run, segment);
	}
	r.next = NULL;
	datagram_received(e, &r, run, len);
}

void engine_ahead(const struct engine *e, const uint8_t *const datagram[], size_t n)
{
	if (e->nsessions >= AHEAD_SESSIONS)
		receive_ahead(e, datagram, n);
}

uint32_t engine_datagram_home(const struct engine *e, const uint8_t *datagram, size_t len)
{
	if (e->workers == 1 || packet_classify(datagram, len) != PACKET_SEALED)
		return e->worker;
	return locator_worker(datagram + offsetof(struct packet_header, locator), e->steer_key, e->workers);
}

uint32_t engine_inner_home(const struct engine *e, const uint8_t *packet, size_t len)
{
	struct inner in;
	uint32_t peer;

	if (e->workers == 1 || e->client || !inner_parse(packet, len, &in))
		return e->worker;
	peer = config_owner(e->config, &in.dst);
	return peer == LPM_NONE ? e->worker : e->config->peers[peer].home % e->workers;
}

void engine_inner(struct engine *e, uint8_t *packet, size_t len, struct jv_time now)
{
	engine_input(e, now);
	outbound_packet(e, packet, len, now);
}

size_t engine_inner_fits(const struct engine *e, const uint8_t *packet, size_t len)
{
	return outbound_fits(e, packet, len);
}

void engine_inner_run(struct engine *e, struct inner_run *r, struct jv_time now)
{
	engine_input(e, now);
	outbound_run(e, r, now);
}

void engine_job_done(struct engine *e, struct job *j, struct jv_time now)
{
	engine_input(e, now);
	if (j->worker == e->worker) {
		list_remove(&j->node);
		e->njobs--;
	} else {
		j->worker = e->worker; /* handed over by the worker that took the HELLO */
	}
	switch (j->kind) {
	case JOB_HELLO_STATIC:
	case JOB_HELLO_PAYLOAD:
	case JOB_HELLO_ANSWER:
	case JOB_WELCOME_CREATE:
		accept_job_done(e, j, now);
		break;
	case JOB_HELLO_CREATE:
	case JOB_WELCOME_CONSUME:
		welcome_job_done(e, j, now);
		break;
	case JOB_REKEY_PUBLIC:
	case JOB_REKEY_SHARED:
		if (j->session)
			rekey_job_done(j->session, j, now);
		job_free(j);
		break;
	}
	if (!e->client)
		admit_serve(e, now);
}

/* --- time --- */

void engine_tick(struct engine *e, struct jv_time now)
{
	engine_input(e, now);
	wheel_expire(&e->wheel, now);
}

struct jv_time engine_next(const struct engine *e)
{
	return wheel_next(&e->wheel);
}

/* --- control --- */

void engine_configure(struct engine *e, const struct config *config, struct engine_peers *peers,
		      struct jv_time now)
{
	engine_input(e, now);
	if (!e->client) {
		trail_unattached_all(e, now);
		reload_server(e, config, peers, now);
		return;
	}
	e->config = config;
	e->policy_version = config->generation;
	engine_net_again(e);
}

void engine_shutdown(struct engine *e, struct jv_time now)
{
	struct list *pos, *tmp;

	engine_input(e, now);
	if (e->client) {
		e->client->stopped = true;
		connect_stop(e);
	} else {
		admit_stop(e);
	}
	list_for_each_safe(pos, tmp, &e->sessions) {
		struct session *s = container_of(pos, struct session, node);

		end_session(s,
			    s->state == STATE_BIRTH ? REASON_HANDSHAKE_TIMEOUT : REASON_OPERATOR_TERMINATED,
			    now);
	}
	while (!list_is_empty(&e->superseded))
		life_forget(container_of(e->superseded.next, struct session, node));
	if (!e->client)
		trail_unattached_all(e, now);
}

/* The session of an operator's order: mostly the one that a walk has shown last, for it was looked up by name before. */
static struct session *find_session(struct engine *e, const uint8_t id[PROTO_SESSION_ID_LEN])
{
	struct list *pos;

	if (e->met && memcmp(e->met->id, id, PROTO_SESSION_ID_LEN) == 0)
		return e->met;
	list_for_each(pos, &e->sessions) {
		struct session *s = container_of(pos, struct session, node);

		if (memcmp(s->id, id, PROTO_SESSION_ID_LEN) == 0)
			return s;
	}
	return NULL;
}

void engine_jump(struct engine *e, const uint8_t id[PROTO_SESSION_ID_LEN], uint8_t number, uint64_t token,
		 struct jv_time now)
{
	struct session *s;

	engine_input(e, now);
	s = find_session(e, id);
	if (!s)
		e->io.jump_done(e->ctx, token, REASON_UNKNOWN_SESSION, 0);
	else if (e->client)
		order_jump(s, number, token, now);
	else
		server_order(s, number, token, now);
}

bool engine_terminate(struct engine *e, const uint8_t id[PROTO_SESSION_ID_LEN], struct jv_time now)
{
	struct session *s;

	engine_input(e, now);
	s = find_session(e, id);
	if (!s || s->state == STATE_BIRTH)
		return false;
	end_session(s, REASON_OPERATOR_TERMINATED, now);
	return true;
}

bool engine_rekey(struct engine *e, const uint8_t id[PROTO_SESSION_ID_LEN], struct jv_time now)
{
	struct session *s;

	engine_input(e, now);
	s = find_session(e, id);
	if (!s || s->state == STATE_BIRTH)
		return false;
	rekey_order(s, now);
	return true;
}

size_t engine_session_count(const struct engine *e)
{
	return e->nsessions + (e->client && e->nsessions == 0 ? 1 : 0);
}

bool engine_connecting(const struct engine *e, struct session_info *out, struct jv_time now)
{
	if (!e->client || !e->client->connecting)
		return false;
	info_connecting(e->client, out, now);
	return true;
}

void engine_path_error(struct engine *e, uint32_t socket, int error)
{
	if (e->client)
		connect_error(e, socket, error);
}

uint64_t engine_session_bytes(const struct engine *e)
{
	return setup_slabs_bytes(e) + table_bytes(e->locators) + e->rescue_bytes;
}

const uint32_t *engine_states(const struct engine *e)
{
	return e->by_state;
}

bool engine_own(struct engine *e, struct session_info *out, struct jv_time now)
{
	struct session *own = NULL;
	struct list *pos;

	if (!e->client)
		return false;
	list_for_each(pos, &e->sessions) {
		struct session *s = container_of(pos, struct session, node);

		if (!own || (!own->active && s->active))
			own = s;
	}
	if (own)
		info_session(own, out, now);
	else
		info_connecting(e->client, out, now);
	return true;
}

/* A client that has no session yet shows what it does instead, once. */
static bool shows_connecting(const struct engine *e, const struct walk *w)
{
	return e->client && e->nsessions == 0 && !w->begun;
}

size_t engine_walk(struct engine *e, struct walk *w, const char *wanted, struct session_info *out, size_t max,
		   struct jv_time now)
{
	struct session *s;
	size_t n = 0;

	if (!wanted && max > 0 && shows_connecting(e, w))
		info_connecting(e->client, &out[n++], now);
	for (unsigned int looked = 0; n < max && looked < ENGINE_STEP && (s = walk_next(e, w)); looked++) {
		if (wanted && !match_session(wanted, s->id, session_peer_name(s)))
			continue;
		info_session(s, &out[n++], now);
		e->met = s;
	}
	return n;
}

void engine_cloned(struct engine *e, struct jv_time now)
{
	struct list *pos, *tmp;

	engine_input(e, now);
	if (e->client)
		connect_stop(e); /* both would have the keys that a WELCOME to a HELLO of before brings */
	list_for_each_safe(pos, tmp, &e->sessions) {
		struct session *s = container_of(pos, struct session, node);

		s->closing = true; /* a CLOSE would be sealed like something else, elsewhere */
		end_session(s, s->state == STATE_BIRTH ? REASON_HANDSHAKE_TIMEOUT : REASON_MACHINE_CLONED,
			    now);
	}
	while (!list_is_empty(&e->superseded))
		life_forget(container_of(e->superseded.next, struct session, node));
	if (e->client)
		connect_start(e, now);
}

void engine_net_again(struct engine *e)
{
	if (e->client && e->client->session)
		inside_set_up(e->client);
}

/* --- candidate paths of a client --- */

void engine_candidate_known(struct engine *e, const struct candidate *c, enum path_fault fault,
			    struct jv_time now)
{
	engine_input(e, now);
	uplink_known(e, c, fault);
}

void engine_candidate_forgotten(struct engine *e, uint8_t number, struct jv_time now)
{
	engine_input(e, now);
	uplink_forgotten(e, number);
}

void engine_candidate_up(struct engine *e, const struct candidate *c, struct jv_time now)
{
	engine_input(e, now);
	uplink_up(e, c, now);
}

void engine_candidate_down(struct engine *e, uint8_t number, enum reason why, struct jv_time now)
{
	engine_input(e, now);
	uplink_down(e, number, why, now);
}

void engine_candidate_moved(struct engine *e, uint8_t number, struct jv_time now)
{
	engine_input(e, now);
	uplink_moved(e, number, now);
}
