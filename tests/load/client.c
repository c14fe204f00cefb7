/* What concerns any client, whatever its phase. */
#include "load/client.h"

void client_phase(struct load *l, struct client *c, enum phase phase)
{
	if (c->phase == PHASE_ATTACHED && phase != PHASE_ATTACHED)
		l->attached--;
	if (c->phase != PHASE_ATTACHED && phase == PHASE_ATTACHED) {
		l->attached++;
		l->last_attached_us = l->now_us;
	}
	c->phase = (uint8_t)phase;
}

void client_timer_set(struct load *l, struct client *c)
{
	uint32_t due = c->next_ms;

	if (c->data_ms < due)
		due = c->data_ms;
	if (c->rekey_ms < due)
		due = c->rekey_ms;
	wheel_start(&l->wheel, client_index(l, c), due);
}

uint32_t client_wait(struct load *l, uint32_t ms, uint32_t round, uint32_t most)
{
	if (l->rude)
		return ms;
	ms = round < 10 && ms << round < most ? ms << round : most;
	return ms * 3 / 4 + (uint32_t)prng_below(&l->prng, ms / 2 + 1);
}

void client_timer(struct load *l, struct client *c)
{
	if (c->phase == PHASE_OUT) {
		c->since_ms = load_ms(l);
		call_begin(l, c, 0);
	}
	if (c->phase == PHASE_CALLING)
		call_timer(l, c);
	else
		session_timer(l, c);
}

static void sealed_took(struct load *l, struct client *c, uint8_t *data, size_t len)
{
	const struct packet_header *h = (const struct packet_header *)data;

	if (c->phase < PHASE_BIRTH || memcmp(h->locator, c->locator[c->slot], sizeof(h->locator)) != 0) {
		l->stat.n[STAT_stray]++;
		return;
	}
	session_datagram(l, c, data, len);
}

void client_took(void *ctx, unsigned int port, uint32_t address, uint8_t *data, size_t len)
{
	struct load *l = ctx;
	const uint32_t i = peer_at(address);
	struct client *c = &l->client[i];

	if (i >= l->started || port != c->port) {
		l->stat.n[STAT_stray]++;
		return;
	}
	switch (packet_classify(data, len)) {
	case PACKET_WELCOME:
		if (c->phase == PHASE_CALLING)
			call_welcome(l, c, (const struct packet_welcome *)data);
		return;
	case PACKET_COOKIE:
		if (c->phase == PHASE_CALLING)
			call_cookie(l, c, (const struct packet_cookie *)data);
		return;
	case PACKET_SEALED:
		sealed_took(l, c, data, len);
		return;
	case PACKET_RESET:
		if (c->phase >= PHASE_BIRTH)
			session_reset(l, c, (const struct packet_reset *)data);
		return;
	default:
		return;
	}
}
