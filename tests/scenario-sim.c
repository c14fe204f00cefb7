/*
 * Runs scenario files in the simulator: exact bounds, under virtual time, from many seeds.
 *
 *     scenario-sim [-n SEEDS] [-s SEED] [-t] [-v] FILE...
 *
 * One line a file, and for each check that fails the seed, the bound and what was measured; -v: all checks of the first seed; -t: the
 * simulator's trace on stderr. Exit 1 when anything failed.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scenario/scenario.h"
#include "session/path.h"
#include "sim/sim.h"

#define WARM_UP_MS 20000
#define FAILURES_SHOWN 3
#define LINGER_MS 1500 /* for what is under way when the probes end */

struct run {
	const struct scn *s;
	struct sim *sim;
	struct scn_outcome o;
	struct jv_time start; /* time 0 */
	struct policy policy; /* as last reloaded */
	struct prng rng;
	bool started;
};

struct act {
	struct run *run;
	const struct scn_event *e;
};

/* --- what happens --- */

static void on_record(void *ctx, unsigned int end, const struct audit_record *r)
{
	struct run *run = ctx;
	struct scn_record s = { .end = end == SIM_SERVER ? SCN_SERVER : SCN_CLIENT,
				.event = r->event,
				.to = r->to,
				.reason = r->reason,
				.path = r->path_to };

	if (!run->sim)
		return;
	s.at_us = run->started ? time_diff_us(sim_now(run->sim), run->start) : -1;
	if (s.at_us > run->s->end_us)
		return;
	memcpy(s.session_id, r->session_id, sizeof(s.session_id));
	scn_record_add(&run->o, s);
}

static void set_link(struct run *run, const struct scn_event *e, uint8_t path)
{
	char error[PROFILE_ERROR_MAX];

	for (unsigned int way = SIM_UP; way <= SIM_DOWN; way++) {
		struct link_profile *p = sim_link(run->sim, 0, path, (enum sim_way)way);

		if (!(e->ways & (way == SIM_UP ? SCN_UP : SCN_DOWN)))
			continue;
		if (e->clear)
			*p = run->s->path[path].profile;
		else
			profile_parse(p, e->words, error);
	}
}

/* To a path: what has befallen the wire it uses. */
static void wire_event(struct run *run, const struct scn_event *e, uint8_t path)
{
	const bool v6 = run->s->path[path].v6;

	if (e->op == SCN_OP_LINK)
		set_link(run, e, path);
	else if (e->on)
		sim_candidate_up(run->sim, 0, path);
	else if (e->op != SCN_OP_ADDR)
		sim_candidate_down(run->sim, 0, path, REASON_TRANSPORT_DEAD);
	else if (v6 ? e->v6 : e->v4)
		sim_candidate_down(run->sim, 0, path, REASON_ADDRESS_CHANGED);
}

static unsigned int end_of(const struct scn_event *e)
{
	return e->end == SCN_SERVER ? SIM_SERVER : 0;
}

static void restart_now(struct sim *sim, void *arg)
{
	const struct act *a = arg;

	sim_restart(sim, end_of(a->e), false);
}

static void restart(struct act *a)
{
	if (a->e->lasts_us == 0) {
		sim_restart(a->run->sim, end_of(a->e), false);
		return;
	}
	/* Who is not there hears nothing and says nothing, as one who sleeps; then it is another one. */
	sim_suspend(a->run->sim, end_of(a->e), (uint64_t)a->e->lasts_us / 1000 + 1);
	sim_at(a->run->sim, time_add_us(a->run->start, a->e->at_us + a->e->lasts_us), restart_now, a);
}

static void flood_one(struct sim *sim, void *arg)
{
	static const enum sim_attack forged[] = { SIM_FLIP, SIM_TRUNCATE, SIM_FORGE, SIM_NOISE, SIM_REFLECT };
	static const enum sim_attack replayed[] = { SIM_REPLAY, SIM_REPLAY_ELSEWHERE };
	const struct act *a = arg;
	const uint64_t pick = prng_next(&a->run->rng);

	sim_attack(sim, 0, pick & 1 ? SIM_UP : SIM_DOWN,
		   a->e->op == SCN_OP_FORGE ? forged[(pick >> 8) % 5] : replayed[(pick >> 8) % 2],
		   pick >> 16);
}

static void flood(struct act *a)
{
	const int64_t step = 1000000 / a->e->per_s;

	for (int64_t us = 0; us < a->e->lasts_us; us += step)
		sim_at(a->run->sim, time_add_us(a->run->start, a->e->at_us + us), flood_one, a);
}

static void reload(struct run *run, const struct scn_event *e)
{
	memcpy((char *)&run->policy + e->policy_at, &e->policy_value, sizeof(e->policy_value));
	sim_policy(run->sim, 0, &run->policy);
}

static void happen(struct sim *sim, void *arg)
{
	struct act *a = arg;
	const struct scn_event *e = a->e;
	const struct scn *s = a->run->s;

	switch (e->op) {
	case SCN_OP_LINK:
	case SCN_OP_CARRIER:
	case SCN_OP_INTERFACE:
	case SCN_OP_ADDR:
		for (uint8_t i = 0; i < s->paths; i++)
			if (s->path[i].wire == s->path[e->path].wire)
				wire_event(a->run, e, i);
		break;
	case SCN_OP_NAT:
		if (e->on) {
			sim_nat_poison(sim, 0, e->path, SIM_UP);
			sim_nat_poison(sim, 0, e->path, SIM_DOWN);
		} else {
			sim_nat_rebind(sim, 0, e->path);
		}
		break;
	case SCN_OP_JUMP:
		sim_jump(sim, 0, 0, e->path, 1 + (uint64_t)(e - s->event));
		break;
	case SCN_OP_TERMINATE:
		sim_terminate(sim, end_of(e), 0);
		break;
	case SCN_OP_RELOAD:
		reload(a->run, e);
		break;
	case SCN_OP_RESTART:
		restart(a);
		break;
	case SCN_OP_SUSPEND:
		sim_suspend(sim, end_of(e), (uint64_t)e->lasts_us / 1000);
		break;
	case SCN_OP_REPLAY:
	case SCN_OP_FORGE:
		flood(a);
		break;
	case SCN_OPS:
		break;
	}
}

/* --- a run --- */

static bool is_warm(struct sim *sim, void *arg)
{
	const struct run *run = arg;
	const struct session *s = sim_session(sim, 0, 0);

	if (!s || !sim_is_attached(sim, 0))
		return false;
	for (uint8_t i = 0; i < run->s->paths; i++) {
		bool warm = run->s->path[i].profile.blackhole;

		for (uint8_t k = 0; k < s->slots && !warm; k++)
			warm = s->slot[k].path->number == i &&
			       (s->slot[k].path == s->active || path_is_warm(s->slot[k].path, s->policy));
		if (!warm)
			return false;
	}
	return true;
}

static void set_up(struct run *run, struct sim_setup *setup, uint64_t seed, FILE *trace)
{
	sim_setup_default(setup, seed);
	setup->paths = run->s->paths;
	setup->policy[0] = run->policy = run->s->policy;
	for (uint8_t i = 0; i < run->s->paths; i++)
		setup->path[0][i] = (struct sim_path_setup){
			.link = { run->s->path[i].profile, run->s->path[i].profile },
			.v6 = run->s->path[i].v6,
			.nat = run->s->path[i].nat,
		};
	setup->hooks.record = on_record;
	setup->hooks.ctx = run;
	setup->trace = trace;
}

static void take_flow(struct run *run, enum sim_way way, struct jv_time end)
{
	const struct sim_flow *f = sim_flow(run->sim, 0, way);
	const int64_t silent = time_diff_us(end, f->last_got); /* when it never came back */
	const int64_t gap = silent > f->gap_us ? silent : f->gap_us;

	run->o.gap_us = gap > run->o.gap_us ? gap : run->o.gap_us;
}

static void count_flow(struct run *run, enum sim_way way)
{
	const struct sim_flow *f = sim_flow(run->sim, 0, way);

	run->o.sent += f->sent;
	run->o.came_back += f->got;
}

static void probes(struct run *run, int64_t every_us)
{
	for (unsigned int way = SIM_UP; way <= SIM_DOWN; way++)
		sim_traffic(run->sim, 0, (enum sim_way)way, every_us,
			    run->s->probe_size < 48 ? 48 : run->s->probe_size);
}

/* False: a rule of the simulator was broken. */
static bool play(struct run *run, struct act *acts)
{
	const struct scn *s = run->s;
	struct jv_time end;

	if (!sim_run_until(run->sim, is_warm, run, time_add_ms(sim_now(run->sim), WARM_UP_MS))) {
		sim_violate(run->sim, "scenario", "not attached and warm within %d ms", WARM_UP_MS);
		return false;
	}
	if (s->probe_every_us)
		probes(run, s->probe_every_us);
	sim_run(run->sim, time_add_ms(sim_now(run->sim), 100));
	run->start = sim_now(run->sim);
	run->started = true;
	end = time_add_us(run->start, s->end_us);
	for (size_t i = 0; i < s->events; i++) {
		acts[i] = (struct act){ run, &s->event[i] };
		sim_at(run->sim, time_add_us(run->start, s->event[i].at_us), happen, &acts[i]);
	}
	if (!sim_run(run->sim, end) || !s->probe_every_us)
		return true;
	take_flow(run, SIM_UP, end);
	take_flow(run, SIM_DOWN, end);
	probes(run, 0);
	sim_run(run->sim, time_add_ms(end, LINGER_MS));
	count_flow(run, SIM_UP);
	count_flow(run, SIM_DOWN);
	return true;
}

/* How many checks failed; `verdict` has them. */
static size_t run_seed(const struct scn *s, uint64_t seed, FILE *trace, struct scn_verdict *verdict)
{
	static struct act acts[SCN_EVENTS];
	struct run run = { .s = s, .rng = { seed } };
	struct sim_violation violation;
	struct sim_setup setup;
	size_t bad;

	set_up(&run, &setup, seed, trace);
	run.sim = sim_new(&setup);
	play(&run, acts);
	bad = scn_judge(s, &run.o, 1, verdict);
	free(run.o.record);
	if (!sim_free(run.sim, &violation)) {
		printf("    FAIL  rule %s broken at %.3f s: %s\n", violation.rule,
		       (double)violation.at.us / 1e6, violation.text);
		bad++;
	}
	return bad;
}

static bool run_file(const char *file, uint64_t seed, uint64_t seeds, FILE *trace, bool verbose)
{
	static struct scn_verdict verdict[SCN_CHECKS];
	static struct scn s;
	char error[SCN_ERROR];
	uint64_t bad = 0;

	if (!scn_read(&s, file, SCN_SIM, error)) {
		printf("  FAIL  %s\n", error);
		return false;
	}
	if (!(s.runners & SCN_SIM))
		return true;
	for (uint64_t i = seed; i < seed + seeds; i++) {
		const size_t n = run_seed(&s, i, trace, verdict);

		if (n > 0 && bad < FAILURES_SHOWN)
			printf("    seed %llu:\n", (unsigned long long)i);
		if ((n > 0 && bad < FAILURES_SHOWN) || (verbose && i == seed))
			scn_print(stdout, verdict, s.checks, verbose);
		bad += n > 0;
	}
	printf("  %-4s  %s (%llu of %llu seeds)\n", bad ? "FAIL" : "ok",
	       strrchr(file, '/') ? strrchr(file, '/') + 1 : file, (unsigned long long)(seeds - bad),
	       (unsigned long long)seeds);
	return bad == 0;
}

int main(int argc, char **argv)
{
	uint64_t seed = 1, seeds = 10;
	unsigned int passed = 0, failed = 0;
	bool verbose = false;
	FILE *trace = NULL;
	int c;

	while ((c = getopt(argc, argv, "n:s:tv")) != -1) {
		switch (c) {
		case 'n':
			seeds = strtoull(optarg, NULL, 10);
			break;
		case 's':
			seed = strtoull(optarg, NULL, 10), seeds = 1;
			break;
		case 't':
			trace = stderr;
			break;
		case 'v':
			verbose = true;
			break;
		default:
			fprintf(stderr, "usage: %s [-n SEEDS] [-s SEED] [-t] [-v] FILE...\n", argv[0]);
			return 2;
		}
	}
	for (int i = optind; i < argc; i++)
		if (run_file(argv[i], seed, seeds, trace, verbose))
			passed++;
		else
			failed++;
	printf("%u passed, %u failed\n", passed, failed);
	return failed > 0;
}
