#include "config/read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/value.h"

enum { DOTTED_MAX = 64, ALLOWED_MAX = 512 };

struct walk {
	struct parse *parse;
	const struct key_table *table;
	void *base;
	uint64_t seen; /* bits of the table's keys */
};

static unsigned int role_bit(const struct parse *p)
{
	return 1u << p->config->role;
}

static const char *role_name(const struct parse *p)
{
	return p->config->role == ROLE_SERVER ? "server" : "client";
}

/* --- unknown keys --- */

/* The key of this role, at this level, that is fewest edits away; NULL when none is close. */
static const char *nearest(const struct walk *w, const char *section, const char *key, char *buf, size_t size)
{
	unsigned int best = (unsigned int)strlen(key) / 3 + 1;
	bool found = false;
	char name[DOTTED_MAX];

	if (strlen(key) > 63)
		return NULL;
	for (size_t i = 0; i < w->table->count; i++) {
		const struct key *k = &w->table->keys[i];
		unsigned int edits;

		if (!(k->roles & role_bit(w->parse)) || !schema_component(k, section, name, sizeof(name)))
			continue;
		edits = edit_distance(key, name);
		if (edits < best || (edits == best && !found && edits <= 3)) {
			best = edits;
			found = true;
			snprintf(buf, size, "%s", name);
		}
	}
	return found && best <= 3 ? buf : NULL;
}

/* A key that has the right name but stands in another section: "mtu" for "tunnel.mtu". */
static const char *elsewhere(const struct walk *w, const char *key)
{
	for (size_t i = 0; i < w->table->count; i++) {
		const struct key *k = &w->table->keys[i];
		const char *dot = strrchr(k->path, '.');

		if ((k->roles & role_bit(w->parse)) && dot && !strcmp(dot + 1, key))
			return k->path;
	}
	return NULL;
}

/* "name, public_key, ..." of this level; sections are in the order of their first key. */
static void allowed_keys(const struct walk *w, const char *section, char *buf, size_t size)
{
	char name[DOTTED_MAX], last[DOTTED_MAX] = "";
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < w->table->count && len < size; i++) {
		const struct key *k = &w->table->keys[i];

		if (!(k->roles & role_bit(w->parse)) || !schema_component(k, section, name, sizeof(name)) ||
		    !strcmp(name, last))
			continue;
		len += (size_t)snprintf(buf + len, size - len, "%s%s", len ? ", " : "", name);
		memcpy(last, name, sizeof(last));
	}
}

static void unknown_key(const struct walk *w, const char *section, const struct node *n)
{
	char buf[ALLOWED_MAX];
	const char *other = nearest(w, section, n->key, buf, sizeof(buf));

	if (!other)
		other = elsewhere(w, n->key);
	if (other) {
		parse_error(w->parse, n->key_at, "unknown key; did you mean \"%s\"?", other);
		return;
	}
	allowed_keys(w, section, buf, sizeof(buf));
	parse_error(w->parse, n->key_at, "unknown key; allowed: %s", buf);
}

/* --- values --- */

static bool is_value(struct parse *p, const struct key *k, const struct node *n)
{
	const char *what = value_type(k)->what;

	if (n->kind == NODE_BROKEN)
		return false;
	if (node_is_null(n))
		parse_error(p, n->key_at, "has no value; write %s, or leave the key out", what);
	else if (n->kind != NODE_TEXT)
		parse_error(p, n->at, "expected %s, found %s", what, node_kind_name(n));
	else
		return true;
	return false;
}

static bool is_list(struct parse *p, const struct key *k, const struct node *n)
{
	const char *what = value_type(k)->what;

	if (n->kind == NODE_BROKEN)
		return false;
	if (node_is_null(n))
		parse_error(p, n->key_at, "has no value; write %s, [] for an empty one, or leave the key out",
			    what);
	else if (n->kind != NODE_LIST)
		parse_error(p, n->at, "expected %s, found %s", what, node_kind_name(n));
	else if (n->count < k->least)
		parse_error(p, n->at, "is empty; at least one is needed");
	else if (k->most && n->count > k->most)
		parse_error(p, n->at, "has %zu elements; allowed: at most %u", n->count, k->most);
	else
		return true;
	return false;
}

static bool is_element(struct parse *p, const struct node *n)
{
	if (n->kind == NODE_BROKEN)
		return false;
	if (n->kind == NODE_TEXT && !node_is_null(n))
		return true;
	parse_error(p, n->at, "expected a single value, found %s",
		    node_is_null(n) ? "none" : node_kind_name(n));
	return false;
}

/* A new array in place of the default one; elements that are wrong stay zero. */
static char *new_list(struct parse *p, const struct key *k, void *base, size_t count)
{
	void **at = (void **)(void *)((char *)base + k->at);

	free(*at);
	*at = calloc(count ? count : 1, value_size(k));
	*(size_t *)(void *)((char *)base + k->count_at) = *at ? count : 0;
	p->no_memory |= !*at;
	return *at;
}

static void read_list(struct parse *p, const struct key *k, void *base, const struct node *n)
{
	char *list = is_list(p, k, n) ? new_list(p, k, base, n->count) : NULL;
	size_t index = 0;

	if (!list)
		return;
	for (const struct node *e = n->first; e; e = e->next, index++) {
		size_t old = parse_path_index(p, index);

		if (value_type(k)->table)
			read_map(p, value_type(k)->table, list + index * value_size(k), e);
		else if (is_element(p, e))
			value_read(p, k, e, list + index * value_size(k));
		parse_path_pop(p, old);
	}
}

/* Reads one value into its place. */
static void read_value(struct parse *p, const struct key *k, void *base, const struct node *n)
{
	const struct key_type *type = value_type(k);
	char *at = (char *)base + k->at;

	if (k->set_at)
		*(bool *)((char *)base + k->set_at) = true;
	if (type->shape == KEY_IS_APART)
		return; /* read later, when the policy they inherit is known */
	if (type->shape == KEY_IS_LIST)
		read_list(p, k, base, n);
	else if (type->table)
		read_map(p, type->table, at, n);
	else if (is_value(p, k, n))
		value_read(p, k, n, at);
}

/* --- maps --- */

static void walk_section(struct walk *w, const char *section, const struct node *map);

static void walk_key(struct walk *w, const char *section, const struct node *n)
{
	struct parse *p = w->parse;
	char dotted[2 * DOTTED_MAX];
	size_t len =
		(size_t)snprintf(dotted, sizeof(dotted), "%s%s%s", section, section[0] ? "." : "", n->key);
	const struct key *k = len < sizeof(dotted) ? schema_find(w->table, dotted) : NULL;
	bool is_section = len < sizeof(dotted) && schema_has_section(w->table, dotted);

	if (is_section && (!k || n->kind == NODE_MAP)) {
		walk_section(w, dotted, n);
		return;
	}
	if (!k) {
		unknown_key(w, section, n);
		return;
	}
	if (!(k->roles & role_bit(p))) {
		parse_error(p, n->key_at, "belongs to role: %s; this file has role: %s",
			    k->roles & FOR_SERVER ? "server" : "client", role_name(p));
		return;
	}
	w->seen |= UINT64_C(1) << (k - w->table->keys);
	read_value(p, k, w->base, n);
}

/* Is there nothing in this section for the role of the file? Then the section itself is what is wrong. */
static bool foreign_section(const struct walk *w, const char *section)
{
	char name[DOTTED_MAX];

	for (size_t i = 0; section[0] && i < w->table->count; i++)
		if ((w->table->keys[i].roles & role_bit(w->parse)) &&
		    schema_component(&w->table->keys[i], section, name, sizeof(name)))
			return false;
	return section[0] != '\0';
}

static void walk_section(struct walk *w, const char *section, const struct node *map)
{
	struct parse *p = w->parse;

	if (map->kind == NODE_BROKEN)
		return;
	if (foreign_section(w, section)) {
		parse_error(p, map->key_at, "belongs to role: %s; this file has role: %s",
			    p->config->role == ROLE_SERVER ? "client" : "server", role_name(p));
		return;
	}
	if (node_is_null(map)) {
		parse_error(p, map->key_at, "has no value; write its keys, or leave it out");
		return;
	}
	if (map->kind != NODE_MAP) {
		parse_error(p, map->at, "expected a mapping, found %s", node_kind_name(map));
		return;
	}
	for (const struct node *n = map->first; n; n = n->next) {
		size_t old = parse_path_push(p, n->key);

		walk_key(w, section, n);
		parse_path_pop(p, old);
	}
}

/* The innermost section of the key that is there, for the position of what is missing in it. */
static struct mark where_missing(const struct key *k, const struct node *map)
{
	char part[DOTTED_MAX];
	struct mark at = map->at;
	const char *s = k->path;

	for (const char *dot; (dot = strchr(s, '.')); s = dot + 1) {
		snprintf(part, sizeof(part), "%.*s", (int)(dot - s), s);
		map = node_get(map, part);
		if (!map)
			break;
		at = map->key_at;
	}
	return at;
}

static void tell_missing(const struct walk *w, const struct node *map)
{
	struct parse *p = w->parse;

	for (size_t i = 0; i < w->table->count; i++) {
		const struct key *k = &w->table->keys[i];
		size_t old;

		if (!(k->need & role_bit(p)) || (w->seen >> i & 1))
			continue;
		old = parse_path_push(p, k->path);
		parse_error(p, where_missing(k, map), "is missing; write %s", value_type(k)->what);
		parse_path_pop(p, old);
	}
}

void read_map(struct parse *p, const struct key_table *t, void *base, const struct node *map)
{
	struct walk w = { .parse = p, .table = t, .base = base };

	walk_section(&w, "", map);
	if (map->kind == NODE_MAP)
		tell_missing(&w, map);
}

void read_defaults(struct parse *p, const struct key_table *t, void *base)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct key *k = &t->keys[i];
		const struct key_type *type = value_type(k);

		if (type->table && type->shape == KEY_IS_VALUE)
			read_defaults(p, type->table, (char *)base + k->at);
		else
			p->no_memory |= !value_default(k, base);
	}
}
