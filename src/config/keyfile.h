#pragma once

#include "config/parse.h"

/* Reads a key file into `out`; a missing one is a note where notes are taken, and `out` stays zero. */
bool keyfile_read(struct parse *p, const struct key *k, const struct node *n, const char *file, uint8_t out[32]);
