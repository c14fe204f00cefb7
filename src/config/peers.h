#pragma once

#include "config/parse.h"

/* All peers, of the main file and of peers_dir, and the checks among them. */
void peers_read(struct parse *p, const struct node *root);
/* Gives peers without lists of their own the server's. */
void peers_inherit(struct config *c);
/* 0 or -ENOMEM. When push.routes is not set, it becomes the networks of tunnel.addresses. */
int peers_push_default(struct config *c);
/* peers[i] becomes peers[to[i]], for all that go by the index, too. 0; or -ENOMEM, and nothing has changed. */
int peers_reorder(struct config *c, const uint32_t *to);
