/* The texts and defaults that the lists of include/jumpvpn promise. */
#include <stddef.h>

#include "jumpvpn/policy.h"
#include "jumpvpn/reason.h"
#include "jumpvpn/state.h"

const struct policy policy_defaults = {
#define X(section, key, KIND, def, least, most) .key = (def),
	POLICY_LIST(X)
#undef X
};

const char *reason_name(unsigned int reason)
{
	static const char *const names[] = {
#define X(num, NAME, name, text) [num] = #name,
		REASON_LIST(X)
#undef X
	};

	return reason < sizeof(names) / sizeof(names[0]) ? names[reason] : NULL;
}

const char *reason_text(unsigned int reason)
{
	static const char *const texts[] = {
#define X(num, NAME, name, text) [num] = text,
		REASON_LIST(X)
#undef X
	};

	return reason < sizeof(texts) / sizeof(texts[0]) ? texts[reason] : NULL;
}

const char *state_name(unsigned int state)
{
	static const char *const names[STATE_COUNT] = {
#define X(NAME, name) #name,
		STATE_LIST(X)
#undef X
	};

	return state < STATE_COUNT ? names[state] : NULL;
}
