/*
 * Server: what a client is told when its PING says that it does not know it: locators, and the policy in force.
 *
 * On the thread of the engine.
 */
#include "session/tell.h"

#include <string.h>

#include "proto/cookie.h"
#include "session/items.h"
#include "session/send.h"
#include "session/wheel.h"

#define POLICY_MS 200 /* least time between two sendings of the policy */

void tell_locators(struct path *p, struct jv_time now)
{
	struct session *s = p->session;
	struct {
		struct frame_locators head;
		struct wire_locator list[PROTO_SLOTS_MAX];
	} f = { .head = { .seq = put_be32(s->locators_seq), .count = s->slots } };

	if (s->locators_told == s->locators_seq && time_since_ms(now, s->locators_sent) < PROTO_RETRY_MIN_MS)
		return;
	s->locators_told = s->locators_seq;
	s->locators_sent = now;
	for (uint8_t i = 0; i < s->slots; i++) {
		f.list[i].slot = i;
		memcpy(f.list[i].locator, s->slot[i].locator, sizeof(f.list[i].locator));
		reset_token(f.list[i].token, s->engine->reset_key, f.list[i].locator);
	}
	send_frame(p, &(struct frame){ FRAME_LOCATORS, { &f } }, now);
}

void tell_policy(struct session *s, struct jv_time now)
{
	const size_t most = (size_t)POLICY_PARTS_MAX * POLICY_ITEMS_MAX;
	struct net_item *items = s->engine->items;
	struct {
		struct frame_policy head;
		struct wire_net_item list[POLICY_ITEMS_MAX];
	} f = { .head = { .generation = put_be32(s->policy_generation), .mtu = put_be16(s->mtu) } };
	size_t n = items_of(s->engine, s, items, most);

	if (!s->active || time_since_ms(now, s->policy_sent) < POLICY_MS)
		return;
	s->policy_sent = now;
	s->policy_owed = false;
	if (n > most)
		n = most;
	f.head.parts = (uint8_t)(n == 0 ? 1 : (n + POLICY_ITEMS_MAX - 1) / POLICY_ITEMS_MAX);
	frame_put_policy(&f.head.policy, session_rare(s)->next_policy ? s->rare->next_policy : s->policy);
	for (uint8_t part = 0; part < f.head.parts; part++) {
		const size_t at = (size_t)part * POLICY_ITEMS_MAX;

		f.head.part = part;
		f.head.items = (uint8_t)(n - at < POLICY_ITEMS_MAX ? n - at : POLICY_ITEMS_MAX);
		frame_put_items(f.list, items + at, f.head.items);
		send_frame(s->active, &(struct frame){ FRAME_POLICY, { &f } }, now);
	}
}

/* Without an active path it asks by itself, with its first PING. */
void tell_policy_later(struct session *s, uint64_t after_ms, struct jv_time now)
{
	s->policy_owed = true;
	if (s->active)
		session_due_earlier(s, DUE_HEALTH, time_add_ms(now, after_ms));
}

void tell_owed(struct session *s, struct jv_time now)
{
	if (s->policy_owed)
		tell_policy(s, now);
}
