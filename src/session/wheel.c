/*
 * The wheel reads a tick as six digits of six bits. A timer sits on the level of the highest digit in
 * which its tick differs from now, in the slot of that digit: so the lowest occupied level always holds
 * the next event, and all slots lie ahead of now without wrapping. Only the top level wraps; a timer
 * beyond its span is placed again each time its slot there comes round.
 *
 * On the thread of its owner.
 */
#include "session/wheel.h"

#define DIGIT_BITS 6
#define DIGIT_MASK (WHEEL_SLOTS - 1u)
#define TOP (WHEEL_LEVELS - 1u)
#define NO_TICK UINT64_MAX

void wheel_init(struct wheel *w, struct jv_time now)
{
	w->now = wheel_floor(now);
	for (unsigned int l = 0; l < WHEEL_LEVELS; l++) {
		w->occupied[l] = 0;
		for (unsigned int s = 0; s < WHEEL_SLOTS; s++)
			list_init(&w->slot[l][s]);
	}
	list_init(&w->due);
}

void timer_init(struct timer *t, void (*fire)(struct timer *t, struct jv_time now))
{
	list_init(&t->node);
	t->tick = 0;
	t->fire = fire;
}

/* Puts a timer that is in no list where its tick belongs. */
static void place(struct wheel *w, struct timer *t)
{
	uint64_t differs = t->tick ^ w->now;
	unsigned int level, slot;

	if (t->tick <= w->now) {
		list_append(&w->due, &t->node);
		return;
	}
	level = (63u - (unsigned int)__builtin_clzll(differs)) / DIGIT_BITS;
	if (level > TOP)
		level = TOP;
	slot = t->tick >> (level * DIGIT_BITS) & DIGIT_MASK;
	list_append(&w->slot[level][slot], &t->node);
	w->occupied[level] |= UINT64_C(1) << slot;
}

struct jv_time timer_due(const struct timer *t)
{
	return timer_is_running(t) ? wheel_time(t->tick) : TIME_NEVER;
}

void timer_stop(struct wheel *w, struct timer *t)
{
	struct list *next = t->node.next;
	bool last = next == t->node.prev; /* then `next` is the head of its list */
	uintptr_t offset = (uintptr_t)next - (uintptr_t)&w->slot[0][0];

	list_remove(&t->node);
	if (last && offset < sizeof(w->slot)) {
		size_t index = offset / sizeof(struct list);

		w->occupied[index / WHEEL_SLOTS] &= ~(UINT64_C(1) << index % WHEEL_SLOTS);
	}
}

void timer_start(struct wheel *w, struct timer *t, struct jv_time at)
{
	timer_stop(w, t);
	if (time_is_never(at))
		return;
	t->tick = wheel_ceil(at);
	place(w, t);
}

void timer_start_earlier(struct wheel *w, struct timer *t, struct jv_time at)
{
	if (time_is_never(at))
		return;
	if (!timer_is_running(t) || wheel_ceil(at) < t->tick)
		timer_start(w, t, at);
}

/* The first tick at which a slot must be opened, and which slot; NO_TICK when all are empty. */
static uint64_t next_slot(const struct wheel *w, unsigned int *level, unsigned int *slot)
{
	uint64_t digit = w->now >> (TOP * DIGIT_BITS);
	unsigned int turn = (digit + 1) & DIGIT_MASK;
	uint64_t turned;

	for (unsigned int l = 0; l < TOP; l++) {
		unsigned int shift = l * DIGIT_BITS;

		if (w->occupied[l] == 0)
			continue;
		*level = l;
		*slot = (unsigned int)__builtin_ctzll(w->occupied[l]);
		return ((w->now >> shift & ~(uint64_t)DIGIT_MASK) | *slot) << shift;
	}
	if (w->occupied[TOP] == 0)
		return NO_TICK;
	turned = turn == 0 ? w->occupied[TOP] : w->occupied[TOP] >> turn | w->occupied[TOP] << (64 - turn);
	digit += 1 + (unsigned int)__builtin_ctzll(turned);
	*level = TOP;
	*slot = digit & DIGIT_MASK;
	return digit << (TOP * DIGIT_BITS);
}

/* Opens a slot whose tick is now: its timers are due or move down. */
static void open_slot(struct wheel *w, unsigned int level, unsigned int slot)
{
	struct list moved;

	list_init(&moved);
	list_splice(&moved, &w->slot[level][slot]);
	w->occupied[level] &= ~(UINT64_C(1) << slot);
	while (!list_is_empty(&moved)) {
		struct timer *t = container_of(moved.next, struct timer, node);

		list_remove(&t->node);
		place(w, t);
	}
}

unsigned int wheel_expire(struct wheel *w, struct jv_time now)
{
	uint64_t target = wheel_floor(now);
	unsigned int fired = 0;
	unsigned int level, slot;
	struct list run;
	uint64_t tick;

	while ((tick = next_slot(w, &level, &slot)) <= target) {
		w->now = tick;
		open_slot(w, level, slot);
	}
	if (target > w->now)
		w->now = target;
	/* What callbacks start in the past goes to w->due and waits for the next call. */
	list_init(&run);
	list_splice(&run, &w->due);
	while (!list_is_empty(&run)) {
		struct timer *t = container_of(run.next, struct timer, node);

		list_remove(&t->node);
		t->fire(t, now);
		fired++;
	}
	return fired;
}

struct jv_time wheel_next(const struct wheel *w)
{
	unsigned int level, slot;
	uint64_t tick = list_is_empty(&w->due) ? next_slot(w, &level, &slot) : w->now;

	if (tick == NO_TICK)
		return TIME_NEVER;
	return wheel_time(tick);
}
