#include "worker/hosts.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/hash.h"
#include "base/log.h"
#include "net/netlink.h"
#include "net/sockaddr.h"
#include "worker/lookup.h"

#define NAMES_MAX 32 /* names and literal addresses of servers, and look-ups that a reload left behind */

#define AGAIN_MS 1000 /* after a change of the network, for it seldom comes alone */
#define TTL_MIN_MS 300000 /* nobody needs a server's address fresher than that while the old one answers */
#define TTL_MAX_MS 3600000
#define FAILED_TEXT_MAX 1024 /* a name, eight servers, and some words */
#define COMPLAIN_MS 60000 /* between two lines about the same failure */

/* One endpoint of the server: a literal address, or a name and what it meant when it was last looked up. */
struct name {
	struct hosts *all;
	struct config_remote remote;                       /* host "": unused */
	struct endpoint address[2 * LOOKUP_ADDRESSES_MAX]; /* in the resolver's order (RFC 6724) */
	size_t n;
	bool literal;
	struct lookup *lookup;
	bool asks_system;
	uint64_t due;             /* uv_now(), when the addresses are too old; 0: never */
	struct nameservers asked; /* by the look-up under way, or the last one */
	const char *why;          /* that found nothing, while the system is asked */
	const char *failed;       /* what the log was told last, or NULL */
	uint64_t told;
	uv_getaddrinfo_t req;
};

struct hosts {
	uv_loop_t *loop;
	const struct config *config;
	struct hosts_io io;
	struct lookup_how how;
	uv_timer_t again;
	bool timed; /* `again` is the loop's */
	bool stopped;
	struct hash_key chance; /* what `server.order: shuffle` goes by: of this process */
	struct name name[NAMES_MAX];
};

static void looked_up(void *ctx, void *asker, const struct lookup_answer *a);

struct hosts *hosts_new(uv_loop_t *loop, const struct hosts_io *io)
{
	struct hosts *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->loop = loop;
	n->io = *io;
	n->how = (struct lookup_how){ .device = io->device, .done = looked_up, .ctx = io->ctx, .mark = io->mark };
	if (getrandom(n->chance.b, sizeof(n->chance.b), 0) != (ssize_t)sizeof(n->chance.b))
		memset(n->chance.b, 0, sizeof(n->chance.b)); /* an order like any other */
	return n;
}

void hosts_free(struct hosts *n)
{
	free(n);
}

static struct name *find_name(struct hosts *all, const struct config_remote *r)
{
	for (size_t i = 0; i < NAMES_MAX; i++)
		if (all->name[i].remote.port == r->port && strcmp(all->name[i].remote.host, r->host) == 0)
			return &all->name[i];
	return NULL;
}

/* --- look-ups --- */

static bool is_asked(const struct name *n)
{
	return n->lookup || n->asks_system;
}

static void say_failed(const struct name *n, char text[FAILED_TEXT_MAX])
{
	char servers[NAMESERVERS_TEXT_MAX];

	snprintf(text, FAILED_TEXT_MAX, "%s: %s (name servers: %s); %s", n->remote.host, n->failed,
		 nameservers_format(&n->asked, servers),
		 n->n ? "keeping the last addresses, trying again when none of them answers" : "trying again in 5 s");
}

static void complain(struct name *n, const char *error)
{
	const uint64_t now = uv_now(n->all->loop);
	char text[FAILED_TEXT_MAX];

	if (n->failed && strcmp(n->failed, error) == 0 && now - n->told < COMPLAIN_MS)
		return;
	n->failed = error;
	n->told = now;
	say_failed(n, text);
	log_warn("cannot resolve %s", text);
}

char *hosts_failed(const struct hosts *all)
{
	char text[FAILED_TEXT_MAX], *list = NULL;

	for (size_t i = 0; i < NAMES_MAX; i++) {
		const struct name *n = &all->name[i];
		const size_t len = list ? strlen(list) : 0;
		char *longer;

		if (!n->remote.host[0] || !n->failed)
			continue;
		say_failed(n, text);
		longer = realloc(list, len + strlen(text) + 3);
		if (!longer)
			break;
		list = longer;
		sprintf(list + len, "%s%s", len ? "\n" : "", text);
	}
	return list;
}

/* A look-up has ended: with addresses in n->address, or an error. */
static void name_told(struct name *n, const char *error, uint32_t ttl_s)
{
	const uint64_t ttl_ms = (uint64_t)ttl_s * 1000;

	if (error)
		complain(n, error);
	else
		n->failed = NULL;
	if (ttl_s > 0 || (error && n->due > 0))
		n->due = uv_now(n->all->loop) +
			 (ttl_ms < TTL_MIN_MS ? TTL_MIN_MS : ttl_ms > TTL_MAX_MS ? TTL_MAX_MS : ttl_ms);
	n->all->io.changed(n->all->io.ctx);
}

/* Of each family as many as there may be: a list of one of them leaves the other its place. */
static void name_take(struct name *n, const struct addrinfo *list)
{
	size_t families[2] = { 0 }, found = 0;

	for (const struct addrinfo *a = list; a; a = a->ai_next) {
		const bool v4 = a->ai_family == AF_INET;

		if ((!v4 && a->ai_family != AF_INET6) || families[v4] == LOOKUP_ADDRESSES_MAX)
			continue;
		families[v4]++;
		n->address[found] = sockaddr_endpoint(a->ai_addr);
		n->address[found++].port = n->remote.port;
	}
	if (found > 0)
		n->n = found;
}

static void system_answered(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
	struct name *n = container_of(req, struct name, req);

	n->asks_system = false;
	if (!n->all->stopped && status >= 0)
		name_take(n, list);
	uv_freeaddrinfo(list);
	if (!n->all->stopped)
		name_told(n, status < 0 ? n->why : NULL, 0);
}

static bool ask_system(struct name *n)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM };

	n->asks_system =
		uv_getaddrinfo(n->all->loop, &n->req, system_answered, n->remote.host, NULL, &hints) == 0;
	return n->asks_system;
}

/* The system's resolver is asked where it would ask the machine's own name servers, or where none is known here. */
static bool system_may_know(const struct name *n, const struct lookup_answer *a)
{
	return n->asked.n == 0 || (!a->silent && !resolv_in_force(n->all->io.resolv));
}

static void looked_up(void *ctx, void *asker, const struct lookup_answer *a)
{
	struct name *n = asker;

	(void)ctx;
	n->lookup = NULL;
	n->why = a->error;
	if (a->error && system_may_know(n, a) && ask_system(n))
		return;
	for (size_t i = 0; i < a->n; i++) {
		n->address[i] = a->address[i];
		n->address[i].port = n->remote.port;
	}
	n->n = a->n > 0 ? a->n : n->n;
	name_told(n, a->error, a->ttl_s);
}

static void name_ask(struct name *n)
{
	struct hosts *all = n->all;

	n->asked = (struct nameservers){ .n = 0 };
	(void)resolv_machine(all->io.resolv, &n->asked);
	n->lookup = lookup_start(all->loop, n->remote.host, &n->asked, &all->how, n);
}

static bool is_due(const struct name *n)
{
	return n->n == 0 || (n->due > 0 && uv_now(n->all->loop) >= n->due);
}

void hosts_resolve(struct hosts *all, bool unknown)
{
	for (size_t i = 0; i < NAMES_MAX; i++) {
		struct name *n = &all->name[i];

		if (n->remote.host[0] && !n->literal && !is_asked(n) && (!unknown || is_due(n)))
			name_ask(n);
	}
}

/* What is asked already may be asked by a way that is gone. */
static void ask_again(uv_timer_t *t)
{
	struct hosts *all = container_of(t, struct hosts, again);

	for (size_t i = 0; i < NAMES_MAX; i++) {
		if (all->name[i].lookup)
			lookup_cancel(all->name[i].lookup);
		all->name[i].lookup = NULL;
	}
	hosts_resolve(all, false);
}

void hosts_network_changed(struct hosts *all)
{
	if (!all->timed)
		uv_timer_init(all->loop, &all->again);
	all->timed = true;
	if (!uv_is_active((uv_handle_t *)&all->again))
		uv_timer_start(&all->again, ask_again, AGAIN_MS, 0);
}

void hosts_stop(struct hosts *all)
{
	all->stopped = true;
	if (all->timed && !uv_is_closing((uv_handle_t *)&all->again))
		uv_close((uv_handle_t *)&all->again, NULL);
	for (size_t i = 0; i < NAMES_MAX; i++) {
		struct name *n = &all->name[i];

		if (n->asks_system)
			uv_cancel((uv_req_t *)&n->req); /* what has begun cannot be called back */
		if (n->lookup)
			lookup_cancel(n->lookup);
		n->lookup = NULL;
	}
}

/* "fe80::1%eth0": an address of one link, whose index changes when it is plugged in again. */
static bool literal_of(const char *host, struct ip *ip)
{
	const char *scope = strchr(host, '%');
	char text[IP_STRLEN];

	snprintf(text, sizeof(text), "%.*s", scope ? (int)(scope - host) : (int)sizeof(text) - 1, host);
	return ip_parse(text, ip);
}

/* The link that a literal address names now. SCOPE_GONE: there is none of that name. */
static uint32_t scope_of(const char *host)
{
	const char *scope = strchr(host, '%');
	const int ifindex = scope ? netlink_ifindex(scope + 1) : 0;

	return ifindex < 0 ? SCOPE_GONE : (uint32_t)ifindex;
}

static void name_add(struct hosts *all, const struct config_remote *r)
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
	if (literal_of(r->host, &ip)) {
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
void hosts_configure(struct hosts *all, const struct config *config)
{
	all->config = config;
	for (size_t i = 0; i < NAMES_MAX; i++)
		if (!is_asked(&all->name[i]) && !is_wanted(config, &all->name[i].remote))
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
static const struct config_remote *endpoints_of(const struct hosts *all, const struct config_transport *t,
						size_t *count)
{
	const bool own = t->endpoint.host[0] != '\0';

	*count = own ? 1 : all->config->nendpoints;
	return own ? &t->endpoint : all->config->endpoints;
}

bool hosts_both_families(struct hosts *all, const struct config_transport *t)
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
static size_t collect(struct hosts *all, const struct config_transport *t, bool v4, struct endpoint *out)
{
	size_t count;
	const struct config_remote *list = endpoints_of(all, t, &count);
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		struct name *name = find_name(all, &list[i]);

		if (name && name->literal)
			name->address[0].scope = scope_of(name->remote.host);
		for (size_t k = 0; name && k < name->n && n < CANDIDATE_REMOTES_MAX; k++)
			if (ip_is_v4(&name->address[k].ip) == v4 && !is_among(out, n, &name->address[k]))
				out[n++] = name->address[k];
	}
	return n;
}

/* By chance, but the same each time: a list that is looked up again keeps its order. */
static void shuffle(const struct hosts *all, struct endpoint *list, size_t n)
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
static bool prefers_v4(struct hosts *all, const struct config_transport *t)
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

size_t hosts_remotes(struct hosts *all, const struct config_transport *t, bool second,
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
