/*
 * Longest-prefix match from an address to a number, for "who owns this inner address".
 *
 * Built once, then read-only, so any number of threads may look up. One hash probe per distinct
 * prefix length that is present (one, when all peers have host addresses): O(1) in the number of entries. IPv4 hosts, which
 * most entries are, have a table of their own with eight of them in a cache line.
 */
#pragma once

#include "base/addr.h"

struct lpm;

#define LPM_NONE UINT32_MAX

/* With room for so many IPv4 hosts; it grows. NULL without memory. */
struct lpm *lpm_new(size_t expected);
/* 0, -EEXIST when this very prefix is in already (*other, if given, gets its number), -ENOMEM. */
int lpm_add(struct lpm *l, const struct prefix *p, uint32_t value, uint32_t *other);
/* The number of the longest prefix that holds `ip`, or LPM_NONE. */
uint32_t lpm_find(const struct lpm *l, const struct ip *ip);
/* The same among the prefixes that are no default: 0.0.0.0/0 and ::/0 say of no address where it is. */
uint32_t lpm_find_special(const struct lpm *l, const struct ip *ip);
/* Each number below `n` becomes to[number]. Before anybody else looks up. */
void lpm_renumber(struct lpm *l, const uint32_t *to, uint32_t n);
void lpm_free(struct lpm *l);
