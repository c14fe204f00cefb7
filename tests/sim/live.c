/*
 * What must come to pass: sessions attach, packets flow, and nobody believes in a dead path. Looked at four times
 * a second.
 */
#include "session/path.h"
#include "sim/impl.h"

/* Every trouble that may be in the way of a client with a usable path ends by itself, one after the other at worst:
 *
 *   heartbeat_idle_ms              an idle client asks for the last time before the path was usable, and not again
 *   drops * heartbeat_interval_ms  the path it believes in is dead by the slow clock (one-way death)
 *   volatile_to_degraded_ms        no warm path is known yet
 *   LIMIT_WINDOW_MS + cooldown     the switches of this minute are used up
 *   2 * heartbeat_volatile_ms      a probe, or its answer, is lost once
 *   2 * recovery_window_ms         a jump that fails for the whole window, and one that does not
 *   handshake_timeout_ms           or the session is gone: births of before are in the way
 *   (candidates + 2) * HELLO_MS    HELLOs go over the candidates in turn, at the longest back-off, and twice more
 *   transport_lost_ttl_ms          where the server grants fewer paths than there are and the wrong ones are open, the
 *                                  session ends first
 *   REST_MS                        key agreements, round trips, ticks
 */
#define HELLO_MS PROTO_HELLO_RETRY_MAX_MS
#define REST_MS 5000
#define FALSE_MS 1000

#define LOSS_USABLE_PPM 20000
#define DELAY_USABLE_US 600000
#define RATE_USABLE 256000

uint64_t sim_liveness_bound_ms(const struct sim *sim, unsigned int client)
{
	const struct policy *p = &sim->client[client].policy;
	const struct session *s = sim_session(sim, client, client);
	uint64_t ttl = sim->client[client].waited_ttl_ms;

	/* A session that makes no transition lives under the policy of before. */
	if (s && s->policy->transport_lost_ttl_ms > ttl)
		ttl = s->policy->transport_lost_ttl_ms;
	if (p->transport_lost_ttl_ms > ttl)
		ttl = p->transport_lost_ttl_ms;
	return p->heartbeat_idle_ms + (uint64_t)p->max_consecutive_drops * p->heartbeat_interval_ms +
	       p->volatile_to_degraded_ms + LIMIT_WINDOW_MS + p->switch_cooldown_ms +
	       2ull * p->heartbeat_volatile_ms + 2ull * p->recovery_window_ms + p->handshake_timeout_ms +
	       (sim->setup.paths + 2ull) * HELLO_MS + ttl + REST_MS;
}

static bool profile_is_usable(const struct link_profile *l)
{
	return !l->blackhole && l->loss_ppm <= LOSS_USABLE_PPM && l->burst_ppm == 0 &&
	       l->delay_us + l->jitter_us <= DELAY_USABLE_US &&
	       (l->rate_bps == 0 || l->rate_bps >= RATE_USABLE) && l->mtu == 0 && l->rules == 0;
}

bool path_is_usable(const struct sim *sim, unsigned int client, unsigned int path)
{
	const struct sim_path *p = &sim->client[client].path[path];

	return p->up && p->hold_ppm == 0 && profile_is_usable(&p->link[SIM_UP].profile) &&
	       profile_is_usable(&p->link[SIM_DOWN].profile) && sim->client[client].is_peer &&
	       end_is_awake(sim, client) && end_is_awake(sim, SIM_SERVER) &&
	       (!p->setup.nat || p->setup.nat_idle_ms == 0 ||
		p->setup.nat_idle_ms > 2 * sim->client[client].policy.heartbeat_idle_ms);
}

void live_disturbed(struct sim *sim, unsigned int end)
{
	for (unsigned int i = 0; i < sim->setup.clients; i++)
		for (unsigned int n = 0; n < sim->setup.paths; n++)
			if (end == SIM_SERVER || end == i) {
				sim->client[i].path[n].good_since = TIME_NEVER;
				data_disturbed(sim, i);
			}
}

/* Since when the longest usable of its paths has been so; TIME_NEVER: there is none. */
static struct jv_time good_since(struct sim *sim, unsigned int client)
{
	struct jv_time since = TIME_NEVER;

	for (unsigned int n = 0; n < sim->setup.paths; n++) {
		struct sim_path *p = &sim->client[client].path[n];

		if (!path_is_usable(sim, client, n))
			p->good_since = TIME_NEVER;
		else if (time_is_never(p->good_since))
			p->good_since = sim->now;
		since = time_min(since, p->good_since);
	}
	return since;
}

static void too_late(struct sim *sim, unsigned int client, struct jv_time good, struct jv_time since,
		     const char *rule, const char *what)
{
	const uint64_t bound = sim_liveness_bound_ms(sim, client);

	if (time_is_never(good) || time_is_never(since) ||
	    time_since_ms(sim->now, time_max(good, since)) <= bound)
		return;
	sim_violate(sim, rule,
		    "client%u: %s since %.3f s, with a usable path since %.3f s; %llu ms are the bound",
		    client, what, (double)since.us / 1e6, (double)good.us / 1e6, (unsigned long long)bound);
}

/* ATTACHED means that the peer has answered: not on a path that is dead for longer than it takes to see that. */
static void check_false(struct sim *sim, unsigned int client)
{
	const struct session *s = sim_session(sim, client, client);
	const struct policy *pol = s ? s->policy : NULL;
	const struct sim_path *p;
	int64_t patience, may, drops;

	if (!s || s->state != STATE_ATTACHED)
		return;
	p = &sim->client[client].path[s->active->number];
	if (time_is_never(p->dead_since) || !end_is_awake(sim, client))
		return;
	patience = path_patience_us(s->active);
	/* A lossy path is asked more often before it is given up. */
	drops = pol->max_consecutive_drops > PATH_DROPS_MAX ? pol->max_consecutive_drops : PATH_DROPS_MAX;
	may = (int64_t)pol->heartbeat_idle_ms * 1000 + 2 * patience + FALSE_MS * 1000;
	may += drops * (patience > (int64_t)pol->heartbeat_interval_ms * 1000
				? patience
				: (int64_t)pol->heartbeat_interval_ms * 1000);
	if (time_diff_us(sim_clock(sim, client), s->since) > may &&
	    time_diff_us(sim->now, p->dead_since) > may &&
	    time_diff_us(sim->now, sim->end[client].leapt) > may)
		sim_violate(sim, "false", "client%u is ATTACHED on path %u, which is dead since %.3f s",
			    client, s->active->number, (double)p->dead_since.us / 1e6);
}

static void watch_client(struct sim *sim, unsigned int client)
{
	struct sim_client *c = &sim->client[client];
	const struct jv_time good = good_since(sim, client);
	const struct session *s = sim_session(sim, client, client);

	if (sim_is_attached(sim, client))
		c->waited_ttl_ms = 0;
	else if (s && s->policy->transport_lost_ttl_ms > c->waited_ttl_ms)
		c->waited_ttl_ms = s->policy->transport_lost_ttl_ms;
	if (sim_is_attached(sim, client))
		c->apart_since = TIME_NEVER;
	else if (time_is_never(c->apart_since))
		c->apart_since = sim->now;
	for (unsigned int n = 0; n < sim->setup.paths; n++) {
		struct sim_path *p = &c->path[n];
		const struct link_profile *up = &p->link[SIM_UP].profile, *down = &p->link[SIM_DOWN].profile;

		if (!up->blackhole && !down->blackhole)
			p->dead_since = TIME_NEVER;
		else if (time_is_never(p->dead_since))
			p->dead_since = time_add_us(sim->now, up->delay_us + up->jitter_us + down->delay_us +
								      down->jitter_us);
	}
	too_late(sim, client, good, c->apart_since, "liveness", "not attached");
	too_late(sim, client, good, c->flow[SIM_UP].waits_since, "flow", "nothing arrives upward");
	too_late(sim, client, good, c->flow[SIM_DOWN].waits_since, "flow", "nothing arrives downward");
	check_false(sim, client);
	data_watch(sim, client, good);
}

void live_watch(struct sim *sim)
{
	for (unsigned int i = 0; i < sim->setup.clients && !sim->ending; i++)
		watch_client(sim, i);
}
