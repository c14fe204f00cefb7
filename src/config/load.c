/* From files to a checked configuration, or to the list of all that is wrong with them. */
#include <net/if.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/address.h"
#include "config/files.h"
#include "config/peers.h"
#include "config/read.h"
#include "config/value.h"

/* The role decides which keys are allowed, so it is taken before any other. */
static enum config_role peek_role(const struct node *root)
{
	const struct node *role = node_get(root, "role");

	return role && role->kind == NODE_TEXT && !strcmp(role->text, "client") ? ROLE_CLIENT : ROLE_SERVER;
}

static struct mark mark_at(const struct node *root, const char *section, const char *key)
{
	const struct node *n = node_get(node_get(root, section), key);

	return n ? n->at : root->at;
}

/* --- checks across keys --- */

static bool any_v6(const struct prefix *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!ip_is_v4(&list[i].ip))
			return true;
	return false;
}

static void check_mtu(struct parse *p, const struct node *root)
{
	const struct config *c = p->config;
	bool v6 = any_v6(c->tunnel.addresses, c->tunnel.naddresses) ||
		  any_v6(c->tunnel.routes, c->tunnel.nroutes);

	for (size_t i = 0; i < c->npeers && !v6; i++)
		v6 = any_v6(c->peers[i].addresses, c->peers[i].naddresses);
	if (!v6 || c->tunnel.mtu >= 1280)
		return;
	parse_path_push(p, "tunnel.mtu");
	parse_error(p, mark_at(root, "tunnel", "mtu"),
		    "%u is too small for IPv6 inside the tunnel; allowed: 1280 to 9000 (bytes)",
		    c->tunnel.mtu);
	parse_path_reset(p);
}

/* The element before `a` in the list with the same text, or with the same text in this field. */
static const struct node *twin(const struct node *list, const struct node *a, const char *field)
{
	const struct node *value = field ? node_get(a, field) : a;

	for (const struct node *b = list->first; b != a && value && value->kind == NODE_TEXT; b = b->next) {
		const struct node *other = field ? node_get(b, field) : b;

		if (other && other->kind == NODE_TEXT && !strcmp(value->text, other->text))
			return other;
	}
	return NULL;
}

/* Tells elements that stand there twice. Longer lists than the schema allows are wrong already. */
static void check_twice(struct parse *p, const char *path, const struct node *list, const char *field)
{
	size_t index = 0;

	if (!list || list->kind != NODE_LIST || list->count > 64)
		return;
	parse_path_push(p, path);
	for (const struct node *a = list->first; a; a = a->next, index++) {
		const struct node *value = field ? node_get(a, field) : a;
		const struct node *other = twin(list, a, field);
		size_t old;

		if (!other)
			continue;
		old = parse_path_index(p, index);
		if (field)
			parse_path_push(p, field);
		parse_error(p, value->at, "\"%s\" stands twice; the first is at line %u", value->text,
			    other->at.line);
		parse_path_pop(p, old);
	}
	parse_path_reset(p);
}

/* The outside of the tunnel would lie inside of it. */
static void check_outside(struct parse *p, const struct node *root)
{
	const struct config *c = p->config;
	const struct node *list = node_get(root, "transports");
	const struct node *n = list && list->kind == NODE_LIST ? list->first : NULL;

	for (size_t i = 0; n && i < c->ntransports; i++, n = n->next) {
		const struct config_transport *t = &c->transports[i];
		const struct node *at = node_get(n, "interface");

		if (!at || strcmp(t->interface, c->tunnel.name) != 0)
			continue;
		parse_path_push(p, "transports");
		parse_path_index(p, i);
		parse_path_push(p, "interface");
		parse_error(p, at->at,
			    "\"%s\" is the tunnel itself (tunnel.name), which cannot travel inside of itself",
			    t->interface);
		parse_path_reset(p);
	}
}

/* An interface may come later: not an error, but noted, since the name may be mistyped. */
static void note_interfaces(struct parse *p, const struct node *list)
{
	size_t index = 0;

	if (!p->notes || !list || list->kind != NODE_LIST)
		return;
	parse_path_push(p, "transports");
	for (const struct node *t = list->first; t; t = t->next, index++) {
		const struct node *name = node_get(t, "interface");
		const size_t old = parse_path_index(p, index);

		parse_path_push(p, "interface");
		if (name && name->kind == NODE_TEXT && address_is_interface(name->text) &&
		    if_nametoindex(name->text) == 0)
			parse_note(p, name->at,
				   "there is no interface %s now; the client waits for it (ip link lists those there are)",
				   name->text);
		parse_path_pop(p, old);
	}
	parse_path_reset(p);
}

/* An address that no interface has yet is not an error either. */
static void note_listen(struct parse *p, const struct node *list)
{
	const struct config *c = p->config;
	const struct node *n = list && list->kind == NODE_LIST ? list->first : NULL;

	if (!p->notes)
		return;
	parse_path_push(p, "listen");
	for (size_t i = 0; n && i < c->nlisten; i++, n = n->next) {
		const size_t old = parse_path_index(p, i);
		struct endpoint at = c->listen[i].at;

		if (c->listen[i].interface[0])
			at.scope = if_nametoindex(c->listen[i].interface);
		if (c->listen[i].interface[0] && at.scope == 0)
			parse_note(p, n->at, "there is no interface %s now; the server waits for it",
				   c->listen[i].interface);
		else if (!config_is_here(&at))
			parse_note(p, n->at, "no interface has this address now; the server waits for it");
		parse_path_pop(p, old);
	}
	parse_path_reset(p);
}

static void check_client(struct parse *p, const struct node *root)
{
	struct config *c = p->config;

	if (c->workers > 1) {
		parse_path_push(p, "workers");
		parse_error(p, node_get(root, "workers")->at,
			    "%u: a client has one worker; allowed: auto, or 1", c->workers);
		parse_path_reset(p);
	}
	c->workers = 1;
	check_twice(p, "transports", node_get(root, "transports"), "name");
	check_outside(p, root);
	check_twice(p, "server.endpoints", node_get(node_get(root, "server"), "endpoints"), NULL);
	note_interfaces(p, node_get(root, "transports"));
	if (c->ntransports)
		return;
	free(c->transports);
	c->transports = calloc(1, sizeof(*c->transports));
	p->no_memory |= !c->transports;
	if (!c->transports)
		return;
	snprintf(c->transports[0].name, sizeof(c->transports[0].name), "default");
	c->ntransports = 1;
}

/* A server whose key file belongs to the service's user becomes that user. */
static void default_user(struct config *c, const struct node *root)
{
	const struct node *key = node_get(root, "private_key_file");
	const struct passwd *pw = c->user[0] ? NULL : getpwnam(CONFIG_DEFAULT_USER);
	struct stat st;

	if (pw && key && key->kind == NODE_TEXT && stat(key->text, &st) == 0 && st.st_uid == pw->pw_uid)
		strcpy(c->user, CONFIG_DEFAULT_USER);
}

static void check_server(struct parse *p, const struct node *root)
{
	struct config *c = p->config;

	default_user(c, root);
	check_twice(p, "listen", node_get(root, "listen"), NULL);
	note_listen(p, node_get(root, "listen"));
	check_twice(p, "tunnel.addresses", node_get(node_get(root, "tunnel"), "addresses"), NULL);
	if (peers_push_default(c) < 0)
		p->no_memory = true;
	peers_read(p, root);
	if (c->max_sessions < c->npeers && !p->errors->count) {
		parse_path_push(p, "max_sessions");
		parse_note(p, node_get(root, "max_sessions") ? node_get(root, "max_sessions")->at : root->at,
			   "%u: not all of the %zu peers can have a session at a time", c->max_sessions,
			   c->npeers);
		parse_path_reset(p);
	}
	if (!c->tunnel.naddresses && !p->errors->count) {
		parse_path_push(p, "tunnel.addresses");
		parse_note(p, root->at, "none: this server has no address of its own inside the tunnel");
		parse_path_reset(p);
	}
}

static void read_config(struct parse *p, const struct node *root)
{
	struct config *c = p->config;

	if (root->kind != NODE_MAP) {
		parse_error(p, root->at, "expected a mapping of keys and values, found %s",
			    node_kind_name(root));
		return;
	}
	read_defaults(p, &config_table, c);
	c->role = peek_role(root);
	read_map(p, &config_table, c, root);
	if (c->role == ROLE_CLIENT)
		check_client(p, root);
	else
		check_server(p, root);
	check_mtu(p, root);
}

/* --- entry points --- */

void config_free(struct config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->npeers; i++) {
		struct config_peer *peer = &c->peers[i];

		if (!peer->routes_set)
			peer->routes = NULL; /* the server's */
		if (!peer->dns_set)
			peer->dns = NULL;
		value_free(&peer_table, peer);
	}
	free(c->peers);
	free(c->by_key);
	lpm_free(c->owners);
	free(c->file);
	value_free(&config_table, c);
	free(c);
}

static void parse_end(struct parse *p)
{
	for (size_t i = 0; i < p->nsources; i++) {
		free(p->sources[i].file);
		tree_free(&p->sources[i].tree);
	}
	free(p->sources);
	free(p->places);
	free(p->dir);
}

static struct config *load(const char *name, const char *text, size_t len, struct parse *p)
{
	const struct node *root;

	p->config = calloc(1, sizeof(*p->config));
	if (p->config)
		p->config->file = strdup(name);
	p->no_memory = !p->config || !p->config->file;
	p->file = name;
	if (!p->no_memory) {
		p->config->generation = 1;
		root = files_add(p, name, text, len);
		if (root)
			read_config(p, root);
	}
	p->file = name;
	parse_path_reset(p);
	if (p->no_memory)
		parse_error(p, (struct mark){ 0, 0 }, "out of memory");
	parse_sort(p->errors, name);
	if (p->notes)
		parse_sort(p->notes, name);
	parse_end(p);
	if (!p->errors->count)
		return p->config;
	config_free(p->config);
	return NULL;
}

static struct config *load_file(const char *file, struct parse *p)
{
	const char *slash = strrchr(file, '/');
	struct config *c;
	char *text;
	size_t len;
	int err = files_read(file, &text, &len);

	if (err) {
		p->file = file;
		parse_error(p, (struct mark){ 0, 0 }, "cannot be read: %s", strerror(-err));
		return NULL;
	}
	if (slash)
		p->dir = strndup(file, slash == file ? 1 : (size_t)(slash - file));
	c = load(file, text, len, p);
	free(text);
	return c;
}

struct config *config_load(const char *file, struct config_errors *errors)
{
	struct parse p = { .errors = errors };

	*errors = (struct config_errors){ NULL, 0 };
	return load_file(file, &p);
}

struct config *config_check(const char *file, struct config_errors *errors, struct config_errors *notes)
{
	struct parse p = { .errors = errors, .notes = notes };

	*errors = (struct config_errors){ NULL, 0 };
	*notes = (struct config_errors){ NULL, 0 };
	return load_file(file, &p);
}

struct config *config_parse(const char *name, const char *text, size_t len, struct config_errors *errors)
{
	struct parse p = { .errors = errors };

	*errors = (struct config_errors){ NULL, 0 };
	return load(name, text, len, &p);
}
