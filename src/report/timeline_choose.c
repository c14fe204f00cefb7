#include "report/timeline_choose.h"

#include <string.h>

static unsigned int weight(const struct tl_episode *e)
{
	return e->state == STATE_TERMINATED ? 4 : e->state != STATE_ATTACHED ? 3 : e->switches > 0 ? 2 : 1;
}

size_t timeline_choose_glasses(const struct timeline *t, struct tl_glass glass[TL_GLASSES])
{
	const int64_t whole = t->to - t->from;
	unsigned int least[TL_GLASSES];
	size_t n = 0;

	for (size_t i = 0; i < t->episodes;) {
		struct tl_glass g = { t->episode[i].from, t->episode[i].to, i, i };
		unsigned int w = 0;
		int64_t margin;
		size_t k = i;

		for (; k < t->episodes && t->episode[k].from <= g.to + whole / 50; k++) {
			g.to = t->episode[k].to > g.to ? t->episode[k].to : g.to;
			g.last = k;
			w += weight(&t->episode[k]);
		}
		i = k;
		if (g.to == g.from)
			continue; /* a mere end */
		margin = (g.to - g.from) / 4 + 2000;
		g.from -= margin;
		g.to += margin;
		if (g.to - g.from > whole / 5)
			continue; /* well seen as it is */
		if (n == TL_GLASSES) {
			size_t worst = 0;

			for (k = 1; k < n; k++)
				if (least[k] < least[worst])
					worst = k;
			if (least[worst] >= w)
				continue;
			memmove(&glass[worst], &glass[worst + 1], (n - worst - 1) * sizeof(g));
			memmove(&least[worst], &least[worst + 1], (n - worst - 1) * sizeof(w));
			n--;
		}
		least[n] = w;
		glass[n++] = g;
	}
	return n;
}

static int64_t span_of(const struct tl_episode *e)
{
	return e->to - e->from;
}

size_t timeline_choose_longest(const struct timeline *t, size_t chosen[TL_TOLD])
{
	size_t n = 0;

	for (size_t i = 0; i < t->episodes; i++) {
		size_t least = 0;

		if (n < TL_TOLD) {
			chosen[n++] = i;
			continue;
		}
		for (size_t k = 1; k < n; k++)
			if (span_of(&t->episode[chosen[k]]) <= span_of(&t->episode[chosen[least]]))
				least = k;
		if (span_of(&t->episode[i]) <= span_of(&t->episode[chosen[least]]))
			continue;
		memmove(chosen + least, chosen + least + 1, (n - least - 1) * sizeof(*chosen));
		chosen[n - 1] = i;
	}
	return n;
}
