/* libyaml's events to a tree; what YAML can do beyond texts, lists and mappings is refused here. */
#include "config/yaml.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum yaml_bounds {
	DEPTH_MAX = 16,
	KEYS_MAX = 64, /* in one mapping; the schema has fewer, so looking for duplicates stays cheap */
};

struct loader {
	struct parse *parse;
	struct tree *tree;
	struct node *open[DEPTH_MAX]; /* lists and mappings not closed yet, outermost first */
	size_t depth;
	const char *key[DEPTH_MAX]; /* of open[i], a mapping: the key that waits for its value */
	struct mark key_at[DEPTH_MAX];
	unsigned int documents;
	bool end;
};

static struct mark mark_of(const yaml_mark_t *m)
{
	return (struct mark){ (unsigned int)m->line + 1, (unsigned int)m->column + 1 };
}

/* Sets the path of messages to where the loader stands. */
static void set_path(struct loader *l)
{
	parse_path_reset(l->parse);
	for (size_t i = 0; i < l->depth; i++) {
		if (l->open[i]->kind == NODE_LIST)
			parse_path_index(l->parse, l->open[i]->count - (i + 1 < l->depth));
		else if (l->key[i])
			parse_path_push(l->parse, l->key[i]);
	}
}

#define loader_error(l, at, ...)                            \
	do {                                                \
		set_path(l);                                \
		parse_error((l)->parse, (at), __VA_ARGS__); \
	} while (0)

/* C0, DEL and (as UTF-8) C1: nothing we read has a use for them, and messages may show the text. */
static bool has_control(const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;

	for (size_t i = 0; i < len; i++) {
		if (s[i] < 0x20 || s[i] == 0x7f)
			return true;
		if (s[i] == 0xc2 && i + 1 < len && s[i + 1] < 0xa0)
			return true;
	}
	return false;
}

static bool add_child(struct loader *l, struct node *parent, struct node *n)
{
	struct node *other = NULL;
	size_t top = l->depth - 1;

	if (parent->kind == NODE_MAP) {
		n->key = l->key[top];
		n->key_at = l->key_at[top];
		for (other = parent->first; other && strcmp(other->key, n->key); other = other->next)
			;
	}
	if (other) {
		loader_error(l, n->key_at, "the key stands twice; the first is at line %u",
			     other->key_at.line);
		return true;
	}
	if (parent->kind == NODE_MAP && parent->count == KEYS_MAX) {
		loader_error(l, n->key_at, "more than %d keys in one mapping", KEYS_MAX);
		return false;
	}
	if (parent->last)
		parent->last->next = n;
	else
		parent->first = n;
	parent->last = n;
	parent->count++;
	return true;
}

/* Puts a node where it belongs: as the root, an element, a key or a value. */
static bool attach(struct loader *l, struct node *n)
{
	struct node *parent = l->depth ? l->open[l->depth - 1] : NULL;

	if (!parent) {
		l->tree->root = n;
		return true;
	}
	if (parent->kind == NODE_MAP && !l->key[l->depth - 1]) {
		if (n->kind != NODE_TEXT) {
			loader_error(l, n->at, "a key must be a plain text");
			return false;
		}
		l->key[l->depth - 1] = n->text;
		l->key_at[l->depth - 1] = n->at;
		return true;
	}
	if (!add_child(l, parent, n))
		return false;
	if (n->kind == NODE_TEXT || n->kind == NODE_BROKEN)
		l->key[l->depth - 1] = NULL;
	return true;
}

static struct node *new_node(struct loader *l, enum node_kind kind, struct mark at)
{
	struct node *n = tree_alloc(l->tree, sizeof(*n));

	if (!n) {
		l->parse->no_memory = true;
		return NULL;
	}
	*n = (struct node){ .kind = kind, .at = at, .key_at = at };
	return n;
}

static bool on_text(struct loader *l, const yaml_event_t *e)
{
	const char *value = (const char *)e->data.scalar.value;
	size_t len = e->data.scalar.length;
	struct node *n = new_node(l, NODE_TEXT, mark_of(&e->start_mark));
	char *copy = n ? tree_alloc(l->tree, len + 1) : NULL;

	if (!copy) {
		l->parse->no_memory = true;
		return false;
	}
	memcpy(copy, value, len);
	copy[len] = '\0';
	n->text = copy;
	n->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	if (has_control(value, len)) {
		loader_error(l, n->at, "control characters are not allowed in a text");
		n->kind = NODE_BROKEN;
	}
	return attach(l, n);
}

static bool on_open(struct loader *l, enum node_kind kind, const yaml_event_t *e)
{
	struct node *n = new_node(l, kind, mark_of(&e->start_mark));

	if (!n)
		return false;
	if (l->depth == DEPTH_MAX) {
		loader_error(l, n->at, "nested deeper than %d levels", DEPTH_MAX);
		return false;
	}
	if (!attach(l, n))
		return false;
	l->key[l->depth] = NULL;
	l->open[l->depth++] = n;
	return true;
}

static bool on_close(struct loader *l)
{
	if (--l->depth && l->open[l->depth - 1]->kind == NODE_MAP)
		l->key[l->depth - 1] = NULL;
	return true;
}

static bool on_alias(struct loader *l, const yaml_event_t *e)
{
	struct node *n = new_node(l, NODE_BROKEN, mark_of(&e->start_mark));

	if (!n)
		return false;
	loader_error(l, n->at, "aliases are not allowed; write the value out");
	return attach(l, n);
}

static bool on_document(struct loader *l, const yaml_event_t *e)
{
	if (l->documents++ == 0)
		return true;
	loader_error(l, mark_of(&e->start_mark), "a second document; a file holds one");
	return false;
}

/* Anchors and tags are told and otherwise ignored, so that what follows is still checked. */
static void refuse_properties(struct loader *l, const yaml_event_t *e)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;

	if (e->type == YAML_SCALAR_EVENT) {
		anchor = e->data.scalar.anchor;
		tag = e->data.scalar.tag;
	} else if (e->type == YAML_SEQUENCE_START_EVENT) {
		anchor = e->data.sequence_start.anchor;
		tag = e->data.sequence_start.tag;
	} else if (e->type == YAML_MAPPING_START_EVENT) {
		anchor = e->data.mapping_start.anchor;
		tag = e->data.mapping_start.tag;
	}
	if (anchor)
		loader_error(l, mark_of(&e->start_mark), "anchors are not allowed; write the value out");
	if (tag)
		loader_error(l, mark_of(&e->start_mark), "tags are not allowed; write the value alone");
}

static bool on_event(struct loader *l, const yaml_event_t *e)
{
	refuse_properties(l, e);
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		return on_document(l, e);
	case YAML_SCALAR_EVENT:
		return on_text(l, e);
	case YAML_SEQUENCE_START_EVENT:
		return on_open(l, NODE_LIST, e);
	case YAML_MAPPING_START_EVENT:
		return on_open(l, NODE_MAP, e);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_close(l);
	case YAML_ALIAS_EVENT:
		return on_alias(l, e);
	case YAML_STREAM_END_EVENT:
		l->end = true;
		return true;
	default:
		return true;
	}
}

/* The reader tells a byte offset only. */
static struct mark mark_of_offset(const char *text, size_t len, size_t offset)
{
	struct mark m = { 1, 1 };

	for (size_t i = 0; i < len && i < offset; i++) {
		m.column++;
		if (text[i] == '\n')
			m = (struct mark){ m.line + 1, 1 };
	}
	return m;
}

static void syntax_error(struct loader *l, const yaml_parser_t *y, const char *text, size_t len)
{
	struct mark at = mark_of(&y->problem_mark);
	const char *problem = y->problem ? y->problem : "unreadable";

	parse_path_reset(l->parse);
	if (y->error == YAML_MEMORY_ERROR) {
		l->parse->no_memory = true;
		return;
	}
	if (y->error == YAML_READER_ERROR)
		at = mark_of_offset(text, len, y->problem_offset);
	if (y->context)
		parse_error(l->parse, at, "not valid YAML: %s (%s, which began at line %u)", problem,
			    y->context, mark_of(&y->context_mark).line);
	else
		parse_error(l->parse, at, "not valid YAML: %s", problem);
}

bool yaml_read(struct parse *p, const char *text, size_t len, struct tree *t)
{
	struct loader l = { .parse = p, .tree = t };
	yaml_parser_t y;
	bool ok = true;

	*t = (struct tree){ .root = NULL };
	if (!yaml_parser_initialize(&y)) {
		p->no_memory = true;
		return false;
	}
	yaml_parser_set_input_string(&y, (const unsigned char *)text, len);
	while (ok && !l.end) {
		yaml_event_t e;

		ok = yaml_parser_parse(&y, &e);
		if (!ok) {
			syntax_error(&l, &y, text, len);
			break;
		}
		ok = on_event(&l, &e);
		yaml_event_delete(&e);
	}
	yaml_parser_delete(&y);
	parse_path_reset(p);
	return ok;
}
