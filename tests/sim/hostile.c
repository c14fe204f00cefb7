/* A network that remembers what it carried, and what must not come of it (I10). */
#include "session/admit.h"
#include "session/engine.h"
#include "session/job.h"
#include "session/life.h"
#include "session/session.h"
#include "sim/impl.h"

#include <string.h>

#include "base/hash.h"
#include "proto/carry.h"

/* --- before and after --- */

struct view {
	uint64_t sum;
	int64_t bytes;
	size_t sessions, jobs;
};

static const struct hash_key no_key;

static uint64_t hash_of(const void *data, size_t len)
{
	return hash_bytes(&no_key, data, len);
}

static uint64_t epoch_sum(const struct epoch *e)
{
	const uint64_t *ring = e ? replay_ring(&e->replay) : NULL;

	return (e ? hash_of(e, sizeof(*e)) : 0) ^ (ring ? hash_of(ring, e->replay.window / 8) * 3 : 0);
}

static uint64_t path_sum(const struct path *p)
{
	uint64_t sum = p ? hash_of(p, sizeof(*p)) : 0;

	if (p && p->health)
		sum ^= hash_of(p->health, sizeof(*p->health)) * 7;
	if (p && p->upkeep)
		sum ^= hash_of(p->upkeep, sizeof(*p->upkeep)) * 11;
	if (p && p->upkeep && p->upkeep->pmtu)
		sum ^= hash_of(p->upkeep->pmtu, sizeof(*p->upkeep->pmtu)) * 3;
	if (p && path_trial(p))
		sum ^= hash_of(path_trial(p), sizeof(*path_trial(p))) * 5;
	return sum;
}

/* Of what a session has for a while. */
static uint64_t side_sum(const void *record, size_t len)
{
	return record ? hash_of(record, len) : 0;
}

/* All of a session but what other sessions' timers and list neighbours write into it. */
static uint64_t session_sum(const struct session *s)
{
	static union {
		struct session s;
		uint8_t bytes[sizeof(struct session) + PROTO_SLOTS_MAX * sizeof(struct slot)];
	} copy;
	const size_t len = sizeof(*s) + s->slots * sizeof(s->slot[0]);
	uint64_t sum;

	memcpy(copy.bytes, s, len);
	memset(&copy.s.node, 0, sizeof(copy.s.node));
	memset(&copy.s.timer.node, 0, sizeof(copy.s.timer.node));
	sum = hash_of(copy.bytes, len);
	for (uint8_t i = 0; i < s->slots; i++)
		sum = sum * 31 + path_sum(s->slot[i].path);
	for (int i = 0; i < 2; i++)
		sum ^= epoch_sum(s->keys.epoch[i]) * (3 + 4 * (uint64_t)i);
	sum ^= (s->engine->client ? side_sum(s->jump, sizeof(*s->jump)) : side_sum(s->order, sizeof(*s->order))) * 7;
	sum ^= side_sum(session_rare(s)->lags, sizeof(struct lags)) * 17;
	sum ^= side_sum(session_rare(s)->exchange, sizeof(struct exchange)) * 11;
	sum ^= side_sum(session_rare(s)->passage, sizeof(struct passage)) * 19;
	sum ^= side_sum(session_rare(s)->rebindings, sizeof(struct rebindings)) * 29;
	sum ^= side_sum(s->rare, sizeof(*s->rare)) * 23;
	if (session_rare(s)->flapping)
		sum ^= side_sum(&s->rare->flapping->session,
				sizeof(struct flapping) - offsetof(struct flapping, session)) *
		       13;
	return sum ^ (s->limit.at ? hash_of(s->limit.at, s->limit.cap * sizeof(s->limit.at[0])) * 5 : 0);
}

static struct view view_of(const struct sim_engine *se)
{
	struct view v = { .bytes = mem_bytes(), .sessions = se->e->nsessions, .jobs = admit_jobs(se->e) };
	struct list *pos;

	list_for_each(pos, &se->e->sessions)
		v.sum = v.sum * 31 + session_sum(container_of(pos, struct session, node));
	return v;
}

/* --- what it does --- */

static const char *const names[SIM_ATTACKS] = {
	[SIM_REPLAY] = "replay",   [SIM_REPLAY_ELSEWHERE] = "replay elsewhere",
	[SIM_FLIP] = "flip",       [SIM_TRUNCATE] = "truncate",
	[SIM_REFLECT] = "reflect", [SIM_FORGE] = "forge",
	[SIM_NOISE] = "noise",     [SIM_HELLO] = "HELLO again",
};

/* The datagram goes in, and nothing but a job, counters and limits may come of it. */
static void inject(struct sim *sim, struct sim_engine *se, const struct route *from, const uint8_t *data,
		   size_t len, enum sim_attack attack)
{
	const bool handshake =
		len > 0 && (data[0] == PACKET_HELLO || data[0] == PACKET_WELCOME || data[0] == PACKET_COOKIE);
	struct view before, after;
	int64_t grown;

	/* What is due is due, and a sleeper looks at its clock first. */
	WITH_ENGINE(se, engine_tick(se->e, engine_clock(se)));
	mem_counting(true);
	life_reap(se->e);
	mem_counting(false);
	before = view_of(se);
	memset(&sim->attacked, 0, sizeof(sim->attacked));
	deliver_datagram(sim, se, from, ECN_NOT_ECT, data, len);
	after = view_of(se);
	grown = after.bytes - before.bytes;
	if (handshake && after.jobs == before.jobs + 1)
		grown -= (int64_t)sizeof(struct job) + 64;
	else if (after.jobs != before.jobs)
		grown = 1;
	if (before.sum != after.sum || before.sessions != after.sessions || grown > 0 ||
	    sim->attacked.records || sim->attacked.delivers || sim->attacked.sends)
		sim_violate(
			sim, "I10",
			"%s of a packet of type %02x, %zu bytes: session %s, %lld bytes more, %llu records, %llu "
			"packets sent, %llu delivered",
			names[attack], len > 0 ? data[0] : 0, len,
			before.sum == after.sum ? "as before" : "changed", (long long)grown,
			(unsigned long long)sim->attacked.records, (unsigned long long)sim->attacked.sends,
			(unsigned long long)sim->attacked.delivers);
}

static struct sim_engine *receiver(struct sim *sim, unsigned int client, enum sim_way way,
				   const struct route *from, const uint8_t *data, size_t len)
{
	if (way == SIM_UP)
		return end_is_awake(sim, SIM_SERVER) ? worker_for(sim, from, data, len) : NULL;
	return end_is_awake(sim, client) ? &sim->engine[SIM_WORKERS + client] : NULL;
}

/* Another way in: from a stranger's address to the server, by any socket of the client. */
static struct route elsewhere(struct sim *sim, unsigned int client, enum sim_way way, const struct route *r)
{
	const struct sim_client *c = &sim->client[client];
	struct route out = *r;

	if (way == SIM_UP)
		return stranger_route((unsigned int)prng_next(&sim->rng));
	if (c->sockets > 0)
		out.socket = c->socket[prng_below(&sim->rng, c->sockets)].id;
	out.remote.port ^= 1;
	return out;
}

static bool hello_again(struct sim *sim, unsigned int client)
{
	const struct relic *r = &sim->client[client].hello;
	const struct route from = stranger_route((unsigned int)prng_next(&sim->rng));
	struct sim_engine *se = receiver(sim, client, SIM_UP, &from, r->data, r->len);

	if (r->len == 0 || !se)
		return false;
	inject(sim, se, &from, r->data, r->len, SIM_HELLO);
	return true;
}

/* What is made of the relic in `data`; answers its length. */
static size_t changed(struct sim *sim, const struct relic *r, enum sim_attack attack, uint8_t *data)
{
	size_t len = r->len, i;

	memcpy(data, r->data, len);
	switch (attack) {
	case SIM_FLIP:
		i = prng_below(&sim->rng, len);
		/* Bytes 1..7 of a RESET say nothing, nor does a mac2 that is not asked for: it is the same packet. */
		if (data[0] == PACKET_RESET && i < 8)
			i = 8 + i;
		data[i] ^= (uint8_t)(1u << prng_below(&sim->rng, 8));
		break;
	case SIM_TRUNCATE:
		len = prng_below(&sim->rng, len);
		break;
	case SIM_FORGE:
		data[0] = PACKET_SEALED;
		prng_fill(&sim->rng, data + 1, 7);
		len = 16 + prng_below(&sim->rng, 200);
		prng_fill(&sim->rng, data + 16, len - 16);
		break;
	case SIM_NOISE:
		len = prng_below(&sim->rng, 1400);
		prng_fill(&sim->rng, data, len);
		break;
	default:
		break;
	}
	return len;
}

bool sim_attack(struct sim *sim, unsigned int client, enum sim_way way, enum sim_attack attack, uint64_t pick)
{
	struct sim_client *c = &sim->client[client];
	const unsigned int n = c->relics[way] < RELICS ? c->relics[way] : RELICS;
	static uint8_t data[SIM_DATAGRAM_MAX];
	struct sim_engine *se;
	const struct relic *r;
	struct route from;
	size_t len;

	if (sim->violation.is_one || n == 0)
		return false;
	if (attack == SIM_HELLO)
		return hello_again(sim, client);
	r = &c->relic[way][pick % n];
	/* What its receiver would not take then, it may take now: a late packet is no replay. */
	if ((attack == SIM_REPLAY || attack == SIM_REPLAY_ELSEWHERE) && !r->taken &&
	    r->data[0] == PACKET_SEALED)
		return false;
	len = changed(sim, r, attack, data);
	from = attack == SIM_REPLAY_ELSEWHERE ? elsewhere(sim, client, way, &r->route) : r->route;
	if (attack == SIM_REFLECT) {
		if (c->sockets == 0)
			return false;
		from = way == SIM_UP ? (struct route){ .socket = c->socket[pick % c->sockets].id,
						       .remote = server_endpoint(false) }
				     : stranger_route((unsigned int)pick);
		way = way == SIM_UP ? SIM_DOWN : SIM_UP;
	}
	se = receiver(sim, client, way, &from, data, len);
	if (!se)
		return false;
	sim_trace(sim, SIM_ENDS, "attack on %s: %s, type %02x, %zu bytes",
		  way == SIM_UP ? "the server" : "a client", names[attack], len > 0 ? data[0] : 0, len);
	inject(sim, se, &from, data, len, attack);
	return true;
}
