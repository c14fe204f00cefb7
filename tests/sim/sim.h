/*
 * The simulator: clients and a server of src/session, the links and NAT boxes between them, and what travels
 * inside, in one thread under virtual time.
 *
 * Everything comes from one seed and from the calls below: the same seed and the same calls at the same virtual
 * times give the same bytes (sim_digest() tells). The rules that must always hold (DESIGN section 6 and more, see
 * sim_rules in check.c) are checked at every step; the first violation stops the world, and all calls after it
 * do nothing. No call blocks, and none fails but by a violation; wrong arguments abort.
 *
 * Who drives it: script.c makes set-up and troubles from a seed; others write their own, by sim_at() or by calls
 * between two sim_run().
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "link/link.h"
#include "session/session.h"

#define SIM_CLIENTS 3
#define SIM_WORKERS 2
#define SIM_PATHS 4 /* candidate paths of a client, numbers 0..3 */
#define SIM_DATAGRAM_MAX 1600

/* The ends: clients 0..SIM_CLIENTS-1, and the server, whose workers live and die together. */
#define SIM_SERVER SIM_CLIENTS
#define SIM_ENDS (SIM_CLIENTS + 1)

enum sim_way { SIM_UP, SIM_DOWN }; /* client to server, and back */

struct sim; /* sim.c */

/* --- set-up --- */

struct sim_path_setup {
	struct link_profile link[2]; /* by enum sim_way */
	bool v6;                     /* the outer addresses; else IPv4 */
	bool nat;                    /* a mapping for each socket, with a port of its own choice */
	uint32_t nat_idle_ms; /* a mapping that carried nothing outward for so long is gone; 0: never */
};

/* All optional, called while things happen: they may read, and may use sim_at(), but drive nothing else. */
struct sim_hooks {
	void (*record)(void *ctx, unsigned int end, const struct audit_record *r);
	/* An inner packet of sim_traffic() came out at its end (`way` it travelled), for the first time. */
	void (*inner)(void *ctx, unsigned int client, enum sim_way way, uint32_t seq);
	/* The answer to sim_jump(). */
	void (*jump_done)(void *ctx, unsigned int end, uint64_t token, enum reason why,
			  uint32_t retry_after_ms);
	void *ctx;
};

struct sim_setup {
	uint64_t seed; /* of links, jobs, engines' randomness */
	unsigned int workers, clients, paths;
	struct policy policy[SIM_CLIENTS]; /* as the server has it for each */
	struct sim_path_setup path[SIM_CLIENTS][SIM_PATHS];
	bool hardware_aes[SIM_ENDS];
	uint32_t job_us;            /* what a key agreement takes; each between half and twice of it */
	int64_t clock_us[SIM_ENDS]; /* boot clocks when the world begins */
	struct sim_hooks hooks;
	FILE *trace;          /* a line for each thing that happens; NULL: none */
	bool trace_datagrams; /* and one for each datagram */
};

/* One client with two IPv4 paths of 1 ms round trip and no NAT, one worker, default policy, no trace. */
void sim_setup_default(struct sim_setup *setup, uint64_t seed);

/* The engines run and all candidates are up; no time has passed. */
struct sim *sim_new(const struct sim_setup *setup);
/*
 * Ends the engines as daemons do (engine_shutdown()) and requires that everything opened was closed: sockets,
 * timers, jobs, memory. True: no rule was broken, now or before. `out` (or NULL) gets the first violation.
 */
struct sim_violation {
	bool is_one;
	const char *rule;  /* "I4", "nonce", "liveness" ... */
	struct jv_time at; /* virtual time */
	char text[400];
};
bool sim_free(struct sim *sim, struct sim_violation *out);

/* --- time --- */

/* Since the world began. Engines see clocks of their own: see sim_clock(). */
struct jv_time sim_now(const struct sim *sim);
/* Up to `until` and including it. False: a rule is broken. */
bool sim_run(struct sim *sim, struct jv_time until);
/* Until the question is answered by yes, asked after everything that happened; false when that was not so. */
bool sim_run_until(struct sim *sim, bool (*question)(struct sim *sim, void *arg), void *arg,
		   struct jv_time until);
/* Calls back at that time (or now, when it has passed), in the order of these calls. */
void sim_at(struct sim *sim, struct jv_time at, void (*act)(struct sim *sim, void *arg), void *arg);
/* What an end's clock shows now: `at` of its audit records is by this clock. */
struct jv_time sim_clock(const struct sim *sim, unsigned int end);

/* --- troubles --- */

/* May be changed at any time; what is on its way arrives as it was going to. Its rules (link/link.h) are an actor's,
 * who sits there without keys. */
struct link_profile *sim_link(struct sim *sim, unsigned int client, unsigned int path, enum sim_way way);
/* A candidate as the client's system sees it: its link or address is gone (TRANSPORT_DEAD, ADDRESS_CHANGED) or
 * back. While it is down, nothing leaves or arrives there. */
void sim_candidate_down(struct sim *sim, unsigned int client, unsigned int path, enum reason why);
void sim_candidate_up(struct sim *sim, unsigned int client, unsigned int path);
/* It got another local address, and its sockets can still send. */
void sim_candidate_moved(struct sim *sim, unsigned int client, unsigned int path);
/* All mappings get other ports; the old ones lead nowhere. A path without NAT gets another address. */
void sim_nat_rebind(struct sim *sim, unsigned int client, unsigned int path);
/* The mappings that exist now swallow everything of that way; new sockets get good ones. */
void sim_nat_poison(struct sim *sim, unsigned int client, unsigned int path, enum sim_way way);
/* The end sleeps: what comes for it is lost, its timers and jobs wait, its clock goes on. */
void sim_suspend(struct sim *sim, unsigned int end, uint64_t ms);
/* Its clock leaps ahead, and nothing else happens. */
void sim_clock_leap(struct sim *sim, unsigned int end, uint64_t ms);
/* The process dies and begins anew, with the same keys and nothing else; `kindly`: it tells its peers first. */
void sim_restart(struct sim *sim, unsigned int end, bool kindly);
/* An operator at `end` orders `client`'s session to a path, or ends it. Nothing happens when there is none. */
void sim_jump(struct sim *sim, unsigned int end, unsigned int client, uint8_t path, uint64_t token);
void sim_terminate(struct sim *sim, unsigned int end, unsigned int client);
/* The server's configuration is loaded anew, with this policy for one client. False: it sleeps. */
bool sim_policy(struct sim *sim, unsigned int client, const struct policy *policy);
/* The same, with the client a peer or not. */
bool sim_peer(struct sim *sim, unsigned int client, bool is_peer);

/* --- a hostile network --- */

/* What it can do with a datagram it has recorded; each must change nothing at its receiver but counters. */
enum sim_attack {
	SIM_REPLAY,           /* as it came */
	SIM_REPLAY_ELSEWHERE, /* from another address, or by another path */
	SIM_FLIP,             /* one bit changed */
	SIM_TRUNCATE,
	SIM_REFLECT, /* to the end that sent it */
	SIM_FORGE,   /* its locator with random bytes behind */
	SIM_NOISE,   /* random bytes alone */
	SIM_HELLO,   /* a HELLO of this client again, from a stranger's address: may make a birth */
	SIM_ATTACKS
};

/* Does it to one of the last datagrams of this client in that direction (picked by `pick`), now. False: there
 * is none to do it with. */
bool sim_attack(struct sim *sim, unsigned int client, enum sim_way way, enum sim_attack attack,
		uint64_t pick);
/* From now on the network keeps each datagram of this path back with this chance, up to so long, and delivers
 * it then, unchanged. */
void sim_hold_back(struct sim *sim, unsigned int client, unsigned int path, uint32_t ppm, uint32_t up_to_ms);

/* --- inner traffic --- */

struct sim_flow {
	uint32_t sent, got, lost; /* packets; lost: sent, and later ones have arrived */
	struct jv_time last_got;
	int64_t gap_us;        /* the longest time between two arrivals since sim_traffic() */
	struct jv_time gap_at; /* and when it began */
};

/* Numbered packets of `len` bytes (48..1420) every `interval_us` from now on; 0: none any more. Resets gap_us. */
void sim_traffic(struct sim *sim, unsigned int client, enum sim_way way, int64_t interval_us, size_t len);
const struct sim_flow *sim_flow(const struct sim *sim, unsigned int client, enum sim_way way);

/* --- what there is --- */

/* The session that carries data at that end, or NULL; good until time passes. The server's is of its client's. */
const struct session *sim_session(const struct sim *sim, unsigned int end, unsigned int client);
/* Both ends ATTACHED to the same session on the same path, and no jump under way. */
bool sim_is_attached(const struct sim *sim, unsigned int client);
uint64_t sim_count(const struct sim *sim, unsigned int end, enum counter c); /* since it (re)started */
/*
 * How long it may take at most until a client is attached at both ends and its inner packets flow, when from now
 * on at least one of its paths is usable (both ways, little loss) and nothing else happens to it. The derivation
 * is in live.c.
 */
uint64_t sim_liveness_bound_ms(const struct sim *sim, unsigned int client);
/*
 * How long an end may say ATTACHED at most though data, offered all the time, does not pass (I12); and how long it may
 * take until it passes on another path that is usable. The derivation is in data.c.
 */
uint64_t sim_data_bound_ms(const struct sim *sim, unsigned int client);
uint64_t sim_escape_bound_ms(const struct sim *sim, unsigned int client);
/* Reports a broken rule of the caller's, as the simulator does its own. */
void sim_violate(struct sim *sim, const char *rule, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Of everything any engine has handed out so far. */
uint64_t sim_digest(const struct sim *sim);
/* A line in the trace: time, who, and what the format says. */
void sim_trace(const struct sim *sim, unsigned int end, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
