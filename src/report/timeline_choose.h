/* Which of many episodes are shown. */
#pragma once

#include "report/timeline_model.h"

enum { TL_GLASSES = 3, TL_TOLD = 14 };

struct tl_glass { /* a moment that is drawn once more, larger */
	int64_t from, to;
	size_t first, last; /* episodes */
};

/* Episodes close to one another are seen together; the weightiest come under the glasses, in order of time. */
size_t timeline_choose_glasses(const struct timeline *t, struct tl_glass glass[TL_GLASSES]);
/* The longest of too many, in order of time; how many. */
size_t timeline_choose_longest(const struct timeline *t, size_t chosen[TL_TOLD]);
