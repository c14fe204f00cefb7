/* Two worlds that began alike and were given the same: are they alike still? */
#include "session/counter.h"
#include "world.h"

#include "proto/packet.h"

size_t world_seal(struct session *s, struct epoch *ep, uint8_t *packet, size_t len, enum sealed_kind kind,
		  const uint8_t locator[8])
{
	struct keycache *cache = s->engine->cache;

	return packet_seal(packet, packet + PROTO_HEADER_LEN, len, kind, (uint8_t)ep->number,
			   ep->tx_counter++, locator,
			   keycache_aead(cache, ep->cache, s->keys.suite, ep->tx_key), ep->tx_iv,
			   keycache_mask(cache, s->keys.mask_cache, s->keys.suite, s->keys.tx_mask));
}

static void same_session(const struct session *a, const struct session *b)
{
	assert_int_equal(a == NULL, b == NULL);
	if (!a)
		return;
	assert_int_equal(a->rx_packets, b->rx_packets);
	assert_int_equal(a->rx_bytes, b->rx_bytes);
	assert_int_equal(a->tx_packets, b->tx_packets);
	assert_int_equal(a->tx_bytes, b->tx_bytes);
	assert_int_equal(a->rx_highest, b->rx_highest);
	assert_int_equal(a->rx_epoch, b->rx_epoch);
	assert_int_equal(a->last_rx.us, b->last_rx.us);
	assert_int_equal(a->unanswered_since.us, b->unanswered_since.us);
	assert_int_equal(a->state_version, b->state_version);
	assert_int_equal(a->keys.tx_epoch, b->keys.tx_epoch);
	for (uint8_t i = 0; i < a->slots; i++) {
		const struct path *p = a->slot[i].path, *q = b->slot[i].path;

		assert_int_equal(p != NULL, q != NULL);
		if (!p)
			continue;
		assert_int_equal(p->received, q->received);
		assert_int_equal(p->sent, q->sent);
		assert_int_equal(p->heard, q->heard);
	}
	for (int i = 0; i < 2; i++) {
		const struct epoch *p = a->keys.epoch[i], *q = b->keys.epoch[i];

		assert_int_equal(p != NULL, q != NULL);
		if (!p)
			continue;
		assert_int_equal(p->tx_counter, q->tx_counter);
		assert_int_equal(p->replay.highest, q->replay.highest);
		assert_int_equal(replay_ring(&p->replay) != NULL, replay_ring(&q->replay) != NULL);
		if (replay_ring(&p->replay))
			assert_memory_equal(replay_ring(&p->replay), replay_ring(&q->replay),
					    p->replay.window / 8);
		else
			assert_memory_equal(p->replay.small, q->replay.small, sizeof(p->replay.small));
	}
}

void world_alike(struct world *a, struct world *b)
{
	for (unsigned int i = 0; i < WORLD_ENGINES; i++)
		for (unsigned int c = 0; a->engine[i].e && c < COUNTER_COUNT; c++)
			if (world_count(a, i, c) != world_count(b, i, c))
				fail_msg("engine %u, %s: %llu and %llu", i, counter_name(c),
					 (unsigned long long)world_count(a, i, c),
					 (unsigned long long)world_count(b, i, c));
	for (unsigned int i = 0; i < a->clients; i++) {
		same_session(world_session(a, i), world_session(b, i));
		same_session(world_peer(a, i), world_peer(b, i));
	}
	assert_int_equal(a->audits, b->audits);
	for (size_t i = 0; i < a->audits; i++) {
		assert_int_equal(a->audit[i].r.event, b->audit[i].r.event);
		assert_int_equal(a->audit[i].r.reason, b->audit[i].r.reason);
	}
	assert_int_equal(a->record.n, b->record.n);
	for (size_t i = 0; i < a->record.n; i++) {
		assert_int_equal(a->record.list[i].len, b->record.list[i].len);
		assert_memory_equal(a->record.list[i].data, b->record.list[i].data, a->record.list[i].len);
	}
}
