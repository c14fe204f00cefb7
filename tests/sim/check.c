/*
 * The rules that always hold. I1..I8 by the records alone through verify_record(), and again by looking into
 * the engines; beyond them:
 *
 *     nonce       a key seals one plaintext per counter: a counter comes twice only with the same sealed bytes
 *     locator     one socket for each locator, but where no fresh one was at hand
 *     path        DATA leaves on the active path, or on the one a dead one is being left for
 *     end         a session ends for the reason it gives: an order, a time that has passed, a peer that is gone
 *     bound       no state, no session and nothing without a transport lasts beyond its time
 *     told        what the records tell is what there is
 *     memory      engines keep what their sessions need, and give everything back
 *
 * Elsewhere: inner, duplicate, sockets, 3x (io.c); hostile (hostile.c); liveness, flow, false (live.c).
 */
#include "session/admit.h"
#include "session/job.h"
#include "session/pmtu.h"
#include "session/session.h"
#include "session/size.h"
#include "session/table.h"
#include "sim/impl.h"

#include <stdlib.h>
#include <string.h>

#include "proto/packet.h"

#define SLACK_US 3000            /* timers have ticks of a millisecond */
#define COUNTER_JUMP_MAX 4000000 /* no world seals so many */

struct seal {
	struct seal *next;
	be64 key;
	uint32_t cap;
	uint32_t *sum; /* by counter; 0: not seen */
};

struct seen_locator {
	struct seen_locator *next;
	be64 key;
	uint64_t uid; /* of the socket */
};

static void found(void *ctx, const struct verify_finding *f)
{
	sim_violate(ctx, f->rule, "%s (record %llu)", f->text, (unsigned long long)f->line);
}

void check_new(struct sim *sim)
{
	sim->verify = must(verify_new(found, sim));
	sim->seals = must(table_new(1 << 20, offsetof(struct seal, key), 0));
	sim->locators = must(table_new(1 << 20, offsetof(struct seen_locator, key), 0));
}

void check_free(struct sim *sim)
{
	verify_free(sim->verify);
	table_free(sim->seals);
	table_free(sim->locators);
	while (sim->seal_list) {
		struct seal *s = sim->seal_list;

		sim->seal_list = s->next;
		free(s->sum);
		free(s);
	}
	while (sim->locator_list) {
		struct seen_locator *l = sim->locator_list;

		sim->locator_list = l->next;
		free(l);
	}
}

/* --- what is sent --- */

static uint64_t number_of(const uint8_t bytes[8])
{
	uint64_t v;

	memcpy(&v, bytes, 8);
	return v;
}

static const struct epoch *epoch_of(const struct keys *k, uint8_t wire)
{
	const struct epoch *e = keys_tx(k);

	return (e->number & PROTO_EPOCH_MASK) == wire ? e : k->epoch[~k->tx_epoch & 1];
}

static struct seal *seal_of(struct sim *sim, const struct epoch *ep, uint64_t counter)
{
	const uint64_t key = number_of(ep->tx_key);
	struct seal *s = table_find(sim->seals, key, NULL);

	if (!s) {
		s = must(calloc(1, sizeof(*s)));
		s->next = sim->seal_list;
		sim->seal_list = s;
		s->key = put_be64(key);
		if (table_insert(sim->seals, key, s, 0) != 0)
			abort();
	}
	if (counter >= s->cap) {
		const uint32_t cap = (uint32_t)counter * 2 + 256;

		s->sum = must(realloc(s->sum, cap * sizeof(*s->sum)));
		memset(s->sum + s->cap, 0, (cap - s->cap) * sizeof(*s->sum));
		s->cap = cap;
	}
	return s;
}

static uint32_t sum_of(const uint8_t *data, size_t len)
{
	uint64_t h = len;

	for (; len >= 8; data += 8, len -= 8)
		h = (h ^ number_of(data)) * UINT64_C(0x9e3779b97f4a7c15);
	while (len-- > 0)
		h = (h ^ *data++) * UINT64_C(0x100000001b3);
	return (uint32_t)(h >> 32) | 1;
}

static void check_nonce(struct sim_engine *se, const struct session *s, const uint8_t *data, size_t len,
			struct packet_id id)
{
	const struct epoch *ep = epoch_of(&s->keys, id.epoch);
	const uint32_t sum = sum_of(data + PROTO_HEADER_LEN, len - PROTO_HEADER_LEN);
	struct seal *seal;

	if ((ep->number & PROTO_EPOCH_MASK) != id.epoch || id.counter > COUNTER_JUMP_MAX) {
		sim_violate(se->sim, "nonce", "sealed with epoch %u, counter %llu: there is no such key",
			    id.epoch, (unsigned long long)id.counter);
		return;
	}
	seal = seal_of(se->sim, ep, id.counter);
	if (seal->sum[id.counter] == 0)
		seal->sum[id.counter] = sum;
	else if (seal->sum[id.counter] != sum || id.kind != SEALED_DATA)
		sim_violate(se->sim, "nonce", "epoch %u, counter %llu: sealed twice", id.epoch,
			    (unsigned long long)id.counter);
}

static void check_locator(struct sim_engine *se, const struct sim_socket *socket, const uint8_t *locator)
{
	struct sim *sim = se->sim;
	const uint64_t key = number_of(locator);
	struct seen_locator *l = table_find(sim->locators, key, NULL);

	if (!l) {
		l = must(calloc(1, sizeof(*l)));
		l->next = sim->locator_list;
		l->uid = socket->uid;
		sim->locator_list = l;
		l->key = put_be64(key);
		if (table_insert(sim->locators, key, l, 0) != 0)
			abort();
		return;
	}
	if (l->uid == socket->uid)
		return;
	if (socket->had_fresh)
		sim_violate(sim, "locator", "client%u shows one locator on two sockets", client_index(se));
	l->uid = socket->uid;
}

/* Is it of a length that tells nothing of what is in it? */
static bool control_fits(const struct path *p, size_t len, unsigned int how)
{
	const size_t carries = size_datagram(p);

	if (how & SEND_WHOLE)
		return len <= p->session->mtu + (size_t)PROTO_OVERHEAD;
	return len == PROTO_CONTROL_SMALL || len == PROTO_CONTROL_MAX || (len == carries && len < PROTO_CONTROL_MAX);
}

static void check_sealed(struct sim_engine *se, const struct sim_socket *socket, const uint8_t *data,
			 size_t len,
			 unsigned int how)
{
	const uint8_t *locator = data + offsetof(struct packet_header, locator);
	struct path *p = session_find_path(se->e, locator);
	const struct session *s;
	struct packet_id id;

	if (!p || len < PROTO_OVERHEAD) {
		sim_violate(se->sim, "path", "a packet of %zu bytes with a locator of no session", len);
		return;
	}
	s = p->session;
	id = packet_unmask(data, keycache_mask(se->e->cache, s->keys.mask_cache, s->keys.suite, s->keys.tx_mask));
	check_nonce(se, s, data, len, id);
	if (socket)
		check_locator(se, socket, locator);
	if (id.kind == SEALED_DATA && p != s->active &&
	    !(se->e->client && s->jump->pending && s->jump->dead && p->slot == s->jump->slot))
		sim_violate(se->sim, "path", "DATA leaves on path %u (slot %u), which is not the active one",
			    p->number, p->slot);
	if (id.kind == SEALED_CONTROL && !control_fits(p, len, how))
		sim_violate(se->sim, "size", "CONTROL of %zu bytes", len);
}

void check_sent(struct sim_engine *se, const struct sim_socket *socket, const uint8_t *data, size_t len,
		unsigned int how)
{
	const uint8_t type = len > 0 ? data[0] : 0;

	if (type == PACKET_SEALED)
		check_sealed(se, socket, data, len, how);
	else if (se->e->client ? type != PACKET_HELLO || len != PROTO_HELLO_LEN
			       : (type != PACKET_WELCOME && type != PACKET_COOKIE && type != PACKET_RESET) ||
					 len > PROTO_HELLO_LEN || (type == PACKET_WELCOME && len != PROTO_WELCOME_LEN))
		sim_violate(se->sim, "size", "a packet of type %02x and %zu bytes", type, len);
}

/* --- records --- */

static struct session *session_by_id(const struct engine *e, const uint8_t *id)
{
	struct list *pos;

	if (!e)
		return NULL;
	list_for_each(pos, &e->sessions) {
		struct session *s = container_of(pos, struct session, node);

		if (memcmp(s->id, id, sizeof(s->id)) == 0)
			return s;
	}
	return NULL;
}

/* Does the other end (or any, other than this engine) still have it? */
static bool lives_elsewhere(const struct sim_engine *se, const uint8_t *id)
{
	for (unsigned int i = 0; i < SIM_ENGINES; i++) {
		const struct sim_engine *other = &se->sim->engine[i];

		if (other != se && session_by_id(other->e, id))
			return true;
	}
	return false;
}

static bool has_younger(const struct sim_engine *se, const struct session *s)
{
	struct list *pos;

	list_for_each(pos, &se->e->sessions) {
		const struct session *o = container_of(pos, struct session, node);

		if (o != s && !time_before(o->born, s->born) &&
		    (is_client(se) || o->peer == s->peer))
			return true;
	}
	return false;
}

/* DESIGN: a dead path is no dead session. Is there what the reason says? */
static bool end_is_right(const struct sim_engine *se, const struct session *s, enum reason why)
{
	const enum sim_doing doing = se->sim->doing;

	switch (why) {
	case REASON_HANDSHAKE_TIMEOUT:
		return !s->active;
	case REASON_SESSION_LIFETIME_EXCEEDED:
	case REASON_TRANSPORT_TTL_EXCEEDED:
		return true; /* by the clock, which the records tell */
	case REASON_OPERATOR_TERMINATED:
		return doing == DOING_TERMINATE || doing == DOING_SHUTDOWN;
	case REASON_PEER_REMOVED:
		return doing == DOING_CONFIGURE;
	case REASON_SUPERSEDED:
		return !s->active || has_younger(se, s) || (is_client(se) && !lives_elsewhere(se, s->id));
	case REASON_REKEY_OVERDUE: /* the network lost each OFFER, or each ACCEPT */
		return time_since_ms(engine_clock(se), s->rekey.made) >= 3ull * s->policy->rekey_after_ms;
	case REASON_PEER_CLOSED:
		return !lives_elsewhere(se, s->id);
	default:
		return false;
	}
}

static void check_end(struct sim_engine *se, const struct audit_record *r)
{
	const struct session *s = session_by_id(se->e, r->session_id);

	if (!s || !end_is_right(se, s, r->reason))
		sim_violate(se->sim, "end", "session %02x%02x.. ended by %s: that is not so",
			    r->session_id[0], r->session_id[1], reason_name(r->reason));
}

static void digest_record(struct sim *sim, const struct audit_record *r)
{
	digest_number(sim, (uint64_t)r->at.us);
	digest_number(sim, (uint64_t)r->event << 32 | r->reason << 16 | r->from << 8 | r->to);
	digest_bytes(sim, r->session_id, sizeof(r->session_id));
	digest_number(sim, (uint64_t)r->state_version << 32 | r->binding_version);
	digest_number(sim, (uint64_t)r->policy_version << 32 | r->budget_left);
	digest_number(sim, (uint64_t)r->path_from << 8 | r->path_to);
	digest_bytes(sim, r->remote.ip.b, sizeof(r->remote.ip.b));
	digest_number(sim, (uint64_t)r->remote.port << 32 | r->retry_after_ms);
	digest_number(sim, r->elapsed_ms);
	digest_number(sim, r->count << 32 | r->epoch);
	digest_bytes(sim, &r->traffic, sizeof(r->traffic));
}

static void trace_record(const struct sim_engine *se, const struct audit_record *r)
{
	if (!se->sim->setup.trace)
		return;
	sim_trace(se->sim, se->end, "%02x%02x %s %s, %s -> %s, path %d -> %d, sv %u bv %u x%llu",
		  r->session_id[0], r->session_id[1], audit_event_name(r->event), reason_name(r->reason),
		  state_name(r->from), state_name(r->to), (int8_t)r->path_from, (int8_t)r->path_to,
		  r->state_version, r->binding_version, (unsigned long long)r->count);
}

void check_record(struct sim_engine *se, const struct audit_record *r)
{
	struct sim *sim = se->sim;
	const struct sim_hooks *h = &sim->setup.hooks;

	digest_record(sim, r);
	trace_record(se, r);
	if (r->event != AUDIT_SECURITY_REPLAY_DETECTED && r->event != AUDIT_SECURITY_VALIDATION_FAILED)
		sim->attacked.records++;
	if (r->reason == REASON_ILLEGAL_TRANSITION)
		sim_violate(sim, "I8", "a transition that no row has was tried");
	verify_record(sim->verify, se->origin, ++sim->records, r);
	if (r->event == AUDIT_SESSION_TERMINATED)
		check_end(se, r);
	if (h->record)
		h->record(h->ctx, se->end, r);
}

/* --- what there is --- */

static void check_session(struct sim_engine *se, const struct session *s)
{
	struct verify_session t = { 0 };
	const bool told = verify_session(se->sim->verify, se->origin, s->id, &t);
	const struct flapping *flapping = session_rare(s)->flapping;
	const struct path *a = s->active;

	if (!is_client(se) && s->state == STATE_BIRTH) { /* told of when it attaches */
		if (told || a)
			sim_violate(se->sim, "told", "%02x%02x is in BIRTH, and told of", s->id[0], s->id[1]);
		return;
	}
	/* What waits for its sum is not told yet. */
	if (!told || t.state != (flapping ? flapping->from : s->state) ||
	    t.state_version + (flapping ? flapping->n : 0) != s->state_version ||
	    t.binding_version != s->binding_version || t.active != (a ? a->number : AUDIT_NO_PATH))
		sim_violate(se->sim, "told",
			    "%02x%02x is %s, versions %u and %u; its records say %s, %u and %u", s->id[0],
			    s->id[1], state_name(s->state), s->state_version, s->binding_version,
			    told ? state_name(t.state) : "nothing", t.state_version, t.binding_version);
	else if ((s->state == STATE_BIRTH) != !a || s->state == STATE_TERMINATED)
		sim_violate(se->sim, "I1", "%02x%02x is %s %s an active path", s->id[0], s->id[1],
			    state_name(s->state), a ? "with" : "without");
	else if (a && (a->session != s || !path_is_known(a) || a->number == PATH_NONE || a == s->draining ||
		       a != s->slot[a->slot].path))
		sim_violate(se->sim, "I1", "the active path of %02x%02x is none", s->id[0], s->id[1]);
}

void check_step(struct sim_engine *se)
{
	const size_t most = is_client(se) ? 2 : se->sim->setup.clients * (1 + BIRTHS_MAX);
	struct list *pos;

	if (!se->e || se->sim->violation.is_one)
		return;
	if (se->e->nsessions > most)
		sim_violate(se->sim, "memory", "%zu sessions at one engine", se->e->nsessions);
	list_for_each(pos, &se->e->sessions)
		check_session(se, container_of(pos, struct session, node));
}

/* DESIGN section 6 in times. */
static struct jv_time last_moment(const struct session *s)
{
	const struct policy *p = s->policy;
	struct jv_time at = time_add_ms(s->born, p->max_lifetime_ms);

	if (s->state == STATE_BIRTH)
		at = time_min(at, time_add_ms(s->born, p->handshake_timeout_ms));
	if (s->state == STATE_VOLATILE)
		at = time_min(at, time_add_ms(s->since, p->volatile_to_degraded_ms));
	if (s->state == STATE_RECOVERING)
		at = time_min(at, time_add_ms(s->since, p->recovery_window_ms));
	if (s->state != STATE_ATTACHED && s->state != STATE_BIRTH)
		at = time_min(at, time_add_ms(s->left_attached, p->transport_lost_ttl_ms));
	return at;
}

void check_ticked(struct sim_engine *se)
{
	const struct jv_time now = time_add_us(engine_clock(se), -SLACK_US);
	struct list *pos;

	list_for_each(pos, &se->e->sessions) {
		const struct session *s = container_of(pos, struct session, node);

		/* A bound that was lowered by the policy taken with this transition ends it at the next tick. */
		if (time_before(last_moment(s), now) && time_before(s->since, now))
			sim_violate(se->sim, "bound", "%02x%02x is %s still, %lld ms too long", s->id[0],
				    s->id[1], state_name(s->state),
				    (long long)time_diff_us(now, last_moment(s)) / 1000);
	}
}

/* What a session may need at most, beside the engine's own. */
static int64_t session_needs(const struct session *s)
{
	return (int64_t)(sizeof(*s) + s->slots * sizeof(s->slot[0]) +
			 60 * sizeof(struct jv_time) + 4096);
}

static size_t slabs_bytes(const struct engine *e)
{
	const struct key_store *st = &e->key_store;
	size_t bytes = slab_bytes(&st->epochs) + slab_bytes(&e->paths) + slab_bytes(&e->healths) +
		       slab_bytes(&e->upkeeps) + slab_bytes(&e->lags) + slab_bytes(&e->pmtus) +
		       slab_bytes(&e->trials) + slab_bytes(&e->jumps) + slab_bytes(&e->orders) +
		       slab_bytes(&e->exchanges) +
		       slab_bytes(&e->flaps) + slab_bytes(&e->passages) + slab_bytes(&e->rebindings) +
		       slab_bytes(&e->rares) + slab_bytes(&e->policies.held);

	for (unsigned int i = 0; i <= PROTO_SLOTS_MAX; i++)
		bytes += slab_bytes(&e->session_slab[i]);

	for (unsigned int i = 0; i < RING_SIZES; i++)
		bytes += slab_bytes(&st->rings[i]);
	return bytes;
}

struct held { /* by sessions */
	size_t sessions, paths, nears, healths, upkeeps, pmtus, trials, epochs, rings;
	size_t jumps, orders, exchanges, flaps, lags, passages, rebindings, rares;
};

static void hold_path(struct held *h, const struct path *p)
{
	h->paths += p != NULL;
	h->healths += p && p->health;
	h->nears += p && p->lead.near;
	h->nears += p && path_trial(p);
	h->upkeeps += p && p->upkeep;
	h->pmtus += p && p->upkeep && p->upkeep->pmtu;
	h->trials += p && path_trial(p);
}

static void hold(struct held *h, const struct list *sessions)
{
	struct list *pos;

	list_for_each(pos, sessions) {
		const struct session *s = container_of(pos, struct session, node);
		const struct keys *k = &s->keys;

		h->sessions++;
		h->jumps += s->engine->client && s->jump;
		h->orders += !s->engine->client && s->order;
		h->exchanges += session_rare(s)->exchange != NULL;
		h->flaps += session_rare(s)->flapping != NULL;
		h->lags += session_rare(s)->lags != NULL;
		h->passages += session_rare(s)->passage != NULL;
		h->rebindings += session_rare(s)->rebindings != NULL;
		h->rares += s->rare != NULL;
		for (uint8_t i = 0; i < s->slots; i++)
			hold_path(h, s->slot[i].path);

		for (int i = 0; i < 2; i++) {
			h->epochs += k->epoch[i] != NULL;
			h->rings += k->epoch[i] && replay_ring(&k->epoch[i]->replay);
		}
	}
}

/* What is out of a slab is some session's. */
static void check_slabs(struct sim *sim, const struct engine *e)
{
	struct held h = { 0 };
	size_t rings = 0, sessions = 0, nears = 0;

	hold(&h, &e->sessions);
	hold(&h, &e->superseded);
	hold(&h, &e->dead);
	for (unsigned int i = 0; i < RING_SIZES; i++)
		rings += e->key_store.rings[i].used;
	for (unsigned int i = 0; i <= PROTO_SLOTS_MAX; i++)
		sessions += e->session_slab[i].used;
	if (h.sessions != sessions || h.paths != e->paths.used)
		sim_violate(sim, "memory", "%zu sessions and %zu paths, of which %zu and %zu are in lists",
			    sessions, e->paths.used, h.sessions, h.paths);
	for (size_t i = 0; i < e->nears.n; i++)
		nears += e->nears.at[i].users;
	if (h.nears != nears)
		sim_violate(sim, "memory", "%zu users of near ends, of which %zu are paths or trials", nears, h.nears);
	if (h.lags != e->lags.used)
		sim_violate(sim, "memory", "%zu lags, of which sessions have %zu", e->lags.used, h.lags);
	if (h.passages != e->passages.used || h.rebindings != e->rebindings.used || h.rares != e->rares.used)
		sim_violate(sim, "memory", "%zu passages, %zu rebindings and %zu rare records, of which sessions have %zu, %zu and %zu",
			    e->passages.used, e->rebindings.used, e->rares.used, h.passages, h.rebindings,
			    h.rares);
	if (h.upkeeps != e->upkeeps.used)
		sim_violate(sim, "memory", "%zu upkeeps, of which paths have %zu", e->upkeeps.used, h.upkeeps);
	if (h.healths != e->healths.used || h.pmtus != e->pmtus.used || h.trials != e->trials.used)
		sim_violate(sim, "memory", "%zu healths, %zu sizes and %zu trials, of which paths have %zu, %zu and %zu",
			    e->healths.used, e->pmtus.used, e->trials.used, h.healths, h.pmtus, h.trials);
	if (h.orders != e->orders.used)
		sim_violate(sim, "memory", "%zu orders to jump, of which sessions have %zu", e->orders.used, h.orders);
	if (h.jumps != e->jumps.used || h.exchanges != e->exchanges.used || h.flaps != e->flaps.used)
		sim_violate(sim, "memory",
			    "%zu jumps, %zu rekeys, %zu flapping, of which sessions have %zu, %zu and %zu",
			    e->jumps.used, e->exchanges.used, e->flaps.used, h.jumps, h.exchanges, h.flaps);
	if (h.epochs != e->key_store.epochs.used || h.rings != rings)
		sim_violate(sim, "memory", "%zu epochs and %zu rings, of which sessions have %zu and %zu",
			    e->key_store.epochs.used, rings, h.epochs, h.rings);
}

void check_memory(struct sim *sim)
{
	int64_t may = 0;

	for (unsigned int i = 0; i < SIM_ENGINES; i++) {
		const struct sim_engine *se = &sim->engine[i];
		struct list *pos;

		if (!se->e)
			continue;
		if (se->e->rescue_bytes > sim->most_rescue * se->e->nsessions)
			sim_violate(sim, "memory", "%llu bytes of rescue for %zu sessions",
				    (unsigned long long)se->e->rescue_bytes, se->e->nsessions);
		check_slabs(sim, se->e);
		may += se->base_bytes + 32768 + (int64_t)se->e->rescue_bytes +
		       (int64_t)slabs_bytes(se->e) +
		       (int64_t)admit_jobs(se->e) * (int64_t)(sizeof(struct job) + 64);
		list_for_each(pos, &se->e->sessions)
			may += session_needs(container_of(pos, struct session, node));
		list_for_each(pos, &se->e->superseded)
			may += session_needs(container_of(pos, struct session, node));
		list_for_each(pos, &se->e->dead)
			may += session_needs(container_of(pos, struct session, node));
	}
	if (mem_bytes() > may)
		sim_violate(sim, "memory", "%lld bytes, where %lld are enough", (long long)mem_bytes(),
			    (long long)may);
}

void check_ended(struct sim *sim)
{
	for (unsigned int i = 0; i < SIM_ENGINES; i++) {
		struct sim_engine *se = &sim->engine[i];
		uint64_t timers = 0;

		if (!se->e)
			continue;
		for (unsigned int level = 0; level < WHEEL_LEVELS; level++)
			timers |= se->e->wheel.occupied[level];
		if (se->e->nsessions || se->e->nsuperseded || admit_jobs(se->e) || table_count(se->e->locators) ||
		    timers || (is_client(se) && sim->client[client_index(se)].sockets))
			sim_violate(sim, "end",
				    "engine %u keeps %zu sessions, %zu jobs, %zu locators, %s, %u sockets", i,
				    se->e->nsessions, admit_jobs(se->e), table_count(se->e->locators),
				    timers ? "timers" : "no timers",
				    is_client(se) ? sim->client[client_index(se)].sockets : 0);
	}
}
