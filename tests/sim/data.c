/*
 * I12: ATTACHED means that data, not only control, passed both ways within the bound whenever there was data to pass.
 *
 * What is offered in each second is judged when all of it has had the time to arrive. A second is bad when more of it
 * is missing than the policy calls loss, and than half. In a row, for longer than the bound,
 *   nothing passes while an end says ATTACHED on one path    it claims a path that is dead for data
 *   seconds are bad while it does                            the same of a path that loses most; it may have come back there
 *                                                            for want of a better one, and then is not asked again at once
 *   seconds are bad while another path was usable            nobody took it
 * Pauses and small numbers say nothing, and so does an end that sleeps.
 */
#include "sim/impl.h"

#include <string.h>

#include "report/contract.h"

#define IN_TIME_MS 2000 /* of an inner packet, over what the slowest usable path takes */
#define OFFERED_LEAST 5 /* in a second: fewer are bad only when all are lost */
#define HALF_PPM 500000
#define MARGIN_PPM 100000 /* above the threshold: below it is chance, or the policy's own business */

/* How long an end may claim it at most: contract.h, and what it takes until a second is judged. */
uint64_t sim_data_bound_ms(const struct sim *sim, unsigned int client)
{
	const struct policy *p = &sim->client[client].policy;
	const struct audit_bounds b = {
#define X(key) .key = p->key,
		AUDIT_BOUNDS_LIST(X)
#undef X
	};

	return contract_data_ms(&b) + IN_TIME_MS;
}

#define QUALITY_HOLD_MS 60000 /* at most between coming back and the next verdict of this kind */

static uint64_t lossy_bound_ms(const struct sim *sim, unsigned int client)
{
	return sim_data_bound_ms(sim, client) + 3ull * sim->client[client].policy.loss_window_ms +
	       QUALITY_HOLD_MS;
}

/* And until data flows on another one, when it is usable:
 *
 *   LIMIT_WINDOW_MS + cooldown     the switches of this minute are used up
 *   volatile_to_degraded_ms        no warm path is known yet
 *   2 * heartbeat_volatile_ms      a probe, or its answer, is lost once
 *   2 * recovery_window_ms         a jump that fails for the whole window, and one that does not
 *   failback_after_ms is none of it: what comes of going back begins anew
 */
uint64_t sim_escape_bound_ms(const struct sim *sim, unsigned int client)
{
	const struct policy *p = &sim->client[client].policy;

	return lossy_bound_ms(sim, client) + LIMIT_WINDOW_MS + p->switch_cooldown_ms +
	       p->volatile_to_degraded_ms + 2ull * p->heartbeat_volatile_ms + 2ull * p->recovery_window_ms;
}

/* --- what is offered, and what of it arrives --- */

static uint32_t ms_of(struct jv_time at)
{
	return (uint32_t)(at.us / 1000);
}

void data_offered(struct sim *sim, unsigned int client, enum sim_way way)
{
	struct flow *f = &sim->client[client].flow[way];
	const uint32_t ms = ms_of(sim->now), second = ms / 1000;
	struct tally *t = &f->tally[second % TALLIES];

	if (t->second != second)
		*t = (struct tally){ .second = second };
	t->offered++;
	f->packet[f->told.sent].at_ms = ms;
}

void data_arrived(struct sim *sim, unsigned int client, enum sim_way way, uint32_t seq)
{
	struct flow *f = &sim->client[client].flow[way];
	const uint32_t sent_ms = f->packet[seq].at_ms;
	struct tally *t = &f->tally[sent_ms / 1000 % TALLIES];

	if (t->second == sent_ms / 1000 && ms_of(sim->now) - sent_ms <= IN_TIME_MS)
		t->in_time++;
}

/* --- judged --- */

static void claims_end(struct flow *f)
{
	for (unsigned int i = 0; i < 2; i++)
		f->claim[i].bad = f->claim[i].none = TIME_NEVER;
}

void data_disturbed(struct sim *sim, unsigned int client)
{
	for (unsigned int way = 0; way < 2; way++) {
		sim->client[client].flow[way].bad_since = TIME_NEVER;
		claims_end(&sim->client[client].flow[way]);
	}
}

static bool is_bad(const struct sim *sim, unsigned int client, const struct tally *t)
{
	const uint64_t threshold = sim->client[client].policy.loss_volatile_threshold;
	const uint64_t may = (threshold > HALF_PPM ? threshold : HALF_PPM) + MARGIN_PPM;
	const uint64_t lost = t->offered - t->in_time;

	if (t->offered < OFFERED_LEAST || may >= POLICY_PPM)
		return t->in_time == 0;
	return lost * POLICY_PPM > may * t->offered;
}

static void check_since(struct sim *sim, unsigned int client, enum sim_way way, unsigned int end,
			struct jv_time since, uint64_t bound)
{
	if (!time_is_never(since) && time_since_ms(sim->now, since) > bound)
		sim_violate(
			sim, "I12",
			"%s%u says ATTACHED, and data %s does not pass since %.3f s; %llu ms are the bound",
			end == SIM_SERVER ? "the server of client" : "client", client,
			way == SIM_UP ? "upward" : "downward", (double)since.us / 1e6,
			(unsigned long long)bound);
}

/* Does this end say ATTACHED, on the same path as at the last look, and since when has that been false? */
static void check_claim(struct sim *sim, unsigned int client, enum sim_way way, unsigned int end, bool none)
{
	struct claim *c = &sim->client[client].flow[way].claim[end == SIM_SERVER];
	const struct session *s = sim_session(sim, end, client);

	if (!s || s->state != STATE_ATTACHED) {
		c->bad = c->none = TIME_NEVER;
		return;
	}
	if (c->attached.us != s->since.us || c->path != s->active->number ||
	    memcmp(c->id, s->id, sizeof(s->id)) != 0)
		c->bad = c->none = TIME_NEVER;
	c->attached = s->since;
	c->path = s->active->number;
	memcpy(c->id, s->id, sizeof(s->id));
	c->bad = time_min(c->bad, sim->now);
	c->none = none ? time_min(c->none, sim->now) : TIME_NEVER;
	check_since(sim, client, way, end, c->none, sim_data_bound_ms(sim, client));
	check_since(sim, client, way, end, c->bad, lossy_bound_ms(sim, client));
}

static void check_escape(struct sim *sim, unsigned int client, enum sim_way way, struct jv_time good)
{
	const struct flow *f = &sim->client[client].flow[way];
	const uint64_t bound = sim_escape_bound_ms(sim, client);

	if (!time_is_never(good) && time_since_ms(sim->now, time_max(good, f->bad_since)) > bound)
		sim_violate(
			sim, "I12",
			"data of client%u %s does not pass since %.3f s, with a usable path since %.3f s; %llu ms are "
			"the bound",
			client, way == SIM_UP ? "upward" : "downward", (double)f->bad_since.us / 1e6,
			(double)good.us / 1e6, (unsigned long long)bound);
}

void data_watch(struct sim *sim, unsigned int client, struct jv_time good_since)
{
	const uint32_t second = ms_of(sim->now) / 1000 - IN_TIME_MS / 1000 - 1;

	if (ms_of(sim->now) / 1000 <= IN_TIME_MS / 1000)
		return;
	if (!end_is_awake(sim, client) || !end_is_awake(sim, SIM_SERVER))
		data_disturbed(sim, client);
	for (unsigned int way = 0; way < 2; way++) {
		struct flow *f = &sim->client[client].flow[way];
		const struct tally *t = &f->tally[second % TALLIES];

		if (t->second != second || t->offered == 0 || !is_bad(sim, client, t)) {
			f->bad_since = TIME_NEVER;
			claims_end(f);
			continue;
		}
		f->bad_since = time_min(f->bad_since, sim->now);
		check_claim(sim, client, way, client, t->in_time == 0);
		check_claim(sim, client, way, SIM_SERVER, t->in_time == 0);
		check_escape(sim, client, way, good_since);
	}
}
