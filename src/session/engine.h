/*
 * The engine: all sessions of one worker, server or client side, without a clock, a descriptor or a thread.
 *
 * Everything that happens is an input with the time it happened at; everything the engine wants is handed out
 * through struct engine_io, synchronously. Same inputs, same outputs. One thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "session/counter.h"
#include "session/info.h"
#include "session/io.h"
#include "session/job.h"
#include "session/travel.h"
#include "session/walk.h"

struct engine;

struct engine_setup {
	struct engine_io io;
	void *ctx;
	const struct config *config; /* must outlive the engine or the next engine_configure() */
	uint32_t worker, workers;
	size_t key_cache;  /* expanded keys */
	bool hardware_aes; /* which suite to prefer */
	uint8_t machine[32]; /* server: which machine this is, see reset_key_derive() */
	uint8_t cookie_seed[32]; /* server: random, drawn once for all workers of this run of the daemon */
};

/* NULL without memory. */
struct engine *engine_new(const struct engine_setup *setup, struct jv_time now);
/* Jobs under way must have been given back. Says nothing to anybody: see engine_shutdown(). */
void engine_free(struct engine *e);

/* A datagram from the network, with the ECN bits of its outer header; overwritten. Room for nothing more is
 * needed. */
void engine_datagram(struct engine *e, const struct route *from, uint8_t ecn, uint8_t *datagram, size_t len,
		     struct jv_time now);
/* A run of them side by side: `segment` bytes each, the last may be shorter. The same as one after the other. */
void engine_datagrams(struct engine *e, const struct route *from, uint8_t ecn, uint8_t *run, size_t len,
		      size_t segment, struct jv_time now);
/* Datagrams that are about to be handed in, ENGINE_AHEAD at most, each at least as long as a header: what stands of their
 * sessions is prefetched. Nothing else happens. */
void engine_ahead(const struct engine *e, const uint8_t *const datagram[], size_t n);
/* The worker that an inner packet or a datagram belongs to; our own when it does not matter. */
uint32_t engine_inner_home(const struct engine *e, const uint8_t *packet, size_t len);
/* Longest packet that fits the present path of the session that this one belongs to, if it is ours. */
size_t engine_inner_fits(const struct engine *e, const uint8_t *packet, size_t len);
uint32_t engine_datagram_home(const struct engine *e, const uint8_t *datagram, size_t len);
/* A packet from the tunnel device; may be changed. */
void engine_inner(struct engine *e, uint8_t *packet, size_t len, struct jv_time now);
/* The segments of a super-packet, one after the other. */
void engine_inner_run(struct engine *e, struct inner_run *r, struct jv_time now);
void engine_job_done(struct engine *e, struct job *j, struct jv_time now);
/* Timers. Call it once engine_next() has come, after what the network had waiting was handed in. */
void engine_tick(struct engine *e, struct jv_time now);
struct jv_time engine_next(const struct engine *e);

/*
 * What changes for a server's engine with the next configuration, the memory it wants for that, and how many
 * sessions it may have. Whoever makes it, on any
 * thread, before he changes anything, has nothing left to fail, and the engine's thread nothing to look for: it takes as long
 * as there are changes, however many peers and sessions there are. NULL without memory.
 */
struct engine_peers;
struct engine_peers *engine_peers_new(const struct config *running, const struct config *next, uint32_t worker,
				     uint32_t workers);
void engine_peers_free(struct engine_peers *p);
/* A new snapshot is in force; the old one may be freed when this returns. Takes `peers`, made for `config` after the one in
 * force; NULL for a client. */
void engine_configure(struct engine *e, const struct config *config, struct engine_peers *peers,
		      struct jv_time now);
/*
 * This machine is one of several with the same memory now: every session ends without another packet, for what it sealed
 * would bear nonces that the others use too. Peers learn by RESET; a client connects anew. io->random() must draw from
 * what the others do not have.
 */
void engine_cloned(struct engine *e, struct jv_time now);
/* Tells every peer that its session ends. */
void engine_shutdown(struct engine *e, struct jv_time now);

/* --- client: candidate paths --- */

/* A candidate is configured, and cannot be used now: it is shown with `fault`, and the next session is asked to have
 * room for it. No matter for one that is up. */
void engine_candidate_known(struct engine *e, const struct candidate *c, enum path_fault fault,
			    struct jv_time now);
/* It is configured no more. Down first. */
void engine_candidate_forgotten(struct engine *e, uint8_t number, struct jv_time now);
/* A candidate exists (again), or has other remotes. A path that answers stays on the remote it has. A candidate
 * that goes up and down is taken up CANDIDATE_BURST times in a row, and once in CANDIDATE_SETTLE_MS from then
 * on; the same holds for engine_candidate_moved(). */
void engine_candidate_up(struct engine *e, const struct candidate *c, struct jv_time now);
/* Its link or address is gone: TRANSPORT_DEAD or ADDRESS_CHANGED. */
void engine_candidate_down(struct engine *e, uint8_t number, enum reason why, struct jv_time now);
/* A client's socket told of an error (errno), its own or by ICMP: a hint for who reads the log, and no more, for anybody
 * can forge one. */
void engine_path_error(struct engine *e, uint32_t socket, int error);
/* What the HELLOs under way have brought, whether there is a session or not. False: there are none. */
bool engine_connecting(const struct engine *e, struct session_info *out, struct jv_time now);
/* Its local address changed, but it can still be used. */
void engine_candidate_moved(struct engine *e, uint8_t number, struct jv_time now);

/* Links or addresses have changed: what the server may give is judged anew, and set up. */
void engine_net_again(struct engine *e);

/* --- control --- */

/* Moves the session to candidate path `number` (the active one: from a new local port); answers through
 * io->jump_done() with `token`, perhaps before this returns. */
void engine_jump(struct engine *e, const uint8_t id[PROTO_SESSION_ID_LEN], uint8_t number, uint64_t token,
		 struct jv_time now);
/* False: no such session here. */
bool engine_terminate(struct engine *e, const uint8_t id[PROTO_SESSION_ID_LEN], struct jv_time now);
/* New keys now, not when they are due; once every second at most. False: no such session here. */
bool engine_rekey(struct engine *e, const uint8_t id[PROTO_SESSION_ID_LEN], struct jv_time now);
size_t engine_session_count(const struct engine *e); /* and one for a client that connects */
/* Memory of its sessions: all that stands for them in slabs and tables, in use or not, and their rescue rings. */
uint64_t engine_session_bytes(const struct engine *e);
/* How many sessions are in each state, STATE_COUNT of them. */
const uint32_t *engine_states(const struct engine *e);
/* Client: its session, the one that carries if there are two; or what it does to have one. False at a server. */
bool engine_own(struct engine *e, struct session_info *out, struct jv_time now);
/*
 * The next step of a walk: up to ENGINE_STEP sessions are looked at, and those that `wanted` (NULL: all of them) means are
 * copied out, `max` at most; answers how many. w->done: that was all. Else it goes on with the next call, or ends with
 * walk_stop(). A client without a session shows what it does instead, where all are wanted.
 */
#define ENGINE_STEP 256
size_t engine_walk(struct engine *e, struct walk *w, const char *wanted, struct session_info *out, size_t max,
		   struct jv_time now);
const struct counters *engine_counters(const struct engine *e);
/*
 * More has come than the shell could read, and some of it is lost. For PRESSED_MS a server still answers, but sends no
 * PINGs of its own: their answers might be lost as well.
 */
void engine_pressed(struct engine *e, struct jv_time now);
/* For the shell's own drops. */
void engine_count(struct engine *e, enum counter c, uint64_t n);
/* engine.c: at the beginning of every input. Frees what ended in the one before; and when the clock has leapt over
 * a timer, because the machine slept or the process was stopped, what was due meanwhile comes first. */
void engine_input(struct engine *e, struct jv_time now);
