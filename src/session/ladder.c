/*
 * Where a candidate's next path leads.
 *
 * A path that has answered and died is opened again to the same remote, from a new port: its NAT mapping may be
 * poisoned. One that has not answered is followed by the next remote on the candidate's list, which has both
 * address families in turn. After the last comes the first, and names are looked up again.
 *
 * On the thread of the engine.
 */
#include "session/ladder.h"

#include "session/client_state.h"
#include "session/lead.h"
#include "session/session.h"
#include "session/wheel.h"

void ladder_init(struct client *c)
{
	c->resolved = c->last_hello = c->complained = c->reset = TIME_NEVER;
}

static uint8_t place_of(const struct known_candidate *k, const struct endpoint *remote)
{
	uint8_t i = 0;

	while (i < k->c.remotes && !endpoint_equal(&k->c.remote[i], remote))
		i++;
	return i;
}

bool ladder_has(const struct known_candidate *k, const struct endpoint *remote)
{
	return place_of(k, remote) < k->c.remotes;
}

void ladder_list(struct known_candidate *k, const struct candidate *c)
{
	const struct endpoint before = k->c.remote[k->at];

	k->c = *c;
	k->at = k->exists ? place_of(k, &before) : k->c.remotes;
	if (k->at < k->c.remotes)
		return;
	k->at = 0;
	k->opened = k->answered = false;
	k->barren = 0;
}

/* Does another candidate with the same local end lead there? A second path would share all of its fate. */
static bool is_taken(struct session *s, uint8_t number, const struct endpoint *remote)
{
	const struct client *c = s->engine->client;

	for (uint8_t n = 0; n < PROTO_PATHS_MAX; n++) {
		const struct path *p = n == number ? NULL : session_path_numbered(s, n);

		if (p && c->candidate[n].c.via == c->candidate[number].c.via && lead_goes_to(p, remote))
			return true;
	}
	return false;
}

bool ladder_has_more(const struct known_candidate *k)
{
	return k->barren < k->c.remotes;
}

/* With each round that brought nothing names are looked up; later rounds are told from the first. */
static void count_barren(struct engine *e, struct known_candidate *k, bool barren, struct jv_time now)
{
	const uint8_t count = k->c.remotes;

	if (!barren)
		k->barren = 0;
	else
		k->barren = k->barren < 2 * count ? k->barren + 1 : count + 1;
	if (barren && k->barren % count == 0)
		ladder_resolve(e, k->c.number, now);
}

const struct endpoint *ladder_climb(struct session *s, uint8_t number, struct jv_time now)
{
	struct known_candidate *k = &s->engine->client->candidate[number];
	const uint8_t count = k->c.remotes, first = k->opened && !k->answered ? 1 : 0;

	for (uint8_t i = first; i < count + first; i++) {
		const uint8_t at = (uint8_t)((k->at + i) % count);

		if (is_taken(s, number, &k->c.remote[at]))
			continue;
		count_barren(s->engine, k, first == 1, now);
		k->at = at;
		k->opened = true;
		k->answered = false;
		return &k->c.remote[at];
	}
	return NULL;
}

void ladder_welcomed(struct client *c, uint8_t number, const struct endpoint *remote)
{
	struct known_candidate *k = &c->candidate[number];
	const uint8_t at = place_of(k, remote);

	if (at < k->c.remotes)
		k->at = at;
	ladder_answered(c, number, remote);
}

void ladder_answered(struct client *c, uint8_t number, const struct endpoint *remote)
{
	struct known_candidate *k = &c->candidate[number];

	if (!k->exists || !endpoint_equal(&k->c.remote[k->at], remote))
		return;
	k->opened = k->answered = true;
	k->barren = 0;
}

void ladder_resolve(struct engine *e, uint8_t number, struct jv_time now)
{
	struct client *c = e->client;

	if (!time_is_never(c->resolved) && time_since_ms(now, c->resolved) < PROTO_RESOLVE_MS)
		return;
	c->resolved = now;
	e->io.resolve(e->ctx, number);
}

/* A bucket of CANDIDATE_BURST, one more each CANDIDATE_SETTLE_MS; `settled` is when it is full again. */
bool ladder_settled(struct client *c, struct known_candidate *k, struct jv_time now)
{
	const uint64_t room = (uint64_t)(CANDIDATE_BURST - 1) * CANDIDATE_SETTLE_MS;

	if (time_before(time_add_ms(now, room), k->settled)) {
		timer_start_earlier(&c->engine->wheel, &c->settle,
				    time_add_us(k->settled, -(int64_t)room * 1000));
		return false;
	}
	k->settled = time_add_ms(time_max(now, k->settled), CANDIDATE_SETTLE_MS);
	return true;
}
