/*
 * Names and texts of the counters, from their one list.
 *
 * Any thread.
 */
#include "session/counter.h"

#include <stddef.h>

const char *counter_name(unsigned int counter)
{
	static const char *const names[COUNTER_COUNT] = {
#define X(NAME, name, text) #name,
		COUNTER_LIST(X)
#undef X
	};

	return counter < COUNTER_COUNT ? names[counter] : NULL;
}

const char *counter_text(unsigned int counter)
{
	static const char *const texts[COUNTER_COUNT] = {
#define X(NAME, name, text) text,
		COUNTER_LIST(X)
#undef X
	};

	return counter < COUNTER_COUNT ? texts[counter] : NULL;
}
