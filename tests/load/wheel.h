/*
 * One timer for each of many clients, in slots of a millisecond. A client stands in the slot of its time, or in the last
 * one when that is further away, and is then asked again.
 */
#pragma once

#include <stdint.h>
#include <stdlib.h>

#define WHEEL_SLOTS 65536u
#define WHEEL_NONE UINT32_MAX

struct wheel_entry {
	uint32_t next, prev; /* indices; of the first one in a slot, prev is WHEEL_NONE */
	uint32_t due;        /* millisecond of the run; WHEEL_NONE: in no slot */
	uint16_t slot;
};

struct wheel {
	uint32_t head[WHEEL_SLOTS];
	uint32_t now;              /* slots up to here have been emptied */
	struct wheel_entry *entry; /* one for each client */
};

static inline void wheel_stop(struct wheel *w, uint32_t i)
{
	struct wheel_entry *e = &w->entry[i];

	if (e->due == WHEEL_NONE)
		return;
	if (e->prev != WHEEL_NONE)
		w->entry[e->prev].next = e->next;
	else
		w->head[e->slot] = e->next;
	if (e->next != WHEEL_NONE)
		w->entry[e->next].prev = e->prev;
	e->due = WHEEL_NONE;
}

static inline void wheel_start(struct wheel *w, uint32_t i, uint32_t due)
{
	struct wheel_entry *e = &w->entry[i];
	uint32_t at = due > w->now ? due : w->now + 1;

	if (e->due == due)
		return;
	wheel_stop(w, i);
	if (at - w->now >= WHEEL_SLOTS)
		at = w->now + WHEEL_SLOTS - 1;
	e->due = due;
	e->slot = (uint16_t)at;
	e->prev = WHEEL_NONE;
	e->next = w->head[e->slot];
	if (e->next != WHEEL_NONE)
		w->entry[e->next].prev = i;
	w->head[e->slot] = i;
}

/* The next client whose time has come by `now`, or WHEEL_NONE; it is in no slot then. */
static inline uint32_t wheel_next(struct wheel *w, uint32_t now)
{
	while (w->now < now) {
		const uint32_t i = w->head[(w->now + 1) % WHEEL_SLOTS];

		if (i == WHEEL_NONE) {
			w->now++;
			continue;
		}
		const uint32_t due = w->entry[i].due;
		wheel_stop(w, i);
		if (due <= now)
			return i;
		wheel_start(w, i, due); /* it was far away: a slot further on */
	}
	return WHEEL_NONE;
}

static inline void wheel_init(struct wheel *w, struct wheel_entry *entry, uint32_t n)
{
	for (uint32_t i = 0; i < WHEEL_SLOTS; i++)
		w->head[i] = WHEEL_NONE;
	w->now = 0;
	w->entry = entry;
	for (uint32_t i = 0; i < n; i++)
		entry[i].due = WHEEL_NONE;
}
