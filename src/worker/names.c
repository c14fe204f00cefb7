#include "worker/names.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/hash.h"
#include "base/log.h"

#define NAMES_MAX 32 /* names and literal addresses of servers, and look-ups that a reload left behind */

/* One endpoint of the server: a literal address, or a name and what it meant when it was last looked up. */
struct name {
	struct names *all;
	struct config_remote remote;                    /* host "": unused */
	struct endpoint address[CANDIDATE_REMOTES_MAX]; /* in the resolver's order (RFC 6724) */
	size_t n;
	bool literal, asking;
	uv_getaddrinfo_t req;
};

struct names {
	uv_loop_t *loop;
	const struct config *config;
	void (*changed)(void *ctx);
	void *ctx;
	bool stopped;
	struct hash_key chance; /* what `server.order: shuffle` goes by: of this process */
	struct name name[NAMES_MAX];
};

struct names *names_new(uv_loop_t *loop, void (*changed)(void *ctx), void *ctx)
{
	struct names *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->loop = loop;
	n->changed = changed;
	n->ctx = ctx;
	if (getrandom(n->chance.b, sizeof(n->chance.b), 0) != (ssize_t)sizeof(n->chance.b))
		memset(n->chance.b, 0, sizeof(n->chance.b)); /* an order like any other */
	return n;
}

void names_free(struct names *n)
{
	free(n);
}

static struct name *find_name(struct names *all, const struct config_remote *r)
{
	for (size_t i = 0; i < NAMES_MAX; i++)
		if (all->name[i].remote.port == r->port && strcmp(all->name[i].remote.host, r->host) == 0)
			return &all->name[i];
	return NULL;
}

static void name_take(struct name *n, const struct addrinfo *list)
{
	size_t found = 0;

	for (const struct addrinfo *a = list; a && found < CANDIDATE_REMOTES_MAX; a = a->ai_next) {
		struct endpoint e = { .port = n->remote.port };

		if (a->ai_family == AF_INET) {
			e.ip = ip_from_v4(
				(const uint8_t *)&((const struct sockaddr_in *)(const void *)a->ai_addr)
					->sin_addr);
		} else if (a->ai_family == AF_INET6) {
			const struct sockaddr_in6 *in6 =
				(const struct sockaddr_in6 *)(const void *)a->ai_addr;

			memcpy(e.ip.b, &in6->sin6_addr, sizeof(e.ip.b));
			e.scope = in6->sin6_scope_id;
		} else {
			continue;
		}
		n->address[found++] = e;
	}
	if (found > 0)
		n->n = found;
}

static void resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
	struct name *n = container_of(req, struct name, req);

	n->asking = false;
	if (n->all->stopped) {
		uv_freeaddrinfo(list);
		return;
	}
	if (status < 0)
		log_warn("cannot resolve %s: %s; %s", n->remote.host, uv_strerror(status),
			 n->n ? "keeping the last addresses" : "trying again in 5 s");
	else
		name_take(n, list);
	uv_freeaddrinfo(list);
	n->all->changed(n->all->ctx);
}

void names_resolve(struct names *all, bool unknown)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM };

	for (size_t i = 0; i < NAMES_MAX; i++) {
		struct name *n = &all->name[i];

		if (!n->remote.host[0] || n->literal || n->asking || (unknown && n->n > 0))
			continue;
		n->asking = uv_getaddrinfo(all->loop, &n->req, resolved, n->remote.host, NULL, &hints) == 0;
	}
}

void names_stop(struct names *all)
{
	all->stopped = true;
	for (size_t i = 0; i < NAMES_MAX; i++)
		if (all->name[i].asking)
			uv_cancel((uv_req_t *)&all->name[i].req); /* what has begun cannot be called back */
}

static void name_add(struct names *all, const struct config_remote *r)
{
	static const struct config_remote unused;
	struct name *n;
	struct ip ip;

	if (find_name(all, r))
		return;
	n = find_name(all, &unused);
	if (!n) {
		log_warn("too many names of servers: %s is not used", r->host);
		return;
	}
	*n = (struct name){ .all = all, .remote = *r };
	if (ip_parse(r->host, &ip)) {
		n->literal = true;
		n->address[0] = (struct endpoint){ .ip = ip, .port = r->port };
		n->n = 1;
	}
}

static bool is_wanted(const struct config *cfg, const struct config_remote *r)
{
	for (size_t i = 0; i < cfg->nendpoints; i++)
		if (cfg->endpoints[i].port == r->port && strcmp(cfg->endpoints[i].host, r->host) == 0)
			return true;
	for (size_t i = 0; i < cfg->ntransports; i++)
		if (cfg->transports[i].endpoint.port == r->port &&
		    strcmp(cfg->transports[i].endpoint.host, r->host) == 0)
			return true;
	return false;
}

/* What is named no more is forgotten, unless a look-up still writes to it. */
void names_configure(struct names *all, const struct config *config)
{
	all->config = config;
	for (size_t i = 0; i < NAMES_MAX; i++)
		if (!all->name[i].asking && !is_wanted(config, &all->name[i].remote))
			all->name[i] = (struct name){ .n = 0 };
	for (size_t i = 0; i < config->nendpoints; i++)
		name_add(all, &config->endpoints[i]);
	for (size_t i = 0; i < config->ntransports; i++)
		if (config->transports[i].endpoint.host[0])
			name_add(all, &config->transports[i].endpoint);
}

/* --- what a transport may use --- */

static bool is_among(const struct endpoint *list, size_t n, const struct endpoint *e)
{
	for (size_t i = 0; i < n; i++)
		if (endpoint_equal(&list[i], e))
			return true;
	return false;
}

/* Its own endpoint, or the server's. */
static const struct config_remote *endpoints_of(const struct names *all, const struct config_transport *t,
						size_t *count)
{
	const bool own = t->endpoint.host[0] != '\0';

	*count = own ? 1 : all->config->nendpoints;
	return own ? &t->endpoint : all->config->endpoints;
}

bool names_both_families(struct names *all, const struct config_transport *t)
{
	bool v4 = false, v6 = false;
	size_t count;
	const struct config_remote *list = endpoints_of(all, t, &count);

	for (size_t i = 0; i < count; i++) {
		const struct name *name = find_name(all, &list[i]);

		if (name && !name->literal)
			return true;
		if (name)
			*(ip_is_v4(&name->address[0].ip) ? &v4 : &v6) = true;
	}
	return v4 && v6;
}

/* All addresses of one family, each once. */
static size_t collect(struct names *all, const struct config_transport *t, bool v4, struct endpoint *out)
{
	size_t count;
	const struct config_remote *list = endpoints_of(all, t, &count);
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		const struct name *name = find_name(all, &list[i]);

		for (size_t k = 0; name && k < name->n && n < CANDIDATE_REMOTES_MAX; k++)
			if (ip_is_v4(&name->address[k].ip) == v4 && !is_among(out, n, &name->address[k]))
				out[n++] = name->address[k];
	}
	return n;
}

/* By chance, but the same each time: a list that is looked up again keeps its order. */
static void shuffle(const struct names *all, struct endpoint *list, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		const struct endpoint e = list[i];
		const uint64_t rank = hash_bytes(&all->chance, &e.ip, sizeof(e.ip));
		size_t at = i;

		for (; at > 0 && hash_bytes(&all->chance, &list[at - 1].ip, sizeof(e.ip)) > rank; at--)
			list[at] = list[at - 1];
		list[at] = e;
	}
}

/* Does the first address that is known belong to IPv4? */
static bool prefers_v4(struct names *all, const struct config_transport *t)
{
	size_t count;
	const struct config_remote *list = endpoints_of(all, t, &count);

	for (size_t i = 0; i < count; i++) {
		const struct name *name = find_name(all, &list[i]);

		if (name && name->n > 0)
			return ip_is_v4(&name->address[0].ip);
	}
	return false;
}

size_t names_remotes(struct names *all, const struct config_transport *t, bool second,
		     struct endpoint out[CANDIDATE_REMOTES_MAX])
{
	struct endpoint a[CANDIDATE_REMOTES_MAX], b[CANDIDATE_REMOTES_MAX];
	const bool v4 = prefers_v4(all, t);
	const size_t na = second ? 0 : collect(all, t, v4, a), nb = collect(all, t, !v4, b);
	size_t n = 0;

	if (all->config->order == ORDER_SHUFFLE) {
		shuffle(all, a, na);
		shuffle(all, b, nb);
	}
	for (size_t i = 0; i < CANDIDATE_REMOTES_MAX; i++) {
		if (i < na && n < CANDIDATE_REMOTES_MAX)
			out[n++] = a[i];
		if (i < nb && n < CANDIDATE_REMOTES_MAX)
			out[n++] = b[i];
	}
	return n;
}
