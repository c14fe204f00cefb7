/* What a reason says about a path, and what it may cost. Pure functions. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "jumpvpn/policy.h"
#include "jumpvpn/proto.h"
#include "jumpvpn/reason.h"

/* the path carries nothing */
bool evidence_is_dead(enum reason evidence);
/* Switches a minute for this evidence; `loss_ppm`: of the path to be left. */
uint32_t evidence_budget(const struct policy *pol, enum reason evidence, uint32_t loss_ppm);
/* The reason of switch_start that goes with this evidence. */
enum reason evidence_reason(enum reason evidence);
/* The path answers, but badly. */
bool evidence_is_quality(enum reason evidence);
