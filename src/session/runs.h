/*
 * Do runs of datagrams die where single ones pass? Some kernels spoil what they are given in one piece, and nothing says
 * so. A PING always goes by itself. So where loss of what we sent is proven, and none of the last PINGs was lost, the
 * path's datagrams are sent singly; the windows that follow tell whether that was it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

struct path;
struct policy;

#define RUNS_PINGS 4        /* answered in a row */
#define RUNS_WINDOWS 2      /* of loss for as long as datagrams go singly: it was not that */
#define RUNS_AGAIN_MS 600000 /* then it is not suspected again before */

/* A loss window of the path has ended. */
void runs_judge(struct path *p, const struct policy *policy, struct jv_time now);
