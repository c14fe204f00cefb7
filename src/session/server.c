/* Judges jumps and tells the client what it needs to know. The client decides when to jump and where to. */
#include "session/server.h"

#include <stdlib.h>
#include <string.h>

#include "session/accept.h"
#include "session/admit.h"
#include "session/limit.h"
#include "session/path.h"
#include "session/proof.h"
#include "session/rescue.h"
#include "session/session.h"
#include "session/trail.h"
#include "session/transmit.h"
#include "session/wheel.h"

#define ORDER_MS 200 /* an operator's jump is asked for again after this */
#define ORDER_TRIES 10
#define UNUSABLE_MS 1000 /* an address that answers no challenge may be asked for again after this */
#define POLICY_MS 200    /* least time between two sendings of the policy */

/* Fresh locators for the slots the client will not use again; it says so until it has them. */
static void replace_spent(struct path *p, uint16_t spent, struct jv_time now)
{
	struct session *s = p->session;
	bool changed = false;

	for (uint8_t i = 0; i < s->slots; i++) {
		struct path *old = &s->path[i];

		if (!(spent & 1u << i) || old == p || old == s->active || old == s->draining ||
		    !accept_issue(s, i))
			continue;
		path_reset(old, now);
		changed = true;
	}
	if (changed)
		s->locators_seq++;
}

/* --- jumps --- */

bool evidence_is_dead(enum reason evidence)
{
	return evidence == REASON_HEARTBEAT_TIMEOUT || evidence == REASON_CONSECUTIVE_DROP_EXCEEDED ||
	       evidence == REASON_TRANSPORT_DEAD || evidence == REASON_ADDRESS_CHANGED ||
	       evidence == REASON_PEER_REPORTED || evidence == REASON_DATA_STALLED;
}

/*
 * The last switch of a minute is kept for a path that is dead, or as good as that (and for an operator): comfort may
 * not use it.
 */
uint32_t switch_budget(const struct policy *pol, enum reason evidence, uint32_t loss_ppm)
{
	const uint32_t max = pol->max_switches_per_min;
	const bool hardly_carries =
		evidence == REASON_LOSS_THRESHOLD_EXCEEDED && loss_ppm > PROTO_RESERVE_LOSS_PPM;

	return evidence_is_dead(evidence) || evidence == REASON_POLICY_FORCED || hardly_carries ? max
												: max - 1;
}

static void acknowledge(struct path *p, uint32_t id, struct jv_time now)
{
	struct session *s = p->session;
	struct frame f = { .type = FRAME_JUMP_ACK };
	struct control c;

	f.jump_ack.id = id;
	f.jump_ack.binding_version = s->binding_version;
	f.jump_ack.state_version = s->state_version;
	f.jump_ack.epoch = (uint8_t)s->acked_epoch;
	f.jump_ack.highest = s->acked_highest;
	control_begin(&c);
	frame_write(&c.w, &f);
	proof_ask(p, &c, now);
	control_send(&c, p, NULL, now);
}

static void reject(struct path *p, uint32_t id, enum reason why, uint32_t retry_after_ms, struct jv_time now)
{
	struct session *s = p->session;
	struct frame f = { .type = FRAME_JUMP_REJECT };

	f.jump_reject.id = id;
	f.jump_reject.reason = (uint8_t)why;
	f.jump_reject.retry_after_ms = retry_after_ms;
	f.jump_reject.binding_version = s->binding_version;
	trail_denied(s, why, p, retry_after_ms, now);
	control_frame(p, &f, now);
	if (why == REASON_STALE_REQUEST)
		ping_send(p, 0, now); /* its PONG mends our estimate of the client's clock */
}

/* The order of judgement; that the session is known and the packet authentic and new comes before. */
static enum reason judge(struct path *p, const struct frame *f, bool is_switch, bool elsewhere,
			 uint32_t *retry_after_ms, struct jv_time now)
{
	struct session *s = p->session;
	const struct policy *pol = &s->policy;
	uint32_t budget;

	*retry_after_ms = 0;
	/* One that was held back while the client has long jumped otherwise names the right binding, but not
	 * the last wish. */
	if ((int32_t)(f->jump.id - s->last_jump_id) < 0)
		return REASON_STALE_REQUEST;
	if (session_is_stale(s, f->jump.age_us, now)) {
		*retry_after_ms = PROTO_RETRY_MIN_MS;
		return REASON_STALE_REQUEST;
	}
	if (time_since_ms(now, s->born) >= pol->max_lifetime_ms)
		return REASON_SESSION_EXPIRED;
	if (!time_is_never(s->left_attached) &&
	    time_since_ms(now, s->left_attached) >= pol->transport_lost_ttl_ms)
		return REASON_SESSION_EXPIRED;
	if (f->jump.binding_version != s->binding_version)
		return REASON_STALE_BINDING_VERSION;
	if (path_is_ignored(p) && !elsewhere) {
		*retry_after_ms = UNUSABLE_MS;
		return REASON_INVALID_TRANSPORT_CANDIDATE;
	}
	if (!is_switch)
		return REASON_NONE;
	/* How much is lost the client knows best: both directions are counted there. */
	budget = switch_budget(pol, f->jump.reason, POLICY_PPM);
	*retry_after_ms = switch_limit_wait_ms(&s->limit, budget, now);
	if (*retry_after_ms > 0)
		return REASON_SWITCH_RATE_LIMITED;
	*retry_after_ms = switch_limit_cooldown_ms(&s->limit, pol->switch_cooldown_ms, now);
	if (*retry_after_ms > 0)
		return REASON_COOLDOWN_ACTIVE;
	return REASON_NONE;
}

enum reason switch_reason(enum reason evidence)
{
	if (evidence == REASON_LOSS_THRESHOLD_EXCEEDED || evidence == REASON_LATENCY_THRESHOLD_EXCEEDED)
		return REASON_LOSS_RECOVERY;
	if (evidence == REASON_POLICY_FORCED)
		return REASON_POLICY_FORCED_RECOVERY;
	if (evidence == REASON_HEALTH_RECOVERED)
		return REASON_HEALTH_RECOVERED;
	return REASON_DEAD_TRANSPORT_RECOVERY;
}

/* A server that is still ATTACHED takes the client's reason as its evidence and walks there in the same
 * commit. */
static void walk(struct session *s, enum reason evidence, struct jv_time now)
{
	const bool listed = evidence_is_dead(evidence) || evidence == REASON_LOSS_THRESHOLD_EXCEEDED ||
			    evidence == REASON_LATENCY_THRESHOLD_EXCEEDED;

	if (s->state == STATE_ATTACHED)
		session_event(s, EVENT_INSTABILITY, listed ? evidence : REASON_POLICY_FORCED, now);
	if (s->state == STATE_VOLATILE || s->state == STATE_DEGRADED)
		session_event(s, EVENT_SWITCH_START, switch_reason(evidence), now);
}

/* The active locator from another address, which is on trial: a JUMP moves us there. (One that is older than what was
 * heard on its path does not tell where that leads now.) */
static bool is_elsewhere(const struct path *p, const struct route *from)
{
	return p->moving && route_equal(&p->pending, from);
}

static void commit(struct path *p, const struct route *from, const struct frame *f, bool is_switch,
		   struct jv_time now)
{
	struct session *s = p->session;
	const uint8_t left = s->active->number;

	walk(s, f->jump.reason, now);
	if (is_elsewhere(p, from))
		proof_moved(p, from, now);
	session_bind(s, p, is_switch, now);
	session_event(s, EVENT_REATTACH_OK, REASON_REATTACH_SUCCESS, now);
	ping_send(p, 0, now);
	s->jump.first = now;
	trail_path(s, AUDIT_REATTACH_RESULT, REASON_REATTACH_SUCCESS, left, p, now);
	if (s->jump.pending && s->jump.ordered && s->jump.number == p->number) {
		s->engine->io.jump_done(s->engine->ctx, s->jump.token, REASON_NONE, 0);
		s->jump.pending = s->jump.ordered = false;
		s->jump.again = TIME_NEVER;
	}
}

/* Behind the JUMP_ACK, what the JUMP does not report. In flight on a path that is well it is not lost. */
static void send_again(struct session *s, const struct frame *jump, bool dead, struct jv_time overdue,
		       struct jv_time now)
{
	rescue_arrived(s, jump->jump.epoch, jump->jump.highest);
	if (dead)
		rescue_all(s, now);
	else
		rescue_overdue(s, overdue, now);
}

void server_jump(struct path *p, const struct route *from, const struct frame *f, struct jv_time now)
{
	struct session *s = p->session;
	const bool elsewhere = is_elsewhere(p, from);
	const bool is_switch = p != s->active || elsewhere;
	/* Had it been well, what is older would be reported. */
	const struct jv_time overdue = time_add_us(now, -path_patience_us(s->active));
	uint32_t retry_after_ms;
	enum reason why;
	bool dead;

	if (p == s->active && f->jump.id == s->last_jump_id && s->state == STATE_ATTACHED) {
		acknowledge(p, f->jump.id, now);
		send_again(s, f, evidence_is_dead(f->jump.reason), overdue, now);
		return;
	}
	why = judge(p, f, is_switch, elsewhere, &retry_after_ms, now);
	if (why != REASON_NONE) {
		reject(p, f->jump.id, why, retry_after_ms, now);
		return;
	}
	dead = evidence_is_dead(f->jump.reason) || s->state != STATE_ATTACHED;
	s->acked_epoch = s->rx_epoch;
	s->acked_highest = s->rx_highest;
	/* One that changes nothing is no decision: a client could fill the log with them. */
	if (is_switch || s->state != STATE_ATTACHED) {
		trail_path(s, AUDIT_REATTACH_ATTEMPT, f->jump.reason, s->active->number, p, now);
		commit(p, from, f, is_switch, now);
	}
	s->last_jump_id = f->jump.id;
	acknowledge(p, f->jump.id, now);
	send_again(s, f, dead, overdue, now);
}

/* --- the server's own view --- */

void server_path_dead(struct session *s, enum reason why, struct jv_time now)
{
	if (s->state == STATE_ATTACHED && !session_event(s, EVENT_INSTABILITY, why, now))
		return;
	if (why == REASON_LOSS_THRESHOLD_EXCEEDED || why == REASON_LATENCY_THRESHOLD_EXCEEDED)
		return; /* the client sees that by itself, and it is not death */
	if (s->active->stall.told)
		return; /* it is the client that says so */
	for (uint8_t i = 0; i < s->slots; i++) {
		struct path *p = &s->path[i];

		if (p != s->active && p->known && p->proven)
			ping_send(p, PING_PEER_DEAD, now);
	}
}

static void locators_send(struct path *p, struct jv_time now)
{
	struct session *s = p->session;
	struct frame f = { .type = FRAME_LOCATORS };

	if (s->locators_told == s->locators_seq && time_since_ms(now, s->locators_sent) < PROTO_RETRY_MIN_MS)
		return;
	s->locators_told = s->locators_seq;
	s->locators_sent = now;
	f.locators.seq = s->locators_seq;
	for (uint8_t i = 0; i < s->slots; i++) {
		struct locator *l = &f.locators.list[f.locators.count++];

		l->slot = i;
		memcpy(l->locator, s->path[i].locator, sizeof(l->locator));
		memcpy(l->token, s->path[i].token, sizeof(l->token));
	}
	control_frame(p, &f, now);
}

static void server_policy_send(struct session *s, struct jv_time now)
{
	const size_t most = (size_t)POLICY_PARTS_MAX * POLICY_ITEMS_MAX;
	struct net_item *items = s->engine->items;
	struct frame f = { .type = FRAME_POLICY };
	size_t n = server_items(s->engine, s, items, most);

	if (!s->active || time_since_ms(now, s->policy_sent) < POLICY_MS)
		return;
	s->policy_sent = now;
	if (n > most)
		n = most;
	f.policy.generation = s->policy_generation;
	f.policy.parts = (uint8_t)(n == 0 ? 1 : (n + POLICY_ITEMS_MAX - 1) / POLICY_ITEMS_MAX);
	f.policy.mtu = s->mtu;
	f.policy.policy = s->policy_waits ? s->next_policy : s->policy;
	for (uint8_t part = 0; part < f.policy.parts; part++) {
		const size_t at = (size_t)part * POLICY_ITEMS_MAX;

		f.policy.part = part;
		f.policy.items = (uint8_t)(n - at < POLICY_ITEMS_MAX ? n - at : POLICY_ITEMS_MAX);
		memcpy(f.policy.item, items + at, f.policy.items * sizeof(items[0]));
		control_frame(s->active, &f, now);
	}
}

void server_pinged(struct path *p, const struct frame *f, struct jv_time now)
{
	struct session *s = p->session;

	if (p == s->active)
		p->stall.told = f->ping.flags & PING_PEER_DEAD;
	if (p == s->active && p->stall.told && s->state == STATE_ATTACHED)
		server_path_dead(s, REASON_DATA_STALLED, now);
	if (!p->proven || p->stray)
		return;
	/* Only from one who knows the present locators: an older PING would have them replaced again. And not at once after
	 * those that were told last: a client would have us make more of them with each packet. */
	if (f->ping.spent && f->ping.locators_seq == s->locators_seq &&
	    time_since_ms(now, s->locators_sent) >= PROTO_RETRY_MIN_MS)
		replace_spent(p, f->ping.spent, now);
	if (f->ping.locators_seq != s->locators_seq)
		locators_send(p, now);
	if (f->ping.policy_generation != s->policy_generation && p == s->active)
		server_policy_send(s, now);
}

struct item_list {
	struct net_item *out;
	size_t n, max; /* n may grow beyond max: only the first ones are written */
};

static void item_add(struct item_list *l, enum net_item_kind kind, const struct ip *ip, uint8_t len)
{
	if (l->n < l->max)
		l->out[l->n] = (struct net_item){ kind, { *ip, len } };
	l->n++;
}

static bool is_routed(const struct config_peer *peer, const struct ip *ip)
{
	for (size_t i = 0; i < peer->nroutes; i++)
		if (prefix_contains(&peer->routes[i], ip))
			return true;
	return false;
}

/* The length of the longest of these prefixes that holds all of `p`, or -1. */
static int longest_around(const struct prefix *list, size_t n, const struct prefix *p)
{
	int len = -1;

	for (size_t i = 0; i < n; i++)
		if (list[i].len <= p->len && prefix_contains(&list[i], &p->ip) && list[i].len > len)
			len = list[i].len;
	return len;
}

/*
 * The shell leads outer packets past the networks behind peers, where the routes are its own affair; not past those of the
 * server's own addresses.
 */
bool server_is_inside(const struct engine *e, const struct ip *remote)
{
	const struct config *c = e->config;
	const struct prefix host = { *remote, 128 };

	if (lpm_find_special(c->owners, remote) == LPM_NONE)
		return false;
	return c->tunnel.table != 0 || longest_around(c->tunnel.addresses, c->tunnel.naddresses, &host) >= 0;
}

/* Is it where the peer is itself? A route into the tunnel would cut it off from its own network. */
static bool is_at_peer(const struct config *c, uint32_t index, const struct prefix *route)
{
	const struct config_peer *peer = &c->peers[index];

	if (config_owner(c, &route->ip) != index)
		return false;
	return longest_around(peer->addresses, peer->naddresses, route) >
	       longest_around(c->tunnel.addresses, c->tunnel.naddresses, route);
}

size_t server_items(const struct engine *e, const struct session *s, struct net_item *out, size_t max)
{
	const struct config_peer *peer = &e->config->peers[s->peer];
	struct item_list l = { .out = out, .max = max };

	for (size_t i = 0; i < peer->naddresses; i++)
		if (peer->addresses[i].len == 128)
			item_add(&l, NET_ITEM_ADDRESS, &peer->addresses[i].ip, 128);
	for (size_t i = 0; i < peer->nroutes; i++)
		if (!is_at_peer(e->config, s->peer, &peer->routes[i]))
			item_add(&l, NET_ITEM_ROUTE, &peer->routes[i].ip, peer->routes[i].len);
	for (size_t i = 0; peer->nroutes > 0 && i < e->config->tunnel.naddresses; i++)
		if (!is_routed(peer, &e->config->tunnel.addresses[i].ip))
			item_add(&l, NET_ITEM_ROUTE, &e->config->tunnel.addresses[i].ip, 128);
	for (size_t i = 0; i < peer->ndns; i++)
		item_add(&l, NET_ITEM_DNS, &peer->dns[i], 128);
	return l.n;
}

/* --- an operator's order --- */

static void order_ends(struct session *s, enum reason why)
{
	if (s->jump.ordered)
		s->engine->io.jump_done(s->engine->ctx, s->jump.token, why, 0);
	s->jump.pending = s->jump.ordered = false;
	s->jump.again = TIME_NEVER;
}

void server_order(struct session *s, uint8_t number, uint64_t token, struct jv_time now)
{
	struct engine *e = s->engine;

	if (s->state != STATE_ATTACHED || s->jump.pending) {
		e->io.jump_done(e->ctx, token, REASON_INVALID_STATE_FOR_REATTACH, 0);
		return;
	}
	if (!session_path_numbered(s, number)) {
		e->io.jump_done(e->ctx, token, REASON_INVALID_TRANSPORT_CANDIDATE, 0);
		return;
	}
	s->jump.pending = s->jump.ordered = true;
	s->jump.token = token;
	s->jump.number = number;
	s->jump.id = ++s->next_jump_id;
	s->jump.tries = 0;
	s->jump.again = now;
	server_order_repeat(s, now);
}

void server_order_repeat(struct session *s, struct jv_time now)
{
	struct frame f = { .type = FRAME_JUMP };

	if (!s->jump.pending || time_before(now, s->jump.again))
		return;
	if (s->jump.tries++ >= ORDER_TRIES) {
		order_ends(s, REASON_RECOVERY_WINDOW_EXPIRED);
		return;
	}
	f.jump.id = s->jump.id;
	f.jump.path = s->jump.number;
	f.jump.reason = REASON_POLICY_FORCED;
	f.jump.binding_version = s->binding_version;
	f.jump.age_us = session_age_us(s, now);
	f.jump.epoch = (uint8_t)s->rx_epoch;
	f.jump.highest = s->rx_highest;
	control_frame(s->active, &f, now);
	s->jump.again = time_add_ms(now, ORDER_MS);
	timer_start_earlier(&s->engine->wheel, &s->health, s->jump.again);
}

/* --- reload --- */

static bool same_addresses(const struct config_peer *a, const struct config_peer *b)
{
	if (a->naddresses != b->naddresses)
		return false;
	for (size_t i = 0; i < a->naddresses; i++)
		if (a->addresses[i].len != b->addresses[i].len ||
		    !ip_equal(&a->addresses[i].ip, &b->addresses[i].ip))
			return false;
	return true;
}

/* One session under the new configuration: its peer may be gone, elsewhere in the list, or under another
 * policy. */
static void session_configure(struct session *s, const struct config *old, const struct config *config,
			      struct jv_time now)
{
	const ptrdiff_t i = config_find_peer(config, s->peer_key);
	const struct config_peer *peer = i >= 0 ? &config->peers[i] : NULL;

	if (!peer || !same_addresses(peer, &old->peers[s->peer])) {
		session_end(s, REASON_PEER_REMOVED, now);
		return;
	}
	s->peer = (uint32_t)i;
	s->peer_name = peer->name;
	if (peer->generation == s->policy_generation && s->mtu == config->tunnel.mtu)
		return;
	s->mtu = config->tunnel.mtu;
	session_policy(s, &peer->policy, peer->generation);
	server_policy_send(s, now);
}

/* One that is drained: DATA under it is good while its peer is, with the same addresses. */
static void late_configure(struct session *s, const struct config *old, const struct config *config)
{
	const ptrdiff_t i = config_find_peer(config, s->peer_key);

	if (i < 0 || !same_addresses(&config->peers[i], &old->peers[s->peer])) {
		session_forget(s);
		return;
	}
	s->peer = (uint32_t)i;
	s->peer_name = config->peers[i].name;
}

void server_configure(struct engine *e, const struct config *old, const struct config *config,
		      struct engine_peers *next, struct jv_time now)
{
	struct list *pos, *tmp;

	list_for_each_safe(pos, tmp, &e->late)
		late_configure(container_of(pos, struct session, node), old, config);
	list_for_each_safe(pos, tmp, &e->sessions)
		session_configure(container_of(pos, struct session, node), old, config, now);
	/* The indices have changed: what hangs on them is made anew. */
	trail_unattached_all(e, now);
	admit_configure(e, old, config, next->callers);
	free(e->by_peer);
	free(e->births);
	e->by_peer = next->by_peer;
	e->births = next->births;
	free(next);
	list_for_each(pos, &e->sessions) {
		struct session *s = container_of(pos, struct session, node);

		if (s->state == STATE_BIRTH)
			births_add(s);
		else
			e->by_peer[s->peer] = s;
	}
	list_for_each(pos, &e->late) {
		struct session *s = container_of(pos, struct session, node);

		e->births[s->peer].late = s;
	}
}
