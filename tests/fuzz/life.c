/*
 * Years of two peers: what is ordered, what is in flight and what is due meet in every order.
 *
 * Every byte is an act at some moment: new keys, jumps, ends, reloads with peers that change, leave and come back, workers
 * that begin anew, links that fail, narrow and change their addresses, key agreements that take long, frames that are
 * lost, and memory that is refused. The second peer has gone mad: it says anything under its valid keys. Held throughout:
 *   - a reload leaves the session of a peer that stays as it is;
 *   - nothing that the second peer says changes the first one's session;
 *   - when the links are well again, all who have not gone mad are attached within two minutes, under the same keys;
 *   - no transition that the rows do not have, and audit records that keep the contract.
 */
#include "session/engine.h"
#include "session/send.h"
#include "snapshot.h"

#include "proto/packet.h"

#define ACTS_MAX 64
#define GOOD 0
#define MAD 1
#define WELL_MS 120000

struct life {
	struct world *w;
	struct config *all; /* with every peer, to make the next one of */
	uint32_t policies;
	bool mad;
};

/* The linker puts this before calloc(), for target and engines. */
static unsigned int refuse;
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *__wrap_calloc(size_t n, size_t size)
{
	if (refuse > 0 && --refuse == 0)
		return NULL;
	return __real_calloc(n, size);
}

static void drop_peer(struct config *c, size_t i)
{
	free(c->peers[i].addresses);
	free(c->peers[i].routes);
	free(c->peers[i].dns);
	c->peers[i] = c->peers[--c->npeers];
}

/* Who is in the next configuration, in which order, under which policy. */
static void act_reload(struct life *l, struct input *in)
{
	const uint8_t what = input_byte(in), value = input_byte(in);
	struct world *w = l->w;
	struct config *next;
	struct snapshot before[2];

	l->all->generation = w->config->generation;
	if (what & 4) {
		struct config_peer *p = &l->all->peers[what & 8 ? MAD : GOOD];

		p->generation = ++l->policies + 1;
		p->policy.drain_ms = 100 + value * 20u;
		p->policy.rekey_after_ms = 60000 + value * 1000u;
	}
	next = make_config_next(l->all);
	if (what & 0x10) {
		const struct config_peer first = next->peers[0];

		next->peers[0] = next->peers[1];
		next->peers[1] = first;
	}
	if (what & 2)
		drop_peer(next, 1);
	if (what & 1)
		drop_peer(next, 0);
	for (unsigned int i = 0; i < 2; i++)
		before[i] = snapshot(world_peer(w, i));
	refuse = 0; /* without memory for its tables an engine cannot take a configuration, and aborts */
	world_reload(w, next);
	for (unsigned int i = 0; i < 2; i++) {
		const struct session *s = world_peer(w, i);

		if (s && what & 4) /* that alone is new, and the client is told */
			before[i].policy_generation = s->policy_generation;
		if (config_find_peer(next, w->client[i].config.public_key) >= 0)
			HOLDS(same(&before[i], s));
	}
}

static void act_link(struct world *w, struct input *in)
{
	const uint8_t what = input_byte(in), value = input_byte(in);
	struct world_client *c = &w->client[what & 1];
	const uint8_t path = what >> 1 & 1;
	struct world_link *k = &c->link[path];

	switch (what >> 2 & 7) {
	case 0:
		k->cut_up = value & 1;
		k->cut_down = value & 2;
		break;
	case 1:
		k->nat = (uint16_t)((k->nat + 1) % 5);
		break;
	case 2:
		k->loss_ppm = value * 2000u;
		break;
	case 3:
		k->jitter_us = value * 1000u;
		k->twice_ppm = value * 1000u;
		break;
	case 4: /* path MTU: all that is longer is lost */
		k->hole_up = value & 1 ? 1000 + value * 2u : 0;
		k->hole_down = value & 2 ? 1000 + value * 2u : 0;
		break;
	case 5:
		engine_candidate_moved(world_client_engine(w, what & 1), path, w->now);
		break;
	case 6:
		engine_candidate_down(world_client_engine(w, what & 1), path, REASON_TRANSPORT_DEAD, w->now);
		break;
	default:
		world_candidate(w, what & 1, path);
	}
}

static void act_order(struct world *w, struct input *in)
{
	const uint8_t what = input_byte(in), value = input_byte(in);
	const unsigned int who = what & 1;
	struct session *s = what & 2 ? world_peer(w, who) : world_session(w, who);

	switch (what >> 2 & 3) {
	case 0:
	case 1:
		if (s)
			engine_rekey(s->engine, s->id, w->now);
		break;
	case 2:
		if (s)
			engine_jump(s->engine, s->id, value & 1, 1, w->now);
		break;
	default:
		if (s && value < 64) {
			engine_terminate(s->engine, s->id, w->now);
		} else if (value < 96) {
			refuse = 0; /* nor does one begin */
			world_restart(w, value & 1);
		}
	}
}

/* Full packets now and then, which is what finds a path's MTU. */
static void act_traffic(struct world *w, struct input *in)
{
	static const char *const inner[] = { "10.8.0.2", "10.8.0.3" };
	const uint8_t what = input_byte(in);
	const unsigned int who = what & 1;
	uint8_t packet[PROTO_MTU_MAX];
	const size_t len = 28 + (size_t)(what >> 3) * 44;

	if (what & 4)
		world_traffic(w, what & 2 ? &w->client[who].up : &w->client[who].down, 20000 + what * 1000,
			      true);
	else if (what & 2)
		world_inner(w, WORLD_WORKERS + who, packet,
			    world_packet(packet, len, inner[who], "10.8.0.1"));
	else
		world_inner(w, 0, packet, world_packet(packet, len, "10.8.0.1", inner[who]));
}

/* Any bytes as frames, from the second client, at once. */
static void act_mad(struct life *l, struct input *in)
{
	struct world *w = l->w;
	struct session *s = world_session(w, MAD);
	const struct snapshot good = snapshot(world_peer(w, GOOD));
	const uint8_t slot = input_byte(in);
	const size_t flying = w->flight.n, recorded = w->record.n;
	const uint8_t *data;
	const size_t len = input_bytes(in, false, &data);
	struct control_packet c;
	struct path *p;

	if (!s || s->state == STATE_TERMINATED || s->state == STATE_BIRTH || !s->active)
		return;
	p = s->slot[slot % s->slots].path;
	if (!p || !path_is_known(p) || !session_issued(s, p->slot))
		p = s->active;
	l->mad = true;
	send_begin(&c);
	write_bytes(&c.w, data, len);
	if (!c.w.error)
		send_control(&c, p, NULL, w->now);
	while (w->record.n > recorded) {
		const struct datagram d = w->record.list[--w->record.n];

		if (d.up && d.client == MAD)
			world_inject_up(w, &d.route, d.data, d.len);
	}
	w->flight.n = flying;
	HOLDS(same(&good, world_peer(w, GOOD)));
}

static void act(struct life *l, struct input *in)
{
	const uint8_t what = input_byte(in);
	struct world *w = l->w;

	switch (what & 7) {
	case 0:
	case 1: /* a moment to some minutes: the steps grow */
		world_run(w, (uint64_t)(what >> 3) * (what >> 3) * (what & 1 ? 100 : 1) + 1);
		break;
	case 2:
		act_reload(l, in);
		break;
	case 3:
		act_link(w, in);
		break;
	case 4:
		act_order(w, in);
		break;
	case 5:
		act_traffic(w, in);
		break;
	case 6:
		act_mad(l, in);
		break;
	default:
		if (what & 8)
			world_swallow_frame(w, what & 0x10, FRAME_BIT(input_byte(in) % 24), 1 + (what >> 5));
		else if (what & 0x10)
			w->job_us = (int64_t)input_byte(in) * 10000;
		else
			refuse = 1 + (what >> 5);
	}
}

/* All is well again, but for the second peer, who may have said what ends a session for good. */
static void heal(struct life *l)
{
	struct input all = { (const uint8_t[]){ 0, 0 }, 2 };
	struct world *w = l->w;

	refuse = 0;
	w->job_us = 100;
	world_swallow_frame(w, true, 0, 0);
	act_reload(l, &all);
	for (unsigned int i = 0; i < 2; i++) {
		for (uint8_t n = 0; n < w->paths; n++) {
			w->client[i].link[n] =
				(struct world_link){ .delay_us = 500, .nat = w->client[i].link[n].nat };
			world_candidate(w, i, n);
		}
	}
	world_run(w, WELL_MS);
}

static bool is_well(struct world *w, unsigned int who)
{
	const struct session *c = world_session(w, who), *s = world_peer(w, who);

	return c && s && c->state == STATE_ATTACHED && s->state == STATE_ATTACHED &&
	       memcmp(c->id, s->id, sizeof(c->id)) == 0 && c->keys.tx_epoch == s->keys.tx_epoch;
}

/* New keys that are due just now may be under way. */
static void becomes_well(struct world *w, unsigned int who)
{
	for (int i = 0; i < 50 && !is_well(w, who); i++)
		world_run(w, 100);
	HOLDS(is_well(w, who));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct life l = { .w = world_new(2, 2) };
	struct world *w = l.w;

	w->paths = 2;
	w->recording = RECORD_SENT;
	world_start(w);
	l.all = make_config_next(w->config);
	if (input_byte(&in) & 1)
		HOLDS(world_until(w, world_all_attached, 10000));
	for (int i = 0; in.left > 0 && i < ACTS_MAX; i++)
		act(&l, &in);
	heal(&l);
	becomes_well(w, GOOD);
	if (!l.mad)
		becomes_well(w, MAD);
	for (unsigned int e = 0; e < WORLD_ENGINES; e++)
		HOLDS(!w->engine[e].e || world_count(w, e, COUNT_ILLEGAL_TRANSITION) == 0);
	make_owners(l.all);
	make_config_free(l.all);
	world_free(w);
	return 0;
}
