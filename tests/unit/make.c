#include "make.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"

static void must(bool done)
{
	if (!done)
		abort();
}

/* The world's few peers need no index. */
ptrdiff_t config_find_peer(const struct config *c, const uint8_t public_key[32])
{
	for (size_t i = 0; i < c->npeers; i++)
		if (memcmp(c->peers[i].public_key, public_key, 32) == 0)
			return (ptrdiff_t)i;
	return -1;
}

static void *copy_of(const void *data, size_t len)
{
	void *out = malloc(len ? len : 1);

	must(out);
	if (len)
		memcpy(out, data, len);
	return out;
}

void make_owners(struct config *c)
{
	lpm_free(c->owners);
	c->owners = lpm_new(c->npeers);
	must(c->owners);
	for (size_t i = 0; i < c->npeers; i++)
		for (size_t j = 0; j < c->peers[i].naddresses; j++)
			must(lpm_add(c->owners, &c->peers[i].addresses[j], (uint32_t)i, NULL) == 0);
}

void make_config_free(struct config *c)
{
	for (size_t i = 0; i < c->npeers; i++) {
		free(c->peers[i].addresses);
		free(c->peers[i].routes);
		free(c->peers[i].dns);
	}
	free(c->peers);
	free(c->tunnel.addresses);
	lpm_free(c->owners);
	free(c);
}

struct config *make_config_next(const struct config *old)
{
	struct config *c = copy_of(old, sizeof(*c));

	c->generation++;
	c->owners = NULL;
	c->tunnel.addresses = copy_of(c->tunnel.addresses, c->tunnel.naddresses * sizeof(struct prefix));
	c->peers = copy_of(c->peers, c->npeers * sizeof(*c->peers));
	for (size_t i = 0; i < c->npeers; i++) {
		struct config_peer *p = &c->peers[i];

		p->addresses = copy_of(p->addresses, p->naddresses * sizeof(*p->addresses));
		p->routes = copy_of(p->routes, p->nroutes * sizeof(*p->routes));
		p->dns = copy_of(p->dns, p->ndns * sizeof(*p->dns));
	}
	return c;
}

void make_keys(struct prng *rng, uint8_t private_key[32], uint8_t public_key[32])
{
	prng_fill(rng, private_key, 32);
	x25519_public(public_key, private_key);
}

static void prefix_of(struct prefix *out, const char *text)
{
	must(prefix_parse(text, out));
}

void make_peer(struct config_peer *p, unsigned int i, unsigned int workers)
{
	char text[32];

	snprintf(p->name, sizeof(p->name), "client%u", i);
	p->addresses = calloc(2, sizeof(*p->addresses));
	p->routes = calloc(1, sizeof(*p->routes));
	p->dns = calloc(1, sizeof(*p->dns));
	must(p->addresses && p->routes && p->dns);
	p->naddresses = 2;
	p->nroutes = p->ndns = 1;
	snprintf(text, sizeof(text), "10.8.%u.%u", (i + 2) / 256, (i + 2) % 256);
	prefix_of(&p->addresses[0], text);
	snprintf(text, sizeof(text), "10.%u.%u.0/24", 9 + i / 256, i % 256);
	prefix_of(&p->addresses[1], text);
	prefix_of(&p->routes[0], "10.8.0.0/24");
	must(ip_parse("10.8.0.1", &p->dns[0]));
	p->policy = policy_defaults;
	p->generation = 1;
	p->home = i % workers;
}

struct config *make_config(struct prng *rng, unsigned int workers, unsigned int clients,
			   struct config *client[])
{
	struct config *c = calloc(1, sizeof(*c));

	must(c);
	c->role = ROLE_SERVER;
	c->generation = 1;
	c->node_id = 1;
	c->tunnel.mtu = 1420;
	c->tunnel.mss_clamp = true;
	c->tunnel.addresses = calloc(1, sizeof(struct prefix));
	c->tunnel.naddresses = 1;
	c->npeers = clients;
	c->max_sessions = 64 * (clients + 1);
	c->peers = calloc(clients + 1, sizeof(*c->peers));
	must(c->tunnel.addresses && c->peers);
	prefix_of(&c->tunnel.addresses[0], "10.8.0.1/24");
	make_keys(rng, c->private_key, c->public_key);
	for (unsigned int i = 0; i < clients; i++) {
		struct config *cc = client[i];

		make_peer(&c->peers[i], i, workers);
		cc->role = ROLE_CLIENT;
		cc->generation = 1;
		cc->node_id = 1;
		cc->tunnel.mss_clamp = true;
		cc->failover_after_ms = 3000;
		memcpy(cc->server_public_key, c->public_key, 32);
		make_keys(rng, cc->private_key, cc->public_key);
		memcpy(c->peers[i].public_key, cc->public_key, 32);
	}
	return c;
}

size_t make_packet(uint8_t *out, size_t len, const struct ip *src, const struct ip *dst)
{
	memset(out, 0, len);
	out[0] = 0x45;
	out[2] = (uint8_t)(len >> 8);
	out[3] = (uint8_t)len;
	out[8] = 64;
	out[9] = 17;
	memcpy(out + 12, src->b + 12, 4);
	memcpy(out + 16, dst->b + 12, 4);
	return len;
}
