/*
 * How much was sent lately to each receiver, to decide whose datagrams are dropped when a socket is full.
 *
 * Receivers stand for sessions, a bucket for those whose hash is the same. The past is counted in bytes, not in
 * time: what was offered counts half after each SHARE_WINDOW bytes of everybody's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define SHARE_BUCKETS 256 /* a power of two */
#define SHARE_WINDOW (1u << 20)

struct share { /* all zero at first */
	uint32_t offered[SHARE_BUCKETS];
	uint32_t total;
	uint32_t active; /* buckets that are not 0 */
};

void share_offer(struct share *s, const struct endpoint *to, uint32_t bytes);
/*
 * Has it offered more than its part, were there one receiver more than there are? So one that is alone has, and so
 * have all that offer the same; one that says little beside another that says much has not.
 */
bool share_exceeded(const struct share *s, const struct endpoint *to);
