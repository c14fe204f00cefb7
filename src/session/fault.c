/*
 * The words for why a candidate path cannot be used.
 *
 * Any thread.
 */
#include "session/fault.h"

#include <stddef.h>

const char *path_fault_text(enum path_fault f)
{
	static const char *const text[] = {
#define X(NAME, text) [FAULT_##NAME] = text,
		PATH_FAULT_LIST(X)
#undef X
	};

	return (unsigned int)f < FAULTS ? text[f] : NULL;
}
