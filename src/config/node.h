/*
 * The tree of a file: nodes that know where they stood.
 *
 * It is small and plain: no anchors, aliases, tags, duplicate keys, second documents or control
 * characters ever reach it, depth and keys per mapping are bounded, and everything found is reported.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum node_kind {
	NODE_TEXT,
	NODE_LIST,
	NODE_MAP,
	NODE_BROKEN, /* reported already: readers pass over it in silence */
};

struct mark {
	unsigned int line, column; /* from 1; 0: the whole file */
};

struct node {
	enum node_kind kind;
	bool plain; /* a text without quotes: YAML would guess its type */
	struct mark at;
	struct mark key_at; /* in a mapping: of its key; else as `at` */
	const char *key;    /* in a mapping, else NULL */
	const char *text;   /* NODE_TEXT */
	struct node *first; /* of a list or mapping */
	struct node *last;
	struct node *next; /* in the parent */
	size_t count;      /* of children */
};

struct tree {
	struct node *root;
	struct chunk *chunks; /* what the nodes and their texts live in */
};

/* Lives as long as the tree; NULL without memory. */
void *tree_alloc(struct tree *t, size_t size);
void tree_free(struct tree *t);

/* The value of a key in a mapping, or NULL. */
const struct node *node_get(const struct node *map, const char *key);
/* Nothing, "~" or "null" without quotes. */
bool node_is_null(const struct node *n);
/* "a list" and so on, for messages. */
const char *node_kind_name(const struct node *n);
