/* YAML text to a tree. The only door to libyaml. */
#pragma once

#include "config/parse.h"

/* True when the text could be read to its end; a tree with errors can still be looked at for more. */
bool yaml_read(struct parse *p, const char *text, size_t len, struct tree *t);
