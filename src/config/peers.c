/*
 * The peers of a server, from its own file and from peers_dir, and what must hold among all of them:
 * names, keys and inner addresses are each one peer's. Linear in the number of peers.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "config/files.h"
#include "config/peers.h"
#include "config/read.h"

#define NO_PEER UINT32_MAX

/* Open addressing, at most half full; a slot holds an index in peers plus one. */
struct peer_index {
	size_t mask;
	uint32_t slot[];
};

struct field { /* what a peer is indexed by */
	const void *data;
	size_t len;
};

typedef struct field field_of(const struct config_peer *);

static struct field key_of(const struct config_peer *peer)
{
	return (struct field){ peer->public_key, sizeof(peer->public_key) };
}

static struct field name_of(const struct config_peer *peer)
{
	return (struct field){ peer->name, strlen(peer->name) };
}

static struct peer_index *index_new(size_t count)
{
	struct peer_index *x;
	size_t slots = 16;

	while (slots < count * 2)
		slots *= 2;
	x = calloc(1, sizeof(*x) + slots * sizeof(x->slot[0]));
	if (x)
		x->mask = slots - 1;
	return x;
}

/* The slot of a peer with this field, or the free one where it would go. */
static uint32_t *index_slot(const struct config *c, struct peer_index *x, field_of *of, struct field f)
{
	static const struct hash_key fixed; /* the peers are ours: nobody else chooses what goes in */
	size_t at = hash_bytes(&fixed, f.data, f.len) & x->mask;

	for (; x->slot[at]; at = (at + 1) & x->mask) {
		struct field g = of(&c->peers[x->slot[at] - 1]);

		if (g.len == f.len && !memcmp(g.data, f.data, f.len))
			break;
	}
	return &x->slot[at];
}

/* The peer that has this field already, or NO_PEER, and then it is `i` from now on. */
static uint32_t index_add(const struct config *c, struct peer_index *x, field_of *of, size_t i)
{
	uint32_t *slot = index_slot(c, x, of, of(&c->peers[i]));

	if (*slot)
		return *slot - 1;
	*slot = (uint32_t)i + 1;
	return NO_PEER;
}

/* Index in peers by key; see config_find_peer(). 0 or -ENOMEM. */
static int index_keys(struct config *c)
{
	free(c->by_key);
	c->by_key = index_new(c->npeers);
	if (!c->by_key)
		return -ENOMEM;
	for (size_t i = 0; i < c->npeers; i++)
		index_add(c, c->by_key, key_of, i);
	return 0;
}

int peers_reorder(struct config *c, const uint32_t *to)
{
	struct config_peer *peers = malloc((c->npeers + 1) * sizeof(*peers));

	if (!peers)
		return -ENOMEM;
	for (size_t i = 0; i < c->npeers; i++)
		peers[to[i]] = c->peers[i];
	free(c->peers);
	c->peers = peers;
	for (size_t i = 0; c->by_key && i <= c->by_key->mask; i++)
		if (c->by_key->slot[i])
			c->by_key->slot[i] = to[c->by_key->slot[i] - 1] + 1;
	if (c->owners)
		lpm_renumber(c->owners, to, (uint32_t)c->npeers);
	return 0;
}

ptrdiff_t config_find_peer(const struct config *c, const uint8_t public_key[32])
{
	if (!c->by_key)
		return -1;
	return (ptrdiff_t)*index_slot(c, c->by_key, key_of, (struct field){ public_key, 32 }) - 1;
}

/* --- lists that peers share with their server --- */

int peers_push_default(struct config *c)
{
	struct prefix *routes;

	if (c->push.routes_set)
		return 0;
	routes = calloc(c->tunnel.naddresses + 1, sizeof(*routes));
	if (!routes)
		return -ENOMEM;
	for (size_t i = 0; i < c->tunnel.naddresses; i++) {
		const struct prefix *own = &c->tunnel.addresses[i];

		routes[i] = (struct prefix){ ip_masked(&own->ip, own->len), own->len };
	}
	free(c->push.routes);
	c->push.routes = routes;
	c->push.nroutes = c->tunnel.naddresses;
	return 0;
}

void peers_inherit(struct config *c)
{
	for (size_t i = 0; i < c->npeers; i++) {
		struct config_peer *peer = &c->peers[i];

		if (!peer->routes_set) {
			peer->routes = c->push.routes;
			peer->nroutes = c->push.nroutes;
		}
		if (!peer->dns_set) {
			peer->dns = c->push.dns;
			peer->ndns = c->push.ndns;
		}
	}
}

/* --- checks among peers --- */

/* Messages speak of this peer's key from here on. */
static void stand_at(struct parse *p, size_t i, const char *key)
{
	const struct place *place = &p->places[i];

	p->file = place->file;
	parse_path_reset(p);
	if (!place->in_dir)
		parse_path_push(p, "peers");
	parse_path_index(p, place->index);
	parse_path_push(p, key);
}

static struct mark mark_in(const struct place *place, const char *key)
{
	const struct node *n = node_get(place->node, key);

	return n ? n->at : place->node->at;
}

static void tell_shared(struct parse *p, size_t i, size_t other, const char *key)
{
	const struct place *there = &p->places[other];
	struct mark at = mark_in(there, key);

	stand_at(p, i, key);
	parse_error(p, mark_in(&p->places[i], key), "\"%s\" is another peer's already, at %s:%u:%u",
		    node_get(p->places[i].node, key)->text, there->file, at.line, at.column);
}

static bool has_field(struct parse *p, size_t i, const char *key)
{
	const struct node *n = node_get(p->places[i].node, key);

	return n && n->kind == NODE_TEXT;
}

/* Indexed by what is in the file, so that a value that was refused is not compared. */
static void check_unique(struct parse *p, const char *key, field_of *of)
{
	static const uint8_t unset[32];
	const struct config *c = p->config;
	struct peer_index *x = index_new(c->npeers);

	p->no_memory |= !x;
	for (size_t i = 0; x && i < c->npeers; i++) {
		struct field f = of(&c->peers[i]);
		uint32_t other;

		if (!has_field(p, i, key) || !f.len || (of == key_of && !memcmp(f.data, unset, f.len)))
			continue;
		other = index_add(c, x, of, i);
		if (other != NO_PEER)
			tell_shared(p, i, other, key);
	}
	free(x);
}

static const struct node *address_node(const struct place *place, size_t index)
{
	const struct node *n = node_get(place->node, "addresses")->first;

	while (index--)
		n = n->next;
	return n;
}

static void tell_address(struct parse *p, size_t i, size_t index, size_t other)
{
	const struct config_peer *peer = &p->config->peers[i], *owner = &p->config->peers[other];
	const struct place *there = &p->places[other];
	char text[PREFIX_STRLEN];
	const struct node *n;
	size_t j = 0;

	while (memcmp(&owner->addresses[j], &peer->addresses[index], sizeof(struct prefix)))
		j++;
	n = address_node(there, j);
	stand_at(p, i, "addresses");
	parse_path_index(p, index);
	prefix_format(&peer->addresses[index], text);
	if (other == i)
		parse_error(p, address_node(&p->places[i], index)->at, "%s stands twice", text);
	else
		parse_error(p, address_node(&p->places[i], index)->at,
			    "%s is peer \"%s\"'s already, at %s:%u:%u", text, owner->name, there->file,
			    n->at.line, n->at.column);
}

/* Networks wider than the tunnel's own are let through: the address in them stays the server's. */
static bool takes_own(const struct prefix *a, const struct prefix *own)
{
	return prefix_contains(a, &own->ip) && a->len >= own->len;
}

static void tell_own(struct parse *p, size_t i, size_t index, const struct prefix *own)
{
	const struct prefix *a = &p->config->peers[i].addresses[index];
	const struct mark at = address_node(&p->places[i], index)->at;
	char text[PREFIX_STRLEN], own_text[IP_STRLEN];

	prefix_format(a, text);
	ip_format(&own->ip, own_text);
	stand_at(p, i, "addresses");
	parse_path_index(p, index);
	if (takes_own(a, own))
		parse_error(p, at, "%s %s this server's own address %s (tunnel.addresses)", text,
			    a->len == 128 ? "is" : "holds", own_text);
	else
		parse_note(
			p, at,
			"%s holds this server's own address %s (tunnel.addresses), which stays the server's: "
			"what the peer sends from it is dropped",
			text, own_text);
}

/*
 * What the kernel of a server keeps for itself in the networks of its own device, and so never sends to a peer: IPv4
 * broadcast and (before Linux 5.14) network address; as a router, the anycast address of all routers (RFC 4291).
 */
static const char *kept_by_kernel(const struct prefix *own, const struct prefix *a)
{
	const struct ip net = ip_masked(&own->ip, own->len);

	if (a->len < 128 || own->len >= 127)
		return NULL;
	if (prefix_is_broadcast(own, &a->ip))
		return "the broadcast address";
	if (!ip_equal(&net, &a->ip))
		return NULL;
	return ip_is_v4(&a->ip) ? "the network address"
				: "the address of all routers (subnet-router anycast)";
}

static bool tell_kept(struct parse *p, size_t i, size_t index, const struct prefix *own)
{
	const struct prefix *a = &p->config->peers[i].addresses[index];
	const char *what = kept_by_kernel(own, a);
	char text[IP_STRLEN], own_text[PREFIX_STRLEN];

	if (!what)
		return false;
	ip_format(&a->ip, text);
	prefix_format(own, own_text);
	stand_at(p, i, "addresses");
	parse_path_index(p, index);
	parse_error(
		p, address_node(&p->places[i], index)->at,
		"%s is %s of this server's own network %s (tunnel.addresses), and would never reach the peer; "
		"give it another one",
		text, what, own_text);
	return true;
}

static void check_own(struct parse *p, size_t i, size_t index)
{
	const struct config *c = p->config;

	for (size_t t = 0; t < c->tunnel.naddresses; t++) {
		if (tell_kept(p, i, index, &c->tunnel.addresses[t]))
			return;
		if (!prefix_contains(&c->peers[i].addresses[index], &c->tunnel.addresses[t].ip))
			continue;
		tell_own(p, i, index, &c->tunnel.addresses[t]);
		return;
	}
}

static void check_addresses(struct parse *p)
{
	struct config *c = p->config;
	size_t total = 0;

	for (size_t i = 0; i < c->npeers; i++)
		total += c->peers[i].naddresses;
	c->owners = lpm_new(total);
	p->no_memory |= !c->owners;
	for (size_t i = 0; c->owners && i < c->npeers; i++) {
		for (size_t j = 0; j < c->peers[i].naddresses; j++) {
			const struct prefix *a = &c->peers[i].addresses[j];
			uint32_t other = 0;
			int err;

			if (p->errors->count && a->len == 0 && ip_is_zero(&a->ip))
				continue; /* a value that was refused */
			err = lpm_add(c->owners, a, (uint32_t)i, &other);
			if (err == -EEXIST)
				tell_address(p, i, j, other);
			p->no_memory |= err == -ENOMEM;
			check_own(p, i, j);
		}
	}
}

/* --- peers_dir --- */

static int is_peers_file(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return d->d_name[0] != '.' && len > 5 && !strcmp(d->d_name + len - 5, ".yaml");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* The list in a file of peers_dir, or NULL. */
static const struct node *read_peers_file(struct parse *p, const char *file)
{
	const struct node *list;
	struct stat st;
	char *text;
	size_t len;
	int err = stat(file, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? files_read(file, &text, &len) : -EINVAL;

	p->file = file;
	if (err) {
		parse_error(p, (struct mark){ 0, 0 }, "cannot be read: %s",
			    err == -EINVAL ? "not a regular file" : strerror(-err));
		return NULL;
	}
	list = files_add(p, file, text, len);
	free(text);
	if (list && list->kind != NODE_LIST) {
		parse_error(p, list->at, "expected a list of peers, found %s", node_kind_name(list));
		list = NULL;
	}
	return list;
}

/* --- reading --- */

struct peer_list {
	const struct node *list;
	const char *file;
	bool in_dir;
};

struct peer_lists {
	struct peer_list *list;
	size_t count;
};

static void lists_add(struct parse *p, struct peer_lists *l, const struct node *list, bool in_dir)
{
	struct peer_list *more = realloc(l->list, (l->count + 1) * sizeof(*more));

	if (!more) {
		p->no_memory = true;
		return;
	}
	l->list = more;
	l->list[l->count++] = (struct peer_list){ list, p->sources[p->nsources - 1].file, in_dir };
}

static void read_dir(struct parse *p, const struct node *at, struct peer_lists *lists)
{
	const char *dir = p->config->peers_dir;
	struct dirent **names;
	int count = scandir(dir, &names, is_peers_file, by_name);

	if (count < 0) {
		parse_path_push(p, "peers_dir");
		parse_error(p, at->at, "%s cannot be read: %s", dir, strerror(errno));
		parse_path_reset(p);
		return;
	}
	for (int i = 0; i < count; i++) {
		const struct node *list = NULL;
		char *file;

		if (asprintf(&file, "%s/%s", dir, names[i]->d_name) < 0) {
			p->no_memory = true;
		} else {
			list = read_peers_file(p, file);
			free(file);
		}
		if (list)
			lists_add(p, lists, list, true);
		free(names[i]);
	}
	free(names);
	p->file = p->sources[0].file;
}

static bool peers_alloc(struct parse *p, const struct peer_lists *lists)
{
	struct config *c = p->config;
	size_t count = 0;

	for (size_t i = 0; i < lists->count; i++)
		count += lists->list[i].list->count;
	c->peers = calloc(count + 1, sizeof(*c->peers));
	p->places = calloc(count + 1, sizeof(*p->places));
	p->no_memory |= !c->peers || !p->places;
	return c->peers && p->places;
}

static void read_list(struct parse *p, const struct peer_list *l)
{
	struct config *c = p->config;
	size_t index = 0;

	p->file = l->file;
	parse_path_reset(p);
	if (!l->in_dir)
		parse_path_push(p, "peers");
	for (const struct node *n = l->list->first; n; n = n->next, index++) {
		struct config_peer *peer = &c->peers[c->npeers];
		size_t old = parse_path_index(p, index);

		p->places[c->npeers++] = (struct place){ n, l->file, l->in_dir, index };
		peer->policy = c->policy;
		peer->generation = 1;
		read_map(p, &peer_table, peer, n);
		parse_path_pop(p, old);
	}
	parse_path_reset(p);
}

static const struct node *own_list(struct parse *p, const struct node *root)
{
	const struct node *n = node_get(root, "peers");

	if (!n || n->kind == NODE_BROKEN || n->kind == NODE_LIST)
		return n && n->kind == NODE_LIST ? n : NULL;
	parse_path_push(p, "peers");
	if (node_is_null(n))
		parse_error(p, n->key_at,
			    "has no value; write a list of peers, [] for an empty one, or leave the key out");
	else
		parse_error(p, n->at, "expected a list of peers, found %s", node_kind_name(n));
	parse_path_reset(p);
	return NULL;
}

void peers_read(struct parse *p, const struct node *root)
{
	struct peer_lists lists = { NULL, 0 };
	const struct node *own = own_list(p, root);

	if (own)
		lists_add(p, &lists, own, false);
	if (p->config->peers_dir)
		read_dir(p, node_get(root, "peers_dir"), &lists);
	if (peers_alloc(p, &lists)) {
		for (size_t i = 0; i < lists.count; i++)
			read_list(p, &lists.list[i]);
		peers_inherit(p->config);
		check_unique(p, "name", name_of);
		check_unique(p, "public_key", key_of);
		check_addresses(p);
		p->no_memory |= index_keys(p->config) < 0;
		p->file = p->sources[0].file;
		parse_path_reset(p);
	}
	free(lists.list);
}
