/*
 * The policies that the sessions of an engine are under: each is kept once, however many sessions it holds for, for as long
 * as one of them is under it. A million sessions have a handful of policies.
 */
#pragma once

#include <stdbool.h>

#include "base/slab.h"
#include "jumpvpn/policy.h"

struct table;

struct policies {
	struct table *by_hash; /* -> struct held, the first of those with this hash */
	struct slab held;
};

/* For at most so many different ones. False without memory. */
bool policies_init(struct policies *p, size_t most);
void policies_free(struct policies *p);
/* The one that is equal to `policy`, held once more; it does not change. NULL: no memory. */
const struct policy *policies_take(struct policies *p, const struct policy *policy);
/* Held once less. NULL is none. */
void policies_drop(struct policies *p, const struct policy *policy);
