#pragma once

#include "config/parse.h"

/* All peers, of the main file and of peers_dir, and the checks among them. */
void peers_read(struct parse *p, const struct node *root);
/* Gives peers without lists of their own the server's. */
void peers_inherit(struct config *c);
/* 0 or -ENOMEM. When push.routes is not set, it becomes the networks of tunnel.addresses. */
int peers_push_default(struct config *c);
