/* The handshake: HELLOs until a WELCOME opens. */
#include "load/client.h"

#define PER_PORT 3 /* HELLOs from one local port */

/* Microseconds since 1970, and always more than before. */
static uint64_t hello_number(void)
{
	static uint64_t last;
	struct timespec ts;
	uint64_t us;

	clock_gettime(CLOCK_REALTIME, &ts);
	us = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
	last = us > last ? us : last + 1;
	return last;
}

static void hello_write(struct load *l, struct client *c, struct packet_hello *h)
{
	static const uint8_t no_psk[32];
	struct hello_sent *s = &c->call->sent[c->call->n++ % HELLOS_KEPT];
	struct hello_payload payload = { .suites = put_be16(SUITE_BIT(SUITE_AES_256_GCM)), .paths = 1 };
	uint8_t s_priv[32], e_priv[32];

	memset(h, 0, sizeof(*h));
	h->type = PACKET_HELLO;
	h->suite = SUITE_AES_256_GCM;
	prng_fill(&l->prng, h->handshake_id, sizeof(h->handshake_id));
	prng_fill(&l->prng, e_priv, sizeof(e_priv));
	if (c->has_cookie)
		memcpy(payload.cookie, c->cookie, sizeof(payload.cookie));
	payload.number = put_be64(hello_number());
	peer_private(l, client_index(l, c), s_priv);
	if (!c->called)
		c->called = x25519_public(c->s_pub, s_priv) && noise_ss(c->ss, s_priv, l->server_public);
	noise_init_initiator(&s->noise, SUITE_AES_256_GCM, PROTO_PROLOGUE, strlen(PROTO_PROLOGUE), s_priv,
			     c->s_pub, l->server_public, no_psk);
	s->noise.ss = c->ss;
	if (!noise_create_hello(&s->noise, e_priv, h->e, h->s, h->payload, &payload, sizeof(payload)))
		die("no memory, or the server's key is none");
	cookie_sign_hello(&l->cookie_keys, h, c->has_cookie ? c->cookie : NULL);
	memcpy(s->id, h->handshake_id, sizeof(s->id));
	memcpy(s->mac1, h->mac1, sizeof(s->mac1));
}

static void hello_send(struct load *l, struct client *c)
{
	const uint32_t from = peer_outside(client_index(l, c));

	hello_write(l, c, (struct packet_hello *)net_room(l->net, c->port, from));
	net_send(l->net, c->port, sizeof(struct packet_hello));
	l->stat.n[STAT_hello_sent]++;
}

/* The next one goes out after 300 ms, twice as long each time, a quarter more or less by chance. */
static void hello_next(struct load *l, struct client *c)
{
	c->next_ms =
		load_ms(l) + client_wait(l, PROTO_HELLO_RETRY_MIN_MS, c->round++, PROTO_HELLO_RETRY_MAX_MS);
	client_timer_set(l, c);
}

void call_begin(struct load *l, struct client *c, uint32_t ms)
{
	if (!c->call)
		c->call = calloc(1, sizeof(*c->call));
	if (!c->call)
		die("no memory");
	c->call->n = 0;
	c->next_ms = load_ms(l) + ms;
	c->data_ms = c->rekey_ms = WHEEL_NONE;
	c->round = 0;
	c->calls = 0;
	c->has_cookie = false;
	client_phase(l, c, PHASE_CALLING);
	client_timer_set(l, c);
}

void call_timer(struct load *l, struct client *c)
{
	if (c->calls == PER_PORT) {
		c->port = (uint8_t)((c->port + 1) % NET_SOCKETS);
		c->calls = 0;
		c->has_cookie = false; /* it was of that port */
		c->call->n = 0;
		memset(c->call->sent, 0, sizeof(c->call->sent));
	}
	c->calls++;
	hello_send(l, c);
	hello_next(l, c);
}

static struct hello_sent *answered(struct client *c, const uint8_t id[8])
{
	for (uint32_t i = 0; i < HELLOS_KEPT && i < c->call->n; i++)
		if (memcmp(c->call->sent[i].id, id, sizeof(c->call->sent[i].id)) == 0)
			return &c->call->sent[i];
	return NULL;
}

void call_cookie(struct load *l, struct client *c, const struct packet_cookie *p)
{
	const struct hello_sent *s = answered(c, p->handshake_id);

	if (!s || c->has_cookie || !cookie_consume(&l->cookie_keys, p, s->mac1, c->cookie))
		return;
	l->stat.n[STAT_cookies]++;
	c->has_cookie = true;
	hello_send(l, c);
}

static void take_locators(struct client *c, const struct welcome *in)
{
	for (uint8_t i = 0; i < SLOTS && i < in->locators; i++) {
		memcpy(c->locator[i], in->locator[i].locator, sizeof(c->locator[i]));
		memcpy(c->token[i], in->locator[i].token, sizeof(c->token[i]));
	}
}

void call_welcome(struct load *l, struct client *c, const struct packet_welcome *p)
{
	struct hello_sent *s = answered(c, p->handshake_id);
	uint8_t payload[PROTO_WELCOME_PAYLOAD];
	struct noise_split split;
	struct welcome in;

	if (!s || !noise_consume_welcome(&s->noise, p->e, p->payload, sizeof(p->payload), payload, &split) ||
	    !welcome_read(payload, sizeof(payload), &in))
		return;
	l->stat.n[STAT_welcomes]++;
	l->policy = in.policy;
	c->suite = (uint8_t)in.suite;
	c->generation = in.policy_generation;
	take_locators(c, &in);
	free(c->call);
	c->call = NULL;
	keys_begin(c, &split);
	session_confirm(l, c);
}
