#include "session/seen.h"

#include <string.h>

#include "jumpvpn/proto.h"

#define WAYS 4 /* places that one fingerprint may stand in */

void seen_init(struct seen *s, const struct hash_key *key)
{
	memset(s, 0, sizeof(*s));
	s->key = *key;
}

uint64_t seen_print(const struct seen *s, const void *what, size_t len)
{
	const uint64_t print = hash_bytes(&s->key, what, len);

	return print ? print : 1;
}

static void forget(struct seen *s, struct jv_time now)
{
	const uint64_t period = (uint64_t)now.us / (PROTO_COOKIE_SECRET_MS * UINT64_C(1000));

	if (period == s->period)
		return;
	if (period != s->period + 1)
		memset(s->table[s->now], 0, sizeof(s->table[0]));
	s->now ^= 1;
	memset(s->table[s->now], 0, sizeof(s->table[0]));
	s->period = period;
}

static uint64_t *places(struct seen *s, unsigned int table, uint64_t print)
{
	return &s->table[table][print % (SEEN_SLOTS / WAYS) * WAYS];
}

static bool stands_in(struct seen *s, unsigned int table, uint64_t print)
{
	const uint64_t *p = places(s, table, print);

	for (unsigned int i = 0; i < WAYS; i++)
		if (p[i] == print)
			return true;
	return false;
}

bool seen_has(struct seen *s, uint64_t print, struct jv_time now)
{
	forget(s, now);
	return stands_in(s, 0, print) || stands_in(s, 1, print);
}

void seen_add(struct seen *s, uint64_t print, struct jv_time now)
{
	uint64_t *p;
	unsigned int i = 0;

	forget(s, now);
	if (stands_in(s, s->now, print))
		return;
	p = places(s, s->now, print);
	while (i < WAYS && p[i] != 0)
		i++;
	p[i < WAYS ? i : print >> 62] = print;
}
