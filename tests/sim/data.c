/*
 * I12: ATTACHED means that data, not only control, passed both ways within the bound whenever there was data to pass.
 *
 * What is offered in each second is judged when all of it has had the time to arrive. A second is bad when more of it
 * is missing than the policy calls loss, and than half. Bad seconds in a row, for longer than the bound,
 *   while an end said ATTACHED on one path all the time      it claims a path that is dead for data
 *   while another path was usable all the time               nobody took it
 * Pauses and small numbers say nothing, and so does an end that sleeps.
 */
#include "sim/impl.h"

#include <string.h>

#define IN_TIME_MS 2000 /* of an inner packet, over what the slowest usable path takes */
#define OFFERED_LEAST 5 /* in a second: fewer are bad only when all are lost */
#define HALF_PPM 500000
#define MARGIN_PPM 100000 /* above the threshold: below it is chance, or the policy's own business */

/* How long an end may go on claiming it, each part once:
 *
 *   2 * heartbeat_idle_ms          the end that learns nothing asks, where data flows one way only
 *   3 * loss_window_ms             one window is open when it begins, the next shows it, a PONG ends that
 *   drops * heartbeat_interval_ms  or its PINGs are lost as well
 *   QUALITY_HOLD_MS                it has come back for want of a better path, and is not asked again at once
 *   IN_TIME_MS, REST_MS            what is judged is over; round trips, ticks
 */
#define QUALITY_HOLD_MS 60000
#define REST_MS 5000

uint64_t sim_data_bound_ms(const struct sim *sim, unsigned int client)
{
	const struct policy *p = &sim->client[client].policy;
	uint64_t drops =
		p->max_consecutive_drops > PATH_DROPS_MAX ? p->max_consecutive_drops : PATH_DROPS_MAX;

	return 2ull * p->heartbeat_idle_ms + 3ull * p->loss_window_ms + drops * p->heartbeat_interval_ms +
	       QUALITY_HOLD_MS + IN_TIME_MS + REST_MS;
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

	return sim_data_bound_ms(sim, client) + LIMIT_WINDOW_MS + p->switch_cooldown_ms +
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
		f->claim[i].since = TIME_NEVER;
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

/* Does this end say ATTACHED, as it did at the last look, and since when has that been false? */
static void check_claim(struct sim *sim, unsigned int client, enum sim_way way, unsigned int end)
{
	struct flow *f = &sim->client[client].flow[way];
	const struct session *s = sim_session(sim, end, client);
	const unsigned int i = end == SIM_SERVER;
	const uint64_t bound = sim_data_bound_ms(sim, client);

	if (!s || s->state != STATE_ATTACHED) {
		f->claim[i].since = TIME_NEVER;
		return;
	}
	if (time_is_never(f->claim[i].since) || f->claim[i].attached.us != s->since.us ||
	    f->claim[i].path != s->active->number || memcmp(f->claim[i].id, s->id, sizeof(s->id)) != 0) {
		f->claim[i].since = sim->now;
		f->claim[i].attached = s->since;
		f->claim[i].path = s->active->number;
		memcpy(f->claim[i].id, s->id, sizeof(s->id));
	}
	if (time_since_ms(sim->now, f->claim[i].since) > bound)
		sim_violate(
			sim, "I12",
			"%s says ATTACHED on path %u of client%u, and data %s does not pass since %.3f s; %llu ms "
			"are the bound",
			i ? "the server" : "it", s->active->number, client,
			way == SIM_UP ? "upward" : "downward", (double)f->claim[i].since.us / 1e6,
			(unsigned long long)bound);
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
		check_claim(sim, client, way, client);
		check_claim(sim, client, way, SIM_SERVER);
		check_escape(sim, client, way, good_since);
	}
}
