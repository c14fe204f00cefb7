/*
 * A session as others may see it, copied into plain values.
 *
 * On the thread of the engine.
 */
#include "session/info.h"

#include <stdio.h>
#include <string.h>

#include "session/client_state.h"
#include "session/due.h"
#include "session/grant.h"
#include "session/limit.h"
#include "session/path.h"
#include "session/pmtu.h"
#include "session/session.h"
#include "session/size.h"
#include "session/wheel.h"

static uint64_t ago_ms(struct jv_time t, struct jv_time now)
{
	return time_is_never(t) ? UINT64_MAX : time_since_ms(now, t);
}

static void path_info(struct session *s, const struct path *p, struct path_info *out, struct jv_time now)
{
	const struct health *h = path_health(p);
	const struct client *c = s->engine->client;

	memset(out, 0, sizeof(*out));
	out->path = p->number;
	snprintf(out->name, sizeof(out->name), "%s", session_path_name(s, p->number));
	if (c)
		snprintf(out->interface, sizeof(out->interface), "%s", c->candidate[p->number].c.interface);
	if (p == s->active)
		out->use = PATH_ACTIVE;
	else if (p == s->draining)
		out->use = PATH_DRAINING;
	else if (c && !c->candidate[p->number].up)
		out->use = PATH_DOWN;
	else if (path_is_warm(p, s->policy) || (!c && path_is_proven(p)))
		out->use = PATH_STANDBY;
	else
		out->use = PATH_UNPROVEN;
	if (c && !c->candidate[p->number].up)
		out->fault = grant_fault(s, p->number);
	out->remote = session_remote(p);
	out->srtt_us = (uint32_t)h->srtt_us;
	out->rttvar_us = (uint32_t)h->rttvar_us;
	out->loss_ppm = h->loss_ppm;
	out->mtu = size_inner(p);
	out->mtu_state = pmtu_state_name(path_pmtu(p)->state);
	out->last_rx_ms = ago_ms(p->last_rx, now);
	out->sent = p->sent;
	out->received = p->received;
}

/* A candidate that has no path. False: it is not to be shown. */
static bool candidate_info(const struct known_candidate *k, enum path_fault fault, struct path_info *out)
{
	if (!k->exists || fault == FAULT_NO_FAMILY)
		return false;
	memset(out, 0, sizeof(*out));
	out->path = k->c.number;
	snprintf(out->name, sizeof(out->name), "%s", k->c.name);
	snprintf(out->interface, sizeof(out->interface), "%s", k->c.interface);
	out->use = PATH_DOWN;
	out->fault = fault;
	if (k->c.remotes > 0)
		out->remote = k->c.remote[k->at];
	out->last_rx_ms = UINT64_MAX;
	return true;
}

/* The candidates that have no path. */
static void others_info(struct session *s, struct session_info *out)
{
	for (uint8_t n = 0; n < PROTO_PATHS_MAX && out->npaths < PROTO_SLOTS_MAX; n++)
		if (!session_path_numbered(s, n))
			out->npaths += candidate_info(&s->engine->client->candidate[n], grant_fault(s, n),
						      &out->path[out->npaths]);
}

static enum session_doing doing(const struct session *s)
{
	switch (s->state) {
	case STATE_BIRTH:
		return DOING_CONFIRMING;
	case STATE_ATTACHED:
		return DOING_CARRYING;
	case STATE_VOLATILE:
		return DOING_PROBING;
	case STATE_RECOVERING:
		return DOING_JUMPING;
	case STATE_DEGRADED:
		return DOING_WAITING;
	default:
		return DOING_NOTHING;
	}
}

static void addresses(struct session *s, struct session_info *out)
{
	const struct engine *e = s->engine;
	const struct config_peer *peer = e->client ? NULL : &e->config->peers[s->peer];

	for (size_t i = 0; peer && i < peer->naddresses; i++) {
		if (out->naddresses < INFO_ADDRESSES)
			out->address[out->naddresses] = peer->addresses[i];
		out->naddresses++;
	}
	for (size_t i = 0; e->client && i < e->client->naccepted; i++) {
		if (e->client->accepted[i].kind != NET_ITEM_ADDRESS)
			continue;
		if (out->naddresses < INFO_ADDRESSES)
			out->address[out->naddresses] = e->client->accepted[i].prefix;
		out->naddresses++;
	}
}

static void refused(const struct session *s, struct session_info *out)
{
	const struct client *c = s->engine->client;
	const struct net_item *item = c ? c->accepted + c->naccepted : NULL;

	for (size_t i = 0; c && i < c->nrefused; i++, item++)
		if (out->nrefused++ < INFO_ADDRESSES)
			out->refused[i] = (struct net_refused){ item->kind, item->prefix };
}

static uint64_t next_ms(const struct session *s, struct jv_time now)
{
	const struct jv_time at = time_min(session_due_at(s, DUE_HEALTH), session_due_at(s, DUE_STANDBY));

	return time_is_never(at) ? UINT64_MAX : time_since_ms(at, now);
}

void info_session(struct session *s, struct session_info *out, struct jv_time now)
{
	const uint64_t age = time_since_ms(now, s->born);
	const uint64_t left = s->policy->max_lifetime_ms;
	const struct jv_time deadline = due_deadline(s);

	memset(out, 0, sizeof(*out));
	memcpy(out->id, s->id, sizeof(out->id));
	snprintf(out->peer, sizeof(out->peer), "%s", session_peer_name(s));
	out->worker = (uint8_t)s->engine->worker;
	out->state = s->state;
	out->reason = s->reason;
	out->doing = doing(s);
	out->since_ms = time_since_ms(now, s->since);
	out->deadline_ms = time_is_never(deadline) ? UINT64_MAX : time_since_ms(deadline, now);
	out->next_ms = next_ms(s, now);
	out->age_ms = age;
	out->lifetime_left_ms = age < left ? left - age : 0;
	out->state_version = s->state_version;
	out->binding_version = s->binding_version;
	out->epoch = s->keys.tx_epoch;
	out->suite = s->keys.suite;
	out->mtu = s->mtu;
	addresses(s, out);
	refused(s, out);
	out->active = s->active ? s->active->number : INFO_NO_PATH;
	out->last_authentic_rx_ms = s->state == STATE_BIRTH ? UINT64_MAX : ago_ms(s->last_rx, now);
	out->since_switch_ms = ago_ms(s->limit.last, now);
	out->bytes_since_switch = s->rx_bytes + s->tx_bytes - s->bytes_at_switch;
	out->switches_left = switch_limit_left(&s->limit, s->policy->max_switches_per_min, now);
	out->switches = s->switches;
	out->rx_packets = s->rx_packets;
	out->rx_bytes = s->rx_bytes;
	out->tx_packets = s->tx_packets;
	out->tx_bytes = s->tx_bytes;
	for (uint8_t i = 0; i < s->slots; i++)
		if (s->slot[i].path && s->slot[i].path->number != PATH_NONE)
			path_info(s, s->slot[i].path, &out->path[out->npaths++], now);
	if (s->engine->client && s->active)
		others_info(s, out);
}

static void called_info(const struct called *called, struct path_info *out)
{
	out->calling = true;
	out->sent = called->hellos;
	out->received = (uint64_t)called->cookies + called->strange;
	out->cookies = called->cookies;
	out->strange = called->strange;
	out->error = called->error;
	if (called->hellos > 0)
		out->remote = called->remote;
}

void info_connecting(const struct client *c, struct session_info *out, struct jv_time now)
{
	memset(out, 0, sizeof(*out));
	out->doing = DOING_CONNECTING;
	out->active = INFO_NO_PATH;
	out->since_ms = time_since_ms(now, c->connecting_since);
	out->deadline_ms = out->lifetime_left_ms = UINT64_MAX;
	out->last_authentic_rx_ms = out->since_switch_ms = out->next_ms = UINT64_MAX;
	if (timer_is_running(&c->retry))
		out->next_ms = time_since_ms(timer_due(&c->retry), now);
	for (uint8_t i = 0; i < PROTO_PATHS_MAX; i++) {
		struct path_info *p = &out->path[out->npaths];

		if (!candidate_info(&c->candidate[i], c->candidate[i].fault, p))
			continue;
		if (c->candidate[i].up)
			p->use = PATH_UNPROVEN;
		called_info(&c->candidate[i].called, p);
		out->npaths++;
	}
}
