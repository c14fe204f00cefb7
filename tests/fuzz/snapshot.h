/* Of a session in the virtual world: what nobody without its keys may change. */
#pragma once

#include "fuzz.h"
#include "unit/world.h"

/* What a session is, as far as an outsider could want to change it. */
struct snapshot {
	bool exists;
	uint8_t id[PROTO_SESSION_ID_LEN];
	enum state state;
	uint32_t state_version, binding_version, last_jump_id, next_jump_id;
	uint32_t tx_epoch, rx_epoch, locators_seq, policy_generation;
	uint64_t rx_highest, rx_packets;
	bool pending;
	struct {
		uint8_t number, locator[8];
		struct route route, trial_route;
		bool known, proven, on_trial, challenged;
		uint32_t received, credit_rx;
	} path[PROTO_SLOTS_MAX];
	int active, draining;
};

static inline struct snapshot snapshot(const struct session *s)
{
	struct snapshot n;

	memset(&n, 0, sizeof(n));
	if (!s)
		return n;
	n.exists = true;
	memcpy(n.id, s->id, sizeof(n.id));
	n.state = s->state;
	n.state_version = s->state_version;
	n.binding_version = s->binding_version;
	n.last_jump_id = s->last_jump_id;
	n.next_jump_id = s->next_jump_id;
	n.tx_epoch = s->keys.tx_epoch;
	n.rx_epoch = s->rx_epoch;
	n.locators_seq = s->locators_seq;
	n.policy_generation = s->policy_generation;
	n.rx_highest = s->rx_highest;
	n.rx_packets = s->rx_packets;
	n.pending = session_jumps(s);
	for (uint8_t i = 0; i < s->slots; i++) {
		const struct path *p = s->slot[i].path;

		memcpy(n.path[i].locator, s->slot[i].locator, sizeof(s->slot[i].locator));
		n.path[i].number = PATH_NONE;
		if (!p)
			continue;
		n.path[i].number = p->number;
		n.path[i].route = session_route(p);
		if (path_trial(p))
			n.path[i].trial_route = path_trial(p)->route;
		n.path[i].known = path_is_known(p);
		n.path[i].proven = path_is_proven(p);
		n.path[i].on_trial = path_trial(p) != NULL;
		n.path[i].challenged = path_upkeep(p)->challenge.out;
		n.path[i].received = p->received;
		n.path[i].credit_rx = path_upkeep(p)->credit_rx;
	}
	n.active = s->active ? s->active->slot : -1;
	n.draining = s->draining ? s->draining->slot : -1;
	return n;
}

static inline bool same(const struct snapshot *a, const struct session *s)
{
	const struct snapshot b = snapshot(s);
	bool same = a->exists == b.exists && memcmp(a->id, b.id, sizeof(a->id)) == 0 && a->state == b.state &&
		    a->state_version == b.state_version && a->binding_version == b.binding_version &&
		    a->last_jump_id == b.last_jump_id && a->next_jump_id == b.next_jump_id &&
		    a->tx_epoch == b.tx_epoch && a->rx_epoch == b.rx_epoch &&
		    a->locators_seq == b.locators_seq && a->policy_generation == b.policy_generation &&
		    a->rx_highest == b.rx_highest && a->rx_packets == b.rx_packets &&
		    a->pending == b.pending && a->active == b.active && a->draining == b.draining;

	for (int i = 0; i < PROTO_SLOTS_MAX; i++)
		same = same && a->path[i].number == b.path[i].number &&
		       memcmp(a->path[i].locator, b.path[i].locator, 8) == 0 &&
		       route_equal(&a->path[i].route, &b.path[i].route) &&
		       route_equal(&a->path[i].trial_route, &b.path[i].trial_route) &&
		       a->path[i].known == b.path[i].known && a->path[i].proven == b.path[i].proven &&
		       a->path[i].on_trial == b.path[i].on_trial &&
		       a->path[i].challenged == b.path[i].challenged &&
		       a->path[i].received == b.path[i].received &&
		       a->path[i].credit_rx == b.path[i].credit_rx;
	return same;
}
