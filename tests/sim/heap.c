#include <stdlib.h>

#include "sim/impl.h"

static bool before(const struct event_item *a, const struct event_item *b)
{
	return a->at.us < b->at.us || (a->at.us == b->at.us && a->order < b->order);
}

void heap_push(struct heap *h, struct event_item item)
{
	size_t i = h->n++;

	if (h->n > h->cap) {
		h->cap = h->cap ? h->cap * 2 : 256;
		h->item = must(realloc(h->item, h->cap * sizeof(*h->item)));
	}
	item.order = h->order++;
	for (; i > 0 && before(&item, &h->item[(i - 1) / 2]); i = (i - 1) / 2)
		h->item[i] = h->item[(i - 1) / 2];
	h->item[i] = item;
}

struct event_item heap_pop(struct heap *h)
{
	const struct event_item top = h->item[0], last = h->item[--h->n];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child + 1 < h->n && before(&h->item[child + 1], &h->item[child]))
			child++;
		if (child >= h->n || !before(&h->item[child], &last))
			break;
		h->item[i] = h->item[child];
		i = child;
	}
	h->item[i] = last;
	return top;
}
