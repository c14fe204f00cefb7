/* Walks the tree of a file along a table of the schema. */
#pragma once

#include "config/parse.h"

/* Walks a mapping by a table; tells unknown keys, keys of the other role, and missing ones. */
void read_map(struct parse *p, const struct key_table *t, void *base, const struct node *map);
/* Writes the defaults of a table. */
void read_defaults(struct parse *p, const struct key_table *t, void *base);
